"""Curves through keyframes: straight lines, arcs, cubics; open, or closed without a seam."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interp = Literal["linear", "slerp", "spline", "catmull-rom"]
Curve = Callable[[ArrayLike], NDArray[np.float32]]

_Array = NDArray[np.float64]
_Blend = Callable[[NDArray[np.intp], NDArray[np.intp], _Array], _Array]  # (left, right, fraction) -> values

# Unit vectors whose sum is shorter than this are opposite: the plane between them is float32's rounding, not data.
_OPPOSITE = 1e-6


def interpolate(keyframes: NDArray[Any], times: ArrayLike, *, interp: Interp, loop: bool) -> NDArray[np.float32]:
    """Values of the curve through `keyframes` at `times`, float32 `[T, ...]`. See `curve`."""
    return curve(keyframes, interp=interp, loop=loop)(times)


def curve(keyframes: NDArray[Any], *, interp: Interp, loop: bool) -> Curve:
    """A function from times `[T]` to values, float32 `[T, ...]`; what depends on the keyframes alone is computed once.

    A value depends on its own time only, bit for bit, and a time that is a whole number gives that keyframe exactly.

    Args:
        keyframes: `[K, ...]`, floating point, K >= 1. Times are in units of keyframes.
        interp: "linear"; "slerp": along the last axis, the direction goes by the arc and the norm linearly, opposite
            vectors turn through a fixed perpendicular, and a zero vector takes the other's direction; "spline": cubic,
            natural when open, periodic when looping; "catmull-rom": uniform, each keyframe is passed in the direction
            from the one before to the one after, so that a keyframe bends its two neighbouring spans and no others; the
            line goes straight on beyond the ends.
        loop: The last keyframe leads back to the first and times wrap at K. Otherwise times lie within 0 and K - 1.

    Raises:
        ValueError: keyframes are empty or not finite, `interp` is unknown, or (in the function) a time is out of range.
    """
    points = np.asarray(keyframes, np.float64)
    if points.ndim == 0 or len(points) == 0 or not np.isfinite(points).all():
        raise ValueError(f"keyframes are {list(points.shape)}; a curve needs [K, ...] finite numbers, K at least 1.")
    if interp not in get_args(Interp):
        raise ValueError(f"interp is {interp!r}; known: {', '.join(get_args(Interp))}.")
    count = len(points)
    blend: _Blend
    if interp == "linear":
        blend = _linear(points)
    elif interp == "slerp":
        blend = _slerp(points)
    elif interp == "catmull-rom":
        blend = _catmull_rom(points, loop)
    else:
        blend = _spline(points, loop)

    def values(times: ArrayLike) -> NDArray[np.float32]:
        moments = _checked_times(times, count, loop)
        left = np.floor(moments).astype(np.intp)
        fraction = (moments - left).reshape(-1, *[1] * (points.ndim - 1))
        left = left % count  # a tiny negative time wraps to K itself
        right = (left + 1) % count
        # The blends round; on a keyframe nothing may, not even the sign of a zero.
        return np.where(fraction == 0, points[left], blend(left, right, fraction)).astype(np.float32)

    return values


def _checked_times(times: ArrayLike, count: int, loop: bool) -> _Array:
    moments = np.asarray(times, np.float64)
    if moments.ndim != 1 or not np.isfinite(moments).all():
        raise ValueError(f"times are {list(moments.shape)}; a curve needs [T] finite numbers.")
    if loop:
        return np.mod(moments, count)
    if moments.size and (moments.min() < 0 or moments.max() > count - 1):
        raise ValueError(
            f"times run from {moments.min():g} to {moments.max():g}; {count} keyframes that do not loop "
            f"have times from 0 to {count - 1}. To wrap around, ask for a loop."
        )
    return moments


def _linear(points: _Array) -> _Blend:
    return lambda left, right, t: (1 - t) * points[left] + t * points[right]


def _spline(points: _Array, loop: bool) -> _Blend:
    bends = _second_derivatives(points, loop)
    straight = _linear(points)

    def blend(left: NDArray[np.intp], right: NDArray[np.intp], t: _Array) -> _Array:
        s = 1 - t
        return straight(left, right, t) + ((s**3 - s) * bends[left] + (t**3 - t) * bends[right]) / 6

    return blend


def _catmull_rom(points: _Array, loop: bool) -> _Blend:
    """Source: Catmull and Rom 1974."""
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    if not loop and len(points) > 1:
        before[0], after[-1] = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    slopes = (after - before) / 2

    def blend(left: NDArray[np.intp], right: NDArray[np.intp], t: _Array) -> _Array:
        step = points[right] - points[left]
        first, last = slopes[left], slopes[right]
        return points[left] + t * (first + t * (3 * step - 2 * first - last + t * (first + last - 2 * step)))

    return blend


def _second_derivatives(points: _Array, loop: bool) -> _Array:
    """Solves M[i-1] + 4 M[i] + M[i+1] = 6 (y[i-1] - 2 y[i] + y[i+1]), cyclic, or with M = 0 at both ends."""
    bends = 6 * (np.roll(points, 1, axis=0) - 2 * points + np.roll(points, -1, axis=0))
    if loop:
        return _solve_cyclic(bends)
    bends[[0, -1]] = 0
    # An odd function that repeats is zero at both ends: the open curve is half of a closed one.
    mirrored = np.concatenate([bends, -bends[-2:0:-1]])
    return _solve_cyclic(mirrored)[: len(points)]


def _solve_cyclic(right_side: _Array) -> _Array:
    """x of x[i-1] + 4 x[i] + x[i+1] = right_side[i], indices modulo the length: a product in Fourier space."""
    count = len(right_side)
    eigenvalues = 4 + 2 * np.cos(2 * np.pi * np.arange(count // 2 + 1) / count)
    spectrum = np.fft.rfft(right_side, axis=0)
    spectrum /= eigenvalues.reshape(-1, *[1] * (right_side.ndim - 1))
    return np.fft.irfft(spectrum, n=count, axis=0)


def _slerp(points: _Array) -> _Blend:
    if points.ndim == 1:
        raise ValueError(f"keyframes are {list(points.shape)}; slerp needs vectors, [K, ..., dim].")
    norms = np.linalg.norm(points, axis=-1, keepdims=True)
    units = points / np.where(norms == 0, 1, norms)
    ends = np.roll(units, -1, axis=0)
    start = np.where(norms == 0, ends, units)
    end = np.where(np.roll(norms, -1, axis=0) == 0, units, ends)
    angles, sideways = _arcs(start, end)

    def blend(left: NDArray[np.intp], right: NDArray[np.intp], t: _Array) -> _Array:
        turned = t * angles[left]
        direction = np.cos(turned) * start[left] + np.sin(turned) * sideways[left]
        norm: _Array = (1 - t) * norms[left] + t * norms[right]
        return norm * direction

    return blend


def _arcs(start: _Array, end: _Array) -> tuple[_Array, _Array]:
    """Angles between unit vectors, and the unit vectors perpendicular to `start` towards which each arc sets out."""
    total = np.linalg.norm(start + end, axis=-1, keepdims=True)
    apart = np.linalg.norm(end - start, axis=-1, keepdims=True)
    angles = 2 * np.arctan2(apart, total)  # exact where acos of a dot product is not: near 0 and near pi
    # Both differ from `end` by a multiple of `start`; the shorter loses fewer digits.
    towards = np.where(apart < total, end - start, end + start)
    towards = np.where(total < _OPPOSITE, _least_axis(start), towards)
    towards = towards - np.sum(towards * start, axis=-1, keepdims=True) * start
    length = np.linalg.norm(towards, axis=-1, keepdims=True)
    return angles, towards / np.where(length == 0, 1, length)


def _least_axis(vectors: _Array) -> _Array:
    """The coordinate axis farthest from each vector: the fixed choice of a turn that the data leave open."""
    axes = np.eye(vectors.shape[-1])
    chosen: _Array = axes[np.argmin(np.abs(vectors), axis=-1)]
    return chosen
