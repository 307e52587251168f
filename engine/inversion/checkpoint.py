"""The files from which an interrupted inversion goes on: one for each group of targets."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from wplus.inversion.search import Search, State, state_arrays, state_of
from wplus.inversion.state_file import StateFile


class Checkpoints:
    """Writes each group's state now and then, and reads it back.

    Args:
        path: The file of the first group; others carry their number. None: nothing is written.
        search: What runs; a file of another configuration is refused.
    """

    def __init__(self, path: Path | None, search: Search) -> None:
        self._search = search
        facts = (search.identity, search.config, search.stages)

        @cache
        def file(number: int) -> StateFile:
            return StateFile(None if path is None else path.with_name(f"{path.stem}{number or ''}.npz"), *facts)

        self._file = file

    def keep(self, number: int, state: State, *, at_once: bool = False) -> None:
        """Writes, if the last time is half a minute ago or `at_once`."""
        self._file(number).keep(lambda: _arrays(state, is_finished=False), at_once=at_once)

    def finish(self, number: int, state: State) -> None:
        """Writes the end."""
        if not self.has_finished(number):
            self._file(number).keep(lambda: _arrays(state, is_finished=True), at_once=True)

    def has_finished(self, number: int) -> bool:
        """Whether the group ran to its end."""
        return self.finished(number) is not None

    def finished(self, number: int) -> State | None:
        """The end of the group, if it was reached."""
        return self._read(number, is_finished=True)

    def begun(self, number: int) -> State | None:
        """Where the group is."""
        return self._read(number, is_finished=False)

    def _read(self, number: int, *, is_finished: bool) -> State | None:
        def restore(arrays: dict[str, Any]) -> State | None:
            return state_of(arrays, self._search.config) if bool(arrays.pop("is_finished")) == is_finished else None

        return self._file(number).read(restore)


def _arrays(state: State, *, is_finished: bool) -> dict[str, Any]:
    return state_arrays(state) | {"is_finished": np.array(is_finished)}
