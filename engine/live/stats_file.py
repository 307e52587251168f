"""The figures of a show in a file, kept while it runs, so that they are there however it ends."""

import json
import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from wplus.errors import WplusError
from wplus.files import whole_file
from wplus.live.show import Show

_EVERY: Final = 5.0  # seconds

_log = logging.getLogger(__name__)


class StatsFile:
    """Writes a show's figures to a JSON file every few seconds, and when the block ends."""

    def __init__(self, show: Show, path: Path) -> None:
        self._show = show
        self._path = path
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="wplus-stats", daemon=True)

    def __enter__(self) -> Self:
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._write()

    def _keep(self) -> None:
        while not self._ended.wait(_EVERY):
            try:
                self._write()
            except WplusError as exc:  # a full disk ends no show
                _log.warning("%s", exc)

    def _write(self) -> None:
        with whole_file(self._path) as temporary:
            temporary.write_text(json.dumps(self._show.stats(), indent=1) + "\n", encoding="utf-8")
