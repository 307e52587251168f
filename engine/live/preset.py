"""Presets: a walk file with the live parameters, and the mapping of controls, in it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from wplus.errors import ArtifactError
from wplus.live.mapping_json import bindings_of_json
from wplus.live.parameters import check, short
from wplus.live.performance import State
from wplus.paths.description import Walk
from wplus.paths.walk_files import json_of_walk, walk_of_json

LIVE: Final = "live"  # a walk file's field that only shows read
_OF_THE_WALK: Final = ("seeds", "interp", "easing", "constant_speed", "loop")  # in the walk already


def preset_of(state: State, controls: Mapping[str, Any]) -> dict[str, Any]:
    """The state as a walk file; JSON."""
    parameters = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in state.values.items()
        if name not in _OF_THE_WALK and value is not None
    }
    return {**json_of_walk(state.walk), LIVE: {"parameters": parameters, "controls": dict(controls)}}


def read_preset(preset: Mapping[str, Any]) -> tuple[Walk, dict[str, Any], dict[str, Any] | None]:
    """The walk, the parameters, and the mapping of controls; None where it is a walk file without one.

    Raises:
        ValueError, ArtifactError: it is no preset.
    """
    walk = walk_of_json({name: value for name, value in preset.items() if name != LIVE})
    live = preset.get(LIVE, {})
    if not isinstance(live, dict) or set(live) - {"parameters", "controls"}:
        raise ValueError(f"live is {short(live)}; an object with parameters and controls is needed.")
    parameters, controls = live.get("parameters", {}), live.get("controls")
    if not isinstance(parameters, dict) or not isinstance(controls, dict | None):
        raise ValueError("live has parameters or controls that are no objects.")
    bindings_of_json(controls or {})  # what cannot be used is refused before anything changes
    return walk, {name: check(name, value) for name, value in parameters.items()}, controls


def with_whole_names(walk: Walk, folder: Path | None) -> Walk:
    """The walk with the names of its files from the root on, whatever folder they were relative to; None: this one."""
    start = (folder or Path()).absolute()
    return replace(
        walk,
        keyframes=tuple(
            keyframe if keyframe.file is None else replace(keyframe, file=str(start / keyframe.file))
            for keyframe in walk.keyframes
        ),
        directions={name: replace(use, file=str(start / use.file)) for name, use in walk.directions.items()},
    )


def read_preset_file(path: str | Path) -> dict[str, Any]:
    """A preset's JSON.

    Raises:
        ArtifactError: the file cannot be read.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise ArtifactError(f"{path} is no preset that can be read: {exc}.") from exc
    if not isinstance(values, dict):
        raise ArtifactError(f"{path} is no preset: it holds a {type(values).__name__}.")
    return values
