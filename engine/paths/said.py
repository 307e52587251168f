"""What the pictures of a walk say about how they were made, in the values of the command line's flags."""

from typing import Any

from wplus.paths.description import Walk
from wplus.paths.path import Path
from wplus.paths.tracks import Track
from wplus.recipe import recipe


def walk_facts(path: Path, *, frames: int | None) -> dict[str, Any]:
    """The recipe of a path; what flags cannot say is in the walk file, which the command line names besides."""
    walk = path.walk
    w_frames = walk.seconds_per_keyframe * walk.fps
    seeds = [keyframe.seed for keyframe in walk.keyframes]
    facts = {
        "seeds": seeds if seeds and None not in seeds else None,
        "space": path.space,
        "interp": path.interp,
        "loop": walk.loop,
        "w_frames": round(w_frames) if frames is None and abs(w_frames - round(w_frames)) < 1e-6 else None,
        "frames": frames,
        "fps": int(walk.fps) if walk.fps.is_integer() else walk.fps,
        "grid": f"{walk.grid[0]}x{walk.grid[1]}",
        "num_keyframes": walk.num_keyframes,
        "truncation_psi": _constant(path.truncation_psi),
        "truncation_cutoff": walk.truncation_cutoff,
        "class": _classes(walk),
        "noise_mode": walk.noise.mode,
        "translate": _translation(walk),
        "rotate": _constant(walk.rotate) or None,
        "anchor": walk.anchor,
    }
    return recipe(path.G, "walk", facts | _lately(walk))


def _lately(walk: Walk) -> dict[str, Any]:
    """What walks can be asked for since they have files: left out where it is not, so that old pictures stay the same."""
    use = walk.noise
    radii = ",".join(f"{radius!r}" for radius in use.radii)
    said = {
        "easing": walk.easing if walk.easing != "none" else None,
        "constant_speed": walk.constant_speed if walk.constant_speed != "none" else None,
        "noise_radius": radii or None,
        "directions": [
            f"{use.file}={_constant(use.amount)!r}" for use in walk.directions.values() if use.amount.is_constant
        ],
    }
    return {name: value for name, value in said.items() if value}


def _constant(track: Track) -> float | None:
    return track.values[0] if track.is_constant else None


def _classes(walk: Walk) -> int | list[int] | None:
    classes = [walk.class_index if each.class_index is None else each.class_index for each in walk.keyframes]
    known = [index for index in classes if index is not None]
    return walk.class_index if len(set(known)) < 2 and walk.class_index is not None else known or walk.class_index


def _translation(walk: Walk) -> str | None:
    x, y = _constant(walk.translate_x), _constant(walk.translate_y)
    return None if x is None or y is None or (x, y) == (0, 0) else f"{x:g},{y:g}"
