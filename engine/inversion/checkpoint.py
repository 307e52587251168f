"""The file from which an interrupted inversion goes on."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from wplus.errors import ArtifactError
from wplus.files import whole_file
from wplus.inversion.search import Search, State, state_arrays, state_of
from wplus.numpy_files import read_arrays

_EVERY = 30.0  # seconds between two writings


class Checkpoints:
    """Writes each group's state now and then, and reads it back.

    Args:
        path: The file of the first group; others carry their number. None: nothing is written.
        search: What runs; a file of another configuration is refused.
    """

    def __init__(self, path: Path | None, search: Search) -> None:
        self._path = path
        self._search = search
        self._written = time.monotonic()

    def keep(self, number: int, state: State, *, at_once: bool = False) -> None:
        """Writes, if the last time is half a minute ago or `at_once`."""
        if self._path is not None and (at_once or time.monotonic() - self._written >= _EVERY):
            self._write(number, state, is_finished=False)

    def finish(self, number: int, state: State) -> None:
        """Writes the end."""
        if self._path is not None and not self.has_finished(number):
            self._write(number, state, is_finished=True)

    def has_finished(self, number: int) -> bool:
        """Whether the group ran to its end."""
        return self.finished(number) is not None

    def finished(self, number: int) -> State | None:
        """The end of the group, if it was reached."""
        return self._read(number, is_finished=True)

    def begun(self, number: int) -> State | None:
        """Where the group is."""
        return self._read(number, is_finished=False)

    def _file(self, number: int) -> Path:
        assert self._path is not None
        return self._path.with_name(f"{self._path.stem}{number or ''}.npz")

    def _key(self) -> str:
        """What must be the same for a state to be gone on from."""
        stages = [repr(stage) for stage in self._search.stages]
        facts = json.dumps([self._search.identity, repr(self._search.config), stages])
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def _write(self, number: int, state: State, *, is_finished: bool) -> None:
        arrays = state_arrays(state) | {"key": np.array(self._key()), "is_finished": np.array(is_finished)}
        with whole_file(self._file(number)) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **arrays)
        self._written = time.monotonic()

    def _read(self, number: int, *, is_finished: bool) -> State | None:
        if self._path is None or not self._file(number).is_file():
            return None
        path = self._file(number)
        try:
            arrays: dict[str, Any] = dict(read_arrays(path, wanted=lambda _: True)[0])
            key = str(arrays.pop("key"))
            state = state_of(arrays, self._search.config) if bool(arrays.pop("is_finished")) == is_finished else None
        except (KeyError, ValueError) as exc:
            raise ArtifactError(f"{path} is damaged ({type(exc).__name__}). Remove it to begin anew.") from exc
        if key != self._key():
            raise ArtifactError(
                f"{path} was written with other options or targets. Give the same ones, or remove it to begin anew."
            )
        return state
