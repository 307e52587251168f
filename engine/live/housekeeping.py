"""What a show does besides drawing, in a thread of its own: telling of changes, the autosave, the journal."""

import json
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from wplus.errors import WplusError
from wplus.files import whole_file
from wplus.live.config import LiveConfig

_log = logging.getLogger(__name__)

_TELL: Final = 0.05  # seconds between two tellings


class Housekeeping:
    """Calls what it was given, when there is reason to.

    Args:
        config: Of the show.
        saved: The state as JSON, for the autosave.
        told: Tells the audience that the state has changed.
        kept: Moves what is past to the journal.
    """

    def __init__(
        self,
        config: LiveConfig,
        saved: Callable[[], dict[str, Any]],
        told: Callable[[], None],
        kept: Callable[[], None],
    ) -> None:
        self._config = config
        self._saved, self._told, self._kept = saved, told, kept
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wplus-live-housekeeping", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def changed(self) -> None:
        """The state has changed."""
        self._changed.set()

    def close(self) -> None:
        """Ends the thread; the state is saved once more, unless nothing began: what the last show left stays then."""
        self._stop.set()
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join()
            self._save()

    def _run(self) -> None:
        while not self._stop.is_set():
            is_changed = self._changed.wait(self._config.autosave_seconds)
            self._changed.clear()
            try:
                if is_changed:
                    self._told()
                self._kept()
            except Exception:
                _log.exception("Housekeeping failed; it goes on.")
            self._save()
            self._stop.wait(_TELL)

    def _save(self) -> None:
        if self._config.autosave is None:
            return
        try:
            with whole_file(self._config.autosave) as temporary:
                temporary.write_text(json.dumps(self._saved(), allow_nan=False), encoding="utf-8")
        except (WplusError, ValueError) as exc:
            _log.warning("The state could not be saved: %s", exc)
