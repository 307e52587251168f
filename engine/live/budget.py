"""The budget of a frame: when to draw cheaper pictures to hold the rate, and when better ones can be tried again."""

from collections import deque
from dataclasses import dataclass
from typing import Final

_TOO_LONG: Final = 0.95  # of the time from frame to frame: a median above it means late frames
_HAS_ROOM: Final = 0.70  # a median below it is a reason to try the better level
_WINDOW: Final = 12  # pictures that the median is of
_FEW: Final = 4  # pictures that are enough, where they took a second
_FIRST_HOLD: Final = 5.0  # seconds at a level before the better one is tried
_LONGEST_HOLD: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One way to draw; later levels are cheaper."""

    fast: bool = False  # in the lower precision
    resolution: int | None = None  # to stop at; None: the whole picture

    @property
    def words(self) -> str:
        """For people."""
        size = "full resolution" if self.resolution is None else f"{self.resolution} px, scaled up"
        return f"{size}, lower precision" if self.fast else size


class Budget:
    """Chooses the level from what pictures took. A level that proved too slow is tried again later and later.

    Args:
        levels: The best first.
    """

    def __init__(self, levels: list[Level]) -> None:
        self._levels = levels
        self._place = 0
        self._seconds = deque[float](maxlen=_WINDOW)
        self._since = 0.0
        self._hold = _FIRST_HOLD
        self._is_trial = False

    @property
    def level(self) -> Level:
        """How to draw."""
        return self._levels[self._place]

    def replace(self, levels: list[Level]) -> None:
        """Other levels, as of another generator: starts with the best of them."""
        self._levels, self._place, self._hold, self._is_trial = levels, 0, _FIRST_HOLD, False
        self._seconds.clear()

    def observe(self, seconds: float, *, period: float, now: float) -> bool:
        """Notes what a picture took; returns whether the level has changed.

        Args:
            seconds: From its latents to its bytes.
            period: Seconds from frame to frame.
            now: Seconds, of any clock.
        """
        self._seconds.append(seconds)
        count = len(self._seconds)
        if count < _WINDOW and (count < _FEW or sum(self._seconds) < 1):
            return False
        median = sorted(self._seconds)[count // 2]
        if median > _TOO_LONG * period and self._place + 1 < len(self._levels):
            self._hold = min(2 * self._hold, _LONGEST_HOLD) if self._is_trial else _FIRST_HOLD
            return self._go(self._place + 1, now, is_trial=False)
        if self._is_trial and now - self._since > self._hold:  # it has held
            self._is_trial, self._hold = False, _FIRST_HOLD
        if self._place > 0 and median < _HAS_ROOM * period and now - self._since > self._hold:
            return self._go(self._place - 1, now, is_trial=True)
        return False

    def _go(self, place: int, now: float, *, is_trial: bool) -> bool:
        self._place, self._since, self._is_trial = place, now, is_trial
        self._seconds.clear()
        return True
