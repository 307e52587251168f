"""MIDI in: finds a device by a part of its name, listens to it, and looks for it again whenever it is gone."""

import importlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, cast

from wplus.errors import UnsupportedError
from wplus.live.controls import Controls
from wplus.live.midi_clock import MidiClock

_log = logging.getLogger(__name__)

_SEQUENCER: Final = Path("/dev/snd/seq")
_THROUGH: Final = "midi through"  # Linux's own port, which no hand moves
_MISSING: Final = "pip install 'wplus[live]'"


class Port(Protocol):
    """An open input."""

    def close(self) -> None:
        """Ends it."""


class Backend(Protocol):
    """What we use of `mido.Backend`."""

    def get_input_names(self) -> list[str]:
        """Of the devices that are there."""

    def open_input(self, name: str, *, callback: Callable[[Any], None]) -> Port:
        """Opens one; the callback gets each message, in a thread of the driver's."""


class MidiIn:
    """Listens to one device. No failure of it, of its driver or of its cable is anybody else's.

    Args:
        controls: Where controls and the clock's tempo go.
        device: A part of the device's name, in any case; empty: the first one.
        clock: MIDI clock sets `bpm`, and its start, continue and stop set `playing`.
        backend: Opens inputs; None: mido's, by python-rtmidi.
        every: Seconds between two looks whether the device is there.
    """

    def __init__(
        self,
        controls: Controls,
        device: str = "",
        *,
        clock: bool = False,
        backend: Backend | None = None,
        every: float = 2.0,
    ) -> None:
        self._controls = controls
        self._device = device.lower()
        self._clock = MidiClock() if clock else None
        self._backend = backend
        self._every = every
        self._port: Port | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wplus-midi", daemon=True)
        self.connected: str | None = None  # the device that is listened to
        self.problem: str | None = None  # why none is
        self.messages = 0
        self.refused = 0

    def start(self) -> Self:
        """Begins to look and listen."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Ends."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        # The driver is called from this thread alone: macOS tells the thread that asked first of new devices.
        while True:
            self.look()
            if self._closing.wait(self._every):
                self._drop()
                return

    def look(self) -> None:
        """Opens the device if it came, and drops it if it went."""
        try:
            if self._backend is None:
                self._backend = mido_backend()
            names = self._backend.get_input_names()
            if self.connected is not None and self.connected not in names:
                self._say(f"{self.connected} is gone; it is looked for every {self._every:g} s")
                self._drop()
            if self.connected is None:
                self._find(self._backend, names)
        except Exception as exc:  # drivers raise what they like
            self._drop()
            self._say(str(exc) or type(exc).__name__)

    def _find(self, backend: Backend, names: list[str]) -> None:
        wanted = [
            name for name in names if self._device in name.lower() and (self._device or _THROUGH not in name.lower())
        ]
        if not wanted:
            there = f"there are {', '.join(names)}" if names else "there is none"
            asked = f"no MIDI device whose name has {self._device!r}" if self._device else "no MIDI device"
            self._say(f"{asked}; {there}. It is looked for every {self._every:g} s")
            return
        self._port = backend.open_input(wanted[0], callback=self.take)
        self.connected, self.problem = wanted[0], None
        _log.info("MIDI: %s", wanted[0])

    def _drop(self) -> None:
        port, self._port, self.connected = self._port, None, None
        if port is not None:
            try:
                port.close()
            except Exception as exc:  # of a device that is no longer there
                _log.debug("A MIDI input could not be closed: %s", exc)

    def _say(self, problem: str) -> None:
        """Keeps the problem for the pages, and logs it once."""
        if problem != self.problem:
            _log.warning("MIDI: %s", problem)
        self.problem = problem

    def take(self, message: Any) -> None:
        """Takes a message of mido's, in whatever thread it comes."""
        self.messages += 1
        try:
            if self._clock is not None and self._take_time(self._clock, message.type):
                return
            moved = control_of(message)
            if moved is not None:
                self._controls.moved(*moved)
        except ValueError as exc:
            self.refused += 1
            _log.debug("MIDI: %s", exc)
        except Exception:  # in the driver's thread nobody else would hear of it
            _log.exception("A MIDI message could not be taken.")

    def _take_time(self, clock: MidiClock, kind: str) -> bool:
        """Whether the message was the clock's."""
        if kind == "clock":
            tempo = clock.pulse(time.perf_counter())
            if tempo is not None:
                self._controls.set("bpm", tempo)
            return True
        if kind in ("start", "continue", "stop"):
            self._controls.set("playing", kind != "stop")
            return True
        return False


def control_of(message: Any) -> tuple[str, float] | None:
    """The control that a message of mido's is from, and what it sent; None of other messages."""
    if message.type == "control_change":
        return f"midi/cc/{message.channel + 1}/{message.control}", float(message.value)
    if message.type in ("note_on", "note_off"):
        struck = message.type == "note_on"  # with velocity 0 it is let go too
        return f"midi/note/{message.channel + 1}/{message.note}", float(message.velocity if struck else 0)
    if message.type == "pitchwheel":
        return f"midi/pitch/{message.channel + 1}", float(message.pitch)
    if message.type == "program_change":
        return f"midi/program/{message.channel + 1}", float(message.program)
    return None


def unsupported_reasons() -> list[str]:
    """Why MIDI cannot be heard here; empty if it can."""
    try:
        importlib.import_module("mido")
    except ImportError:
        return [f"mido is not installed: {_MISSING}"]
    if "MIDO_BACKEND" in os.environ:  # mido's own switch: the user brings another driver
        return []
    try:
        importlib.import_module("rtmidi")
    except ImportError as exc:
        if "libasound" in str(exc):
            return ["python-rtmidi needs ALSA's library: apt install libasound2, or libasound2t64"]
        if sys.version_info >= (3, 13):
            return [
                "python-rtmidi has no wheel for this Python: take 3.12, or a C++ compiler and pip install python-rtmidi"
            ]
        return [f"python-rtmidi is not installed: {_MISSING}"]
    if sys.platform == "linux" and not _SEQUENCER.exists():  # asked, ALSA would write to the terminal at every look
        return [
            f"this Linux has no MIDI sequencer ({_SEQUENCER}): modprobe snd-seq, or start a JACK server and set "
            "MIDO_BACKEND=mido.backends.rtmidi/UNIX_JACK"
        ]
    return []


def mido_backend() -> Backend:
    """mido's backend: python-rtmidi, unless the variable MIDO_BACKEND names another.

    Raises:
        UnsupportedError: something is missing; the text says what to install.
    """
    if reasons := unsupported_reasons():
        raise UnsupportedError(f"{reasons[0]}. Everything else works without MIDI.")
    return cast(Backend, importlib.import_module("mido").Backend())
