"""The fixed recipe for StyleGAN3 networks under test: random weights that leave nothing for a runtime to delete.

Filters are designed as the paper says, so that sizes, taps and passbands are those of real networks.
"""

import hashlib
import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from wplus.benchmarks.random_networks import Draw, mapping_tensors
from wplus.checkpoints.checkpoint import Checkpoint, Provenance, Tensors
from wplus.config import StyleGAN3Config
from wplus.config.stylegan3 import LayerPlan

_RECIPE = "wplus random StyleGAN3 network 1"
_BIAS = 0.1
_NUM_LAYERS = 14


def stylegan3_config(
    img_resolution: int,
    *,
    channel_base: int,
    channel_max: int = 512,
    latent_dim: int = 512,
    is_rotating: bool = False,
) -> StyleGAN3Config:
    """NVIDIA's StyleGAN3-T, or -R, of that size: `channel_base / (2 * cutoff)` channels, `channel_max` at most.

    NVIDIA's training script doubles both numbers for StyleGAN3-R; here they are taken as they are.
    """
    config = StyleGAN3Config(
        z_dim=latent_dim,
        w_dim=latent_dim,
        img_resolution=img_resolution,
        img_channels=3,
        channels=(1,) * _NUM_LAYERS,
        num_mapping_layers=2,
        conv_kernel=1 if is_rotating else 3,
        use_radial_filters=is_rotating,
    )
    cutoffs = [layer.out_cutoff for layer in config.layers[:-1]]
    widths = tuple(round(min(channel_base / (2 * cutoff), channel_max)) for cutoff in cutoffs)
    return replace(config, channels=widths)


def random_stylegan3(config: StyleGAN3Config, *, seed: int = 0) -> Checkpoint:
    """A StyleGAN3, unconditional, whose weights depend on `config` and `seed` alone."""
    if config.c_dim:
        raise ValueError(
            f"The recipe makes unconditional networks; this configuration has c_dim {config.c_dim}. Benchmark a "
            "checkpoint file of that kind instead."
        )
    draw = Draw(seed)
    tensors = mapping_tensors(config, draw) | _input(config, draw)
    for layer in config.layers:
        tensors |= _layer(config, draw, layer)
    digest = hashlib.sha256(f"{_RECIPE}, {config}, seed {seed}".encode()).hexdigest()
    provenance = Provenance(source=f"random-{seed}", sha256=digest, format=_RECIPE, licence="Apache-2.0")
    return Checkpoint(
        config=config, tensors=tensors, provenance=provenance, why="made by a fixed recipe, from random numbers"
    )


def _input(config: StyleGAN3Config, draw: Draw) -> Tensors:
    name, first = "synthesis.input", config.layers[0]
    freqs = draw(first.in_channels, 2)
    radii = np.linalg.norm(freqs, axis=1, keepdims=True)
    return {
        f"{name}.weight": draw(first.in_channels, first.in_channels),
        f"{name}.transform": np.eye(3, dtype=np.float32),
        f"{name}.freqs": (freqs / (radii + 1) * first.in_cutoff).astype(np.float32),  # all inside the bandwidth
        f"{name}.phases": draw(first.in_channels, scale=0.3),
        f"{name}.affine.weight": draw(4, config.w_dim, scale=_BIAS),
        f"{name}.affine.bias": np.array([1, 0.1, 0.05, -0.05], dtype=np.float32),
    }


def _layer(config: StyleGAN3Config, draw: Draw, layer: LayerPlan) -> Tensors:
    name, kernel = f"synthesis.{layer.name}", layer.conv_kernel
    tensors = {
        f"{name}.weight": draw(layer.out_channels, layer.in_channels, kernel, kernel),
        f"{name}.bias": draw(layer.out_channels, scale=_BIAS),
        f"{name}.magnitude_ema": draw(scale=_BIAS / 4, mean=1),
        f"{name}.affine.weight": draw(layer.in_channels, config.w_dim),
        f"{name}.affine.bias": draw(layer.in_channels, scale=_BIAS, mean=1),
    }
    rate = layer.in_sampling_rate * layer.up
    if layer.up > 1:
        tensors[f"{name}.up_filter"] = lowpass(layer.up_taps, layer.in_cutoff, 2 * layer.in_half_width, rate)
    if layer.down > 1:
        make = radial_lowpass if layer.is_radial else lowpass
        tensors[f"{name}.down_filter"] = make(layer.down_taps, layer.out_cutoff, 2 * layer.out_half_width, rate)
    return tensors


def lowpass(taps: int, cutoff: float, width: float, rate: float) -> NDArray[np.float32]:
    """A sinc under a Kaiser window, of sum 1.

    Source: Karras et al. 2021 (StyleGAN3), appendix C.1.
    """
    place = (np.arange(taps) - (taps - 1) / 2) / rate
    fir = np.sinc(2 * cutoff * place) * _kaiser(taps, width, rate)
    return np.asarray(fir / fir.sum(), dtype=np.float32)


def radial_lowpass(taps: int, cutoff: float, width: float, rate: float) -> NDArray[np.float32]:
    """The same in the plane, with a disc for a passband: a jinc, `[taps, taps]`, taps even."""
    place = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = math.pi * np.hypot(*np.meshgrid(place, place))
    window = _kaiser(taps, width, rate)
    bessel = torch.special.bessel_j1(torch.from_numpy(2 * cutoff * radius)).numpy()
    fir = bessel / radius * np.outer(window, window)
    return np.asarray(fir / fir.sum(), dtype=np.float32)


def _kaiser(taps: int, width: float, rate: float) -> NDArray[np.float64]:
    """The Kaiser window whose attenuation goes with a transition band of that width.

    Source: Kaiser 1974, as in Oppenheim & Schafer, Discrete-Time Signal Processing, eq. 7.62 and 7.63.
    """
    attenuation = 2.285 * (taps - 1) * math.pi * width / (rate / 2) + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        excess = max(attenuation - 21, 0)
        beta = 0.5842 * excess**0.4 + 0.07886 * excess
    return np.kaiser(taps, beta)
