"""From the flags of `wplus walk` to the walk that they describe, and back into a file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from wplus.cli.tasks import load_latents, move_of
from wplus.generator import Generator
from wplus.latents import Latents
from wplus.paths.description import DirectionUse, Keyframe, NoiseUse, Walk
from wplus.paths.path import Path as WalkPath
from wplus.paths.said import numbers_text, walk_facts
from wplus.paths.tracks import Track, constant
from wplus.paths.walk_files import json_of_walk, read_walk, write_walk
from wplus.recipe import recipe

_SAME_NAMES = ("space", "interp", "easing", "constant_speed", "loop", "grid", "num_keyframes", "truncation_cutoff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the flags ask for."""

    walk: Walk  # its files as seen from the current folder
    base: Walk | None  # what the walk file says, where there is one
    facts: Mapping[str, Any]  # about latent files


def read_base(options: dict[str, Any]) -> Walk | None:
    """The walk in the file of --walk; its truncation stands where no flag says another."""
    if options["walk"] is None:
        return None
    base = read_walk(options["walk"])
    if not _is_given("truncation_psi"):
        options["truncation_psi"] = next((psi for psi in base.truncation_psi.values if psi != 1), 1.0)
    return base


def describe_walk(G: Generator, options: dict[str, Any], base: Walk | None) -> Asked:
    """The walk that the flags describe, on top of that of a file."""
    paths: list[Path] = [*options["latents"], *options["files"]]
    facts: dict[str, Any] = {}
    walk = Walk() if base is None else _rebased(base, options["walk"].parent, None)
    if paths:
        _, facts = load_latents(G, paths, options)
        walk = replace(walk, keyframes=_rows(G, paths, options), latents_as=options["latents_as"])
    elif options["seeds"] is not None:
        walk = replace(walk, keyframes=tuple(Keyframe(seed=seed) for seed in options["seeds"]))
    return Asked(walk=_with_flags(walk, options, is_new=base is None), base=base, facts=facts)


def save_walk(path: WalkPath, target: Path, *, frames: int | None) -> None:
    """Writes the walk with all that was left to the network said, and the network's fingerprint."""
    walk = replace(
        _rebased(path.walk, None, target.parent),
        generator=path.G.fingerprint,
        space=path.space,
        interp=path.interp,
        truncation_psi=path.truncation_psi,
    )
    if frames is not None:
        steps = max(1, frames - (not walk.loop))
        walk = replace(walk, seconds_per_keyframe=steps / path.length / walk.fps)
    write_walk(target, walk)


def said_of(path: WalkPath, asked: Asked, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the frames say: the flags; with a walk file its name, what it says, and the flags that were given."""
    if asked.base is None:
        return walk_facts(path, frames=options["frames"]) | dict(asked.facts)
    said = {"walk": options["walk"].name, "description": json_of_walk(asked.base)}
    return recipe(path.G, "walk", said | _given_facts(options) | dict(asked.facts))


def _given_facts(options: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that stand in for what a walk file says."""
    names = (*_SAME_NAMES, "seeds", "w_frames", "frames", "fps", "truncation_psi", "noise_mode", "rotate", "anchor")
    facts = {name: options[name] for name in names if _is_given(name)}
    if _is_given("grid"):
        facts["grid"] = "{}x{}".format(*options["grid"])
    if options["translate"] is not None:
        facts["translate"] = "{:g},{:g}".format(*options["translate"])
    if options["class_index"] is not None:
        facts["class"] = options["class_index"]
    if options["noise_radius"] is not None:
        facts["noise_radius"] = numbers_text(options["noise_radius"])
    if options["direction"]:
        facts["directions"] = [f"{file.name}={numbers_text(amounts)}" for file, amounts in options["direction"]]
    return facts


def _with_flags(walk: Walk, options: Mapping[str, Any], *, is_new: bool) -> Walk:
    changes: dict[str, Any] = {name: options[name] for name in _SAME_NAMES if _is_given(name)}
    if is_new or _is_given("truncation_psi"):
        changes["truncation_psi"] = constant(options["truncation_psi"])
    fps = options["fps"] if is_new or _is_given("fps") else walk.fps
    changes["fps"] = fps
    if is_new or _is_given("w_frames"):
        changes["seconds_per_keyframe"] = options["w_frames"] / fps if fps > 0 else 1.0
    move = move_of(dict(options))
    if _is_given("translate"):
        changes |= {"translate_x": constant(move.translate[0]), "translate_y": constant(move.translate[1])}
    if _is_given("rotate"):
        changes["rotate"] = constant(move.rotate)
    if options["anchor"]:
        changes["anchor"] = True
    changes["noise"] = _noise(walk.noise, options)
    changes["directions"] = {**walk.directions, **_directions(options["direction"])}
    return replace(_with_classes(walk, options["class_index"]), **changes)


def _noise(noise: NoiseUse, options: Mapping[str, Any]) -> NoiseUse:
    changes: dict[str, Any] = {}
    if _is_given("noise_mode"):
        changes["mode"] = options["noise_mode"]
    if options["noise_radius"] is not None:
        changes |= {"radii": options["noise_radius"], "scales": {}}
    return replace(noise, **changes)


def _directions(given: Sequence[tuple[Path, tuple[float, ...]]]) -> dict[str, DirectionUse]:
    """By the names of their files; several amounts are those at the first keyframes."""
    uses = {}
    for path, amounts in given:
        amount = Track(values=amounts, times=tuple(float(i) for i in range(len(amounts))))
        uses[path.stem] = DirectionUse(file=str(path), amount=amount)
    return uses


def _with_classes(walk: Walk, classes: Sequence[int] | None) -> Walk:
    """One class for all keyframes, or several, taken in turn."""
    if classes is None:
        return walk
    if len(classes) == 1:
        keyframes = tuple(replace(keyframe, class_index=None) for keyframe in walk.keyframes)
        return replace(walk, class_index=classes[0], keyframes=keyframes)
    turns = [classes[i % len(classes)] for i in range(len(walk.keyframes))]
    pairs = zip(walk.keyframes, turns, strict=True)
    return replace(walk, keyframes=tuple(replace(keyframe, class_index=index) for keyframe, index in pairs))


def _rows(G: Generator, paths: list[Path], options: Mapping[str, Any]) -> tuple[Keyframe, ...]:
    num_ws = G.num_ws if G.has_w else None
    counts = [len(Latents.load(path, num_ws=num_ws, latents_as=options["latents_as"])) for path in paths]
    return tuple(
        Keyframe(file=str(path), index=i) for path, count in zip(paths, counts, strict=True) for i in range(count)
    )


def _rebased(walk: Walk, before: Path | None, after: Path | None) -> Walk:
    """The walk with its files named as seen from another folder; None: the current one, absolute names staying so."""

    def moved(file: str | None) -> Any:
        if file is None or (after is None and Path(file).is_absolute()):
            return file
        return os.path.relpath((before or Path()) / file, after or Path())

    return replace(
        walk,
        keyframes=tuple(replace(keyframe, file=moved(keyframe.file)) for keyframe in walk.keyframes),
        directions={name: replace(use, file=moved(use.file)) for name, use in walk.directions.items()},
    )


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
