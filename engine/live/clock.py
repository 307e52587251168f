"""Time: the wall clock, and which frame it is time for."""

import math
import threading
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits; tests bring one that does both at once."""

    def now(self) -> float:
        """Seconds, from any beginning."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Waits for the event, at most so long; returns whether it is set."""


class WallClock:
    """`time.perf_counter`."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.perf_counter()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See `Clock.wait`."""
        return event.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One frame's place in time."""

    number: int
    time: float  # when it is due, in seconds
    missed: int  # frames that were due before it and are skipped


class FrameTimes:
    """Numbers frames: frame n is due at n / fps seconds. A change of the rate counts on from the last frame begun."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._base = (0, 0.0)  # a frame, and when it is due
        self._begun = -1

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self._fps

    def set_rate(self, fps: float) -> None:
        """Frames after the last one begun follow at this rate."""
        if fps != self._fps:
            last = max(self._begun, 0)
            self._base = (last, self.due(last))
            self._fps = fps

    def due(self, number: int) -> float:
        """When that frame is due."""
        return self._base[1] + (number - self._base[0]) / self._fps

    def next(self, now: float, lead: float = 0.0) -> Tick:
        """The frame to begin next: the newest whose time to begin has come, or the one after the last begun.

        Args:
            now: Seconds.
            lead: How long before it is due a frame is begun: what drawing takes, so that it is ready in time.
        """
        passed = math.floor((now + lead - self._base[1]) * self._fps + 1e-6) + self._base[0]
        number = max(self._begun + 1, passed)
        return Tick(number=number, time=self.due(number), missed=number - self._begun - 1)

    def begin(self, tick: Tick) -> None:
        """Notes that this frame is being drawn: what changes from now on is in a later one."""
        self._begun = tick.number

    def change_time(self, now: float) -> float:
        """When a change made now takes effect: with the first frame that is neither due nor begun."""
        ahead = math.ceil((now - self._base[1]) * self._fps - 1e-6) + self._base[0]
        return self.due(max(self._begun + 1, ahead))
