"""reference.npz: what the network itself drew, so that a bundle can be checked without torch and the checkpoint."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wplus.bundle import Bundle, read_arrays
from wplus.config import StyleConfig
from wplus.errors import ArtifactError
from wplus.files import whole_file
from wplus.parity import Picture, levels, whole
from wplus.trial_cases import Cases

Drawn = tuple[NDArray[np.float32] | None, NDArray[Any]]  # ws where there is a W, and the picture, of a case or of many
_Kind = tuple[str, tuple[int | str, ...]]  # type and shape; text where the size is free

_LARGEST_KEPT = 256  # pixels a side of a picture that is kept in float32
_CROP = 64  # pixels a side
_CROPS_A_SIDE = 4
_MOST_BYTES = 31_900_000  # of the arrays: with what the file adds to them, 32 MB


class Reference(Protocol):
    """What the network drew for some cases."""

    def ws(self, row: int) -> NDArray[np.float32] | None:
        """`[num_ws, w_dim]` of a case; None without W."""

    def picture(self, row: int) -> Picture:
        """Of a case."""

    def same_of(self, row: int, img: NDArray[Any]) -> Picture:
        """Another picture of that case, float32 `[C, H, W]` or uint8 `[H, W, C]`, cut as the reference is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A `Reference` out of arrays.

    Attributes:
        arrays: "picture" `[N, C, H, W]` float32 or `[N, H, W, C]` uint8, and "ws" where there is a W. Of large pictures
            "crops" `[N, K, C, h, w]` float32, or uint8 `[N, K, h, w, C]`, with "picture" uint8 `[M, H, W, C]` for the
            first M cases.
    """

    arrays: dict[str, NDArray[Any]]

    def ws(self, row: int) -> NDArray[np.float32] | None:
        """See `Reference.ws`."""
        return self.arrays["ws"][row] if "ws" in self.arrays else None

    def picture(self, row: int) -> Picture:
        """See `Reference.picture`."""
        pictures = self.arrays["picture"]
        if "crops" not in self.arrays:
            return whole(pictures[row])
        pieces = _of_pieces(self.arrays["crops"][row])
        return Picture(bytes=pictures[row][None], floats=pieces.floats) if row < len(pictures) else pieces

    def same_of(self, row: int, img: NDArray[Any]) -> Picture:
        """See `Reference.same_of`."""
        if "crops" not in self.arrays:
            return whole(img)
        pieces = _of_pieces(cut(img))
        if row >= len(self.arrays["picture"]):
            return pieces
        return Picture(bytes=whole(img).bytes, floats=pieces.floats)


def cut(img: NDArray[Any]) -> NDArray[Any]:
    """Sixteen pieces, spread over a picture, `[16, C, h, w]` of float32 `[C, H, W]`, `[16, h, w, C]` of bytes."""
    down, right = (0, 1) if img.dtype == np.uint8 else (1, 2)
    side = min(_CROP, img.shape[down], img.shape[right])
    ys, xs = (
        np.linspace(0, img.shape[axis] - side, _CROPS_A_SIDE).astype(int).tolist()  # their first rows and columns
        for axis in (down, right)
    )
    if img.dtype == np.uint8:
        return np.stack([img[y : y + side, x : x + side] for y in ys for x in xs])
    return np.stack([img[:, y : y + side, x : x + side] for y in ys for x in xs])


def save_reference(
    path: Path, bundle: Bundle, cases: Cases, drawn: Iterable[Drawn], *, steps: Mapping[str, NDArray[np.float32]]
) -> None:
    """Writes what the network draws, at most 32 MB.

    Pictures up to 256 px are kept as they are; of larger ones sixteen pieces, and the bytes of as many whole ones as
    there is room for.

    Args:
        path: The file.
        bundle: Whose network it is.
        cases: Which samples.
        drawn: Of each case, in order.
        steps: What is kept of the loss and its gradients, by name; see `wplus.step_cases.StepReference`.

    Raises:
        ArtifactError: it cannot be written.
    """
    arrays = {name: value for name, value in _by_name(cases).items() if value is not None} | dict(steps)
    config = bundle.config
    is_large = config.img_resolution > _LARGEST_KEPT
    whole_ones = (
        _whole_pictures(bundle, cases, sum(value.nbytes for value in steps.values())) if is_large else len(cases)
    )
    every_ws, pictures, pieces = [], [], []
    for row, (ws, img) in enumerate(drawn):
        if ws is not None:
            every_ws.append(ws)
        if is_large:
            pieces.append(cut(img))
        if row < whole_ones:
            pictures.append(whole(img).bytes[0] if is_large else img)
    shape = (*config.img_shape, config.img_channels)
    arrays["picture"] = np.stack(pictures) if pictures else np.empty((0, *shape), np.uint8)
    if every_ws:
        arrays["ws"] = np.stack(every_ws)
    if is_large:
        arrays["crops"] = np.stack(pieces)
    with whole_file(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def load_reference(path: Path, bundle: Bundle) -> tuple[Cases, Stored]:
    """What `save_reference` wrote.

    Raises:
        ArtifactError: it cannot be read, or does not fit the bundle.
    """
    arrays = read_arrays(path)
    seed = arrays.get("seed", np.empty(0))
    if seed.ndim != 1 or not len(seed):
        raise ArtifactError(f"{path} does not fit its bundle: it names no seeds. Make the bundle again: wplus export.")
    for name, (dtype, shape) in _wanted(bundle, len(seed)).items():
        found = arrays.get(name)
        if found is None or found.dtype != dtype or not _fits(found.shape, shape):
            given = "is missing" if found is None else f"is {found.dtype} {list(found.shape)}"
            raise ArtifactError(f"{path} does not fit its bundle: {name} {given}; {dtype} {list(shape)} is needed.")
    own: dict[str, Any] = {field.name: arrays.get(field.name) for field in fields(Cases)}
    return Cases(**own), Stored(arrays=arrays)


def _whole_pictures(bundle: Bundle, cases: Cases, others: int) -> int:
    """How many whole pictures there is room for, as bytes, beside all that is kept of every case and `others`."""
    wanted = _wanted(bundle, len(cases))
    wanted.pop("picture")
    size = math.prod((*bundle.config.img_shape, bundle.config.img_channels))
    rest = sum(np.dtype(dtype).itemsize * math.prod(map(int, shape)) for dtype, shape in wanted.values())
    return min(len(cases), max(0, _MOST_BYTES - others - rest) // size)


def _fits(found: tuple[int, ...], shape: tuple[int | str, ...]) -> bool:
    return len(found) == len(shape) and all(b in (a, "N") for a, b in zip(found, shape, strict=True))


def _of_pieces(pieces: NDArray[Any]) -> Picture:
    if pieces.dtype == np.uint8:
        return Picture(bytes=pieces, floats=None)
    return Picture(bytes=levels(pieces), floats=pieces)


def _by_name(cases: Cases) -> dict[str, Any]:
    return {field.name: getattr(cases, field.name) for field in fields(cases)}


def _wanted(bundle: Bundle, count: int) -> dict[str, _Kind]:
    """What each array must be."""
    config = bundle.config
    found: dict[str, _Kind] = {
        "seed": ("int64", (count,)),
        "z": ("float32", (count, *config.z_shape)),
        "truncation_psi": ("float32", (count,)),
        "truncation_cutoff": ("int64", (count,)),
        "random_noise": ("bool", (count,)),
    }
    if config.c_dim:
        found["c"] = ("float32", (count, config.c_dim))
    if config.has_transform:
        found["transform"] = ("float32", (count, 3, 3))
    if isinstance(config, StyleConfig):
        found["ws"] = ("float32", (count, config.num_ws, config.w_dim))
    return found | _wanted_pictures(bundle, count)


def _wanted_pictures(bundle: Bundle, count: int) -> dict[str, _Kind]:
    """Of large pictures, whole ones may be there in any number."""
    config, is_bytes = bundle.config, bundle.manifest.output == "uint8"
    (height, width), channels = config.img_shape, config.img_channels
    if config.img_resolution <= _LARGEST_KEPT:
        kept = (
            ("uint8", (count, height, width, channels)) if is_bytes else ("float32", (count, channels, height, width))
        )
        return {"picture": kept}
    side, pieces = min(_CROP, height, width), _CROPS_A_SIDE**2
    crops: _Kind = ("uint8", (count, pieces, side, side, channels))
    if not is_bytes:
        crops = ("float32", (count, pieces, channels, side, side))
    return {"crops": crops, "picture": ("uint8", ("N", height, width, channels))}
