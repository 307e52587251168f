"""What a control page is told: the state of a show, and what its generator is, as JSON."""

from typing import Any

from wplus.generator import Generator
from wplus.live.budget import Level
from wplus.live.performance import State
from wplus.paths.cells import cells_of


def facts_of(G: Generator) -> dict[str, Any]:
    """What the generator is."""
    height, width = G.img_shape
    return {
        "name": G.name,
        "family": G.family,
        "fingerprint": G.fingerprint,
        "resolution": G.img_resolution,
        "width": width,
        "height": height,
        "backend": G.backend,
        "device": G.device,
        "precision": G.precision,
        "dtype": G.dtype,
        "has_transform": G.has_transform,
        "has_noise": G.has_noise,
        "has_truncation": G.has_truncation,
        "has_w": G.has_w,
        "num_ws": G.num_ws if G.has_w else None,
        "c_dim": G.c_dim,
    }


def state_json(
    state: State, *, generator: dict[str, Any] | None, level: Level, recording: str | None, error: str | None
) -> dict[str, Any]:
    """The state.

    Args:
        state: Of the performance.
        generator: What `facts_of` said; None while it is being opened.
        level: How it is drawn.
        recording: The file that is being recorded.
        error: What is wrong now.
    """
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in state.values.items()}
    return {
        **values,
        "time": state.at,
        "length": state.length,
        "duration": state.length * state.values["seconds_per_keyframe"],
        "beat": state.beat,
        "grid": list(state.walk.grid),
        "cells": cells_of(len(state.walk.keyframes), grid=state.walk.grid, num_keyframes=state.walk.num_keyframes),
        "keyframes": [
            {"seed": frame.seed, "file": frame.file, "index": frame.index, "class_index": frame.class_index}
            for frame in state.walk.keyframes
        ],
        "directions": list(state.walk.directions),
        "walk": {
            "truncation_psi": _at(state, "truncation_psi"),
            "translate_x": _at(state, "translate_x"),
            "translate_y": _at(state, "translate_y"),
            "rotate": _at(state, "rotate"),
            "noise_mode": state.walk.noise.mode,
        },
        "generator": generator,
        "level": level.words,
        "recording": recording,
        "error": error,
    }


def _at(state: State, name: str) -> float:
    """What the walk says of a parameter that is None."""
    track = getattr(state.walk, name)
    value: float = track.at(state.values["position"], period=state.length if state.walk.loop else None)
    return value
