"""The file from which an interrupted job goes on."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from wplus.errors import ArtifactError
from wplus.files import whole_file
from wplus.numpy_files import read_arrays

_log = logging.getLogger(__name__)

_EVERY = 30.0  # seconds between two writings
_KEY = "key"

T = TypeVar("T")


def digest(*parts: Any) -> str:
    """SHA-256 over arrays' bytes, and over what `repr` says of other things."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return found.hexdigest()


class StateFile:
    """Arrays in a `.npz`, written whole or not at all, which no other job reads.

    Args:
        path: None: nothing is written, and nothing is there.
        facts: What must be the same for a job to go on: arrays, and things whose `repr` tells them apart.
    """

    def __init__(self, path: Path | None, *facts: Any) -> None:
        self._path = path
        self._key = digest(*facts)[:16]
        self._written = time.monotonic()

    def keep(self, arrays: Callable[[], Mapping[str, Any]], *, at_once: bool = False) -> None:
        """Writes what `arrays` gives, if the last time is half a minute ago or `at_once`.

        Where that fails, the disk being full for one, it is logged: the job is worth more than its state.
        """
        if self._path is None or not (at_once or time.monotonic() - self._written >= _EVERY):
            return
        try:
            with whole_file(self._path) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **{**arrays(), _KEY: np.array(self._key)})
        except ArtifactError as exc:
            _log.warning("Were this interrupted now, it could not go on: %s", exc)
        self._written = time.monotonic()

    def read(self, restore: Callable[[dict[str, Any]], T]) -> T | None:
        """What `restore` makes of the arrays; None without a file.

        Raises:
            ArtifactError: the file is damaged, so that `restore` raises KeyError or ValueError, or another job's.
        """
        if self._path is None or not self._path.is_file():
            return None
        try:
            arrays: dict[str, Any] = dict(read_arrays(self._path)[0])
            key = str(arrays.pop(_KEY))
            found = restore(arrays) if key == self._key else None
        except (KeyError, ValueError) as exc:
            raise ArtifactError(f"{self._path} is damaged ({type(exc).__name__}). Remove it to begin anew.") from exc
        if key != self._key:
            raise ArtifactError(
                f"{self._path} was written with other options or targets. "
                "Give the same ones, or remove it to begin anew."
            )
        return found
