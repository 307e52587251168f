"""A performance on a clock, for many threads: changes come in, and the renderer asks for the next frame."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wplus.live.clock import Clock, FrameTimes, Tick
from wplus.live.performance import Event, Performance, State
from wplus.paths.description import Walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The next frame."""

    tick: Tick
    state: State | None  # None: it is not time yet
    wait: float  # seconds until it is
    changed_at: float  # by the clock: when the newest change in it was made; 0.0 before the first


class Timeline:
    """What a show is at any moment.

    A change takes effect with the first frame that is neither due nor begun: what was drawn stays what it was, so that
    a take shows the same again, and the next frame always has the newest parameters.
    """

    def __init__(self, performance: Performance, clock: Clock, *, fps: float) -> None:
        self._performance = performance
        self._clock = clock
        self._lock = threading.Lock()
        self._times = FrameTimes(fps)
        self._start: float | None = None
        self._changes: deque[tuple[float, float]] = deque()  # not yet in a frame: when they hold, when they were made
        self._changed_at = 0.0
        self._last_change = 0.0  # when it holds

    def now(self) -> float:
        """Seconds since the show began; 0 before."""
        return 0.0 if self._start is None else self._clock.now() - self._start

    def begin(self) -> None:
        """The show begins now, if it has not yet: while nothing can be drawn for the first time, no frame is late."""
        with self._lock:
            if self._start is None:
                self._start = self._clock.now()

    def change(self, changes: Mapping[str, Any], walk: Walk | None = None) -> None:
        """Makes changes now; see `Performance.change`.

        Raises:
            ValueError: one is wrong; none is made then.
        """
        with self._lock:
            at = max(self._times.change_time(self.now()), self._last_change)
            self._performance.change(changes, at, walk)
            self._last_change = at
            self._changes.append((at, self._clock.now()))
            self._times.set_rate(self._performance.state(at).values["fps"])

    def next(self, lead: float) -> Due:
        """The frame to begin now, noted as begun; or how long to wait for it."""
        with self._lock:
            now = self.now()
            tick = self._times.next(now, lead)
            wait = tick.time - lead - now
            if wait > 0:
                return Due(tick=tick, state=None, wait=wait, changed_at=self._changed_at)
            self._times.begin(tick)
            while self._changes and self._changes[0][0] <= tick.time:
                self._changed_at = self._changes.popleft()[1]
            return Due(tick=tick, state=self._performance.state(tick.time), wait=0.0, changed_at=self._changed_at)

    def state(self) -> State:
        """What holds with all changes that were made until now."""
        with self._lock:
            return self._performance.state(max(self.now(), self._last_change))

    @property
    def fps(self) -> float:
        """Frames a second that are due."""
        return self._times.fps

    def forget(self) -> list[Event]:
        """Drops changes that are in force already, and returns them."""
        with self._lock:
            return self._performance.forget(min(self.now(), self._last_change) - 1.0)

    def events(self) -> list[Event]:
        """Changes since the last `forget`."""
        with self._lock:
            return self._performance.events
