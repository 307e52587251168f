"""What a file is, in a dict that prints well and is valid JSON."""

import shlex
from pathlib import Path
from typing import Any

from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint
from wplus.config import StyleGAN2Config, config_to_dict
from wplus.errors import ArtifactError
from wplus.latent_files import LATENT_SUFFIXES, is_latent_file
from wplus.latents import Latents
from wplus.media_metadata import read_metadata

_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4")
_FLAGS = {
    "truncation_psi": ("--trunc", 1.0),
    "truncation_cutoff": ("--trunc-cutoff", None),
    "class": ("--class", None),
    "noise_mode": ("--noise-mode", "const"),
    "space": ("--space", None),
    "interp": ("--interp", None),
    "w_frames": ("--w-frames", 120),
    "fps": ("--fps", 60),
    "num_keyframes": ("--num-keyframes", None),
    "frames": ("--frames", None),
    "grid": ("--grid", "1x1"),
    "batch": ("--batch", None),
    "precision": ("--precision", "exact"),
}


def describe(source: str, *, sha256: str | None = None) -> dict[str, Any]:
    """Facts about a network, a latent file, or a picture or video of ours.

    Raises:
        CheckpointError, UnsupportedError: it is a network that cannot be read.
        ArtifactError: it is a latent file or picture that cannot be read.
    """
    path = Path(source)
    if path.suffix.lower() in _PICTURE_SUFFIXES:
        return _describe_picture(path)
    if path.suffix in LATENT_SUFFIXES and is_latent_file(path):
        return _describe_latents(path)
    return describe_checkpoint(read_checkpoint(source, sha256=sha256))


def describe_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    """Facts about a network."""
    from wplus.networks import build_network

    build_network(checkpoint)  # refuses a file that lacks a tensor
    config = checkpoint.config
    learned = [value for name, value in checkpoint.tensors.items() if not name.endswith(("_filter", ".noise_const"))]
    facts: dict[str, Any] = {
        "file": checkpoint.provenance.source,
        "format": checkpoint.provenance.format,
        "family": config.family,
        "because": checkpoint.why,
        "resolution": f"{config.img_resolution}x{config.img_resolution}, {config.img_channels} channels",
        "z_dim": config.z_dim,
        "c_dim": config.c_dim,
    }
    if isinstance(config, StyleGAN2Config):
        facts |= {"w_dim": config.w_dim, "num_ws": config.num_ws}
    return facts | {
        "parameters": sum(value.size for value in learned),
        "fingerprint": fingerprint(config, checkpoint.tensors),
        "licence": checkpoint.provenance.licence,
        "sha256": checkpoint.provenance.sha256,
        "contents": list(checkpoint.contents),
        "config": [f"{name} = {value}" for name, value in config_to_dict(config).items()],
    }


def _describe_latents(path: Path) -> dict[str, Any]:
    latents = Latents.load(path)
    return {
        "file": path.name,
        "format": "latents",
        "space": latents.space,
        "shape": str(list(latents.values.shape)),
        "generator": latents.generator or "unknown",
        "truncation_psi": latents.truncation_psi,
        "noise": list(latents.noise),
    }


def _describe_picture(path: Path) -> dict[str, Any]:
    facts = read_metadata(path)
    if facts is None:
        raise ArtifactError(f"{path} does not say how it was made: wplus did not make it, or was told to keep silent.")
    return {"file": path.name} | facts | {"again": command_for(facts)}


def command_for(facts: dict[str, Any]) -> str:
    """The command that draws a picture or video again, from what it says about itself."""
    words = ["wplus", str(facts["verb"]), f"--network={facts['network']}"]
    if (seeds := facts.get("seeds", facts.get("seed"))) is not None:
        words.append(f"--seeds={_ranges(seeds if isinstance(seeds, list) else [seeds])}")
    for name, (flag, default) in _FLAGS.items():
        if facts.get(name) not in (None, default):
            words.append(f"{flag}={facts[name]}")
    if facts.get("loop"):
        words.append("--loop")
    return shlex.join(words)


def _ranges(numbers: list[int]) -> str:
    """`0,1,4-6` of a list of numbers."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in parts)
