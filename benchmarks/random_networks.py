"""The fixed recipe for networks under test: random weights that leave nothing for a runtime to delete.

Fresh initial values have zero noise strengths, biases and w_avg; runtimes remove additions of zero that eager code pays
for, so a benchmark on them flatters the runtime. Here all of them are non-zero, and the pictures have about the
contrast of real ones.
"""

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.checkpoint import Checkpoint, Provenance, Tensors
from wplus.config import StyleConfig, StyleGAN2Config

_RECIPE = "wplus random network 1"
_BIAS = 0.1


def stylegan2_config(
    img_resolution: int,
    *,
    channel_base: int,
    channel_max: int = 512,
    latent_dim: int = 512,
    num_mapping_layers: int = 8,
) -> StyleGAN2Config:
    """NVIDIA's StyleGAN2 of that size: `channel_base / resolution` channels a block, at most `channel_max`."""
    sides = [4 << index for index in range(img_resolution.bit_length() - 2)]
    return StyleGAN2Config(
        z_dim=latent_dim,
        c_dim=0,
        w_dim=latent_dim,
        img_resolution=img_resolution,
        img_channels=3,
        channels=tuple(min(channel_base // side, channel_max) for side in sides),
        num_mapping_layers=num_mapping_layers,
    )


def random_checkpoint(config: StyleGAN2Config, *, seed: int = 0) -> Checkpoint:
    """A StyleGAN2 of the `skip` architecture, unconditional, whose weights depend on `config` and `seed` alone."""
    if config.architecture != "skip" or config.c_dim:
        raise ValueError(
            f"The recipe makes unconditional networks of the architecture skip; this configuration has architecture "
            f"{config.architecture} and c_dim {config.c_dim}. Benchmark a checkpoint file of that kind instead."
        )
    draw = Draw(seed)
    tensors = mapping_tensors(config, draw)
    for index, resolution in enumerate(config.resolutions):
        in_channels = config.channels[index - 1] if index else None
        tensors |= _block(config, draw, resolution, in_channels, config.channels[index])
    digest = hashlib.sha256(f"{_RECIPE}, {config}, seed {seed}".encode()).hexdigest()
    provenance = Provenance(source=f"random-{seed}", sha256=digest, format=_RECIPE, licence="Apache-2.0")
    return Checkpoint(
        config=config, tensors=tensors, provenance=provenance, why="made by a fixed recipe, from random numbers"
    )


class Draw:
    """Normal numbers, float32, in the order in which they are asked for."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(seed))

    def __call__(self, *shape: int, scale: float = 1, mean: float = 0) -> NDArray[np.float32]:
        values = self._generator.standard_normal(shape, dtype=np.float32) * np.float32(scale) + np.float32(mean)
        return np.asarray(values, dtype=np.float32)


def mapping_tensors(config: StyleConfig, draw: Draw) -> Tensors:
    """The mapping network of any StyleGAN, and w_avg."""
    tensors = {"mapping.w_avg": draw(config.w_dim, scale=_BIAS)}
    width = config.z_dim
    for index in range(config.num_mapping_layers):
        last = index == config.num_mapping_layers - 1
        out = config.w_dim if last else config.mapping_features or config.w_dim
        tensors[f"mapping.fc{index}.weight"] = draw(out, width, scale=1 / config.lr_multiplier)
        tensors[f"mapping.fc{index}.bias"] = draw(out, scale=_BIAS / config.lr_multiplier)
        width = out
    return tensors


def _block(config: StyleGAN2Config, draw: Draw, resolution: int, in_channels: int | None, channels: int) -> Tensors:
    name = f"synthesis.b{resolution}"
    tensors = {f"{name}.resample_filter": _fir()}
    if in_channels is None:
        tensors[f"{name}.const"] = draw(channels, *config.const_shape)
    else:
        tensors |= _layer(config, draw, f"{name}.conv0", resolution, in_channels, channels)
    tensors |= _layer(config, draw, f"{name}.conv1", resolution, channels, channels)
    scale = 1 / math.sqrt(2 * len(config.channels))  # pictures of a standard deviation of about 0.4
    tensors[f"{name}.torgb.weight"] = draw(config.img_channels, channels, 1, 1, scale=scale)
    tensors[f"{name}.torgb.bias"] = draw(config.img_channels, scale=_BIAS * scale)
    return tensors | _affine(config, draw, f"{name}.torgb", channels)


def _layer(config: StyleGAN2Config, draw: Draw, name: str, resolution: int, in_channels: int, channels: int) -> Tensors:
    tensors = {
        f"{name}.weight": draw(channels, in_channels, 3, 3),
        f"{name}.bias": draw(channels, scale=_BIAS),
        f"{name}.resample_filter": _fir(),
    }
    if config.use_noise:
        tensors[f"{name}.noise_const"] = draw(*config.block_shape(config.resolutions.index(resolution)))
        tensors[f"{name}.noise_strength"] = draw(scale=_BIAS / 4, mean=_BIAS)
    return tensors | _affine(config, draw, name, in_channels)


def _affine(config: StyleGAN2Config, draw: Draw, layer: str, channels: int) -> Tensors:
    return {
        f"{layer}.affine.weight": draw(channels, config.w_dim),
        f"{layer}.affine.bias": draw(channels, scale=_BIAS, mean=1),
    }


def _fir() -> NDArray[np.float32]:
    """[1, 3, 3, 1] in both directions, of sum 1."""
    taps = np.array([1, 3, 3, 1], dtype=np.float32)
    return np.outer(taps, taps) / np.float32(64)
