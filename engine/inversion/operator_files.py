"""What operators read from files, as arrays that a file of measurements can hold: masks and matrices."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wplus.errors import ArtifactError
from wplus.numpy_files import Arrays, read_arrays

_LIGHT = 128  # of 255, from which on a mask's pixel is kept


def read_mask(path: Path, *, size: tuple[int, int]) -> Arrays:
    """A picture as a mask: `mask` `[H, W]`, uint8, 1 where a pixel is kept, which is where the picture is light.

    Args:
        path: The picture.
        size: Height and width that it must have.

    Raises:
        ArtifactError: it is missing or cannot be read.
        ValueError: it has another size.
    """
    _exists(path)
    try:
        with Image.open(path) as image:
            if image.size != size[::-1]:
                raise ValueError(
                    f"The mask {path} is {image.size[0]}x{image.size[1]} (width x height); the picture is "
                    f"{size[1]}x{size[0]}. A mask has its size."
                )
            light = np.asarray(image.convert("L")) >= _LIGHT
    except (OSError, UnidentifiedImageError, SyntaxError, Image.DecompressionBombError) as exc:
        raise ArtifactError(f"The mask {path} is no picture that can be read ({type(exc).__name__}).") from exc
    return {"mask": light.astype(np.uint8)}


def read_masks(path: Path) -> Arrays:
    """1-bit masks of a `.npy`, or of a `.npz` with one array: `masks`, int8, as they are.

    Raises:
        ArtifactError: it is missing or cannot be read.
        ValueError: there is more than one array, or one of other values than 0 and 1, or -1 and 1.
    """
    (masks,) = _one(_read(path), path)
    values = set(np.unique(masks).tolist()) if masks.dtype.kind in "biuf" else {None}
    if not (values <= {0, 1} or values <= {-1, 1}):
        raise ValueError(f"The masks in {path} have other values than 0 and 1, or -1 and 1; matrix:{path} takes any.")
    flat = masks.reshape(len(masks), masks[0].size) if masks.ndim == 3 and len(masks) else masks
    return {"masks": flat.astype(np.int8)}


def read_matrix(path: Path) -> Arrays:
    """A matrix: `matrix` `[M, K]`, or of a sparse one `row`, `column`, `value` of its entries, and its `shape`.

    Dense ones are a `.npy`, or a `.npz` with one array; sparse ones what scipy's `save_npz` writes of CSR, CSC and COO.

    Raises:
        ArtifactError: it is missing or cannot be read.
        ValueError: it is no such matrix.
    """
    arrays = _read(path)
    if "data" not in arrays:
        (matrix,) = _one(arrays, path)
        return {"matrix": matrix}
    try:
        layout = bytes(arrays["format"].item()).decode() if arrays["format"].dtype.kind == "S" else arrays["format"]
        return _entries(str(layout), arrays)
    except (KeyError, ValueError, TypeError, IndexError) as exc:
        raise ValueError(f"{path} is no sparse matrix of scipy's layouts csr, csc or coo: {exc}.") from exc


def _entries(layout: str, arrays: Arrays) -> Arrays:
    """The entries of a sparse matrix, by row and column."""
    shape = arrays["shape"].astype(np.int64)
    if layout == "coo":
        row, column = arrays["coords"] if "coords" in arrays else (arrays["row"], arrays["col"])
    elif layout in ("csr", "csc"):
        inner, starts = arrays["indices"], arrays["indptr"].astype(np.int64)
        lengths = np.diff(starts)
        if len(starts) != shape[1 if layout == "csc" else 0] + 1 or starts[0] != 0 or (lengths < 0).any():
            raise ValueError("its indptr does not fit its shape")
        outer = np.repeat(np.arange(len(lengths)), lengths) if starts[-1] == len(inner) else inner[:0]
        row, column = (outer, inner) if layout == "csr" else (inner, outer)
    else:
        raise ValueError(f"it has the layout {layout!r}")
    return {"row": row, "column": column, "value": arrays["data"], "shape": shape}


def _read(path: Path) -> Arrays:
    _exists(path)
    try:
        return read_arrays(path)[0]
    except ValueError as exc:
        raise ArtifactError(f"{path} cannot be read: {exc}") from exc


def _exists(path: Path) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist, or is no file.")


def _one(arrays: Arrays, path: Path) -> list[NDArray[Any]]:
    """The only array there is.

    Raises:
        ValueError: there are none or several.
    """
    if len(arrays) != 1:
        raise ValueError(f"{path} has the arrays {', '.join(arrays)[:200] or 'none'}; one array is needed.")
    return list(arrays.values())
