"""Facts about frames in time, with a clock that the tests move."""

import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from live_support import Events, ManualClock, Remembering, seeds_walk

from wplus.errors import UnsupportedError
from wplus.live.audience import Audience
from wplus.live.budget import Level
from wplus.live.performance import Look, Performance, walk_length
from wplus.live.renderer import Renderer
from wplus.live.stats import Stats
from wplus.live.timeline import Timeline
from wplus.media import Picture


class FakePainter:
    """A network that takes time, and says so by the clock."""

    def __init__(self, clock: ManualClock, seconds: float = 0.01) -> None:
        self.G = type("G", (), {"config": None, "img_resolution": 16})()
        self.measure: Callable[[str, float], None] = print
        self.clock, self.seconds = clock, seconds
        self.looks: list[Look] = []
        self.resolutions: list[int | None] = []
        self.error: Exception | None = None

    def paint(self, look: Look, resolution: int | None = None) -> Picture:
        if self.error is not None:
            raise self.error
        self.looks.append(look)
        self.resolutions.append(resolution)
        self.clock.advance(self.seconds)
        return np.full((4, 4, 3), round(look.position * 10) % 256, np.uint8)


class Stage:
    """All that a renderer needs."""

    def __init__(self, *, fps: float = 10.0, seconds: float = 0.01, budget: bool = False) -> None:
        walk = seeds_walk(0, 1, 2, 3, loop=True, seconds_per_keyframe=1.0, fps=fps)
        self.clock = ManualClock()
        self.line = Timeline(Performance(walk, length=walk_length), self.clock, fps=fps)
        self.stats, self.audience, self.sink, self.events = Stats(), Audience(), Remembering(), Events()
        self.audience.add(self.sink)
        self.audience.subscribe(self.events)
        self.renderer = Renderer(self.line, self.clock, self.stats, self.audience, budget=budget)
        self.painter = FakePainter(self.clock, seconds)
        self.renderer.use(self.painter)  # type: ignore[arg-type]
        self.line.begin()

    def run(self, seconds: float) -> None:
        end, stop = self.clock.now() + seconds, threading.Event()
        while self.clock.now() < end:
            self.renderer.step(stop)

    def said(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.events.messages if message["event"] == event]


def test_frames_in_time_are_all_drawn_and_ready_when_they_are_due() -> None:
    stage = Stage()
    stage.run(3.0)
    frames = stage.sink.frames
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert len(frames) in (30, 31)
    late = [frame.drawn_at - 100.0 - frame.time for frame in frames[1:]]
    assert max(late) == pytest.approx(0.0, abs=1e-6)
    said = stage.stats.to_json(stage.clock.now())
    assert (said["dropped"], said["fps"]) == (0, pytest.approx(10, rel=0.02))


def test_a_slow_network_skips_frames_and_stays_on_the_beat() -> None:
    stage = Stage(seconds=0.25)
    stage.run(10.0)
    frames = stage.sink.frames
    assert len(frames) in (40, 41)
    for frame in frames:
        assert frame.time == pytest.approx(frame.number / 10)
        assert stage.painter.looks[frames.index(frame)].position == pytest.approx(frame.time % 4)
    assert frames[-1].drawn_at - 100 - frames[-1].time < 0.3
    assert stage.stats.to_json(stage.clock.now())["dropped"] == frames[-1].number + 1 - len(frames)


def test_a_standstill_of_one_second_skips_it() -> None:
    stage = Stage()
    stage.run(1.0)
    stage.clock.advance(1.0)
    stage.run(1.0)
    assert stage.stats.to_json(stage.clock.now())["dropped"] in (9, 10)
    assert stage.sink.frames[-1].time == pytest.approx(3.0, abs=0.11)


def test_while_nothing_changes_nothing_is_drawn_and_the_same_picture_goes_out() -> None:
    stage = Stage()
    stage.line.change({"playing": False})
    stage.run(2.0)
    assert len(stage.painter.looks) == 1
    frames = stage.sink.frames
    assert len(frames) >= 20
    assert all(frame.picture is frames[0].picture for frame in frames)


def test_a_fade_draws_nothing_again() -> None:
    stage = Stage()
    stage.line.change({"playing": False, "position": 2.0})
    stage.run(0.5)
    stage.line.change({"fade": 0.5})
    stage.run(0.5)
    stage.line.change({"fade": 1.0})
    stage.run(0.5)
    assert list(dict.fromkeys(int(frame.picture[0, 0, 0]) for frame in stage.sink.frames)) == [20, 10, 0]
    assert len(stage.painter.looks) == 1


def test_scrubbing_back_draws_the_same_look() -> None:
    stage = Stage()
    stage.line.change({"playing": False})
    for position in (1.0, 3.0, 1.0):
        stage.line.change({"position": position})
        stage.run(0.2)
    first, _, third = stage.painter.looks
    assert first == third


def test_the_first_frame_with_a_change_tells_the_response() -> None:
    stage = Stage()
    stage.run(1.0)
    assert stage.stats.to_json(0.0)["response"] is None
    made = stage.clock.now()
    stage.line.change({"truncation_psi": 0.5})
    stage.run(1.0)
    frame = next(frame for frame in stage.sink.frames if frame.changed_at == made)
    response = stage.stats.to_json(0.0)["response"]
    assert response["p50"] == pytest.approx((frame.drawn_at - made) * 1000)
    assert response["p50"] <= 110


def test_loops_and_beats_are_told_when_they_come() -> None:
    stage = Stage()
    stage.line.change({"bpm": 60.0})
    stage.run(8.5)
    assert [message["time"] for message in stage.said("loop")] == pytest.approx([4, 8])
    assert [message["beat"] for message in stage.said("beat")] == list(range(1, 9))


@pytest.mark.parametrize("error", [ValueError("no such layer"), UnsupportedError("no transform")])
def test_what_cannot_be_drawn_leaves_the_last_picture_up_and_is_told_once(error: Exception) -> None:
    stage = Stage()
    stage.run(0.5)
    stage.painter.error = error
    stage.run(0.5)
    assert len(stage.said("refused")) == 1
    assert stage.renderer.refused == str(error)
    assert stage.sink.frames[-1].picture is stage.sink.frames[-2].picture
    stage.painter.error = None
    stage.run(0.5)
    assert stage.renderer.refused is None
    assert stage.sink.frames[-1].picture is not stage.sink.frames[-7].picture


def test_a_failure_is_the_supervisors_business() -> None:
    stage = Stage()
    stage.run(0.5)
    stage.painter.error = MemoryError()
    with pytest.raises(MemoryError):
        stage.run(0.5)


def test_the_budget_lowers_the_precision_and_says_so() -> None:
    stage = Stage(seconds=0.15, budget=True)
    cheap = FakePainter(stage.clock, 0.05)
    stage.renderer.use(stage.painter, cheap)  # type: ignore[arg-type]
    stage.run(4.0)
    assert stage.renderer.level == Level(fast=True)
    assert stage.said("budget")[0]["level"] == "full resolution, lower precision"
    before = len(stage.sink.frames)
    stage.run(2.0)
    assert len(stage.sink.frames) - before in (20, 21)
    assert len(cheap.looks) > 20


def test_a_sink_that_fails_is_dismissed_and_the_others_go_on() -> None:
    class Broken(Remembering):
        def show(self, frame: Any) -> None:  # noqa: ARG002
            raise OSError("gone")

    stage = Stage()
    stage.audience.add(Broken())
    stage.run(1.0)
    assert len(stage.said("sink failed")) == 1
    assert len(stage.sink.frames) >= 10


def test_a_newcomer_gets_the_newest_frame_at_once() -> None:
    stage = Stage()
    stage.run(1.0)
    newcomer = Remembering()
    stage.audience.add(newcomer)
    assert newcomer.frames == stage.sink.frames[-1:]


def test_memory_stays_flat_over_frames_and_changes() -> None:
    stage = Stage(fps=60.0, seconds=0.001)
    stage.audience.remove(stage.sink)
    blocks = []
    for i in range(5):
        for j in range(500):
            stage.line.change({"fade": (j % 10) / 10, "position": j / 200})
            stage.run(1 / 60)
        stage.line.forget()
        stage.events.messages.clear()
        stage.painter.looks.clear()
        stage.painter.resolutions.clear()
        stage.clock.waits.clear()
        gc.collect()
        blocks.append(sys.getallocatedblocks())
        assert i == 0 or len(stage.line.events()) < 100
    assert blocks[-1] - blocks[2] < 300
