"""How a show runs: how long each stage of a frame takes, frames drawn and missed, and the time from hand to picture."""

import threading
from collections import deque
from typing import Any, Final

import numpy as np

STAGES: Final = ("latents", "network", "transfer", "encode", "send")
_RESPONSE: Final = "response"  # from a change to the picture that was drawn with it
_LATENCY: Final = "latency"  # from a change to its picture on a screen
_DRAWING: Final = ("latents", "network", "transfer")
_WINDOW: Final = 1000  # measurements of a stage that percentiles are of
_RECENT: Final = 2.0  # seconds that the rate is counted over


class Stats:
    """Figures of one show; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = {name: deque[float](maxlen=_WINDOW) for name in (*STAGES, _RESPONSE, _LATENCY)}
        self._draws = deque[float](maxlen=30)  # of the generator that draws now
        self._shown = deque[float]()  # when, in the last seconds
        self._blocks = deque[int](maxlen=_WINDOW)
        self._counts = {"frames": 0, "drawn": 0, "dropped": 0, "failures": 0}

    def measured(self, stage: str, seconds: float) -> None:
        """Notes how long a stage, "response" or "latency" took for one frame."""
        if stage not in self._seconds:
            raise ValueError(f"stage is {stage!r}; known: {', '.join(self._seconds)}.")
        with self._lock:
            self._seconds[stage].append(seconds)

    def drawn(self, seconds: float) -> None:
        """Notes how long a whole picture took."""
        with self._lock:
            self._draws.append(seconds)
            self._counts["drawn"] += 1

    def shown(self, now: float, *, missed: int, blocks: int) -> None:
        """Notes a frame that went out.

        Args:
            now: When, in seconds.
            missed: Frames before it that were not drawn in time.
            blocks: Memory blocks that Python holds more than at the frame before.
        """
        with self._lock:
            self._counts["frames"] += 1
            self._counts["dropped"] += missed
            self._blocks.append(blocks)
            self._shown.append(now)
            while self._shown[0] < now - _RECENT:
                self._shown.popleft()

    def failed(self) -> None:
        """Notes that the renderer had to be started again."""
        with self._lock:
            self._counts["failures"] += 1

    def new_generator(self) -> None:
        """What was known about the speed of drawing holds no more."""
        with self._lock:
            self._draws.clear()

    @property
    def drawing(self) -> float | None:
        """What a picture takes now, in seconds: the median of the last ones; None before the first."""
        with self._lock:
            return float(np.median(self._draws)) if self._draws else None

    def to_json(self, now: float) -> dict[str, Any]:
        """All figures: times in milliseconds, None where nothing was measured.

        Args:
            now: Seconds, of the same clock as for `shown`.
        """
        drawing = self.drawing
        with self._lock:
            recent = [moment for moment in self._shown if moment >= now - _RECENT]
            span = recent[-1] - recent[0] if len(recent) > 1 else 0.0
            return {
                **self._counts,
                "fps": (len(recent) - 1) / span if span else 0.0,
                "reaches": None if not drawing else 1 / drawing,
                "stages": {name: _percentiles(self._seconds[name]) for name in STAGES},
                "response": _percentiles(self._seconds[_RESPONSE]),
                "latency": _percentiles(self._seconds[_LATENCY]),
                "allocations": float(np.median(self._blocks)) if self._blocks else None,
            }


def _percentiles(seconds: "deque[float]") -> dict[str, float] | None:
    """p50, p95 and p99 in milliseconds."""
    if not seconds:
        return None
    values = np.percentile(np.fromiter(seconds, float), (50, 95, 99)) * 1000
    return {name: float(value) for name, value in zip(("p50", "p95", "p99"), values, strict=True)}
