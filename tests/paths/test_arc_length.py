"""Facts about the change of time that makes a speed constant."""

import numpy as np
import pytest
from numpy.typing import NDArray

from wplus.interpolation import Interp, curve
from wplus.paths.arc_length import ConstantSpeed, steps_between


def _keys(seed: int = 0) -> NDArray[np.float32]:
    keys = np.random.RandomState(seed).randn(6, 2, 16).astype(np.float32)
    keys[2] = keys[1] + 0.1 * (keys[2] - keys[1])  # a short span among long ones
    return keys


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("interp", ["linear", "slerp", "spline", "catmull-rom"])
def test_every_step_is_as_long_as_the_others_within_two_percent(interp: Interp, loop: bool) -> None:
    at, spans = curve(_keys(), interp=interp, loop=loop), 6 - (not loop)
    even = ConstantSpeed(steps_between(at, spans=spans, samples=128), rests=False)
    # Finer than the table, so that what it smooths over would show.
    times = np.array([even(position) for position in np.linspace(0, spans, 3001)])
    times = np.minimum(times, spans - 1e-9) if loop else times
    steps = np.linalg.norm(np.diff(at(times).reshape(3001, -1).astype(np.float64), axis=0), axis=1)
    plain = np.linalg.norm(np.diff(at(np.linspace(0, spans - 1e-9, 3001)).reshape(3001, -1), axis=0), axis=1)
    corners = 6 if interp in ("linear", "slerp") else 0  # a step across a corner cuts it
    apart = np.sort(np.abs(steps / np.median(steps) - 1))
    assert apart[: 3000 - corners].max() < 0.02
    assert plain.max() / plain.min() > 2


def test_time_rises_from_end_to_end() -> None:
    even = ConstantSpeed(np.random.RandomState(0).rand(4, 32), rests=False)
    times = [even(position) for position in np.linspace(0, 4, 999)]
    assert (times[0], times[-1]) == (0, 4)
    assert min(np.diff(times)) > 0


def test_with_rests_every_span_keeps_its_time() -> None:
    even = ConstantSpeed(np.random.RandomState(0).rand(4, 32), rests=True)
    assert [even(float(position)) for position in range(5)] == [0, 1, 2, 3, 4]
    assert even(1.5) != 1.5


def test_where_nothing_moves_time_goes_evenly() -> None:
    for rests in (False, True):
        even = ConstantSpeed(np.zeros((2, 8)), rests=rests)
        assert [even(position) for position in (0, 0.5, 1.3, 2)] == pytest.approx([0, 0.5, 1.3, 2])


def test_a_span_without_length_takes_no_time() -> None:
    even = ConstantSpeed(np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]), rests=False)
    assert even(1.49) < 1
    assert even(1.51) > 2
