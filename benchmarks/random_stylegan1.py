"""The fixed recipe for StyleGAN1 networks under test: random weights that leave nothing for a runtime to delete."""

import hashlib
import math

from wplus.benchmarks.random_networks import Draw, mapping_tensors
from wplus.checkpoints.checkpoint import Checkpoint, Provenance, Tensors
from wplus.config import StyleGAN1Config

_RECIPE = "wplus random StyleGAN1 network 1"
_BIAS = 0.1


def stylegan1_config(
    img_resolution: int,
    *,
    fmap_base: int = 8192,
    fmap_max: int = 512,
    latent_dim: int = 512,
    num_mapping_layers: int = 8,
) -> StyleGAN1Config:
    """NVIDIA's StyleGAN1 of that size: `2 * fmap_base / resolution` channels, at most `fmap_max`."""
    sides = [4 << index for index in range(img_resolution.bit_length() - 2)]
    return StyleGAN1Config(
        z_dim=latent_dim,
        w_dim=latent_dim,
        img_resolution=img_resolution,
        img_channels=3,
        channels=tuple(min(2 * fmap_base // side, fmap_max) for side in sides),
        num_mapping_layers=num_mapping_layers,
    )


def random_stylegan1(config: StyleGAN1Config, *, seed: int = 0) -> Checkpoint:
    """A StyleGAN1, unconditional, whose weights depend on `config` and `seed` alone."""
    if config.c_dim:
        raise ValueError(
            f"The recipe makes unconditional networks; this configuration has c_dim {config.c_dim}. Benchmark a "
            "checkpoint file of that kind instead."
        )
    draw = Draw(seed)
    tensors = mapping_tensors(config, draw) | {"synthesis.const": draw(config.channels[0], 4, 4)}
    for index in range(config.num_ws):
        tensors |= _layer(config, draw, index)
    scale = 0.4 / math.sqrt(2)  # pictures of a standard deviation of about 0.4: styles have variances of 1 and 1
    tensors["synthesis.torgb.weight"] = draw(config.img_channels, config.channels[-1], 1, 1, scale=scale)
    tensors["synthesis.torgb.bias"] = draw(config.img_channels, scale=_BIAS * scale)
    digest = hashlib.sha256(f"{_RECIPE}, {config}, seed {seed}".encode()).hexdigest()
    provenance = Provenance(source=f"random-{seed}", sha256=digest, format=_RECIPE, licence="Apache-2.0")
    return Checkpoint(
        config=config, tensors=tensors, provenance=provenance, why="made by a fixed recipe, from random numbers"
    )


def _layer(config: StyleGAN1Config, draw: Draw, index: int) -> Tensors:
    name, resolution, channels = f"synthesis.layer{index}", config.resolutions[index // 2], config.channels[index // 2]
    tensors: Tensors = {}
    if index:
        tensors[f"{name}.weight"] = draw(channels, config.channels[(index - 1) // 2], 3, 3)
    tensors[f"{name}.bias"] = draw(channels, scale=_BIAS)
    if config.use_noise:
        tensors[f"synthesis.noise{index}"] = draw(resolution, resolution)
        tensors[f"{name}.noise_weight"] = draw(channels, scale=_BIAS / 4, mean=_BIAS)
    tensors[f"{name}.style.weight"] = draw(2 * channels, config.w_dim, scale=0.5)
    tensors[f"{name}.style.bias"] = draw(2 * channels, scale=_BIAS)
    return tensors
