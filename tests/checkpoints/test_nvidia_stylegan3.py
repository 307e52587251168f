"""StyleGAN3 in NVIDIA's pickles: what is read from them, and which networks are refused by name."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wplus.benchmarks.random_stylegan3 import random_stylegan3, stylegan3_config
from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint, write_checkpoint
from wplus.config import StyleGAN3Config, config_from_dict, config_to_dict
from wplus.errors import CheckpointError, UnsupportedError

_FILES = {"sg3t_64": ("stylegan3-t", 3, False), "sg3r_64": ("stylegan3-r", 1, True)}


@pytest.mark.parametrize("name", _FILES)
def test_configuration_is_read_from_the_modules(data: Path, name: str) -> None:
    config = read_checkpoint(data / f"golden_{name}.pkl").config
    assert isinstance(config, StyleGAN3Config)
    assert (config.family, config.conv_kernel, config.use_radial_filters) == _FILES[name]
    assert (config.conv_clamp, config.output_scale, config.num_ws, config.lr_multiplier) == (256, 0.25, 16, 0.01)
    kwargs = json.loads(str(np.load(data / f"{name}.npz")["meta"]))["init_kwargs"]
    widths = [min(kwargs["channel_base"] / 2 / layer.out_cutoff, kwargs["channel_max"]) for layer in config.layers]
    assert list(config.channels) == [round(width) for width in widths[:-1]]
    for field in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels"):
        assert getattr(config, field) == kwargs[field]


@pytest.mark.parametrize("name", _FILES)
def test_our_own_format_keeps_every_bit(data: Path, name: str, tmp_path: Path) -> None:
    original = read_checkpoint(data / f"golden_{name}.pkl")
    write_checkpoint(tmp_path / "network.safetensors", original)
    again = read_checkpoint(tmp_path / "network.safetensors")
    assert again.config == original.config
    assert again.tensors.keys() == original.tensors.keys()
    assert all(np.array_equal(again.tensors[key], value) for key, value in original.tensors.items())
    assert fingerprint(again.config, again.tensors) == fingerprint(original.config, original.tensors)


def test_fingerprint_covers_everything_but_filters(data: Path) -> None:
    checkpoint = read_checkpoint(data / "golden_sg3r_64.pkl")
    before = fingerprint(checkpoint.config, checkpoint.tensors)
    for name, is_covered in (
        ("L0_36_64.up_filter", False),
        ("L0_36_64.down_filter", False),
        ("L0_36_64.magnitude_ema", True),
        ("input.freqs", True),
        ("input.phases", True),
    ):
        tensors = checkpoint.tensors | {f"synthesis.{name}": checkpoint.tensors[f"synthesis.{name}"] + 1}
        assert (fingerprint(checkpoint.config, tensors) != before) == is_covered, name


@pytest.mark.parametrize(
    "options",
    [
        {"num_critical": 3, "margin_size": 6, "output_scale": 0.5, "conv_clamp": None},
        {"first_cutoff": 1.5, "first_stopband": 3.0, "last_stopband_rel": 1.4, "filter_size": 4},
        {"lrelu_upsampling": 4, "conv_kernel": 5, "channels": (9, 8, 7, 6, 5, 4)},
    ],
    ids=["sizes", "bands", "layers"],
)
def test_other_hyperparameters_are_honoured(
    persistent: Any, dump: Callable[..., bytes], write: Callable[..., Path], options: dict[str, Any]
) -> None:
    config = dataclasses.replace(_tiny().config, **options)
    checkpoint = random_stylegan3(config)
    found = read_checkpoint(write(dump({"G_ema": _pickled(persistent, checkpoint)})))
    assert found.config == config
    assert found.config == config_from_dict(config.family, json.loads(json.dumps(config_to_dict(config))))
    assert found.tensors.keys() == checkpoint.tensors.keys()


_REFUSED = {
    "layer size": ("synthesis.L0_36_8", "in_size", [36, 40], r"L0_36_8 has in_size = a list; only \[36, 36\]"),
    "padding": ("synthesis.L0_36_8", "padding", [9, 8, 9, 9], r"L0_36_8 has padding = a list; only \[9, 8, 9, 8\]"),
    "cutoff": ("synthesis.L1_36_8", "out_cutoff", 2.4, "L1_36_8 has out_cutoff = 2.4; only"),
    "clamp": ("synthesis.L1_36_8", "conv_clamp", 3, "L1_36_8 has conv_clamp = 3, others 256"),
    "radial": ("synthesis.L0_36_8", "down_radial", True, "L0_36_8 has down_radial = True; only False"),
    "bandwidth": ("synthesis.input", "bandwidth", 3.0, "input has bandwidth = 3.0; only 2.0"),
    "affine": ("synthesis.input.affine", "activation", "lrelu", "input.affine has activation = 'lrelu'"),
    "mapping": ("mapping.fc1", "activation", "relu", "fc1 has activation = 'relu'"),
    "margin": ("synthesis", "margin_size", 9, "The layers are L0_36_8"),
    "argument": ("synthesis", "_init_kwargs", {"attention": True}, "arguments that StyleGAN3 lacks: 'attention'"),
}


@pytest.mark.parametrize("option", _REFUSED)
def test_an_option_that_is_not_supported_is_refused_by_name(
    persistent: Any, dump: Callable[..., bytes], write: Callable[..., Path], option: str
) -> None:
    path, name, value, message = _REFUSED[option]
    network = _pickled(persistent, _tiny())
    part = network
    for step in path.split("."):
        part = part.state["_modules"][step]
    part.state[name] = value
    with pytest.raises(UnsupportedError, match=message):
        read_checkpoint(write(dump({"G_ema": network})))


def test_attributes_that_contradict_the_tensors_are_refused(
    persistent: Any, dump: Callable[..., bytes], write: Callable[..., Path]
) -> None:
    network = _pickled(persistent, _tiny())
    network.state["num_ws"] = 18
    with pytest.raises(CheckpointError, match="says num_ws = 18; its tensors say 16"):
        read_checkpoint(write(dump({"G_ema": network})))
    del network.state["_modules"]["synthesis"].state["_modules"]["L3_36_8"]
    with pytest.raises(CheckpointError, match="The synthesis has 14 layers; StyleGAN3's are called"):
        read_checkpoint(write(dump({"G_ema": network})))


def test_a_part_of_another_class_is_refused_by_name(
    persistent: Any, dump: Callable[..., bytes], write: Callable[..., Path]
) -> None:
    network = _pickled(persistent, _tiny())
    network.state["_modules"]["synthesis"].state["_modules"]["attention"] = persistent("Attn")
    with pytest.raises(UnsupportedError, match=r"synthesis\.attention is a Attn; StyleGAN3 has a SynthesisLayer there"):
        read_checkpoint(write(dump({"G_ema": network})))


def test_a_configuration_of_the_other_family_is_refused() -> None:
    with pytest.raises(ValueError, match="family is 'stylegan3-r'; the configuration is one of 'stylegan3-t'"):
        config_from_dict("stylegan3-r", config_to_dict(_tiny().config))


def _tiny() -> Checkpoint:
    return random_stylegan3(stylegan3_config(32, channel_base=512, channel_max=8, latent_dim=8))


def _pickled(persistent: Any, checkpoint: Checkpoint) -> Any:
    """A Generator as NVIDIA's code would pickle it."""
    config, tensors = checkpoint.config, {n: torch.from_numpy(v) for n, v in checkpoint.tensors.items()}
    assert isinstance(config, StyleGAN3Config)

    def own(path: str) -> dict[str, Any]:
        names = [name for name in tensors if name.startswith(f"{path}.") and "." not in name[len(path) + 1 :]]
        learned = ("weight", "bias")
        values = {name.rsplit(".", 1)[1]: tensors[name] for name in names}
        return {name: torch.nn.Parameter(value) if name in learned else value for name, value in values.items()}

    def dense(path: str, activation: str = "linear", lr: float = 1) -> Any:
        gain = lr / tensors[f"{path}.weight"].shape[1] ** 0.5
        return persistent("FullyConnectedLayer", **own(path), activation=activation, weight_gain=gain, bias_gain=lr)

    first = config.layers[0]
    modules = {
        "input": persistent(
            "SynthesisInput",
            {"affine": dense("synthesis.input.affine")},
            **own("synthesis.input"),
            channels=first.in_channels,
            size=np.array([first.in_size, first.in_size]),
            sampling_rate=float(first.in_sampling_rate),
            bandwidth=first.in_cutoff,
        )
    }
    for layer in config.layers:
        path = f"synthesis.{layer.name}"
        attributes = dataclasses.asdict(layer)
        sizes = {name: np.array([attributes.pop(name)] * 2) for name in ("in_size", "out_size")}
        names = {"up": "up_factor", "down": "down_factor", "is_radial": "down_radial"}
        modules[layer.name] = persistent(
            "SynthesisLayer",
            {"affine": dense(f"{path}.affine")},
            **own(path),
            **{names.get(name, name): value for name, value in attributes.items() if name != "name"},
            **sizes,
            tmp_sampling_rate=layer.in_sampling_rate * layer.up,
            padding=[*layer.padding, *layer.padding],
            conv_clamp=config.conv_clamp,
        )
    stated = ("num_layers", "num_critical", "margin_size", "output_scale", "img_resolution")
    synthesis = persistent(
        "SynthesisNetwork",
        modules,
        layer_names=[layer.name for layer in config.layers],
        **{name: getattr(config, name) for name in stated},
        _init_args=(),
        _init_kwargs={name: getattr(config, name) for name in ("first_stopband", "last_stopband_rel", "conv_kernel")},
    )
    layers = {f"fc{i}": dense(f"mapping.fc{i}", "lrelu", 0.01) for i in range(config.num_mapping_layers)}
    mapping = persistent("MappingNetwork", layers, **own("mapping"), num_layers=config.num_mapping_layers)
    names = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_ws")
    return persistent(
        "Generator", {"synthesis": synthesis, "mapping": mapping}, **{name: getattr(config, name) for name in names}
    )
