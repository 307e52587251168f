"""Facts about a performance on a clock."""

import pytest
from live_support import ManualClock, seeds_walk

from wplus.live.performance import Performance, walk_length
from wplus.live.timeline import Timeline


def timeline(clock: ManualClock, fps: float = 10.0) -> Timeline:
    walk = seeds_walk(0, 1, 2, 3, loop=True, seconds_per_keyframe=1.0, fps=fps)
    return Timeline(Performance(walk, length=walk_length), clock, fps=fps)


def test_time_stands_still_until_the_show_begins() -> None:
    clock = ManualClock()
    line = timeline(clock)
    clock.advance(60)
    line.change({"fade": 0.5})
    line.begin()
    due = line.next(0.0)
    assert due.state is not None
    assert (due.tick.number, due.tick.missed, due.state.fade) == (0, 0, 0.5)
    clock.advance(1)
    line.begin()
    assert line.now() == 1


def test_a_frame_that_is_not_due_says_how_long_to_wait() -> None:
    clock = ManualClock()
    line = timeline(clock)
    line.begin()
    line.next(0.0)
    clock.advance(0.04)
    due = line.next(0.02)
    assert due.state is None
    assert due.wait == pytest.approx(0.04)


def test_the_frame_after_a_change_has_it_and_says_when_it_was_made() -> None:
    clock = ManualClock()
    line = timeline(clock)
    line.begin()
    assert line.next(0.0).changed_at == 0.0
    clock.advance(0.03)
    line.change({"fade": 0.25})
    clock.advance(0.03)
    line.change({"fade": 0.5})
    clock.advance(0.04)
    due = line.next(0.0)
    assert due.state is not None
    assert due.state.fade == 0.5
    assert due.changed_at == pytest.approx(100.06)


def test_what_was_drawn_is_what_a_take_says() -> None:
    clock = ManualClock()
    line = timeline(clock)
    line.begin()
    drawn = []
    for i in range(200):
        clock.advance(0.013)
        if i % 7 == 3:
            line.change({"speed": (i % 5) - 2.0, "fade": (i % 10) / 10})
        due = line.next(0.03)
        if due.state is not None:
            drawn.append(due.state)
    again = Performance(seeds_walk(0, 1, 2, 3, loop=True, seconds_per_keyframe=1.0, fps=10.0), length=walk_length)
    for event in line.events():
        again.change(event.changes, event.at)
    assert [again.state(state.at) for state in drawn] == drawn
    assert len(drawn) > 20


def test_the_state_has_a_change_at_once_before_any_frame_has() -> None:
    clock = ManualClock()
    line = timeline(clock)
    line.begin()
    line.next(0.0)
    line.change({"fade": 1.0})
    assert line.state().fade == 1.0


def test_another_rate_holds_from_the_next_frame_on() -> None:
    clock = ManualClock()
    line = timeline(clock)
    line.begin()
    line.next(0.0)
    line.change({"fps": 50.0})
    assert line.fps == 50.0
    assert line.next(0.0).wait == pytest.approx(0.02)


def test_what_is_past_can_be_forgotten() -> None:
    clock = ManualClock()
    line = timeline(clock)
    line.begin()
    for i in range(100):
        clock.advance(0.1)
        line.change({"fade": i / 100})
    past = line.forget()
    assert len(past) > 80
    assert past[0].changes == {"fade": 0.0}
    assert len(past) + len(line.events()) == 100
