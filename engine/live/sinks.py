"""Where frames go: the one small interface, and the slot that keeps only the newest frame."""

import threading
from typing import Protocol

from wplus.live.frames import Frame


class Sink(Protocol):
    """Takes a show's frames. Bridges to Spout, Syphon or NDI are a class with these two methods."""

    def show(self, frame: Frame) -> None:
        """Takes a frame and returns at once: the renderer waits for nobody."""

    def close(self) -> None:
        """Ends; no frame comes after it."""


class LatestFrame:
    """A sink of one slot: whoever takes frames gets the newest, and those that nobody took in time are counted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._is_closed = False
        self.dropped = 0  # frames that were replaced before anybody took them

    def show(self, frame: Frame) -> None:
        """See `Sink.show`."""
        with self._changed:
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()

    def take(self, timeout: float | None = None) -> Frame | None:
        """The newest frame that was not taken yet, waited for; None when the sink is closed, or after `timeout` s."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._is_closed, timeout)
            frame, self._frame = self._frame, None
            return frame

    @property
    def is_closed(self) -> bool:
        """Whether no frame is to come."""
        return self._is_closed

    def close(self) -> None:
        """See `Sink.close`. A frame that waits can still be taken."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
