"""Arrays in numpy's files, read with care: nothing in them is executed, and none expands without bounds."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_EXPANSION = 200  # what broadcast w's compress to is a hundredth; a zip bomb is a thousandth
_SMALL = 2**26  # bytes that any file may expand to

Arrays = dict[str, NDArray[Any]]


def read_arrays(path: Path, *, wanted: Callable[[str], bool] = lambda _: True) -> tuple[Arrays, list[str]]:
    """The arrays in a `.npz` by name, and the names of all there are; in a `.npy`, which content tells, that of "".

    Args:
        path: The file.
        wanted: Says of a name whether it is read.

    Raises:
        ValueError: the file is damaged or hostile.
    """
    try:
        with path.open("rb") as stream:  # opened here, since numpy leaves a damaged file open
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"": loaded}, [""]
            _check_expansion(loaded.zip, path.stat().st_size)
            arrays, names = {name: loaded[name] for name in loaded.files if wanted(name)}, loaded.files
    except Exception as exc:  # on a damaged file numpy and zipfile raise anything, SyntaxError and zlib.error included
        raise ValueError(f"the file is damaged, or none of numpy's ({type(exc).__name__}).") from exc
    if strange := [name for name, value in arrays.items() if not isinstance(value, np.ndarray)]:
        raise ValueError(f"{strange[0]!r} in it is no array.")
    return arrays, names


def _check_expansion(archive: zipfile.ZipFile, size: int) -> None:
    total = sum(entry.file_size for entry in archive.infolist())
    if total > max(_SMALL, _MAX_EXPANSION * size):
        raise MemoryError(f"{size:,} bytes expand to {total:,}")
