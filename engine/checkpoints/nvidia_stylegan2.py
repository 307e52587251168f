"""The configuration of NVIDIA's StyleGAN2 Generator, read from its modules' own attributes and its tensors.

Whatever would change the picture and is not what StyleGAN2 does is refused by name.
"""

import math
from collections.abc import Iterator

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer import infer_stylegan2, shape_of
from wplus.checkpoints.nvidia_checks import (
    check_dense,
    check_mapping,
    common_clamp,
    expect,
    lr_multiplier_of,
    need_class,
)
from wplus.checkpoints.nvidia_pickle import Module
from wplus.checkpoints.pickle_machine import shown
from wplus.config import StyleGAN2Config
from wplus.errors import CheckpointError, UnsupportedError

_FAMILY = "StyleGAN2"

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
        conv_clamp=common_clamp({p: m for p, m in layers.items() if m.class_name in ("SynthesisLayer", "ToRGBLayer")}),
        lr_multiplier=lr_multiplier_of(parts["mapping"]),
    )
    for path, layer in layers.items():
        _check_layer(path, layer, tensors)
    check_mapping(parts["mapping"], tensors, config, family=_FAMILY)
    _check_filters(tensors)
    for name in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_ws"):
        said, found = generator.state.get(name), getattr(config, name)
        # Forks that draw rectangles keep the side of a square network there, or either side of their own.
        known = (found, config.resolutions[-1], *config.img_shape) if name == "img_resolution" else (found,)
        if said not in known:
            raise CheckpointError(f"The generator says {name} = {shown(said)}; its tensors say {found}.")
    for name, block in parts["synthesis"].modules().items():
        expect(block, f"synthesis.{name}", architecture=config.architecture)
    return config


def _layers(synthesis: Module) -> Iterator[tuple[str, Module]]:
    """Every layer of every block by path, affine layers included; a part of an unknown class is refused."""
    for name, block in synthesis.modules().items():
        need_class(f"synthesis.{name}", block, "SynthesisBlock", family=_FAMILY)
        for kind, layer in block.modules().items():
            path = f"synthesis.{name}.{kind}"
            need_class(path, layer, _CLASSES.get(kind), family=_FAMILY)
            yield path, layer
            for inner, affine in layer.modules().items():
                need_class(f"{path}.{inner}", affine, _CLASSES.get(inner), family=_FAMILY)
                yield f"{path}.{inner}", affine


def _check_layer(path: str, layer: Module, tensors: Tensors) -> None:
    if layer.class_name == "FullyConnectedLayer":
        check_dense(path, layer, tensors, activation="linear", lr_multiplier=1, family=_FAMILY)
        return
    up = 2 if path.endswith((".conv0", ".skip")) else 1
    _, inputs, height, width = shape_of(tensors, f"{path}.weight", 4)
    kernel = 3 if layer.class_name == "SynthesisLayer" else 1
    if height != kernel or width != kernel:
        raise UnsupportedError(f"{path} has a {height}×{width} kernel; StyleGAN2 has {kernel}×{kernel} there.")
    if layer.class_name == "SynthesisLayer":
        use_noise = f"{path}.noise_strength" in tensors
        expect(layer, path, activation="lrelu", up=up, act_gain=math.sqrt(2), use_noise=use_noise)
    elif layer.class_name == "ToRGBLayer":
        expect(layer, path, weight_gain=1 / math.sqrt(inputs))
    else:
        gain = 1 / math.sqrt(inputs)
        expect(layer, path, activation="linear", up=up, down=1, conv_clamp=None, act_gain=1, weight_gain=gain)


def _check_filters(tensors: Tensors) -> None:
    for name, tensor in tensors.items():
        if name.endswith(".resample_filter") and tensor.shape != (4, 4):
            raise UnsupportedError(f"{name} is {list(tensor.shape)}; only filters of [4, 4] are supported.")
