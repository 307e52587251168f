"""A tuning: what training a generator's weights further has changed, as a small file that is bound to that generator.

A .safetensors file of float16 differences under our key names; its metadata hold the two fingerprints and how it came
about. Differences are added tensor by tensor: a product of thin matrices would be smaller, but its last bits differ
from machine to machine, and with them the fingerprint of what is drawn.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.checkpoint import Checkpoint, Tensors
from wplus.checkpoints.fingerprint import fingerprint
from wplus.checkpoints.native import library_of_safetensors
from wplus.errors import ArtifactError, UnsupportedError
from wplus.files import whole_file

FORMAT = "wplus-tuning1"

_FAMILY = "wplus-tuning"
_MAX_TENSORS = 20_000
_MAX_BYTES = 2**31
_FINGERPRINT = re.compile(r"wplus1:[0-9a-f]{16}", re.ASCII)

Differences = dict[str, NDArray[np.float16]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuning:
    """What became of a generator's weights, and of which generator's."""

    differences: Differences  # by tensor name: tuned weights less the generator's own
    parent: str  # fingerprint of the generator that it belongs to
    fingerprint: str  # of what comes out
    notes: Mapping[str, Any] = field(default_factory=dict)  # how it was made, as JSON values

    def save(self, path: str | Path) -> None:
        """Writes a .safetensors file, whole or not at all.

        Raises:
            ValueError: the name does not end in .safetensors.
            ArtifactError: the file cannot be written.
        """
        if Path(path).suffix != ".safetensors":
            raise ValueError(f"The file is named {Path(path).name}; a tuning needs a name that ends in .safetensors.")
        metadata = {
            "format": FORMAT,
            "parent": self.parent,
            "fingerprint": self.fingerprint,
            "notes": json.dumps(dict(self.notes)),
        }
        library = library_of_safetensors()
        with whole_file(path) as temporary:
            try:
                library.numpy.save_file(self.differences, temporary, metadata=metadata)
            except library.SafetensorError as exc:  # the disk is full, too
                raise ArtifactError(f"{path} could not be written: {exc}. Nothing of it was left behind.") from exc

    @classmethod
    def load(cls, path: str | Path) -> "Tuning":
        """Reads what `save` wrote. Nothing in the file is executed.

        Raises:
            ArtifactError: the file is missing, damaged, or no tuning.
            UnsupportedError: a newer wplus wrote it, or the package safetensors is missing.
        """
        path = Path(path).expanduser()
        differences, metadata = _read(path)
        wrong = [name for name in ("parent", "fingerprint") if not _FINGERPRINT.fullmatch(metadata.get(name, ""))]
        notes = _notes(metadata.get("notes", ""))
        if wrong or notes is None:
            raise ArtifactError(f"{path} is a tuning whose {'notes' if not wrong else wrong[0]} cannot be read.")
        return cls(differences=differences, parent=metadata["parent"], fingerprint=metadata["fingerprint"], notes=notes)

    def apply(self, checkpoint: Checkpoint) -> Checkpoint:
        """The tuned generator; its provenance names its parent, whose latents it accepts.

        Raises:
            ArtifactError: the tuning belongs to another generator, or is damaged.
        """
        own = fingerprint(checkpoint.config, checkpoint.tensors)
        if own != self.parent:
            raise ArtifactError(
                f"The tuning belongs to the generator {self.parent}; {checkpoint.provenance.source} is {own}. Give the "
                "network that it was made from, or tune this one: wplus invert --tune."
            )
        tensors = add(checkpoint.tensors, self.differences)
        found = fingerprint(checkpoint.config, tensors)
        if found != self.fingerprint:
            raise ArtifactError(f"The tuning is damaged: it gives the generator {found} and not {self.fingerprint}.")
        return replace(checkpoint, tensors=tensors, provenance=replace(checkpoint.provenance, parent=own))


def add(tensors: Tensors, differences: Mapping[str, NDArray[np.float16]]) -> Tensors:
    """The tensors with the differences added, in float32; those that do not change are shared.

    Raises:
        ArtifactError: a difference has no tensor, or has another shape or numbers that are not finite.
    """
    changed: Tensors = {}
    for name, difference in differences.items():
        if name not in tensors or tensors[name].shape != difference.shape:
            there = f"is {list(tensors[name].shape)}" if name in tensors else "is not there"
            raise ArtifactError(
                f"The tuning changes {name[:100]} {list(difference.shape)}, which {there} in the network: the file is "
                "damaged."
            )
        if not np.isfinite(difference).all():
            raise ArtifactError(f"The tuning has numbers in {name[:100]} that are not finite: it is damaged.")
        changed[name] = np.asarray(tensors[name] + difference.astype(np.float32), dtype=np.float32, order="C")
    return tensors | changed


def is_tuning(path: Path) -> bool:
    """Whether a file says that it is a tuning, of whatever version."""
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    library = library_of_safetensors()
    try:
        with library.safe_open(path, framework="numpy") as archive:
            return str((archive.metadata() or {}).get("format", "")).startswith(_FAMILY)
    except (library.SafetensorError, ValueError, OSError):
        return False


def _read(path: Path) -> tuple[Differences, dict[str, str]]:
    """The arrays and the metadata of a file that is a tuning of this version."""
    if not path.is_file():
        raise ArtifactError(f"The tuning {path} {'is a folder' if path.is_dir() else 'does not exist'}.")
    if path.stat().st_size > _MAX_BYTES:
        raise ArtifactError(f"{path} has {path.stat().st_size:,} bytes; a tuning has {_MAX_BYTES:,} at most.")
    library = library_of_safetensors()
    try:
        with library.safe_open(path, framework="numpy") as archive:
            metadata = dict(archive.metadata() or {})
            _check_format(path, metadata.get("format", ""))
            names = list(archive.keys())
            kinds = {archive.get_slice(name).get_dtype() for name in names[:_MAX_TENSORS]}
            if len(names) > _MAX_TENSORS or not kinds <= {"F16"}:
                raise ArtifactError(
                    f"{path} holds {len(names):,} arrays of {', '.join(sorted(kinds))}; not a tuning's."
                )
            return {name: archive.get_tensor(name) for name in names}, metadata
    except (library.SafetensorError, ValueError, TypeError, OSError, MemoryError) as exc:
        raise ArtifactError(f"{path} cannot be read as a tuning, it is damaged or cut short: {exc}.") from exc


def _check_format(path: Path, form: str) -> None:
    if form == FORMAT:
        return
    if form.startswith(_FAMILY):
        raise UnsupportedError(
            f"{path} has format {form[:20]!r}, this version of wplus reads {FORMAT!r}. A newer wplus wrote it: "
            "pip install --upgrade wplus."
        )
    what = "a network" if form.startswith("wplus") else "a safetensors file that wplus did not write"
    raise ArtifactError(f"{path} is {what}, and no tuning. wplus invert --tune writes tunings.")


def _notes(text: str) -> dict[str, Any] | None:
    """The JSON object in a text; None where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
