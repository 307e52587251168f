"""Resampling along one side of a picture as a matrix `[out, in]`, float64: smaller by area or bicubic, or blurred."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_REACH = 4  # standard deviations after which a Gaussian ends


def box(size: int, out: int) -> Matrix:
    """Means over windows of size/out pixels, each pixel counted by the share of it that lies in the window."""
    edges = np.arange(out + 1) * (size / out)
    pixels = np.arange(size)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return _normalised(covered.clip(min=0))


def bicubic(size: int, out: int) -> Matrix:
    """Bicubic interpolation whose kernel is as wide as the step, against aliasing; cut off at the edges.

    Source: Keys 1981, a = -1/2; what Pillow and torch do with antialiasing.
    """
    step = size / out
    centres = (np.arange(out) + 0.5) * step
    distance = np.abs(np.arange(size) + 0.5 - centres[:, None]) / step
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return _normalised(np.where(distance < 1, near, np.where(distance < 2, far, 0)))


def gaussian(size: int, sigma: float) -> Matrix:
    """Blur by a Gaussian of `sigma` pixels, cut off after 4 sigma; the picture is mirrored beyond its edges."""
    radius = max(1, round(_REACH * sigma))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    place = (np.arange(size)[:, None] + offsets) % (2 * size)
    place = np.minimum(place, 2 * size - 1 - place)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], place), kernel)
    return matrix


def _normalised(matrix: Matrix) -> Matrix:
    result: Matrix = matrix / matrix.sum(axis=1, keepdims=True)
    return result
