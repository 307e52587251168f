"""MIDI clock to beats a minute."""

from collections import deque
from typing import Final

_PULSES: Final = 24  # a beat
_BEATS: Final = 4  # that the tempo is of
_PAUSE: Final = 1.0  # s without a pulse: a new start
_FASTEST: Final = 400.0
_MOVED: Final = 0.2  # bpm; less is the cable's jitter


class MidiClock:
    """The last pulses."""

    def __init__(self) -> None:
        self._times = deque[float](maxlen=_PULSES * _BEATS + 1)
        self._pulses = 0
        self._told = 0.0

    def pulse(self, at: float) -> float | None:
        """Notes a pulse at a time in seconds; returns the tempo once a beat where it has changed, else None."""
        if self._times and not 0 < at - self._times[-1] <= _PAUSE:
            self._times.clear()
            self._pulses = 0
        self._times.append(at)
        self._pulses += 1
        if len(self._times) <= _PULSES or self._pulses % _PULSES != 1:
            return None
        seconds = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        tempo = min(round(60 / (_PULSES * seconds), 1), _FASTEST)
        if abs(tempo - self._told) < _MOVED:
            return None
        self._told = tempo
        return tempo
