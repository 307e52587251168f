"""What a picture says about how it was made, and the command that makes it again."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wplus import __version__
from wplus.errors import ArtifactError
from wplus.pyav import CONTAINERS

if TYPE_CHECKING:
    from wplus.generator import Generator

# Flag, and the value at which it can be left out.
_FLAGS = {
    "tuning": ("--tuning", None),
    "styles": ("--styles", None),
    "latents_as": ("--latents-as", None),
    "truncation_psi": ("--trunc", 1.0),
    "truncation_cutoff": ("--trunc-cutoff", None),
    "class": ("--class", None),
    "noise_mode": ("--noise-mode", "const"),
    "walk": ("--walk", None),
    "take": ("--take", None),
    "size": ("--size", None),
    "space": ("--space", None),
    "interp": ("--interp", None),
    "easing": ("--easing", None),
    "constant_speed": ("--constant-speed", None),
    "noise_radius": ("--noise-radius", None),
    "w_frames": ("--w-frames", None),
    "frames": ("--frames", None),
    "fps": ("--fps", None),
    "translate": ("--translate", None),
    "rotate": ("--rotate", None),
    "num_keyframes": ("--num-keyframes", None),
    "codec": ("--codec", None),
    "crf": ("--crf", None),
    "bitrate": ("--bitrate", None),
    "audio": ("--audio", None),
    "grid": ("--grid", None),
    "batch": ("--batch", None),
    "backend": ("--backend", None),
    "device": ("--device", None),
    "precision": ("--precision", "exact"),
    "threads": ("--threads", None),
}
_NUMBERS = {"seed": "--seeds", "seeds": "--seeds", "rows": "--rows", "columns": "--cols"}
_SWITCHES = {"loop": "--loop", "anchor": "--anchor", "allow_mismatch": "--allow-mismatch"}
_LATENTS = {"sample": "--projected-w", "walk": "--latents"}


def recipe(G: "Generator", verb: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values that say how `verb` makes a picture: `facts`, the network, and all that may change its last bits."""
    return {
        "verb": verb,
        "network": G.name,
        **({} if G.tuning is None else {"tuning": G.tuning}),
        "fingerprint": G.fingerprint,
        "version": __version__,
        **facts,
        "batch": G.micro_batch,
        "backend": G.backend,
        "device": G.device,
        "precision": G.precision,
        "threads": G.threads,
    }


def command_for(facts: Mapping[str, Any], path: Path) -> str:
    """The command that makes the picture or video at `path` again, from what it says about itself.

    Raises:
        ArtifactError: it says nothing that this version understands.
    """
    try:
        words = [f"--network={facts['network']}", *_flags(facts), *_target(facts, path)]
        return shlex.join(["wplus", facts["verb"], *words])
    except (KeyError, TypeError, ValueError) as exc:
        raise ArtifactError(f"{path} says how it was made in a way that this version cannot read.") from exc


def ranges(numbers: Sequence[int]) -> str:
    """`0,1,4-6` of a list of numbers."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in parts)


def _flags(facts: Mapping[str, Any]) -> list[str]:
    words = [f"{flag}={_numbers(facts[name])}" for name, flag in _NUMBERS.items() if facts.get(name) is not None]
    words += [f"{_LATENTS[facts['verb']]}={name}" for name in facts.get("latents") or ()]
    words += [f"--direction={direction}" for direction in facts.get("directions") or ()]
    for name, (flag, default) in _FLAGS.items():
        value = facts.get(name)
        # On top of a walk file, what is as by default may stand in for something else.
        if value is not None and (value != default or "walk" in facts):
            words.append(f"{flag}={_numbers(value) if isinstance(value, list) else value}")
    return words + [flag for name, flag in _SWITCHES.items() if facts.get(name)]


def _numbers(value: Any) -> str:
    return ranges([int(number) for number in (value if isinstance(value, list) else [value])])


def _target(facts: Mapping[str, Any], path: Path) -> list[str]:
    """Where the command writes: never over the picture itself."""
    suffix = path.suffix.lower()
    if facts["verb"] == "walk":
        return [f"--output=again{suffix}" if suffix in (".gif", *CONTAINERS) else "--output=again/"]
    return ["--outdir=again"] if suffix == ".png" else [f"--format={suffix[1:]}", "--outdir=again"]
