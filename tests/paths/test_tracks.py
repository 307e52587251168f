"""Facts about numbers that change along a walk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wplus.paths.tracks import Track, constant


def test_a_constant_is_the_same_everywhere() -> None:
    assert {constant(0.7).at(position, period=period) for position in (0, 3.5, 99) for period in (None, 4.0)} == {0.7}
    assert constant(0.7).to_json() == 0.7


def test_an_open_track_keeps_its_ends() -> None:
    track = Track(times=(1, 3), values=(0, 4))
    assert [track.at(t) for t in (0, 1, 1.5, 2, 3, 9)] == [0, 0, 1, 2, 4, 4]


def test_in_a_loop_the_last_value_leads_back_to_the_first() -> None:
    track = Track(times=(1, 3), values=(0, 4))
    assert [track.at(t, period=6) for t in (1, 2, 3, 5, 6, 0, 7)] == [0, 2, 4, 2, 1, 1, 0]


def test_a_rotation_may_go_all_the_way_around() -> None:
    turn = Track(times=(0, 4), values=(0, 360))
    assert [turn.at(t, period=4) for t in (0, 1, 3, 4, 5)] == [0, 90, 270, 0, 90]


def test_smooth_stands_still_at_values_and_hold_goes_in_steps() -> None:
    smooth, hold = (Track(times=(0, 1, 2), values=(0, 1, 3), interp=interp) for interp in ("smooth", "hold"))
    assert [smooth.at(t) for t in (0, 0.5, 1, 1.5, 2)] == [0, 0.5, 1, 2, 3]
    assert smooth.at(0.001) < 1e-5
    assert [hold.at(t) for t in (0, 0.9, 1, 1.9, 2)] == [0, 0, 1, 1, 3]


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(-5, 5)), min_size=1, max_size=6, unique_by=lambda pair: pair[0]),
    st.floats(-30, 30),
    st.sampled_from([None, 10.0, 12.0]),
)
def test_a_track_stays_within_its_values(points: list[tuple[float, float]], position: float, period: float) -> None:
    times, values = zip(*sorted(points), strict=True)
    assert min(values) - 1e-9 <= Track(times=times, values=values).at(position, period=period) <= max(values) + 1e-9


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ((0, 1), (1,), "2 times and 1 values"),
        ((), (), "0 times and 0 values"),
        ((1, 1), (0, 1), "must rise"),
        ((-1, 1), (0, 1), "must rise, from 0"),
        ((0,), (float("nan"),), "not finite"),
    ],
)
def test_tracks_that_make_no_sense_are_refused(
    times: tuple[float, ...], values: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Track(times=times, values=values)
