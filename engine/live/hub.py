"""The hub: a sink that encodes each frame once and hands it to every viewer that has painted the one before."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from wplus.live.encoding import FrameFormat, encode_frame
from wplus.live.frames import Frame
from wplus.live.messages import ViolationError
from wplus.live.viewer import Viewer

_log = logging.getLogger(__name__)


class Hub:
    """Shows one show's frames to many viewers. The renderer waits for none of them, and none for another.

    A frame is encoded in a thread, once for each format, and only if somebody is ready for it. A viewer is ready when
    it has painted the frame before; it then gets the newest, and what came in between is counted as dropped.

    Args:
        measure: Told how long "encode", "send" and "latency" took, in seconds.
    """

    def __init__(self, measure: Callable[[str, float], None]) -> None:
        self.measure = measure
        self._changed = threading.Condition()  # guards the viewers' fields about frames, and the next three
        self._viewers: set[Viewer] = set()
        self._newest: Frame | None = None
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._encoded: dict[FrameFormat, tuple[Frame, bytes]] = {}  # the encoder's alone
        self._encoder = threading.Thread(target=self._encode, name="wplus-encoder", daemon=True)

    def start(self) -> None:
        """Begins to encode; called in the event loop that viewers are served in."""
        self._loop = asyncio.get_running_loop()
        self._encoder.start()

    def show(self, frame: Frame) -> None:
        """See `Sink.show`."""
        with self._changed:
            last, self._newest = self._newest, frame
            if last is not None and frame.picture is last.picture:
                return  # nothing new to see
            for viewer in self._viewers:
                viewer.dropped += last is not None and viewer.seen is not last.picture
            self._changed.notify()

    def close(self) -> None:
        """See `Sink.close`."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._encoder.is_alive():
            self._encoder.join()

    @property
    def viewers(self) -> list[Viewer]:
        """Who looks on."""
        with self._changed:
            return list(self._viewers)

    def join(self, viewer: Viewer) -> None:
        """A viewer comes, and gets the newest frame at once."""
        with self._changed:
            self._viewers.add(viewer)
            self._changed.notify()

    def leave(self, viewer: Viewer) -> None:
        """A viewer goes."""
        with self._changed:
            self._viewers.discard(viewer)

    def painted(self, viewer: Viewer, number: int) -> None:
        """A viewer has painted the frame of that number, and is ready for the next.

        Raises:
            ViolationError: that frame is not on its way to this viewer.
        """
        with self._changed:
            frame = viewer.in_flight
            if frame is None or frame.number % 2**32 != number:
                raise ViolationError(f"Frame {number} is not on its way.")
            viewer.in_flight = None
            self._changed.notify()
        latency = viewer.latency(frame, time.perf_counter())
        if latency is not None:
            self.measure("latency", latency)

    def set_format(self, viewer: Viewer, image_format: FrameFormat) -> None:
        """A viewer wants another format, from the next frame on; the newest is sent again."""
        with self._changed:
            viewer.image_format = image_format
            viewer.seen = None
            self._changed.notify()

    def _encode(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or bool(self._waiting()))
                if self._is_closed or self._newest is None:
                    return
                frame, waiting = self._newest, [(viewer, viewer.image_format) for viewer in self._waiting()]
                for viewer, _ in waiting:
                    viewer.in_flight = frame
                    viewer.seen = frame.picture
                    viewer.sent += 1
            for image_format in {chosen for _, chosen in waiting}:
                self._send(frame, image_format, [viewer for viewer, chosen in waiting if chosen == image_format])

    def _send(self, frame: Frame, image_format: FrameFormat, viewers: list[Viewer]) -> None:
        """Hands the frame to viewers; one that cannot be encoded is skipped, and the next one comes."""
        try:
            message = self._message(frame, image_format)
        except Exception as exc:
            _log.warning("Frame %d could not be encoded: %s: %s", frame.number, type(exc).__name__, exc)
            with self._changed:
                for viewer in viewers:
                    viewer.in_flight = None
            return
        with suppress(RuntimeError):  # the loop was closed: the server has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(_deliver, viewers, message)

    def _waiting(self) -> list[Viewer]:
        """Who is ready for a picture that it has not seen."""
        if self._newest is None:
            return []
        picture = self._newest.picture
        return [viewer for viewer in self._viewers if viewer.in_flight is None and viewer.seen is not picture]

    def _message(self, frame: Frame, image_format: FrameFormat) -> bytes:
        """The frame's message, encoded unless it was."""
        last, message = self._encoded.get(image_format, (None, b""))
        if last is not frame:
            start = time.perf_counter()
            message = encode_frame(frame, image_format)
            self.measure("encode", time.perf_counter() - start)
            self._encoded[image_format] = (frame, message)
        return message


def _deliver(viewers: list[Viewer], message: bytes) -> None:
    for viewer in viewers:
        viewer.put(message)
