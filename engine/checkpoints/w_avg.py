"""The average w of a generator whose file does not hold one."""

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer import shape_of
from wplus.config import StyleConfig, StyleGAN1Config
from wplus.errors import CheckpointError

_SEED = 123
_SAMPLES = 10_000


def complete_w_avg(config: StyleConfig, tensors: Tensors) -> list[str]:
    """Adds `mapping.w_avg` where it is missing; says so in a list of at most one sentence.

    Raises:
        CheckpointError: the mapping's layers do not follow each other.
    """
    if "mapping.w_avg" in tensors:
        return []
    _check_layers(config, tensors)
    tensors["mapping.w_avg"] = mean_w(config, tensors)
    return [f"no w_avg in the file: it is the mean over {_SAMPLES:,} z of RandomState({_SEED})"]


def mean_w(config: StyleConfig, tensors: Tensors) -> NDArray[np.float32]:
    """The mean of w `[w_dim]` over z = RandomState(123).randn(10000, z_dim), summed in float64.

    A conditional network is asked with a label of zeros, which belongs to no class.
    """
    z = np.random.RandomState(_SEED).randn(_SAMPLES, config.z_dim)
    is_first_version = isinstance(config, StyleGAN1Config)
    if is_first_version and config.c_dim:
        z = np.concatenate([z, np.zeros_like(z)], axis=1)  # there the label's row is normalised with z
    x = _normalise(z)
    if config.c_dim and not is_first_version:
        label = _normalise(tensors["mapping.embed.bias"].astype(np.float64)[np.newaxis])
        x = np.concatenate([x, np.broadcast_to(label, (_SAMPLES, label.shape[1]))], axis=1)
    for i in range(config.num_mapping_layers):
        weight = tensors[f"mapping.fc{i}.weight"].astype(np.float64)
        bias = tensors[f"mapping.fc{i}.bias"].astype(np.float64)
        if is_first_version:
            bias = bias / np.sqrt(2)  # its gain is part of the weight, and does not reach the bias
        x = x @ (weight.T * (config.lr_multiplier / np.sqrt(weight.shape[1]))) + bias * config.lr_multiplier
        x = np.where(x < 0, 0.2 * x, x) * np.sqrt(2)
    average: NDArray[np.float32] = x.mean(axis=0).astype(np.float32)
    return average


def _normalise(x: NDArray[np.float64]) -> NDArray[np.float64]:
    normalised: NDArray[np.float64] = x / np.sqrt(np.mean(np.square(x), axis=1, keepdims=True) + 1e-8)
    return normalised


def _check_layers(config: StyleConfig, tensors: Tensors) -> None:
    """Refuses dense layers that do not follow each other, before anybody multiplies them."""
    embed = shape_of(tensors, "mapping.embed.weight", 2)[0] if config.c_dim else 0
    if embed and not isinstance(config, StyleGAN1Config):
        embed = shape_of(tensors, "mapping.embed.bias", 1)[0]
    inputs = config.z_dim + embed
    for i in range(config.num_mapping_layers):
        outputs, needed = shape_of(tensors, f"mapping.fc{i}.weight", 2)
        if needed != inputs or shape_of(tensors, f"mapping.fc{i}.bias", 1) != (outputs,):
            raise CheckpointError(f"mapping.fc{i} takes {needed} numbers; the layer before it gives {inputs}.")
        inputs = outputs
