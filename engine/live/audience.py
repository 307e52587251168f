"""The sinks of a show, which come and go while it runs, and whoever wants to know what happens."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from wplus.live.frames import Frame
from wplus.live.sinks import Sink

Callback = Callable[[dict[str, Any]], None]

_log = logging.getLogger(__name__)


class Audience:
    """Hands every frame to every sink. One that fails is dismissed, and the others see no difference."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sinks: list[Sink] = []
        self._callbacks: list[Callback] = []
        self._newest: Frame | None = None
        self.seen = threading.Event()  # set with the first frame

    @property
    def newest(self) -> Frame | None:
        """The frame that is up."""
        return self._newest

    def add(self, sink: Sink) -> None:
        """From now on the sink gets every frame, and at once the newest."""
        with self._lock:
            self._sinks.append(sink)
            newest = self._newest
        if newest is not None:
            self._give(sink, newest)

    def remove(self, sink: Sink) -> None:
        """The sink gets no more frames; closing it is its owner's business."""
        with self._lock:
            self._sinks = [known for known in self._sinks if known is not sink]

    def show(self, frame: Frame) -> None:
        """A new frame."""
        with self._lock:
            sinks, self._newest = list(self._sinks), frame
        self.seen.set()
        for sink in sinks:
            self._give(sink, frame)

    def close(self) -> None:
        """Closes all sinks."""
        with self._lock:
            sinks, self._sinks = self._sinks, []
        for sink in sinks:
            try:
                sink.close()
            except Exception:
                _log.exception("A sink could not be closed.")

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """The callback is told every event, from any thread; what comes back ends that."""
        with self._lock:
            self._callbacks.append(callback)

        def end() -> None:
            with self._lock:
                self._callbacks = [known for known in self._callbacks if known is not callback]

        return end

    def tell(self, message: dict[str, Any]) -> None:
        """An event, to all who subscribed."""
        with self._lock:
            callbacks = list(self._callbacks)
        for callback in callbacks:
            try:
                callback(message)
            except Exception:
                _log.exception("A subscriber failed.")

    def _give(self, sink: Sink, frame: Frame) -> None:
        try:
            sink.show(frame)
        except Exception as exc:
            _log.warning("A sink failed and gets no more frames: %s", exc)
            self.remove(sink)
            self.tell({"event": "sink failed", "error": str(exc)})
