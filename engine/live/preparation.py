"""Another generator, made ready behind the show: opened, warmed up and timed before it draws a frame of it."""

import logging
import threading
import time
from collections.abc import Callable

from wplus.live.painting import Painter
from wplus.live.performance import Look

_log = logging.getLogger(__name__)

_WARM_UP = 2  # pictures; recording, compiling and first allocations end with them
_TIMED = 5


class Preparation:
    """Opens a painter in a thread of its own.

    Args:
        open_painter: Opens it.
        look: What it is to draw, to warm up.
    """

    def __init__(self, open_painter: Callable[[], Painter], look: Callable[[], Look]) -> None:
        self._open = open_painter
        self._look = look
        self._is_given_up = False
        self._lock = threading.Lock()
        self._painter: Painter | None = None
        self.seconds: float | None = None  # what a picture takes
        self.error: str | None = None
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wplus-live-preparation", daemon=True)
        self._thread.start()

    def take(self) -> Painter | None:
        """The painter, which is the caller's then; None where there is none."""
        with self._lock:
            painter, self._painter = self._painter, None
            return painter

    def give_up(self) -> None:
        """Nobody wants it any more: it is closed, now or as soon as it is there."""
        with self._lock:
            self._is_given_up = True
            painter, self._painter = self._painter, None
        if painter is not None:
            painter.close()

    def wait(self, timeout: float) -> bool:
        """Waits for the end of the thread; returns whether it has come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        painter = None
        try:
            painter = self._open()
            if not self._is_given_up:
                self.seconds = _timed(painter, self._look)
        except Exception as exc:
            _log.warning("The other generator could not be prepared: %s", exc)
            self.error = str(exc) or type(exc).__name__
            if painter is not None:
                painter.close()
            painter = None
        with self._lock:
            wanted = not self._is_given_up
            self._painter = painter if wanted else None
        if painter is not None and not wanted:
            painter.close()
        self.done.set()


def _timed(painter: Painter, look: Callable[[], Look]) -> float:
    """The median of what pictures took, in seconds."""
    for _ in range(_WARM_UP):
        painter.paint(look())
    seconds = []
    for _ in range(_TIMED):
        start = time.perf_counter()
        painter.paint(look())
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2]
