"""What holds latents and noise maps back: each a value a picture and its gradient, in numpy."""

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float32]

_COARSEST = 8  # pixels of the smallest scale of a noise map


def squares(v: _Array) -> tuple[_Array, _Array]:
    """Mean square of each row of v, `[R]`, and its gradient: the squared distance to w_avg in W's own metric."""
    size = v[0].size
    return np.square(v).reshape(len(v), -1).mean(axis=1), v * np.float32(2 / size)


def spread(v: _Array) -> tuple[_Array, _Array]:
    """Mean square of the slots' distances from their mean, v `[R, num_ws, w_dim]`, and its gradient."""
    return squares(v - v.mean(axis=1, keepdims=True))  # the mean's own share of the gradient sums to zero


def roughness(noise: _Array) -> tuple[_Array, _Array]:
    """How far noise maps `[R, 1, H, W]` are from white, over scales, and its gradient: squared mean products with
    themselves, shifted by a pixel to the right and down.

    Source: Karras et al. 2020 (StyleGAN2), appendix D.
    """
    value, gradient = np.zeros(len(noise), np.float32), np.zeros_like(noise)
    level, scale = noise, 1
    while True:
        own = np.zeros_like(level)
        for axis in (2, 3):
            after, before = np.roll(level, 1, axis), np.roll(level, -1, axis)
            mean = (level * after).mean(axis=(1, 2, 3), keepdims=True)
            value += np.square(mean[:, 0, 0, 0])
            own += 2 * mean * (after + before) / np.float32(level[0].size)
        gradient += own.repeat(scale, axis=2).repeat(scale, axis=3) / np.float32(scale**2)
        if min(level.shape[2:]) <= _COARSEST or level.shape[2] % 2 or level.shape[3] % 2:
            return value, gradient
        level, scale = _halved(level), scale * 2


def whitened(noise: _Array) -> _Array:
    """Noise maps of mean 0 and variance 1."""
    centred = noise - noise.mean(axis=(1, 2, 3), keepdims=True)
    scale = np.sqrt(np.square(centred).mean(axis=(1, 2, 3), keepdims=True))
    result: _Array = centred / np.maximum(scale, 1e-8)
    return result


def _halved(level: _Array) -> _Array:
    rows, _, height, width = level.shape
    halves: _Array = level.reshape(rows, 1, height // 2, 2, width // 2, 2).mean(axis=(3, 5))
    return halves
