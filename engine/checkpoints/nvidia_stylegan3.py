"""The configuration of NVIDIA's StyleGAN3 Generator, read from its modules, whose every number must follow from it."""

from typing import Any

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer_stylegan3 import infer_stylegan3
from wplus.checkpoints.numpy_stubs import Array
from wplus.checkpoints.nvidia_checks import (
    check_dense,
    check_mapping,
    common_clamp,
    expect,
    is_number,
    lr_multiplier_of,
    need_class,
)
from wplus.checkpoints.nvidia_pickle import Module
from wplus.checkpoints.pickle_machine import shown
from wplus.config import StyleGAN3Config
from wplus.config.stylegan3 import LayerPlan
from wplus.errors import CheckpointError, UnsupportedError

_FAMILY = "StyleGAN3"

# Arguments of the synthesis that set up filters and sizes; the modules' own attributes show all others that matter.
_HIDDEN_ARGUMENTS = ("first_stopband", "last_stopband_rel")
_SHOWN_ARGUMENTS = frozenset(
    {"w_dim", "img_resolution", "img_channels", "channel_base", "channel_max", "num_layers", "num_critical"}
    | {"first_cutoff", "margin_size", "output_scale", "num_fp16_res", "conv_kernel", "filter_size"}
    | {"lrelu_upsampling", "use_radial_filters", "conv_clamp", "magnitude_ema_beta"}
)


def is_stylegan3(generator: Module) -> bool:
    """Whether the generator's synthesis begins with Fourier features."""
    synthesis = generator.modules().get("synthesis")
    return synthesis is not None and "SynthesisInput" in {part.class_name for part in synthesis.modules().values()}


def config_of(generator: Module, tensors: Tensors) -> StyleGAN3Config:
    """The configuration of a Generator whose state-dict tensors are given.

    Raises:
        CheckpointError: the file contradicts itself or lacks a part.
        UnsupportedError: the network has an option that StyleGAN3 as drawn here does not know.
    """
    parts = generator.modules()
    synthesis, mapping = parts["synthesis"], parts["mapping"]
    layers = {name: module for name, module in synthesis.modules().items() if name != "input"}
    for name, layer in layers.items():
        need_class(f"synthesis.{name}", layer, "SynthesisLayer", family=_FAMILY)
    hidden = _hidden_options(synthesis, layers) | {"lr_multiplier": lr_multiplier_of(mapping)}
    config = infer_stylegan3(tensors, hidden)
    plans = {plan.name: plan for plan in config.layers}
    if list(layers) != list(plans):
        raise UnsupportedError(f"The layers are {', '.join(layers)}; StyleGAN3's plan is {', '.join(plans)}.")
    expect(synthesis, "synthesis", num_layers=config.num_layers, layer_names=list(plans))
    for name, plan in plans.items():
        _check_layer(f"synthesis.{name}", layers[name], plan, tensors)
    _check_input(synthesis, config, tensors)
    check_mapping(mapping, tensors, config, family=_FAMILY)
    for name in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_ws"):
        said, found = generator.state.get(name), getattr(config, name)
        if said != found:
            raise CheckpointError(f"The generator says {name} = {shown(said)}; its tensors say {found}.")
    return config


def _hidden_options(synthesis: Module, layers: dict[str, Module]) -> dict[str, Any]:
    """What no tensor shows, from the modules' attributes."""
    arguments = synthesis.state.get("_init_kwargs")
    if not isinstance(arguments, dict) or synthesis.state.get("_init_args") not in ((), []):
        raise CheckpointError("The synthesis lacks its _init_kwargs, or has arguments without a name.")
    if unknown := sorted(map(shown, arguments.keys() - _SHOWN_ARGUMENTS - set(_HIDDEN_ARGUMENTS))):
        raise UnsupportedError(f"The synthesis was made with arguments that {_FAMILY} lacks: {', '.join(unknown)}.")
    if not layers:
        raise CheckpointError("The synthesis has no layers.")
    first = next(iter(layers.values()))
    options: dict[str, Any] = {name: arguments[name] for name in _HIDDEN_ARGUMENTS if name in arguments}
    for name in ("img_resolution", "num_critical", "margin_size", "output_scale"):
        options[name] = _number(synthesis, "synthesis", name)
    options["first_cutoff"] = _number(first, "the first layer", "in_cutoff")
    up, taps = (int(_number(first, "the first layer", name)) for name in ("up_factor", "up_taps"))
    options["filter_size"] = taps // max(up, 1)
    options["lrelu_upsampling"] = up
    options["conv_clamp"] = common_clamp({f"synthesis.{name}": layer for name, layer in layers.items()})
    return options


def _number(module: Module, path: str, name: str) -> Any:
    value = module.state.get(name)
    if not is_number(value):
        raise CheckpointError(f"{path} has {name} = {shown(value)}; a number is needed.")
    return value


def _check_layer(path: str, layer: Module, plan: LayerPlan, tensors: Tensors) -> None:
    expect(
        layer,
        path,
        is_torgb=plan.is_torgb,
        is_critically_sampled=plan.is_critically_sampled,
        in_channels=plan.in_channels,
        out_channels=plan.out_channels,
        in_sampling_rate=plan.in_sampling_rate,
        out_sampling_rate=plan.out_sampling_rate,
        tmp_sampling_rate=plan.in_sampling_rate * plan.up,
        in_cutoff=plan.in_cutoff,
        out_cutoff=plan.out_cutoff,
        in_half_width=plan.in_half_width,
        out_half_width=plan.out_half_width,
        conv_kernel=plan.conv_kernel,
        up_factor=plan.up,
        up_taps=plan.up_taps,
        down_factor=plan.down,
        down_taps=plan.down_taps,
        down_radial=plan.is_radial,
        padding=[*plan.padding, *plan.padding],
    )
    _expect_size(layer, path, "in_size", plan.in_size)
    _expect_size(layer, path, "out_size", plan.out_size)
    _check_affine(layer, path, tensors)


def _check_input(synthesis: Module, config: StyleGAN3Config, tensors: Tensors) -> None:
    features, path, first = synthesis.modules()["input"], "synthesis.input", config.layers[0]
    need_class(path, features, "SynthesisInput", family=_FAMILY)
    expect(
        features,
        path,
        channels=first.in_channels,
        sampling_rate=first.in_sampling_rate,
        bandwidth=first.in_cutoff,
    )
    _expect_size(features, path, "size", first.in_size)
    _check_affine(features, path, tensors)


def _check_affine(module: Module, path: str, tensors: Tensors) -> None:
    if list(module.modules()) != ["affine"]:
        raise UnsupportedError(f"{path} has the parts {', '.join(module.modules())}; {_FAMILY} has affine there.")
    affine = module.modules()["affine"]
    check_dense(f"{path}.affine", affine, tensors, activation="linear", lr_multiplier=1, family=_FAMILY)


def _expect_size(module: Module, path: str, name: str, wanted: int) -> None:
    value = module.state.get(name)
    sides = value.value.tolist() if isinstance(value, Array) and value.value is not None else value
    if sides != [wanted, wanted]:
        raise UnsupportedError(f"{path} has {name} = {shown(sides)}; only {[wanted, wanted]} is supported there.")
