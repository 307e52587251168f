"""What tests of shows share: a clock that they move, walks, and sinks that remember."""

import threading
from typing import Any

from wplus.live.frames import Frame
from wplus.paths.description import Keyframe, Walk


class ManualClock:
    """A clock that only waiting moves, and `advance`."""

    def __init__(self, now: float = 100.0) -> None:
        self.time = now
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.time += seconds
        return event.is_set()

    def advance(self, seconds: float) -> None:
        self.time += seconds


class Remembering:
    """A sink that keeps all frames, and lets tests wait for them."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.closed = False
        self._came = threading.Condition()

    def show(self, frame: Frame) -> None:
        with self._came:
            self.frames.append(frame)
            self._came.notify_all()

    def close(self) -> None:
        self.closed = True

    def wait_for(self, count: int, timeout: float = 20.0) -> list[Frame]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.frames) >= count, timeout), f"{len(self.frames)} frames came"
            return list(self.frames)


class Events:
    """A subscriber that lets tests wait for an event."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._came = threading.Condition()

    def __call__(self, message: dict[str, Any]) -> None:
        with self._came:
            self.messages.append(message)
            self._came.notify_all()

    def wait_for(self, event: str, timeout: float = 20.0) -> dict[str, Any]:
        with self._came:
            assert self._came.wait_for(lambda: self._of(event), timeout), [m.get("event") for m in self.messages]
            return self._of(event)[0]

    def _of(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("event") == event]


def seeds_walk(*seeds: int, **options: Any) -> Walk:
    return Walk(keyframes=tuple(Keyframe(seed=seed) for seed in seeds), **options)
