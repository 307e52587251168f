"""Facts about the curves through keyframes."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from wplus.interpolation import Interp, curve, interpolate
from wplus.kernels import latent_path

INTERPS: tuple[Interp, ...] = ("linear", "slerp", "spline", "catmull-rom")


def points(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("interp", INTERPS)
@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (3, 1), (5, 2, 7), (8, 14, 63)], ids=str)
def test_keyframes_come_back_bit_for_bit(shape: tuple[int, ...], interp: Interp, loop: bool) -> None:
    keys = points(*shape)
    keys[0] = -0.0
    at = interpolate(keys, range(len(keys)), interp=interp, loop=loop)
    assert at.dtype == np.float32
    assert at.tobytes() == keys.tobytes()


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("interp", INTERPS)
def test_a_value_does_not_depend_on_the_other_times(interp: Interp, loop: bool) -> None:
    keys = points(6, 3, 65)
    times = np.linspace(0, 5, 101)
    together = interpolate(keys, times, interp=interp, loop=loop)
    alone = curve(keys, interp=interp, loop=loop)
    assert together.tobytes() == np.concatenate([alone([moment]) for moment in times]).tobytes()
    assert together[7:24].tobytes() == interpolate(keys, times[7:24], interp=interp, loop=loop).tobytes()


@pytest.mark.parametrize("interp", INTERPS)
def test_a_loop_has_no_seam(interp: Interp) -> None:
    keys = points(5, 16)
    values = interpolate(keys, np.arange(1000) / 200, interp=interp, loop=True)
    steps = np.linalg.norm(np.roll(values, -1, axis=0) - values, axis=1)
    across = steps[-1]
    assert across < 1.05 * max(steps[-2], steps[0])
    assert across > 0.95 * min(steps[-2], steps[0])


def test_a_looping_spline_is_smooth_across_the_seam() -> None:
    keys = points(5, 4)
    step = 1e-3
    around = interpolate(keys, [5 - 2 * step, 5 - step, 0, step, 2 * step], interp="spline", loop=True).astype(float)
    before, after = around[2] - around[1], around[3] - around[2]
    np.testing.assert_allclose(before, after, atol=50 * step**2)


@pytest.mark.parametrize("interp", INTERPS)
def test_a_loop_wraps_its_times(interp: Interp) -> None:
    keys = points(4, 8)
    at = curve(keys, interp=interp, loop=True)
    np.testing.assert_array_equal(at([0.25, 3.5]), at([4.25, -0.5]))
    np.testing.assert_array_equal(at([-1e-20])[0], keys[0])


def test_a_periodic_curve_does_not_care_where_it_starts() -> None:
    keys = points(7, 5)
    shifted = interpolate(np.roll(keys, -3, axis=0), np.arange(70) / 10, interp="spline", loop=True)
    straight = interpolate(keys, np.arange(70) / 10 + 3, interp="spline", loop=True)
    np.testing.assert_allclose(shifted, straight, atol=1e-6)


def test_linear_goes_straight() -> None:
    middle = interpolate(np.array([[0, 4], [2, 0]], np.float32), [0.25, 0.5], interp="linear", loop=False)
    np.testing.assert_array_equal(middle, [[0.5, 3], [1, 2]])


def test_two_open_keyframes_make_a_spline_straight() -> None:
    keys, times = points(2, 9), np.linspace(0, 1, 21)
    spline = interpolate(keys, times, interp="spline", loop=False)
    np.testing.assert_array_equal(spline, interpolate(keys, times, interp="linear", loop=False))


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("count", [2, 3, 4, 9])
def test_splines_solve_the_equations_that_define_them(count: int, loop: bool) -> None:
    keys = points(count, 3).astype(np.float64)
    matrix = 4 * np.eye(count)
    for i in range(count):
        matrix[i, (i + 1) % count] += 1
        matrix[i, (i - 1) % count] += 1
    right = 6 * (np.roll(keys, 1, axis=0) - 2 * keys + np.roll(keys, -1, axis=0))
    if not loop:
        matrix[[0, -1]] = np.eye(count)[[0, -1]]
        right[[0, -1]] = 0
    bends = np.linalg.solve(matrix, right)
    # Half way between two keyframes the cubic is their mean less a sixteenth of the sum of the second derivatives.
    following = np.roll(keys, -1, axis=0)
    middle = (keys + following) / 2 - (bends + np.roll(bends, -1, axis=0)) / 16
    spans = count if loop else count - 1
    values = interpolate(keys, np.arange(spans) + 0.5, interp="spline", loop=loop)
    np.testing.assert_allclose(values, middle[:spans], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("count", [2, 3, 4, 9])
def test_catmull_rom_is_the_kernels(count: int, loop: bool) -> None:
    keys, spans = points(count, 3, 8), count if loop else count - 1
    times = np.linspace(0, spans, 41)
    expected = latent_path(
        torch.from_numpy(keys), torch.from_numpy(times), interp="catmull-rom", loop=loop, impl="reference"
    )
    values = interpolate(keys, times, interp="catmull-rom", loop=loop)
    np.testing.assert_allclose(values, expected.numpy(), rtol=1e-6, atol=1e-6)


def test_a_keyframe_of_catmull_rom_bends_its_neighbours_alone() -> None:
    keys = points(9, 4)
    moved = keys.copy()
    moved[4] += 1
    times = np.arange(81) / 10
    changed = np.any(
        interpolate(keys, times, interp="catmull-rom", loop=False)
        != interpolate(moved, times, interp="catmull-rom", loop=False),
        axis=1,
    )
    assert (times[changed].min(), times[changed].max()) == (2.1, 5.9)


def test_slerp_keeps_to_the_arc_and_its_norm_is_linear() -> None:
    keys = np.array([[2, 0, 0], [0, 4, 0]], np.float32)
    values = interpolate(keys, [1 / 3], interp="slerp", loop=False)[0]
    norm = 2 + 2 / 3
    np.testing.assert_allclose(values, [norm * np.cos(np.pi / 6), norm * np.sin(np.pi / 6), 0], rtol=1e-6)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-7, 1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("sign", [1, -1], ids=["equal", "opposite"])
def test_slerp_is_continuous_and_of_right_norm_near_equal_and_opposite_vectors(sign: int, gap: float) -> None:
    start = points(1, 64)[0].astype(np.float64)
    end = 3 * sign * (start + gap * points(1, 64, seed=1)[0])
    times = np.linspace(0, 1, 513)
    values = interpolate(np.stack([start, end]), times, interp="slerp", loop=False).astype(np.float64)
    norms = np.linalg.norm(values, axis=1)
    expected = (1 - times) * np.linalg.norm(start) + times * np.linalg.norm(end)
    np.testing.assert_allclose(norms, expected, rtol=3e-6)
    steps = np.linalg.norm(np.diff(values, axis=0), axis=1)
    bound = (np.pi * expected.max() + np.linalg.norm(end) - np.linalg.norm(start)) / 512
    assert steps.max() <= 1.01 * bound


def test_opposite_vectors_always_turn_the_same_way() -> None:
    keys = np.array([[1, 0, 0], [-1, 0, 0]], np.float32)
    half = interpolate(keys, [0.5], interp="slerp", loop=False)[0]
    np.testing.assert_allclose(half, [0, 1, 0], atol=1e-7)


def test_slerp_from_and_to_zero_keeps_the_direction() -> None:
    keys = np.array([[0, 0], [3, 4], [0, 0], [0, 0]], np.float32)
    values = interpolate(keys, [0.5, 1.5, 2.5], interp="slerp", loop=False)
    np.testing.assert_allclose(values, np.array([[1.5, 2], [1.5, 2], [0, 0]]), rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    keys=arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=6), elements=st.floats(-1e4, 1e4, width=32)),
    interp=st.sampled_from(INTERPS),
    loop=st.booleans(),
)
def test_any_keyframes_give_finite_values_and_themselves(keys: NDArray[np.float32], interp: Interp, loop: bool) -> None:
    times = np.linspace(0, len(keys) - 1, 4 * len(keys) - 3)
    values = interpolate(keys, times, interp=interp, loop=loop)
    assert np.isfinite(values).all()
    assert values[::4].tobytes() == keys.tobytes()


def test_thousands_of_keyframes_are_fast() -> None:
    keys = points(5000, 512)
    start = time.perf_counter()
    interpolate(keys, [0.5], interp="spline", loop=False)
    assert time.perf_counter() - start < 5


def test_times_beyond_an_open_curve_are_refused_with_the_range() -> None:
    with pytest.raises(ValueError, match=r"3 keyframes that do not loop have times from 0 to 2"):
        interpolate(points(3, 2), [2.5], interp="linear", loop=False)


@pytest.mark.parametrize(
    ("keys", "interp", "message"),
    [
        (np.empty((0, 4)), "linear", r"\[0, 4\]; a curve needs"),
        (np.array([[np.nan]]), "linear", "finite"),
        (np.ones((2, 2)), "cubic", "known: linear, slerp, spline"),
        (np.ones(3), "slerp", "slerp needs vectors"),
    ],
    ids=["none", "nan", "unknown", "numbers"],
)
def test_bad_keyframes_are_refused(keys: NDArray[np.float64], interp: Interp, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        curve(keys, interp=interp, loop=False)
