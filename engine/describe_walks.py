"""What a walk file, a preset or a take says, in a dict that prints well and is valid JSON."""

import json
from pathlib import Path
from typing import Any

from wplus.errors import ArtifactError
from wplus.live import take as takes
from wplus.paths.cells import cells_of
from wplus.paths.description import Walk
from wplus.paths.walk_files import json_of_walk, read_walk

SUFFIXES = (".json", ".toml")

_TOLD = ("format", "version", "keyframes", "generator", "seconds_per_keyframe", "fps", "loop")


def describe_walk(path: Path) -> dict[str, Any]:
    """Facts about a walk file or a take; what a walk leaves as by default is left out.

    Raises:
        ArtifactError: it is neither, or cannot be read.
    """
    if _format(path) != takes.FORMAT:
        use = f"wplus walk --network=NETWORK --walk={path.name} --output={path.name.split('.')[0]}.mp4"
        return {"format": "walk", **_facts(read_walk(path), path), "use": use}
    take = takes.read_take(path)
    return {
        "format": "take: a performance of wplus live",
        "seconds": take.duration,
        "changes": len(take.events),
        "fps": take.fps,
        "generator": take.generator or "any",
        "sound": take.audio or "none",
        "begins with": _facts(take.walk, path),
        "use": f"wplus walk --network=NETWORK --take={path.name} --output={path.stem}.mp4",
    }


def _facts(walk: Walk, path: Path) -> dict[str, Any]:
    try:
        cells = cells_of(len(walk.keyframes), grid=walk.grid, num_keyframes=walk.num_keyframes)
    except ValueError as exc:
        raise ArtifactError(f"{path}: {exc}") from exc
    seeds = [keyframe.seed for keyframe in walk.keyframes]
    named = [
        f"{keyframe.file}[{keyframe.index}]" if keyframe.file else f"seed {keyframe.seed}"
        for keyframe in walk.keyframes
    ]
    return {
        "generator": walk.generator or "any",
        "keyframes": named if None in seeds else seeds,
        "seconds": (len(cells[0]) - (not walk.loop)) * walk.seconds_per_keyframe,
        "fps": walk.fps,
        "loop": walk.loop,
        **{name: value for name, value in json_of_walk(walk).items() if name not in _TOLD},
    }


def _format(path: Path) -> Any:
    """What a JSON file says that it is; None where it says nothing, and whoever reads it says why."""
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if path.suffix.lower() == ".json" else {}
    except (OSError, ValueError, RecursionError):
        return None
    return values.get("format") if isinstance(values, dict) else None
