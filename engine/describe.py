"""What a file is, in a dict that prints well and is valid JSON."""

from pathlib import Path
from typing import Any

from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint
from wplus.config import StyleConfig, config_to_dict
from wplus.errors import ArtifactError, WplusError
from wplus.latents import Latents
from wplus.loading import display_name
from wplus.media_metadata import read_metadata
from wplus.recipe import command_for

_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4")


def describe(source: str, *, sha256: str | None = None) -> dict[str, Any]:
    """Facts about a network, a latent file, or a picture or video of ours.

    Raises:
        CheckpointError, UnsupportedError: it is a network that cannot be read.
        ArtifactError: it is a latent file or picture that cannot be read.
    """
    path = Path(source).expanduser()
    suffix = path.suffix.lower()
    if suffix in _PICTURE_SUFFIXES:
        return {"file": path.name} | _describe_picture(path)
    if suffix in (".npz", ".npy"):
        return {"file": path.name} | _describe_latents(Latents.load(path))
    if suffix in (".pt", ".pth") and (latents := _torch_latents(path)) is not None:
        return {"file": path.name} | _describe_latents(latents)
    return {"file": display_name(source)} | _describe_checkpoint(read_checkpoint(source, sha256=sha256))


def _torch_latents(path: Path) -> Latents | None:
    """The latents in a torch file; None where it holds something else, such as a network."""
    try:
        return Latents.load(path)
    except WplusError:
        return None


def _describe_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    from wplus.networks import build_network

    build_network(checkpoint)  # refuses a file that lacks a tensor
    config, provenance = checkpoint.config, checkpoint.provenance
    learned = [value for name, value in checkpoint.tensors.items() if not name.endswith(("_filter", ".noise_const"))]
    sizes: dict[str, Any] = {"z_dim": config.z_dim, "c_dim": config.c_dim}
    if isinstance(config, StyleConfig):
        sizes |= {"w_dim": config.w_dim, "num_ws": config.num_ws}
    facts = {
        "family": config.family,
        "because": checkpoint.why,
        "resolution": f"{config.img_shape[1]}x{config.img_shape[0]}, {config.img_channels} channels",
        **sizes,
        "parameters": sum(value.size for value in learned),
        "fingerprint": fingerprint(config, checkpoint.tensors),
        "licence": provenance.licence,
        "description": provenance.description,
        "parent": provenance.parent,
        "source": f"{provenance.source}, {provenance.format}",
        "source_sha256": provenance.sha256,
        "contents": list(checkpoint.contents),
        "config": config_to_dict(config),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _describe_latents(latents: Latents) -> dict[str, Any]:
    return {
        "format": "latents",
        "space": latents.space,
        "shape": list(latents.values.shape),
        "generator": latents.generator or "unknown",
        "truncation_psi": latents.truncation_psi,
        "noise": {name: list(value.shape) for name, value in latents.noise.items()},
    }


def _describe_picture(path: Path) -> dict[str, Any]:
    facts = read_metadata(path)
    if facts is None:
        raise ArtifactError(f"{path} does not say how it was made: wplus did not make it, or was told to keep silent.")
    again = command_for(facts, path)
    if not str(facts["network"]).startswith(("demo:", "https:")) or facts.get("latents"):
        facts |= {"note": "Local files are known by name alone: run the command where they lie, or add their folders."}
    return facts | {"again": again}
