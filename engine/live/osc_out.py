"""OSC out: tells other programs when a loop ends, when a beat falls, and how many frames a second there are."""

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from pythonosc.osc_message_builder import build_msg

from wplus.errors import UnsupportedError
from wplus.live.changes import Steered

_log = logging.getLogger(__name__)

PREFIX: Final = "/wplus/out/"
_EVENTS: Final = {"loop": "laps", "beat": "beat"}  # and the field that counts them


class OscOut:
    """Tells each target, over UDP: `/wplus/out/loop` and `/wplus/out/beat` with a count, `/wplus/out/fps` each second.

    Nothing waits: what a network does not take at once is counted and dropped.

    Args:
        show: Whose events are told.
        targets: Hosts and ports.
        fps: Frames a second that are reached now; None: not told.
        every: Seconds between two `/wplus/out/fps`.

    Raises:
        UnsupportedError: a host is unknown.
    """

    def __init__(
        self,
        show: Steered,
        targets: Sequence[tuple[str, int]],
        *,
        fps: Callable[[], float] | None = None,
        every: float = 1.0,
    ) -> None:
        self._show = show
        self._fps = fps
        self._every = every
        self._targets = [_resolved(host, port) for host, port in targets]  # once: a look-up can take seconds
        self._sockets = {family: _sending(family) for family in {family for family, _ in self._targets}}
        self._unsubscribe: Callable[[], None] | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wplus-osc-out", daemon=True)
        self.sent = 0  # packets
        self.failed = 0  # packets

    def start(self) -> Self:
        """Begins to tell."""
        self._unsubscribe = self._show.subscribe(self._heard)
        if self._fps is not None:
            self._thread.start()
        return self

    def close(self) -> None:
        """Ends."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        for sending in self._sockets.values():
            sending.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _heard(self, event: dict[str, Any]) -> None:
        name = event.get("event")
        if name in _EVENTS:
            self._send(name, int(event[_EVENTS[name]]))

    def _run(self) -> None:
        assert self._fps is not None
        while not self._closing.wait(self._every):
            self._send("fps", float(self._fps()))

    def _send(self, name: str, value: int | float) -> None:
        packet = build_msg(PREFIX + name, value).dgram
        for family, address in self._targets:
            try:
                self._sockets[family].sendto(packet, address)
                self.sent += 1
            except OSError as exc:
                if not self.failed:
                    _log.warning("OSC out: %s gets nothing: %s", address[0], exc.strerror or exc)
                self.failed += 1


def _resolved(host: str, port: int) -> tuple[int, Any]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError as exc:
        raise UnsupportedError(f"OSC out: {host} is unknown here: {exc.strerror or exc}. Name an address.") from exc
    return family, address


def _sending(family: int) -> socket.socket:
    sending = socket.socket(family, socket.SOCK_DGRAM)
    sending.setblocking(False)
    return sending
