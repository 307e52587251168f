"""A take: a recorded performance, as a walk and time-stamped changes; drawn again it shows the same."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wplus.errors import ArtifactError
from wplus.files import whole_file
from wplus.live.parameters import check, short
from wplus.live.performance import Event
from wplus.paths.description import Walk
from wplus.paths.walk_files import json_of_walk, walk_of_json

FORMAT: Final = "wplus take"
FORMAT_VERSION: Final = 1
_WALK: Final = "walk"  # among an event's changes: another walk
_FIELDS: Final = {"format", "version", "generator", "walk", "fps", "events", "duration", "audio"}
_OPTIONAL: Final = {"generator", "audio"}
_MOST_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A performance from its beginning."""

    walk: Walk  # with which it began
    events: tuple[Event, ...]
    duration: float  # seconds
    fps: float = 60.0  # of the show; it can be drawn at any other
    generator: str | None = None  # fingerprint of the one that drew it
    audio: str | None = None  # sound that was heard with it, a file's name relative to the take's own

    def __post_init__(self) -> None:
        if not (0 <= self.duration < math.inf and 0 < self.fps < math.inf):
            raise ValueError(f"duration is {self.duration} s and fps is {self.fps}; both must be positive.")
        times = [event.at for event in self.events]
        if not all(math.isfinite(at) and at >= 0 for at in times) or times != sorted(times):
            raise ValueError("The events of a take have times in seconds from 0 on, in order.")


def write_take(path: str | Path, take: Take) -> None:
    """Writes a take as JSON.

    Raises:
        ArtifactError: the file cannot be written.
    """
    values = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "generator": take.generator,
        "walk": json_of_walk(take.walk),
        "fps": take.fps,
        "duration": take.duration,
        "audio": take.audio,
        "events": [json_of_event(event) for event in take.events],
    }
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(values, file, allow_nan=False)


def read_take(path: str | Path) -> Take:
    """Reads a take.

    Raises:
        ArtifactError: the file is missing, or no take.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        return take_of_json(json.loads(path.read_text(encoding="utf-8")))
    except ArtifactError as exc:  # its walk
        raise ArtifactError(f"{path}: {exc}") from exc
    except OSError as exc:
        raise ArtifactError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    except (ValueError, RecursionError) as exc:  # damaged JSON is one of the former
        raise ArtifactError(f"{path} is no take that can be read: {exc}") from exc


def take_of_json(values: Any) -> Take:
    """The take that JSON says.

    Raises:
        ValueError: it says none.
    """
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"Its format is not {FORMAT!r}, which `wplus live` writes.")
    if values.get("version") != FORMAT_VERSION:
        raise ValueError(
            f"Its version is {short(values.get('version'))}; this wplus reads {FORMAT_VERSION}. Update it."
        )
    if wrong := [name for name in values if name not in _FIELDS]:
        raise ValueError(f"It has the field {short(wrong[0])}, which is unknown. Known: {', '.join(sorted(_FIELDS))}.")
    if missing := sorted(_FIELDS - _OPTIONAL - set(values)):
        raise ValueError(f"It lacks the field {missing[0]!r}.")
    if not isinstance(values["events"], list):
        raise ValueError(f"events is {short(values['events'])}; a list is needed.")
    return Take(
        walk=walk_of_json(values["walk"]),
        events=tuple(event_of_json(event) for event in values["events"]),
        duration=_number("duration", values["duration"]),
        fps=_number("fps", values["fps"]),
        generator=_text("generator", values.get("generator")),
        audio=_text("audio", values.get("audio")),
    )


def json_of_event(event: Event) -> list[Any]:
    """`[seconds, {name: value}]`."""
    walk = {} if event.walk is None else {_WALK: json_of_walk(event.walk)}
    return [event.at, walk | event.changes]


def event_of_json(values: Any) -> Event:
    """The event that JSON says.

    Raises:
        ValueError: it says none.
    """
    if not isinstance(values, list) or len(values) != 2 or not isinstance(values[1], dict):
        raise ValueError(f"An event is {short(values)}; [seconds, {{name: value}}] is needed.")
    changes = {name: check(name, value) for name, value in values[1].items() if name != _WALK}
    walk = walk_of_json(values[1][_WALK]) if _WALK in values[1] else None
    return Event(at=_number("An event's time", values[0]), changes=changes, walk=walk)


def lines_of(events: Iterable[Event]) -> str:
    """Events as JSON, one a line."""
    return "".join(json.dumps(json_of_event(event), allow_nan=False) + "\n" for event in events)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {short(value)}; a number is needed.")
    return float(value)


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {short(value)}; a text or null is needed.")
    return value
