"""wplus's own format: a .safetensors file whose metadata hold family, configuration and provenance as JSON."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from wplus.checkpoints.checkpoint import Checkpoint, Provenance, Tensors
from wplus.checkpoints.infer import infer_dcgan, infer_stylegan2
from wplus.checkpoints.infer_stylegan1 import infer_stylegan1
from wplus.checkpoints.infer_stylegan3 import HIDDEN, infer_stylegan3
from wplus.checkpoints.kwargs_config import config_from_kwargs
from wplus.checkpoints.source import SourceFile
from wplus.config import (
    Config,
    DCGANConfig,
    StyleGAN1Config,
    StyleGAN2Config,
    StyleGAN3Config,
    config_from_dict,
    config_to_dict,
)
from wplus.errors import ArtifactError, CheckpointError, UnsupportedError
from wplus.files import whole_file

_FORMAT = "wplus1"
_MAX_TENSORS = 20_000


def recognises(file: SourceFile) -> bool:
    """Whether the file is a safetensors file."""
    return file.kind == "safetensors"


def read(file: SourceFile) -> Checkpoint:
    """The generator in a file of ours, or in one with NVIDIA's state-dict names and keyword arguments."""
    tensors, metadata = _read_safetensors(file.path)
    if metadata.get("format") == _FORMAT:
        return _read_ours(tensors, metadata)
    if metadata.get("format", "").startswith("wplus-tuning"):
        raise CheckpointError(
            f"It is a tuning of the generator {metadata.get('parent', '')[:23]!r}, and no network. Give that "
            "network, and this file as its tuning: --tuning=FILE, wplus.load(NETWORK, tuning=FILE)."
        )
    if metadata.get("format", "").startswith("wplus"):
        raise UnsupportedError(
            f"The file has format {metadata['format'][:20]!r}, this version of wplus reads {_FORMAT!r}. "
            "A newer wplus wrote it: pip install --upgrade wplus."
        )
    if metadata.get("family") == "stylegan2" and "config" in metadata:
        return _read_kwargs(file, tensors, metadata)
    names = ", ".join(sorted(tensors)[:3])
    raise CheckpointError(
        f"It is a safetensors file that wplus did not write: its metadata name no generator. It holds {len(tensors)} "
        f"tensors ({names}, ...). Give the checkpoint it was made from to wplus convert."
    )


def write_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes a generator to a .safetensors file, whole or not at all, every bit of its tensors kept.

    Raises:
        ValueError: the name does not end in .safetensors.
        ArtifactError: the file cannot be written.
    """
    if Path(path).suffix != ".safetensors":
        raise ValueError(f"The file is named {Path(path).name}; our format needs a name that ends in .safetensors.")
    metadata = {
        "format": _FORMAT,
        "family": checkpoint.config.family,
        "config": json.dumps(config_to_dict(checkpoint.config)),
        "provenance": json.dumps(asdict(checkpoint.provenance)),
    }
    library = library_of_safetensors()
    with whole_file(path) as temporary:
        try:
            library.numpy.save_file(checkpoint.tensors, temporary, metadata=metadata)
        except library.SafetensorError as exc:  # the disk is full, too
            raise ArtifactError(f"{path} could not be written: {exc}. Nothing of it was left behind.") from exc


def library_of_safetensors() -> Any:
    """The safetensors package, which an install without torch may lack."""
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as exc:
        raise UnsupportedError("Safetensors files need the torch extra: pip install 'wplus[torch]'.") from exc
    return safetensors


def _read_safetensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    library = library_of_safetensors()
    try:
        with library.safe_open(path, framework="numpy") as archive:
            names = list(archive.keys())
            if len(names) > _MAX_TENSORS:
                raise CheckpointError(f"The file holds {len(names):,} tensors; a generator has some hundred.")
            # get_tensor copies; order="C" keeps a [] tensor a [] tensor, which ascontiguousarray would not.
            tensors = {name: np.asarray(archive.get_tensor(name), dtype=np.float32, order="C") for name in names}
            return tensors, dict(archive.metadata() or {})
    except (library.SafetensorError, ValueError, TypeError, AttributeError, OSError, MemoryError) as exc:
        raise CheckpointError(f"The safetensors file is damaged or cut short: {exc}.") from exc


def _read_ours(tensors: Tensors, metadata: dict[str, str]) -> Checkpoint:
    try:
        config = config_from_dict(metadata["family"], _object(metadata["config"]))
        provenance = _to_provenance(_object(metadata["provenance"]))
    except (KeyError, ValueError, TypeError, RecursionError) as exc:
        raise CheckpointError(f"The file's description of its generator cannot be read: {exc}.") from exc
    if (found := _infer(config, tensors)) != config:
        raise CheckpointError(f"The file describes {config}; its tensors are those of {found}.")
    return Checkpoint(
        config=config,
        tensors=tensors,
        provenance=provenance,
        why=f"its metadata say so (format {_FORMAT})",
        contents=(f"{len(tensors)} tensors, written by wplus from {provenance.source} ({provenance.format})",),
    )


def _infer(config: Config, tensors: Tensors) -> Config:
    """What the tensors say, with what no tensor shows taken from `config`."""
    if isinstance(config, StyleGAN1Config):
        hidden = ("fused_resolution", "cutoff", "lr_multiplier")
        return infer_stylegan1(tensors, **{name: getattr(config, name) for name in hidden})
    if isinstance(config, StyleGAN2Config):
        return infer_stylegan2(tensors, conv_clamp=config.conv_clamp, lr_multiplier=config.lr_multiplier)
    if isinstance(config, StyleGAN3Config):
        return infer_stylegan3(tensors, {name: getattr(config, name) for name in HIDDEN})
    assert isinstance(config, DCGANConfig)
    return replace(infer_dcgan(tensors, c_dim=config.c_dim), eps=config.eps)


def _to_provenance(values: dict[str, Any]) -> Provenance:
    if wrong := [name for name, value in values.items() if not isinstance(value, str | None)]:
        raise ValueError(f"{wrong[0]} of the provenance is no text")
    return Provenance(**values)


def _read_kwargs(file: SourceFile, tensors: Tensors, metadata: dict[str, str]) -> Checkpoint:
    try:
        config: Config = config_from_kwargs(_object(metadata["config"]), tensors)
    except (ValueError, TypeError, RecursionError) as exc:
        raise CheckpointError(f"The file's keyword arguments cannot be read: {exc}.") from exc
    form = "safetensors with NVIDIA's state-dict names and keyword arguments"
    return Checkpoint(
        config=config,
        tensors=tensors,
        provenance=file.provenance(form, licence=metadata.get("license", "unknown")),
        why="its metadata name the family and hold NVIDIA's keyword arguments",
        contents=(f"{len(tensors)} tensors",),
    )


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"an object is needed, {type(value).__name__} was given")
    return value
