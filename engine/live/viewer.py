"""One viewer: what waits to be sent to it, which never grows, and what it has been shown."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from wplus.live.encoding import FrameFormat
from wplus.live.frames import Frame
from wplus.media import Picture

_MOST_NOTES: Final = 32  # events and errors that wait for a viewer that does not read; the oldest go

Measure = Callable[[str, float], None]


class Connection(Protocol):
    """What a viewer is sent through: Starlette's WebSocket."""

    async def send_text(self, data: str) -> None:
        """Sends a text message."""

    async def send_bytes(self, data: bytes) -> None:
        """Sends a binary message."""


class Viewer:
    """A viewer's outbox: the newest state, the newest figures, a few events, and at most one frame.

    The fields about frames belong to the hub, which changes them under its lock; the rest belongs to the event loop.
    """

    def __init__(self, image_format: FrameFormat = "jpeg") -> None:
        self.image_format = image_format
        self.in_flight: Frame | None = None  # sent or about to be, and not painted yet
        self.seen: Picture | None = None  # the last picture that was sent
        self.sent = 0
        self.dropped = 0  # pictures that were replaced by newer ones before they could be sent
        self._newest_change = time.perf_counter()  # those before it came do not count
        self._notes: deque[str] = deque(maxlen=_MOST_NOTES)
        self._latest: dict[str, str] = {}
        self._frame: bytes | None = None
        self._wake = asyncio.Event()

    def note(self, message: Mapping[str, Any]) -> None:
        """Sends an event or an error."""
        self._notes.append(json.dumps(message))
        self._wake.set()

    def update(self, kind: str, text: str) -> None:
        """Sends a JSON text; one of the same kind that still waits is replaced."""
        self._latest[kind] = text
        self._wake.set()

    def put(self, frame: bytes) -> None:
        """Sends a frame."""
        self._frame = frame
        self._wake.set()

    def latency(self, frame: Frame, now: float) -> float | None:
        """Seconds from the newest change to its first picture on this screen; None for a picture without a new one."""
        if frame.changed_at <= self._newest_change:
            return None
        self._newest_change = frame.changed_at
        return now - frame.changed_at

    async def send_all(self, connection: Connection, measure: Measure) -> None:
        """Sends what waits, for ever; ends when the connection does, or by being cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._notes:
                await connection.send_text(self._notes.popleft())
            while self._latest:
                await connection.send_text(self._latest.pop(next(iter(self._latest))))
            if self._frame is not None:
                frame, self._frame = self._frame, None
                start = time.perf_counter()
                await connection.send_bytes(frame)
                measure("send", time.perf_counter() - start)
