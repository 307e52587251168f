"""Tap tempo: from taps on the beat to beats a minute."""

from collections import deque
from typing import Final

_PAUSE: Final = 2.0  # seconds after which a tap begins anew
_TAPS: Final = 8  # that the tempo is of
_FASTEST, _SLOWEST = 400.0, 1.0


class Taps:
    """The last taps."""

    def __init__(self) -> None:
        self._times = deque[float](maxlen=_TAPS)

    def tap(self, at: float) -> float | None:
        """Notes a tap, at a time in seconds; returns beats a minute, None after a first one."""
        if self._times and not 0 < at - self._times[-1] <= _PAUSE:
            self._times.clear()
        self._times.append(at)
        if len(self._times) < 2:
            return None
        beats = 60 * (len(self._times) - 1) / (self._times[-1] - self._times[0])
        return min(max(beats, _SLOWEST), _FASTEST)
