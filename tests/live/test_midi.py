"""Facts about MIDI in. Devices are a fake driver under the real mido; their bytes are read by mido."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_midi_driver
import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steered_show import SteeredShow, wait_until

from wplus.errors import UnsupportedError
from wplus.live import midi
from wplus.live.changes import Changes
from wplus.live.controls import Controls
from wplus.live.mapping import Binding, control_range
from wplus.live.midi import MidiIn, control_of
from wplus.live.midi_clock import MidiClock


@pytest.fixture
def show() -> SteeredShow:
    return SteeredShow()


@pytest.fixture
def controls(show: SteeredShow) -> Iterator[Controls]:
    with Changes(show) as changes:
        yield Controls(changes)


@pytest.fixture(name="backend")
def _backend() -> Any:
    fake_midi_driver.plugged[:] = []
    fake_midi_driver.opened[:] = []
    return mido.Backend("fake_midi_driver")


def plug(*names: str) -> None:
    fake_midi_driver.plugged[:] = names


def device() -> fake_midi_driver.Input:
    return fake_midi_driver.opened[-1]


@pytest.mark.parametrize(
    ("data", "control", "raw"),
    [
        ([0xB0, 74, 127], "midi/cc/1/74", 127),
        ([0xBF, 0, 0], "midi/cc/16/0", 0),
        ([0x99, 36, 100], "midi/note/10/36", 100),
        ([0x99, 36, 0], "midi/note/10/36", 0),
        ([0x89, 36, 64], "midi/note/10/36", 0),
        ([0xE0, 0, 0], "midi/pitch/1", -8192),
        ([0xE0, 0x7F, 0x7F], "midi/pitch/1", 8191),
        ([0xC1, 5], "midi/program/2", 5),
    ],
)
def test_messages_are_controls(data: list[int], control: str, raw: float) -> None:
    assert control_of(mido.Message.from_bytes(data)) == (control, raw)


@pytest.mark.parametrize("data", [[0xFE], [0xF8], [0xD0, 5], [0xA0, 5, 5], [0xF0, 1, 0xF7]])
def test_other_messages_are_none(data: list[int]) -> None:
    assert control_of(mido.Message.from_bytes(data)) is None


@given(st.integers(0x80, 0xEF), st.integers(0, 127), st.integers(0, 127))
def test_every_message_of_a_channel_is_a_control_within_its_range(status: int, first: int, second: int) -> None:
    length = 2 if status >> 4 in (0xC, 0xD) else 3
    moved = control_of(mido.Message.from_bytes([status, first, second][:length]))
    if status >> 4 in (0xA, 0xD):
        assert moved is None
    else:
        assert moved is not None
        low, high = control_range(moved[0])
        assert low <= moved[1] <= high


def test_a_knob_moves_its_parameter(show: SteeredShow, controls: Controls, backend: Any) -> None:
    controls.load({"bindings": [{"control": "midi/cc/1/74", "parameter": "fade"}]})
    plug("nanoKONTROL2 20:0")
    with MidiIn(controls, "NANO", backend=backend) as listening:
        wait_until(lambda: listening.connected == "nanoKONTROL2 20:0")
        device().send([0xB0, 74, 127])
        show.wait_for("fade", 1.0)
        assert listening.messages == 1
    assert device().closed


def test_a_device_that_is_unplugged_is_found_again(show: SteeredShow, controls: Controls, backend: Any) -> None:
    controls.load({"bindings": [{"control": "midi/cc/1/74", "parameter": "fade"}]})
    plug("Launch Control 20:0")
    with MidiIn(controls, "launch", backend=backend, every=0.005) as listening:
        wait_until(lambda: listening.connected == "Launch Control 20:0")
        first = device()
        plug()
        wait_until(lambda: listening.connected is None)
        assert listening.problem is not None
        assert first.closed
        plug("Other 16:0", "Launch Control 24:0")  # systems number them anew
        wait_until(lambda: listening.connected == "Launch Control 24:0")
        assert listening.problem is None
        device().send([0xB0, 74, 0])
        show.wait_for("fade", 0.0)


def test_a_device_that_comes_late_is_found(controls: Controls, backend: Any, caplog: pytest.LogCaptureFixture) -> None:
    listening = MidiIn(controls, "launch", backend=backend)
    plug("Other 16:0")
    for _ in range(3):
        listening.look()
    assert listening.problem == (
        "no MIDI device whose name has 'launch'; there are Other 16:0. It is looked for every 2 s"
    )
    assert len(caplog.records) == 1  # said once, however often it is looked for
    plug("Launch 20:0")
    listening.look()
    assert listening.connected == "Launch 20:0"


def test_without_a_name_the_first_device_is_taken_but_not_linuxs_own(controls: Controls, backend: Any) -> None:
    listening = MidiIn(controls, backend=backend)
    plug("Midi Through:Midi Through Port-0 14:0")
    listening.look()
    assert listening.connected is None
    plug("Midi Through:Midi Through Port-0 14:0", "Keys 20:0", "Pads 24:0")
    listening.look()
    assert listening.connected == "Keys 20:0"


class Failing:
    """A driver in which everything goes wrong once."""

    def __init__(self) -> None:
        self.errors: list[Exception] = [SystemError("no sequencer"), OSError(), RuntimeError("the port is busy")]

    def get_input_names(self) -> list[str]:
        if len(self.errors) > 1:
            raise self.errors.pop(0)
        return ["Keys"]

    def open_input(self, name: str, *, callback: Any) -> "Failing":
        assert name == "Keys"
        assert callable(callback)
        if self.errors:
            raise self.errors.pop()
        return self

    def close(self) -> None:
        raise OSError("no such device")


def test_a_driver_that_fails_is_asked_again(controls: Controls) -> None:
    driver = Failing()
    listening = MidiIn(controls, backend=driver)
    problems = []
    for _ in range(3):
        listening.look()
        problems.append(listening.problem)
    assert problems == ["no sequencer", "OSError", "the port is busy"]
    listening.look()
    assert listening.connected == "Keys"
    driver.errors = [OSError("pulled out"), OSError("again")]
    listening.look()  # closing fails too
    assert listening.connected is None
    assert listening.problem == "pulled out"


def test_a_refused_value_and_a_broken_control_stop_nothing(
    controls: Controls, backend: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listening = MidiIn(controls, backend=backend)
    plug("Keys")
    listening.look()
    errors: list[Exception] = [ValueError("refused"), RuntimeError("a fault")]

    def moved(*_: object) -> bool:
        if errors:
            raise errors.pop(0)
        return True

    monkeypatch.setattr(controls, "moved", moved)
    for _ in range(3):
        device().send([0xB0, 74, 1])
    assert listening.messages == 3
    assert listening.refused == 1
    assert "A MIDI message could not be taken" in caplog.text


def test_the_next_control_is_learned(show: SteeredShow, controls: Controls, backend: Any) -> None:
    listening = MidiIn(controls, backend=backend)
    plug("Pads")
    listening.look()
    controls.learn("freeze")
    device().send([0xFE])
    device().send([0x89, 36, 0])
    assert controls.learning == "freeze"
    device().send([0x99, 36, 3])
    assert controls.bindings == (Binding(control="midi/note/10/36", parameter="freeze", curve="toggle"),)
    device().send([0x89, 36, 0])
    device().send([0x99, 36, 3])
    show.wait_for("freeze", True)


def pulses(clock: MidiClock, tempo: float, count: int, start: float = 0.0, jitter: float = 0.0) -> list[float]:
    seconds = 60 / (24 * tempo)
    told = [clock.pulse(start + n * seconds + (jitter if n % 2 else 0)) for n in range(count)]
    return [tempo for tempo in told if tempo is not None]


@pytest.mark.parametrize("tempo", [40.0, 92.5, 120.0, 174.0, 300.0])
def test_the_clock_tells_the_tempo_after_a_beat_and_once(tempo: float) -> None:
    assert pulses(MidiClock(), tempo, 24) == []
    assert pulses(MidiClock(), tempo, 960) == [tempo]


def test_a_jitter_of_a_millisecond_is_not_told() -> None:
    told = pulses(MidiClock(), 120.0, 24 * 64, jitter=0.001)
    assert all(abs(tempo - 120) < 0.5 for tempo in told)
    assert len(told) <= 2


def test_the_clock_begins_anew_after_a_pause() -> None:
    clock = MidiClock()
    assert pulses(clock, 120.0, 97) == [120.0]
    assert pulses(clock, 60.0, 25, start=100.0) == [60.0]


def test_the_clock_follows_a_new_tempo_within_four_beats() -> None:
    clock = MidiClock()
    pulses(clock, 120.0, 97)
    assert pulses(clock, 140.0, 97, start=96 * 60 / (24 * 120) + 60 / (24 * 140))[-1] == 140.0


def test_the_clock_sets_bpm_and_starts_and_stops(
    show: SteeredShow, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(n * 60 / (24 * 128) for n in range(100))
    monkeypatch.setattr(midi.time, "perf_counter", lambda: next(times))
    plug("Drums")
    with Changes(show, clock=lambda: 0.0, interval=0.0) as changes:
        listening = MidiIn(Controls(changes), backend=backend, clock=True)
        listening.look()
        for _ in range(25):
            device().send([0xF8])
        show.wait_for("bpm", 128.0)
        device().send([0xFC])
        show.wait_for("playing", False)
        device().send([0xFA])
        show.wait_for("playing", True)


def test_without_the_option_the_clock_is_not_heeded(show: SteeredShow, controls: Controls, backend: Any) -> None:
    controls.load({"bindings": [{"control": "midi/cc/1/1", "parameter": "fade"}]})
    listening = MidiIn(controls, backend=backend)
    plug("Drums")
    listening.look()
    for _ in range(30):
        device().send([0xF8])
    device().send([0xFC])
    device().send([0xB0, 1, 127])
    show.wait_for("fade", 1.0)
    assert show.changes == [{"fade": 1.0}]


@pytest.mark.parametrize(
    ("module", "error", "version", "reason"),
    [
        ("mido", "No module named 'mido'", (3, 11), "mido is not installed: pip install 'wplus[live]'"),
        ("rtmidi", "No module named 'rtmidi'", (3, 12), "python-rtmidi is not installed: pip install 'wplus[live]'"),
        ("rtmidi", "No module named 'rtmidi'", (3, 13), "has no wheel for this Python"),
        ("rtmidi", "libasound.so.2: cannot open shared object file", (3, 12), "apt install libasound2"),
    ],
)
def test_what_is_missing_is_named_and_nothing_stops(
    controls: Controls,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    error: str,
    version: tuple[int, int],
    reason: str,
) -> None:
    imported = importlib.import_module

    def missing(name: str) -> Any:
        if name == module:
            raise ImportError(error)
        return object() if name in ("mido", "rtmidi") else imported(name)

    monkeypatch.setattr(midi.importlib, "import_module", missing)
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.delenv("MIDO_BACKEND", raising=False)
    with pytest.raises(UnsupportedError, match="Everything else works without MIDI"):
        midi.mido_backend()
    listening = MidiIn(controls)
    listening.look()
    assert listening.problem is not None
    assert reason in listening.problem


def test_a_linux_without_a_sequencer_is_said_without_asking_alsa(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(midi.sys, "platform", "linux")
    monkeypatch.setattr(midi, "_SEQUENCER", tmp_path / "seq")
    monkeypatch.setattr(midi.importlib, "import_module", lambda _: object())
    monkeypatch.delenv("MIDO_BACKEND", raising=False)
    assert "modprobe snd-seq" in midi.unsupported_reasons()[0]
    (tmp_path / "seq").touch()
    assert midi.unsupported_reasons() == []


@pytest.mark.usefixtures("backend")
def test_mido_takes_another_driver_by_its_own_variable(controls: Controls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDO_BACKEND", "fake_midi_driver")
    plug("Keys")
    listening = MidiIn(controls)
    listening.look()
    assert listening.connected == "Keys"
