"""Constant speed: a change of time that spends on each part of a curve the share of time that its length is."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]


class ConstantSpeed:
    """From a position in keyframes to the time at which a curve has gone that share of its length.

    It rises everywhere, and keeps both ends exactly.

    Args:
        steps: `[spans, samples]`, lengths of the curve between times that divide each span evenly.
        rests: Every span takes the same time, so that whole numbers stay what they are; otherwise every length does.
    """

    def __init__(self, steps: _Array, *, rests: bool) -> None:
        spans, samples = steps.shape
        shares = _shares(steps) if rests else _shares(steps.reshape(1, -1)) * spans
        self._positions = np.concatenate([[0.0], (shares + np.arange(len(shares))[:, None]).ravel()])
        self._times = np.arange(spans * samples + 1) / samples

    def __call__(self, position: float) -> float:
        """The time, for a position from 0 to the number of spans."""
        return float(np.interp(position, self._positions, self._times))


def steps_between(values: Callable[[_Array], NDArray[np.float32]], *, spans: int, samples: int) -> _Array:
    """Lengths `[spans, samples]` of the straight steps between a curve's values, a span at a time."""
    times = np.arange(spans * samples + 1, dtype=np.float64) / samples
    last = values(times[:1])
    rows = []
    for start in range(1, len(times), samples):
        points = np.concatenate([last, values(times[start : start + samples])])
        flat = points.reshape(samples + 1, -1).astype(np.float64)
        rows.append(np.linalg.norm(np.diff(flat, axis=0), axis=1))
        last = points[-1:]
    return np.stack(rows)


def _shares(steps: _Array) -> _Array:
    """How much of its row's length is behind each step, the last one exactly 1; where there is none, evenly."""
    behind = np.cumsum(steps, axis=1)
    even = np.arange(1, steps.shape[1] + 1) / steps.shape[1]
    whole = behind[:, -1:]
    shares: _Array = np.where(whole > 0, behind / np.where(whole > 0, whole, 1), even)
    return shares
