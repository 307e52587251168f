"""The configuration of NVIDIA's StyleGAN2 Generator, read from its modules' own attributes and its tensors.

Whatever would change the picture and is not what StyleGAN2 does is refused by name.
"""

import math
from collections.abc import Iterator
from typing import Any, TypeGuard

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer import infer_stylegan2, shape_of
from wplus.checkpoints.nvidia_pickle import Module
from wplus.checkpoints.pickle_machine import shown
from wplus.config import StyleGAN2Config
from wplus.errors import CheckpointError, UnsupportedError

_CLASSES = {
    "conv0": "SynthesisLayer",
    "conv1": "SynthesisLayer",
    "torgb": "ToRGBLayer",
    "skip": "Conv2dLayer",
    "affine": "FullyConnectedLayer",
}


def config_of(generator: Module, tensors: Tensors) -> StyleGAN2Config:
    """The configuration of a Generator whose state-dict tensors are given.

    Raises:
        CheckpointError: the file contradicts itself or lacks a part.
        UnsupportedError: the network has an option that StyleGAN2 as drawn here does not know.
    """
    parts = generator.modules()
    layers = dict(_layers(parts["synthesis"]))
    config = infer_stylegan2(
        tensors,
        conv_clamp=_common_clamp({p: m for p, m in layers.items() if m.class_name in ("SynthesisLayer", "ToRGBLayer")}),
        lr_multiplier=_lr_multiplier(parts["mapping"]),
    )
    for path, layer in layers.items():
        _check_layer(path, layer, tensors)
    _check_mapping(parts["mapping"], tensors, config)
    _check_filters(tensors)
    for name in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_ws"):
        said, found = generator.state.get(name), getattr(config, name)
        if said != found:
            raise CheckpointError(f"The generator says {name} = {shown(said)}; its tensors say {found}.")
    for name, block in parts["synthesis"].modules().items():
        _expect(block, f"synthesis.{name}", architecture=config.architecture)
    return config


def _layers(synthesis: Module) -> Iterator[tuple[str, Module]]:
    """Every layer of every block by path, affine layers included; a part of an unknown class is refused."""
    for name, block in synthesis.modules().items():
        _need_class(f"synthesis.{name}", block, "SynthesisBlock")
        for kind, layer in block.modules().items():
            path = f"synthesis.{name}.{kind}"
            _need_class(path, layer, _CLASSES.get(kind))
            yield path, layer
            for inner, affine in layer.modules().items():
                _need_class(f"{path}.{inner}", affine, _CLASSES.get(inner))
                yield f"{path}.{inner}", affine


def _check_layer(path: str, layer: Module, tensors: Tensors) -> None:
    if layer.class_name == "FullyConnectedLayer":
        _check_dense(path, layer, tensors, activation="linear", lr_multiplier=1)
        return
    up = 2 if path.endswith((".conv0", ".skip")) else 1
    _, inputs, height, width = shape_of(tensors, f"{path}.weight", 4)
    kernel = 3 if layer.class_name == "SynthesisLayer" else 1
    if height != kernel or width != kernel:
        raise UnsupportedError(f"{path} has a {height}×{width} kernel; StyleGAN2 has {kernel}×{kernel} there.")
    if layer.class_name == "SynthesisLayer":
        use_noise = f"{path}.noise_strength" in tensors
        _expect(layer, path, activation="lrelu", up=up, act_gain=math.sqrt(2), use_noise=use_noise)
    elif layer.class_name == "ToRGBLayer":
        _expect(layer, path, weight_gain=1 / math.sqrt(inputs))
    else:
        gain = 1 / math.sqrt(inputs)
        _expect(layer, path, activation="linear", up=up, down=1, conv_clamp=None, act_gain=1, weight_gain=gain)


def _check_dense(path: str, layer: Module, tensors: Tensors, *, activation: str, lr_multiplier: float) -> None:
    _need_class(path, layer, "FullyConnectedLayer")
    gain = lr_multiplier / math.sqrt(shape_of(tensors, f"{path}.weight", 2)[1])
    _expect(layer, path, activation=activation, weight_gain=gain, bias_gain=lr_multiplier)


def _check_mapping(mapping: Module, tensors: Tensors, config: StyleGAN2Config) -> None:
    _expect(mapping, "mapping", num_layers=config.num_mapping_layers)
    for name, layer in mapping.modules().items():
        if name == "embed":
            _check_dense("mapping.embed", layer, tensors, activation="linear", lr_multiplier=1)
        else:
            lr = config.lr_multiplier
            _check_dense(f"mapping.{name}", layer, tensors, activation="lrelu", lr_multiplier=lr)


def _check_filters(tensors: Tensors) -> None:
    for name, tensor in tensors.items():
        if name.endswith(".resample_filter") and tensor.shape != (4, 4):
            raise UnsupportedError(f"{name} is {list(tensor.shape)}; only filters of [4, 4] are supported.")


def _lr_multiplier(mapping: Module) -> float:
    first = mapping.modules().get("fc0")
    value = first.state.get("bias_gain") if first is not None else None
    if not _is_number(value) or not 0 < value < math.inf:
        raise CheckpointError(
            f"mapping.fc0 has bias_gain = {shown(value)}; its learning-rate multiplier is needed there."
        )
    return float(value)


def _common_clamp(layers: dict[str, Module]) -> float | None:
    """The one conv_clamp of all layers. The two repositories differ in its default, so only the attribute counts."""
    clamp: float | None = None
    for index, (path, layer) in enumerate(layers.items()):
        value = layer.state.get("conv_clamp")
        if value is not None and (not _is_number(value) or not 0 < value < math.inf):
            raise CheckpointError(f"{path} has conv_clamp = {shown(value)}; a positive number or None is needed.")
        if index and value != clamp:
            raise UnsupportedError(f"{path} has conv_clamp = {shown(value)}, others {clamp}; one for all is supported.")
        clamp = value
    return None if clamp is None else float(clamp)


def _need_class(path: str, module: Module, wanted: str | None) -> None:
    if module.class_name != wanted:
        known = f"StyleGAN2 has a {wanted} there" if wanted else "StyleGAN2 has no such part"
        raise UnsupportedError(f"{path} is a {module.class_name}; {known}.")


def _expect(module: Module, path: str, **wanted: Any) -> None:
    """Refuses a module whose attributes are not the ones that StyleGAN2 has."""
    for name, value in wanted.items():
        given = module.state.get(name)
        close = _is_number(given) and _is_number(value) and math.isclose(given, value, rel_tol=1e-6)
        if not close and given != value:
            raise UnsupportedError(f"{path} has {name} = {shown(given)}; only {value} is supported there.")


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
