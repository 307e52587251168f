"""Checks of the modules in NVIDIA's pickles: whatever would change the picture and is not known is refused by name."""

import math
from typing import Any, TypeGuard

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer import shape_of
from wplus.checkpoints.nvidia_pickle import Module
from wplus.checkpoints.pickle_machine import shown
from wplus.config import StyleConfig
from wplus.errors import CheckpointError, UnsupportedError


def expect(module: Module, path: str, **wanted: Any) -> None:
    """Refuses a module whose attributes are not the ones that its family has."""
    for name, value in wanted.items():
        given = module.state.get(name)
        close = is_number(given) and is_number(value) and math.isclose(given, value, rel_tol=1e-6)
        if not close and given != value:
            raise UnsupportedError(f"{path} has {name} = {shown(given)}; only {value} is supported there.")


def need_class(path: str, module: Module, wanted: str | None, *, family: str) -> None:
    """Refuses a module of another class than `wanted`; None: the family has no part of that name."""
    if module.class_name != wanted:
        known = f"{family} has a {wanted} there" if wanted else f"{family} has no such part"
        raise UnsupportedError(f"{path} is a {module.class_name}; {known}.")


def check_dense(
    path: str, layer: Module, tensors: Tensors, *, activation: str, lr_multiplier: float, family: str
) -> None:
    """Refuses anything but a fully connected layer with that activation and learning-rate multiplier."""
    need_class(path, layer, "FullyConnectedLayer", family=family)
    gain = lr_multiplier / math.sqrt(shape_of(tensors, f"{path}.weight", 2)[1])
    expect(layer, path, activation=activation, weight_gain=gain, bias_gain=lr_multiplier)


def check_mapping(mapping: Module, tensors: Tensors, config: StyleConfig, *, family: str) -> None:
    """Refuses a mapping network with other layers than the configuration's."""
    expect(mapping, "mapping", num_layers=config.num_mapping_layers)
    for name, layer in mapping.modules().items():
        is_embed = name == "embed"
        check_dense(
            f"mapping.{name}",
            layer,
            tensors,
            activation="linear" if is_embed else "lrelu",
            lr_multiplier=1 if is_embed else config.lr_multiplier,
            family=family,
        )


def lr_multiplier_of(mapping: Module) -> float:
    """The learning-rate multiplier of the mapping's layers, by the first of them."""
    first = mapping.modules().get("fc0")
    value = first.state.get("bias_gain") if first is not None else None
    if not is_number(value) or not 0 < value < math.inf:
        raise CheckpointError(
            f"mapping.fc0 has bias_gain = {shown(value)}; its learning-rate multiplier is needed there."
        )
    return float(value)


def common_clamp(layers: dict[str, Module]) -> float | None:
    """The one conv_clamp of all layers. The two repositories differ in its default, so only the attribute counts."""
    clamp: float | None = None
    for index, (path, layer) in enumerate(layers.items()):
        value = layer.state.get("conv_clamp")
        if value is not None and (not is_number(value) or not 0 < value < math.inf):
            raise CheckpointError(f"{path} has conv_clamp = {shown(value)}; a positive number or None is needed.")
        if index and value != clamp:
            raise UnsupportedError(f"{path} has conv_clamp = {shown(value)}, others {clamp}; one for all is supported.")
        clamp = value
    return None if clamp is None else float(clamp)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is an int or a float, and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
