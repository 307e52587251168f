"""The output on this machine's own screen: a browser, full screen, opened again whenever it ends."""

import logging
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from wplus.errors import UnsupportedError

_CHROMIUMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_SWITCHES: Final = (
    "--kiosk",
    "--no-first-run",
    "--noerrdialogs",
    "--disable-infobars",
    "--disable-session-crashed-bubble",
    "--disable-features=Translate",
    "--overscroll-history-navigation=0",
)
_LONGEST_WAIT: Final = 30.0  # seconds

_log = logging.getLogger(__name__)


def find_browser(names: Sequence[str] = _CHROMIUMS) -> str:
    """The program of a browser that has a kiosk mode.

    Raises:
        UnsupportedError: there is none.
    """
    for name in names:
        if (path := shutil.which(name)) is not None:
            return path
    raise UnsupportedError(
        "--kiosk needs Chromium, Chrome or Edge, and none was found. Install one (Debian: apt install chromium), or "
        "leave out --kiosk and open the output page in any browser."
    )


class Kiosk:
    """Shows an address full screen for as long as the block runs.

    Args:
        url: What is shown.
        browser: The program.
        patience: Seconds before a browser that ended is opened again; doubles while it ends at once.
    """

    def __init__(self, url: str, browser: str, *, patience: float = 1.0) -> None:
        self._url = url
        self._browser = browser
        self._patience = patience
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_open, name="wplus-kiosk", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _keep_open(self) -> None:
        wait = self._patience
        with tempfile.TemporaryDirectory(prefix="wplus-kiosk-", ignore_cleanup_errors=True) as profile:
            command = [self._browser, *_SWITCHES, f"--user-data-dir={profile}", self._url]
            while not self._ended.is_set():
                lasted = self._open(command)
                if self._ended.is_set():
                    return
                wait = self._patience if lasted else min(2 * wait, _LONGEST_WAIT)
                _log.warning("The kiosk's browser has ended; it is opened again in %.0f s.", wait)
                self._ended.wait(wait)

    def _open(self, command: list[str]) -> bool:
        """Runs the browser until it ends, or the show does; returns whether it lasted."""
        try:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError as exc:
            _log.warning("The browser %s cannot be started: %s.", command[0], exc.strerror)
            return False
        checks = 0
        while process.poll() is None and not self._ended.wait(0.2):
            checks += 1
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return checks > 50
