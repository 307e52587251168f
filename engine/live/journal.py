"""The journal of a show: changes that are past go to a file, so that memory stays flat over hours."""

import json
import tempfile
import threading
from collections.abc import Iterable

from wplus.live.performance import Event
from wplus.live.take import event_of_json, lines_of
from wplus.paths.description import Walk


class Journal:
    """Events in a file without a name, which is gone with the show.

    Args:
        walk: With which the show begins.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self._lock = threading.Lock()
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed by `close`)

    def add(self, events: Iterable[Event]) -> None:
        """Appends events."""
        with self._lock:
            self._file.seek(0, 2)
            self._file.write(lines_of(events))

    def events(self) -> list[Event]:
        """All events until now."""
        with self._lock:
            self._file.seek(0)
            return [event_of_json(json.loads(line)) for line in self._file]

    def close(self) -> None:
        """Removes the file."""
        with self._lock:
            self._file.close()
