"""The bundle: a folder with a network's graphs, its manifest and its certificate. Nothing here needs torch."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wplus.config import Config
from wplus.errors import ArtifactError
from wplus.files import whole_file, whole_folder
from wplus.manifest import FORMAT_VERSION, FileSum, GraphSpec, Manifest, Port, parse_manifest, parse_parity

_T = TypeVar("_T")

__all__ = [
    "FORMAT_VERSION",
    "Bundle",
    "GraphSpec",
    "Manifest",
    "Port",
    "is_bundle",
    "new_bundle",
    "read_bundle",
    "write_manifest",
]

MANIFEST = "manifest.json"
PARITY = "parity.json"
REFERENCE = "reference.npz"
NOISE = "noise.npz"

STEP = "invert_step"  # the graph of one step of inversion
GRADIENT = "grad_"  # before an input's name: the gradient of the loss by it
LOSS_FACTORS = "loss_factors"  # the input by which the losses that a step computes are weighted, and summed

_MOST_JSON = 16 << 20  # bytes
_MOST_EXPANDED = 64 << 20
_CHUNK = 1 << 20
_AGAIN = "Copy the bundle again, or make it again: wplus export."


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A folder whose files are what its manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def config(self) -> Config:
        """The network apart from its weights."""
        return self.manifest.config

    def graph_path(self, name: str) -> Path:
        """The file of the graph "mapping", "synthesis" or "generator"."""
        return self.folder / self.manifest.graphs[name].file

    def parity(self) -> dict[str, Any]:
        """What parity.json says.

        Raises:
            ArtifactError: there is none, or it cannot be read.
        """
        return _parse(self.folder / PARITY, parse_parity)

    def noise_constants(self) -> dict[str, NDArray[np.float32]]:
        """The network's stored noise maps `[H, W]` by name, where noise is an input of its graphs; else none.

        Raises:
            ArtifactError: their file cannot be read.
        """
        return read_arrays(self.folder / NOISE) if NOISE in self.manifest.files else {}


def is_bundle(path: str | Path) -> bool:
    """Whether the path is a folder with a manifest in it."""
    return (Path(path) / MANIFEST).is_file()


def read_bundle(folder: str | Path) -> Bundle:
    """The bundle in a folder, every file's size and SHA-256 checked.

    Raises:
        ArtifactError: a file is missing, damaged or not the one that was written, or a newer wplus wrote the bundle.
    """
    folder = Path(folder)
    if not is_bundle(folder):
        raise ArtifactError(f"{folder} is no bundle: it has no {MANIFEST}. wplus export makes one.")
    manifest = _parse(folder / MANIFEST, parse_manifest)
    for name, expected in manifest.files.items():
        _check_file(folder / name, expected)
    return Bundle(folder=folder, manifest=manifest)


@contextmanager
def new_bundle(outdir: str | Path) -> Iterator[Path]:
    """A folder to write a bundle to: named `outdir` when the block ends well, removed when it does not.

    Raises:
        ArtifactError: `outdir` exists, its parent cannot be written to, or the disk is full.
    """
    with whole_folder(outdir) as temporary:
        yield temporary


def write_manifest(folder: str | Path, manifest: Manifest) -> Bundle:
    """Writes manifest.json with the sums of all files that are in the folder by now.

    Raises:
        ArtifactError: it cannot be written.
    """
    folder = Path(folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    manifest = replace(manifest, files={name: file_sum(folder / name) for name in names})
    write_json(folder / MANIFEST, manifest.to_json())
    return Bundle(folder=folder, manifest=manifest)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes a JSON file, whole or not at all.

    Raises:
        ArtifactError: it cannot be written.
    """
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def file_sum(path: Path) -> FileSum:
    """Size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileSum(sha256=digest.hexdigest(), bytes=size)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays in an `.npz` file of a bundle.

    Raises:
        ArtifactError: it cannot be read.
    """
    try:
        with path.open("rb") as file:  # opened here, since numpy leaves a damaged file open
            archive = np.load(file, allow_pickle=False)
            expanded, size = sum(entry.file_size for entry in archive.zip.infolist()), path.stat().st_size
            if expanded > max(_MOST_EXPANDED, 2 * size):
                raise ValueError(f"{size:,} bytes expand to {expanded:,}")
            return {name: archive[name] for name in archive.files}
    except Exception as exc:  # on a damaged file numpy and zipfile raise anything, SyntaxError and zlib.error included
        raise ArtifactError(f"{path} cannot be read: {type(exc).__name__}: {exc}. {_AGAIN}") from exc


def _check_file(path: Path, expected: FileSum) -> None:
    try:
        size = path.stat().st_size
        found = file_sum(path) if size == expected.bytes else None
    except FileNotFoundError as exc:
        raise ArtifactError(f"{path} is missing, and the manifest lists it. {_AGAIN}") from exc
    except OSError as exc:
        raise ArtifactError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    if found is None:
        sizes = f"{size:,} bytes, and the manifest says {expected.bytes:,}"
        raise ArtifactError(f"{path} has {sizes}: it was cut short or changed. {_AGAIN}")
    if found != expected:
        raise ArtifactError(
            f"{path} has the SHA-256 {found.sha256}, and the manifest says {expected.sha256}: it was changed. {_AGAIN}"
        )


def _parse(path: Path, parse: Callable[[bytes], _T]) -> _T:
    """What `parse` makes of a file, whose name its errors then have."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_JSON + 1)
    except OSError as exc:
        raise ArtifactError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    if len(text) > _MOST_JSON:
        raise ArtifactError(f"{path} has more than {_MOST_JSON:,} bytes, which no bundle's has.")
    try:
        return parse(text)
    except ArtifactError as exc:
        raise ArtifactError(f"{path} cannot be used. {exc}") from exc
