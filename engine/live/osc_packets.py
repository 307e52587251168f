"""OSC packets into messages, for packets that may be hostile: bounded, and whole or refused.

python-osc reads the messages. Its readers of bundles are not used: an element of negative length keeps them in a loop
for ever, and nesting exhausts the stack. Nor is its dispatcher, which sleeps until a bundle's time tag.
"""

import struct
from typing import Any, Final

from pythonosc.osc_message import OscMessage, ParseError

MOST_PACKET: Final = 8192  # bytes; the longest list of seeds needs 2,600
_MOST_MESSAGES: Final = 256  # in a packet
_MOST_NESTING: Final = 4
_MOST_ADDRESS: Final = 200

_BUNDLE: Final = b"#bundle\0"
_HEAD: Final = len(_BUNDLE) + 8  # with the time tag
# Bytes of an argument, or the least it can have. Blobs, colours and MIDI mean nothing to a parameter.
_TAGS: Final = {"i": 4, "f": 4, "h": 8, "d": 8, "s": 4, "T": 0, "F": 0, "N": 0, "[": 0, "]": 0}

Message = tuple[str, list[Any]]  # address and arguments


def read_packet(packet: bytes) -> list[Message]:
    """The messages of a packet, those of bundles too, in order. Time tags are not heeded: all is for now.

    Raises:
        ValueError: it is malformed, or larger than anything of ours.
    """
    if len(packet) > MOST_PACKET:
        raise ValueError(f"an OSC packet has more than {MOST_PACKET} bytes")
    messages: list[Message] = []
    _collect(packet, messages, nesting=0)
    return messages


def _collect(packet: bytes, messages: list[Message], *, nesting: int) -> None:
    if not packet.startswith(_BUNDLE):
        if len(messages) >= _MOST_MESSAGES:
            raise ValueError(f"an OSC packet has more than {_MOST_MESSAGES} messages")
        messages.append(_read_message(packet))
        return
    if nesting >= _MOST_NESTING or len(packet) < _HEAD:
        raise ValueError("an OSC bundle is nested too deeply, or cut")
    at = _HEAD
    while at < len(packet):
        (size,) = struct.unpack_from(">i", packet.ljust(at + 4, b"\0"), at)
        at += 4
        if size <= 0 or size % 4 or at + size > len(packet):
            raise ValueError(f"an OSC bundle has an element of {size} bytes")
        _collect(packet[at : at + size], messages, nesting=nesting + 1)
        at += size


def _read_message(packet: bytes) -> Message:
    if not packet.startswith(b"/") or len(packet) % 4:
        raise ValueError("an OSC message starts with / and has a multiple of 4 bytes")
    after_address = _after_text(packet, 0)
    tags_end = _after_text(packet, after_address) if after_address < len(packet) else after_address
    tags = packet[after_address:tags_end].rstrip(b"\0").decode("latin-1").removeprefix(",")
    if unknown := sorted(set(tags) - set(_TAGS)):
        raise ValueError(f"an OSC message has arguments of the type {unknown[0]!r}")
    if sum(_TAGS[tag] for tag in tags) > len(packet) - tags_end:
        raise ValueError("an OSC message has fewer arguments than it says")
    try:
        message = OscMessage(packet)
    except (ParseError, UnicodeDecodeError) as exc:
        raise ValueError(f"an OSC message is malformed: {exc.args[0]}") from exc
    if len(message.address) > _MOST_ADDRESS or not message.address.isprintable():
        raise ValueError("an OSC message has an address that is too long, or not text")
    return message.address, message.params


def _after_text(packet: bytes, start: int) -> int:
    """Where the text that begins at `start` ends, with its padding."""
    end = packet.find(b"\0", start)
    if end < 0:
        raise ValueError("an OSC message has text without an end")
    return end + 4 - end % 4
