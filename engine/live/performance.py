"""A performance: a walk, the changes that were made to it, and what both say of any moment. No clock, no threads."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from wplus.live.parameters import DIRECTION, PARAMETERS, check, short
from wplus.paths.cells import cells_of
from wplus.paths.description import Keyframe, Walk
from wplus.paths.path import Controls

_OF_THE_WALK: Final = ("interp", "easing", "constant_speed", "loop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All that a picture depends on, apart from the generator: equal looks are equal pictures."""

    walk: Walk
    position: float  # in keyframes
    controls: Controls


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A performance at one moment."""

    at: float  # seconds
    values: Mapping[str, Any]  # every parameter by name, the position too; None: as the walk has it
    walk: Walk  # as it was changed
    length: float  # of the walk, in keyframes
    laps: int  # rounds of a loop until now; backwards they count down
    beat: int | None  # beats since the tempo was set
    look: Look  # what is shown; while frozen, what was shown then
    fade: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What changed at one moment."""

    at: float  # seconds
    changes: dict[str, Any]  # parameters by name
    walk: Walk | None = None  # another one from then on


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """From one change to the next: the position moves at one rate."""

    start: float
    values: Mapping[str, Any]
    walk: Walk
    length: float
    position: float  # at the start
    laps: int
    beats_from: float
    frozen: Look | None

    @property
    def rate(self) -> float:
        """Keyframes a second."""
        return self.values["speed"] / self.values["seconds_per_keyframe"] if self.values["playing"] else 0.0

    def place(self, at: float) -> tuple[float, int]:
        """Position and laps at a time."""
        position = self.position + (at - self.start) * self.rate
        if not self.walk.loop:
            return min(max(position, 0.0), self.length), self.laps
        laps, position = divmod(position, self.length)
        return position if position < self.length else 0.0, self.laps + int(laps)


class Performance:
    """A pure function of changes and time: position is the integral of speed / seconds_per_keyframe.

    Args:
        walk: What is performed.
        length: Length of a walk in keyframes; raises `ValueError` for one that cannot be walked.
    """

    def __init__(self, walk: Walk, *, length: Callable[[Walk], float]) -> None:
        self._length = length
        self._walk = walk
        self._segments = [self._first(walk, 0.0)]
        self._events: list[Event] = []

    @property
    def walk(self) -> Walk:
        """What it started with."""
        return self._walk

    @property
    def events(self) -> list[Event]:
        """What changed, and when, since the last `forget`."""
        return list(self._events)

    def _checked(self, changes: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
        """The changes as they are recorded, with what follows from them."""
        checked = {name: check(name, value) for name, value in changes.items()}
        for name in checked:
            if name.startswith(DIRECTION) and name not in known:
                directions = [key.removeprefix(DIRECTION) for key in known if key.startswith(DIRECTION)]
                there = f"has {', '.join(directions)}" if directions else "has none"
                raise ValueError(f"There is no direction {short(name.removeprefix(DIRECTION))}; this walk {there}.")
        # One thing, said two ways: who says one of them means both.
        if checked.get("bpm") is not None:
            checked = {"seconds_per_keyframe": 60 / checked["bpm"], **checked}
        elif "seconds_per_keyframe" in checked:
            checked.setdefault("bpm", None)
        return checked

    def change(self, changes: Mapping[str, Any], at: float, walk: Walk | None = None) -> None:
        """Changes parameters from `at` seconds on; nothing before that is altered.

        Args:
            changes: By name.
            at: Seconds; not before an earlier change.
            walk: Another walk, which the changes are to; all other parameters go back to what it says.

        Raises:
            ValueError: a change is wrong, or lies before an earlier one; nothing is applied then.
        """
        known = self._segments[-1].values if walk is None else self._first(walk, at).values
        checked = self._checked(changes, known)
        if not checked and walk is None:
            return
        last = self._segments[-1].start
        if not last <= at:
            raise ValueError(f"A change at {at:g} s comes after one at {last:g} s; changes are made in order.")
        again = bool(self._events) and self._events[-1].at == at
        if again:  # of one moment there is one change: as if all had been made together
            before = self._events[-1]
            checked = checked if walk else before.changes | checked
            walk = walk or before.walk
        start = self._segments[-2 if again else -1] if walk is None else self._first(walk, at)
        segment = self._after(start, checked, at)
        if again:
            del self._segments[-1], self._events[-1]
        self._segments.append(segment)
        self._events.append(Event(at=at, changes=checked, walk=walk))

    def state(self, at: float) -> State:
        """What holds at that time. Times before the last `forget` are not known any more."""
        segment = self._segments[max(bisect_right(self._segments, at, key=lambda known: known.start) - 1, 0)]
        position, laps = segment.place(at)
        bpm = segment.values["bpm"]
        return State(
            at=at,
            values={**segment.values, "position": position},
            walk=segment.walk,
            length=segment.length,
            laps=laps,
            beat=None if bpm is None else int((at - segment.beats_from) * bpm / 60),
            look=segment.frozen or _look(segment.walk, segment.length, position, segment.values),
            fade=segment.values["fade"],
        )

    def forget(self, before: float) -> list[Event]:
        """Drops what happened before a time, save what still holds at it, and returns it: memory stays flat."""
        kept = bisect_right(self._segments, before, key=lambda known: known.start) - 2  # one more: see `change`
        if kept < 1:
            return []
        gone = [event for event in self._events if event.at < self._segments[kept].start]
        del self._segments[:kept], self._events[: len(gone)]
        return gone

    def _first(self, walk: Walk, start: float) -> _Segment:
        """What holds where a walk begins."""
        values = {name: known.default for name, known in PARAMETERS.items() if name != "position"}
        values |= {name: getattr(walk, name) for name in (*_OF_THE_WALK, "seconds_per_keyframe", "fps")}
        values["seeds"] = _seeds(walk)
        values |= {DIRECTION + name: None for name in walk.directions}
        return _Segment(
            start=start,
            values=values,
            walk=walk,
            length=self._length(walk),
            position=0.0,
            laps=0,
            beats_from=start,
            frozen=None,
        )

    def _after(self, segment: _Segment, checked: Mapping[str, Any], at: float) -> _Segment:
        """What holds from a change on."""
        position, laps = segment.place(at)
        position = checked.get("position", position)
        values = {**segment.values, **{name: value for name, value in checked.items() if name != "position"}}
        walk = _changed(segment.walk, checked)
        length = segment.length if walk is segment.walk else self._length(walk)
        position = position % length if walk.loop else min(position, length)
        frozen = segment.frozen if values["freeze"] else None
        if values["freeze"] and frozen is None:
            frozen = _look(walk, length, position, values)
        return _Segment(
            start=at,
            values=values,
            walk=walk,
            length=length,
            position=position,
            laps=laps,
            beats_from=at if "bpm" in checked else segment.beats_from,
            frozen=frozen,
        )


def walk_length(walk: Walk) -> float:
    """Keyframes from the start of a walk to its end, in each cell of its grid.

    Raises:
        ValueError: they do not divide into cells of two or more each.
    """
    cells = cells_of(len(walk.keyframes), grid=walk.grid, num_keyframes=walk.num_keyframes)
    return float(len(cells[0]) - (not walk.loop))


def _changed(walk: Walk, checked: Mapping[str, Any]) -> Walk:
    """The walk with what changes its keyframes and the curve through them; the same object where nothing does."""
    new: dict[str, Any] = {name: checked[name] for name in _OF_THE_WALK if name in checked}
    if "seeds" in checked:
        old = walk.keyframes  # classes and layers stay with the place
        new["keyframes"] = tuple(
            replace(old[i % len(old)], seed=seed, file=None, index=0) if old else Keyframe(seed=seed)
            for i, seed in enumerate(checked["seeds"])
        )
    new = {name: value for name, value in new.items() if getattr(walk, name) != value}
    return replace(walk, **new) if new else walk


def _look(walk: Walk, length: float, position: float, values: Mapping[str, Any]) -> Look:
    period = length if walk.loop else None
    x, y = values["translate_x"], values["translate_y"]
    translate = None
    if x is not None or y is not None:
        translate = (
            walk.translate_x.at(position, period=period) if x is None else x,
            walk.translate_y.at(position, period=period) if y is None else y,
        )
    amounts = {
        name.removeprefix(DIRECTION): amount
        for name, amount in values.items()
        if name.startswith(DIRECTION) and amount is not None
    }
    names = ("truncation_psi", "truncation_cutoff", "mix_seed", "mix_layers", "mix_amount", "rotate", "noise_radius")
    controls = Controls(directions=amounts, translate=translate, **{name: values[name] for name in names})
    return Look(walk=walk, position=position, controls=controls)


def _seeds(walk: Walk) -> tuple[int, ...] | None:
    """The seeds of its keyframes; None where one is from a file."""
    seeds = tuple(keyframe.seed for keyframe in walk.keyframes if keyframe.seed is not None)
    return seeds if len(seeds) == len(walk.keyframes) else None
