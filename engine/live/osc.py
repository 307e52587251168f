"""OSC in: `/wplus/<parameter>` changes a parameter; any other address is a control to bind. Over UDP."""

import logging
import math
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import TracebackType
from typing import Any, Final, Self

from wplus.errors import UnsupportedError
from wplus.live.controls import Controls
from wplus.live.osc_packets import MOST_PACKET, read_packet
from wplus.live.parameters import parameter, short

_log = logging.getLogger(__name__)

PREFIX: Final = "/wplus/"
_POLL: Final = 0.2  # s: how long `close` may wait where nothing wakes the thread
_QUIET: Final = 5.0  # s between two lines of the log


@dataclass(slots=True)
class OscCounts:
    """What came in."""

    packets: int = 0
    malformed: int = 0  # packets that are no OSC, or none of ours
    strangers: int = 0  # packets from senders that are not allowed
    refused: int = 0  # messages: an unknown parameter, or a value that it does not take
    unbound: int = 0  # messages to foreign addresses that no binding names
    messages: int = 0  # messages that meant something


class OscIn:
    """Listens on a UDP port, in a thread of its own. Whatever arrives, it goes on.

    Args:
        controls: Where parameters and controls go.
        host: Address to listen on.
        port: UDP port; 0: any free one.
        senders: Addresses and networks ("192.168.1.20", "10.0.0.0/8") that may send; empty: anybody who reaches it.

    Raises:
        UnsupportedError: the port is in use, or the address is not this machine's.
        ValueError: a sender is no address.
    """

    def __init__(self, controls: Controls, host: str, port: int, *, senders: Sequence[str] = ()) -> None:
        self._controls = controls
        self._senders = tuple(_network(sender) for sender in senders)
        self._socket = _listening(host, port)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wplus-osc", daemon=True)
        self._said_at = -math.inf
        self.counts = OscCounts()
        self.last_problem = ""
        if not self._senders and not _is_loopback(self.address[0]):
            _log.warning(
                "OSC listens on %s: everybody in that network can steer the show. Name who may: --osc-from=ADDRESS.",
                self.address[0],
            )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, as bound."""
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    def start(self) -> Self:
        """Begins to listen."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Ends."""
        self._closing.set()
        with suppress(OSError):  # wakes the thread at once, where the system lets us
            self._socket.sendto(b"", self._socket.getsockname())
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                packet, sender = self._socket.recvfrom(MOST_PACKET + 1)
            except TimeoutError:
                continue
            except OSError as exc:  # Windows reports packets that are too large so
                self._count_malformed(str(exc))
                self._closing.wait(0.01)
                continue
            if self._closing.is_set():
                return
            try:
                self.take(packet, str(sender[0]))
            except Exception:  # a fault of ours must not end the show's OSC
                _log.exception("An OSC packet could not be taken.")

    def take(self, packet: bytes, sender: str) -> None:
        """Takes one packet."""
        self.counts.packets += 1
        if not self._may_send(sender):
            self.counts.strangers += 1
            self._say(f"{sender} is not among the senders that may steer the show")
            return
        try:
            messages = read_packet(packet)
        except ValueError as exc:
            self._count_malformed(str(exc))
            return
        for address, arguments in messages:
            try:
                understood = self._take_message(address, arguments)
            except ValueError as exc:
                self.counts.refused += 1
                self._say(str(exc))
            else:
                self.counts.messages += understood
                self.counts.unbound += not understood

    def _take_message(self, address: str, arguments: list[Any]) -> bool:
        if address.startswith(PREFIX):
            name = address.removeprefix(PREFIX)
            self._controls.set(name, osc_value(name, arguments))
            return True
        understood = False
        for number, argument in enumerate(arguments[:16]):
            if isinstance(argument, int | float):  # a bool counts as 0 or 1
                control = f"osc{address}#{number}" if number else f"osc{address}"
                understood |= self._controls.moved(control, float(argument))
        return understood

    def _may_send(self, sender: str) -> bool:
        if not self._senders:
            return True
        address = ip_address(sender.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._senders)

    def _count_malformed(self, why: str) -> None:
        self.counts.malformed += 1
        self._say(why)

    def _say(self, problem: str) -> None:
        """Keeps the problem for the pages, and logs it unless one was logged just now."""
        self.last_problem = problem
        if time.monotonic() - self._said_at >= _QUIET:
            self._said_at = time.monotonic()
            _log.warning("OSC: %s (more of the kind within %g s are only counted)", problem, _QUIET)


def osc_value(name: str, arguments: list[Any]) -> Any:
    """A parameter's value as its OSC message gives it.

    Raises:
        ValueError: there is no such parameter, or these arguments are no value for it.
    """
    wanted = parameter(name)
    if wanted.optional and arguments in ([None], ["none"]):
        return None
    if wanted.kind in ("seeds", "layers"):
        return arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
    if len(arguments) != 1:
        raise ValueError(f"{PREFIX}{name} has {len(arguments)} arguments; {wanted.needs} is needed.")
    (value,) = arguments
    if wanted.kind == "switch" and value in (0, 1):
        return bool(value)
    if wanted.kind == "choice" and value in range(len(wanted.choices)) and not isinstance(value, bool):
        return wanted.choices[int(value)]
    return value


def endpoint(text: str) -> tuple[str, int]:
    """Host and port of "HOST:PORT"; an IPv6 address stands in brackets, and a port alone means this machine.

    Raises:
        ValueError: it is no such text.
    """
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or not 0 <= int(port) <= 65535 or (":" in host and host[0] != "["):
        raise ValueError(f"{short(text)} is no HOST:PORT, such as 127.0.0.1:9000, [::1]:9000 or 9000.")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise UnsupportedError(f"OSC cannot listen on {host}: {exc.strerror or exc}. Name an address of here.") from exc
    try:
        listening.bind(address)
    except OSError as exc:
        listening.close()
        raise UnsupportedError(
            f"OSC cannot listen on {host}:{port}: {exc.strerror or exc}. "
            "If another program holds the port, close it, or name another port."
        ) from exc
    listening.settimeout(_POLL)
    return listening


def _network(sender: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(sender, strict=False)
    except ValueError as exc:
        raise ValueError(
            f"{short(sender)} is no address of a sender; one like 192.168.1.20 or 192.168.1.0/24 is needed."
        ) from exc


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
