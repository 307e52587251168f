"""A number that changes along a walk: truncation, the amount of a direction, a turn."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Literal, get_args

from wplus.paths.easing import EASINGS

TrackInterp = Literal["linear", "smooth", "hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Values at times, in keyframes from the start of the walk, and what lies between them.

    Before its first time a track has its first value, after its last time its last. In a walk that loops the last
    value leads back to the first, one round later; a track whose last time is the walk's length ends there instead,
    so that a rotation may go from 0 to 360.
    """

    values: tuple[float, ...]
    times: tuple[float, ...] = (0.0,)
    interp: TrackInterp = "linear"  # smooth: standing still at each value; hold: in steps

    def __post_init__(self) -> None:
        if len(self.values) != len(self.times) or not self.values:
            raise ValueError(f"A track has {len(self.times)} times and {len(self.values)} values; each needs the other.")
        if not all(math.isfinite(number) for number in (*self.values, *self.times)):
            raise ValueError("A track has numbers that are not finite.")
        if self.times[0] < 0 or any(after <= before for before, after in zip(self.times, self.times[1:], strict=False)):
            raise ValueError(f"A track has the times {list(self.times)}; they must rise, from 0 keyframes on.")
        if self.interp not in get_args(TrackInterp):
            raise ValueError(f"A track's interp is {self.interp!r}; known: {', '.join(get_args(TrackInterp))}.")

    @property
    def is_constant(self) -> bool:
        """Whether it has the same value at all times."""
        return min(self.values) == max(self.values)

    def at(self, position: float, *, period: float | None = None) -> float:
        """The value at a position in keyframes; `period`: the length of a walk that loops."""
        if self.is_constant:
            return self.values[0]
        times, values = self.times, self.values
        if period is not None:
            position %= period
            if times[-1] < period:
                times, values = (*times, times[0] + period), (*values, values[0])
            if position < times[0]:
                position += period
        left = bisect_right(times, position) - 1
        if left < 0 or left == len(times) - 1:
            return values[max(left, 0)]
        share = (position - times[left]) / (times[left + 1] - times[left])
        share = 0.0 if self.interp == "hold" else EASINGS["none" if self.interp == "linear" else "smooth"](share)
        return values[left] + share * (values[left + 1] - values[left])

    def to_json(self) -> float | dict[str, Any]:
        """As it stands in a walk file: one number where it never changes."""
        if self.is_constant:
            return self.values[0]
        known: dict[str, Any] = {"times": list(self.times), "values": list(self.values)}
        return known if self.interp == "linear" else known | {"interp": self.interp}


def constant(value: float) -> Track:
    """A track that has one value at all times."""
    return Track(values=(value,))


ZERO, ONE = constant(0.0), constant(1.0)
