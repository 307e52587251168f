"""Facts about when frames are due."""

import threading

import pytest

from wplus.live.clock import FrameTimes, WallClock


def begun(times: FrameTimes, now: float, lead: float = 0.0) -> tuple[int, int]:
    tick = times.next(now, lead)
    times.begin(tick)
    return tick.number, tick.missed


def test_frame_n_is_due_at_n_over_fps() -> None:
    times = FrameTimes(30)
    assert [times.due(n) for n in (0, 1, 45)] == [0, 1 / 30, 1.5]


def test_frames_in_time_come_one_after_the_other_for_ever() -> None:
    times = FrameTimes(30)
    for n in range(100_000):
        assert begun(times, n / 30) == (n, 0)


def test_the_next_frame_is_the_one_after_the_last_where_there_is_time() -> None:
    times = FrameTimes(10)
    begun(times, 0.0)
    assert times.next(0.04).number == 1
    assert times.next(0.04).time == 0.1


def test_frames_that_are_late_are_skipped_and_counted() -> None:
    times = FrameTimes(10)
    begun(times, 0.0)
    assert begun(times, 0.35) == (3, 2)
    assert begun(times, 0.36) == (4, 0)


def test_a_frame_is_begun_early_by_what_drawing_takes() -> None:
    times = FrameTimes(10)
    begun(times, 0.0, 0.06)
    assert begun(times, 0.14, 0.06) == (2, 1)


def test_a_slow_network_draws_without_a_pause() -> None:
    times, now, drawn = FrameTimes(30), 0.0, 0
    while now < 10:
        tick = times.next(now, 1 / 30)
        now = max(now, tick.time - 1 / 30)
        times.begin(tick)
        now += 0.04  # 25 frames a second
        drawn += 1
    assert drawn >= 249


def test_another_rate_counts_on_from_the_last_frame() -> None:
    times = FrameTimes(10)
    begun(times, 1.0)
    times.set_rate(20)
    assert [times.due(n) for n in (10, 11, 12)] == [1.0, 1.05, 1.1]
    times.set_rate(20)
    assert begun(times, 1.05) == (11, 0)


def test_a_change_takes_effect_with_the_first_frame_neither_due_nor_begun() -> None:
    times = FrameTimes(10)
    assert times.change_time(0.0) == 0.0
    begun(times, 0.0)
    assert times.change_time(0.0) == 0.1
    assert times.change_time(0.05) == 0.1
    assert times.change_time(0.31) == 0.4
    begun(times, 0.35, 0.1)
    assert times.change_time(0.36) == pytest.approx(0.5)


def test_the_wall_clock_waits_no_longer_than_for_the_event() -> None:
    clock, event = WallClock(), threading.Event()
    start = clock.now()
    assert not clock.wait(event, 0.01)
    assert clock.now() - start >= 0.01
    event.set()
    assert clock.wait(event, 60)
    assert clock.now() - start < 30
