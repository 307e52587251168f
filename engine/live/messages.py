"""What a page may say: JSON, bounded, and read so strictly that all else is a violation."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from wplus.live.parameters import check, short

MOST_BYTES: Final = 16 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,63}", re.ASCII)


class ViolationError(ValueError):
    """A message that no page of ours sends: its connection is closed, and nothing else happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """New values of parameters, checked one by one."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """A frame was painted."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Something to do, with its arguments."""

    command: str
    arguments: Mapping[str, Any]


Message = Set | Ack | Do


def read_message(text: str | bytes | None) -> Message:
    """The message in a text frame.

    Raises:
        ViolationError: it is not text, too long, not JSON, or says anything that is not in the protocol.
    """
    if not isinstance(text, str):
        raise ViolationError("Messages are text.")
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise ViolationError(f"A message has at most {MOST_BYTES} bytes.")
    try:
        message = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise ViolationError("The message is not JSON.") from exc
    if not isinstance(message, dict):
        raise ViolationError("A message is an object.")
    if message.keys() == {"set"}:
        return _set(message["set"])
    if message.keys() == {"ack"}:
        return _ack(message["ack"])
    if "do" in message:
        return _do(message)
    raise ViolationError("A message has one of set, ack and do.")


def is_name(text: object) -> bool:
    """Whether it may name a file of a performer: letters, digits, spaces, - and _."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON.")


def _set(values: Any) -> Set:
    if not isinstance(values, dict):
        raise ViolationError("set takes an object of names and values.")
    try:
        return Set(values={name: check(name, value) for name, value in values.items()})
    except ValueError as exc:
        raise ViolationError(str(exc)) from exc


def _ack(number: Any) -> Ack:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**32:
        raise ViolationError("ack takes a frame's number.")
    return Ack(number=number)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_format(value: Any) -> bool:
    return value in ("jpeg", "webp")


def _is_control(value: Any) -> bool:
    return value is None or isinstance(value, str)


# What can be asked for: by command, one set of arguments or several, each argument with its check.
_COMMANDS: Final[dict[str, tuple[dict[str, Callable[[Any], bool]], ...]]] = {
    "tap": ({},),
    "snapshot": ({},),
    "record": ({},),
    "stop": ({},),
    "take": ({},),
    "presets": ({},),
    "format": ({"format": _is_format},),
    "save_preset": ({"name": is_name},),
    "load_preset": ({"name": is_name}, {"preset": _is_object}),
    "learn": ({"parameter": _is_control},),
    "forget": ({"parameter": _is_control},),
}


def _do(message: Mapping[str, Any]) -> Do:
    command = message["do"]
    arguments = {name: value for name, value in message.items() if name != "do"}
    if not isinstance(command, str) or command not in _COMMANDS:
        raise ViolationError(f"There is nothing like {short(command)} to do.")
    for shape in _COMMANDS[command]:
        if arguments.keys() == shape.keys() and all(fits(arguments[name]) for name, fits in shape.items()):
            return Do(command=command, arguments=arguments)
    raise ViolationError(f"{command} does not take these arguments.")
