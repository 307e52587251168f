"""What a file is, in a dict that prints well and is valid JSON."""

from pathlib import Path
from typing import Any

from wplus.bundle import Bundle, is_bundle
from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint
from wplus.checkpoints.checkpoint import Provenance
from wplus.checkpoints.tuning import Tuning, is_tuning
from wplus.config import Config, StyleConfig, config_to_dict
from wplus.describe_walks import SUFFIXES as WALK_SUFFIXES
from wplus.describe_walks import describe_walk
from wplus.errors import ArtifactError, WplusError
from wplus.inversion.measurements import is_measurements, measurement_facts
from wplus.latents import Latents
from wplus.loading import checked_bundle, display_name
from wplus.manifest import FORMAT_VERSION, GraphSpec, Port
from wplus.media_metadata import read_metadata
from wplus.pyav import CONTAINERS
from wplus.recipe import command_for

_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", *CONTAINERS)


def describe(source: str, *, sha256: str | None = None) -> dict[str, Any]:
    """Facts about a network, a bundle, a tuning, latents, measurements, a walk, a take, or a picture or video of ours.

    Raises:
        CheckpointError, UnsupportedError: it is a network that cannot be read.
        ArtifactError: it is one of the others, and cannot be read.
    """
    path = Path(source).expanduser()
    suffix = path.suffix.lower()
    if is_bundle(path):
        return {"file": display_name(source)} | _describe_bundle(checked_bundle(path, sha256))
    if suffix in _PICTURE_SUFFIXES:
        return {"file": path.name} | _describe_picture(path)
    if suffix == ".npz" and path.is_file() and is_measurements(path):
        return {"file": path.name} | measurement_facts(path)
    if suffix in (".npz", ".npy"):
        return {"file": path.name} | _describe_latents(Latents.load(path))
    if suffix in (".pt", ".pth") and (latents := _torch_latents(path)) is not None:
        return {"file": path.name} | _describe_latents(latents)
    if suffix in WALK_SUFFIXES and path.is_file():
        return {"file": path.name} | describe_walk(path)
    if is_tuning(path):
        return {"file": path.name} | _describe_tuning(Tuning.load(path), path)
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
    facts = {
        "family": config.family,
        "because": checkpoint.why,
        **_sizes(config),
        "parameters": sum(value.size for value in learned),
        "fingerprint": fingerprint(config, checkpoint.tensors),
        **_origin(provenance),
        "contents": list(checkpoint.contents),
        "config": config_to_dict(config),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _describe_bundle(bundle: Bundle) -> dict[str, Any]:
    manifest, certificate = bundle.manifest, bundle.manifest.certificate
    facts = {
        "format": f"bundle, version {FORMAT_VERSION}",
        "family": manifest.config.family,
        **_sizes(manifest.config),
        "parameters": manifest.parameters,
        "fingerprint": manifest.fingerprint,
        **_origin(manifest.provenance),
        "graphs": [_signature(graph) for graph in (*manifest.graphs.values(), manifest.inversion) if graph],
        "precision": manifest.precision,
        "float32_layers": list(manifest.float32_layers) or None,
        "opset": manifest.opset,
        "noise": manifest.noise,
        "output": manifest.output,
        "max_batch": manifest.max_batch,
        "certificate": [] if certificate is None else [f"{certificate.run} run", *certificate.summary.splitlines()],
        "files": {name: f"{file.bytes:,} bytes" for name, file in manifest.files.items()},
        "made_with": dict(manifest.versions),
        "config": config_to_dict(manifest.config),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _sizes(config: Config) -> dict[str, Any]:
    sizes: dict[str, Any] = {
        "resolution": f"{config.img_shape[1]}x{config.img_shape[0]}, {config.img_channels} channels",
        "z_dim": config.z_dim,
        "c_dim": config.c_dim,
    }
    return sizes | ({"w_dim": config.w_dim, "num_ws": config.num_ws} if isinstance(config, StyleConfig) else {})


def _origin(provenance: Provenance) -> dict[str, Any]:
    return {
        "licence": provenance.licence,
        "description": provenance.description,
        "parent": provenance.parent,
        "source": f"{provenance.source}, {provenance.format}",
        "source_sha256": provenance.sha256,
    }


def _signature(graph: GraphSpec) -> str:
    """A graph's file, and what goes in and comes out."""
    inputs, outputs = (", ".join(map(_port, ports)) for ports in (graph.inputs, graph.outputs))
    return f"{graph.file}: {inputs} -> {outputs}"


def _port(port: Port) -> str:
    return f"{port.name} {port.dtype} [{', '.join(map(str, port.shape))}]"


def _describe_latents(latents: Latents) -> dict[str, Any]:
    return {
        "format": "latents",
        "space": latents.space,
        "shape": list(latents.values.shape),
        "generator": latents.generator or "unknown",
        "truncation_psi": latents.truncation_psi,
        "noise": {name: list(value.shape) for name, value in latents.noise.items()},
    }


def _describe_tuning(tuning: Tuning, path: Path) -> dict[str, Any]:
    return {
        "format": "tuning: changes of a generator's weights",
        "parent": tuning.parent,
        "fingerprint": tuning.fingerprint,
        "parameters": sum(value.size for value in tuning.differences.values()),
        "bytes": path.stat().st_size,
        "notes": dict(tuning.notes),
        "use": f"wplus sample --network=NETWORK --tuning={path.name}, where NETWORK is {tuning.parent}",
    }


def _describe_picture(path: Path) -> dict[str, Any]:
    facts = read_metadata(path)
    if facts is None:
        raise ArtifactError(f"{path} does not say how it was made: wplus did not make it, or was told to keep silent.")
    again = command_for(facts, path)
    needs_files = facts.get("latents") or facts.get("tuning")
    if not str(facts["network"]).startswith(("demo:", "https:")) or needs_files:
        facts |= {"note": "Local files are known by name alone: run the command where they lie, or add their folders."}
    return facts | {"again": again}
