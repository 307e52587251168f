"""Facts about where frames go."""

import errno
import os
import threading
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_support import TONE, heard, pitch, sound

from wplus.errors import ArtifactError
from wplus.live import file_sink
from wplus.live.file_sink import FileSink
from wplus.live.frames import Frame
from wplus.live.memory_sink import SharedMemorySink, read_frame
from wplus.live.pipe_sink import PipeSink
from wplus.live.sinks import LatestFrame


def frame(number: int, *, fps: float = 10.0, height: int = 16, width: int = 24, channels: int = 3) -> Frame:
    picture = np.full((height, width, channels), (number * 10) % 250, np.uint8)
    return Frame(picture=picture, number=number, time=number / fps, drawn_at=100.0 + number, changed_at=0.0)


def levels(path: Path) -> list[int]:
    """The mean of each picture in a video."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return [round(picture.to_ndarray(format="rgb24").mean()) for picture in container.decode(video=0)]


def taken(slot: LatestFrame) -> None:
    """Waits until somebody took the frame."""
    with slot._changed:
        assert slot._changed.wait_for(lambda: slot._frame is None or slot.is_closed, 10)


class Fed:
    """Gives frames to a sink one by one, each when the last was taken."""

    def __init__(self, sink: Any) -> None:
        self.sink = sink

    def __call__(self, *numbers: int, **options: Any) -> None:
        for number in numbers:
            self.sink.show(frame(number, **options))
            taken(self.sink._latest)


@pytest.fixture
def watched_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking a frame tells whoever waits for it."""
    take = LatestFrame.take

    def telling(self: LatestFrame, timeout: float | None = None) -> Frame | None:
        taken = take(self, timeout)
        with self._changed:
            self._changed.notify_all()
        return taken

    monkeypatch.setattr(LatestFrame, "take", telling)


def test_a_slot_gives_the_newest_frame_and_counts_what_nobody_took() -> None:
    slot = LatestFrame()
    for number in range(5):
        slot.show(frame(number))
    assert getattr(slot.take(), "number", None) == 4
    assert slot.dropped == 4
    assert slot.take(timeout=0.001) is None


def test_closing_a_slot_wakes_who_waits() -> None:
    slot = LatestFrame()
    taken: list[Frame | None] = []
    waiting = threading.Thread(target=lambda: taken.append(slot.take()))
    waiting.start()
    slot.close()
    waiting.join(10)
    assert taken == [None]


@pytest.mark.usefixtures("watched_slot")
def test_a_recording_has_one_frame_for_each_moment_whatever_was_drawn(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, Path("a.mp4"), fps=10)
    Fed(sink)(0, 1, 2, 6, 7)
    sink.close()
    assert sink.error is None
    got = levels(tmp_path / "a.mp4")
    assert len(got) == sink.frames == 8
    assert np.abs(np.array(got) - [0, 10, 20, 20, 20, 20, 60, 70]).max() <= 3


@pytest.mark.usefixtures("watched_slot")
def test_a_recording_has_sound_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    song = sound(tmp_path / "song.wav", 3.0, codec="pcm_s16le")
    sink = FileSink(tmp_path, Path("a.mp4"), fps=10, audio=song)
    Fed(sink)(*range(20, 35))
    sink.close()
    assert sink.error is None
    assert len(levels(tmp_path / "a.mp4")) == 15
    codec, rate, samples = heard(tmp_path / "a.mp4")
    assert codec == "aac"
    assert len(samples) / rate == pytest.approx(1.5, abs=0.1)
    assert pitch(samples, rate) == pytest.approx(TONE, abs=2)


@pytest.mark.usefixtures("watched_slot")
def test_a_recording_at_another_rate_skips_and_repeats_by_time(tmp_path: Path) -> None:
    slow, fast = FileSink(tmp_path, Path("slow.mp4"), fps=5), FileSink(tmp_path, Path("fast.mp4"), fps=20)
    for sink in (slow, fast):
        Fed(sink)(*range(11))
        sink.close()
    assert len(levels(tmp_path / "slow.mp4")) == 6
    assert len(levels(tmp_path / "fast.mp4")) == 21


@pytest.mark.usefixtures("watched_slot")
def test_odd_sides_gray_and_another_size_are_recorded(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, Path("a.mp4"), fps=10)
    Fed(sink)(0, 1, height=15, width=17, channels=1)
    Fed(sink)(2, height=30, width=34)
    sink.close()
    assert sink.error is None
    assert len(levels(tmp_path / "a.mp4")) == 3


@pytest.mark.usefixtures("watched_slot")
def test_a_full_disk_leaves_a_file_that_plays_up_to_that_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk:
        def __init__(self, file: Any) -> None:
            self.file, self.left = file, 100_000

        def write(self, data: bytes) -> int:
            if len(data) > self.left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.left -= len(data)
            return int(self.file.write(data))

        def __getattr__(self, name: str) -> Any:
            if name in ("seek", "tell"):
                raise AttributeError(name)
            return getattr(self.file, name)

    opened = FileSink._open
    monkeypatch.setattr(FileSink, "_open", lambda self: Disk(opened(self)))
    random = np.random.RandomState(0)
    told = []
    sink = FileSink(tmp_path, Path("a.mp4"), fps=10, failed=told.append)
    fed, number = Fed(sink), 0
    monkeypatch.setattr(
        f"{__name__}.frame",
        lambda number: Frame(
            picture=random.randint(0, 255, (64, 64, 3), np.uint8),
            number=number,
            time=number / 10,
            drawn_at=0,
            changed_at=0,
        ),
    )
    while not sink.is_closed and number < 500:
        fed(number)
        number += 1
    sink.close()
    assert told == [sink.error]
    assert "No space left on device" in told[0]
    assert "plays up to that point" in told[0]
    assert 10 <= len(levels(tmp_path / "a.mp4")) <= number


@pytest.mark.usefixtures("watched_slot")
def test_a_recording_that_is_cut_off_plays(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, Path("a.mp4"), fps=10)
    Fed(sink)(*range(120))
    written = (tmp_path / "a.mp4").read_bytes()  # as after a power cut
    sink.close()
    (tmp_path / "b.mp4").write_bytes(written)
    assert len(levels(tmp_path / "b.mp4")) >= 50


def test_a_recording_takes_no_other_format_and_no_place_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"recorded as \.mp4"):
        FileSink(tmp_path, Path("a.mov"), fps=10)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(ArtifactError, match="exists already"):
        FileSink(tmp_path, Path("a.mp4"), fps=10)


def test_a_recording_without_a_frame_ends(tmp_path: Path) -> None:
    sink = FileSink(tmp_path, fps=10)
    assert sink.path.name.startswith("show-")
    sink.close()
    assert not sink.path.exists()


@pytest.mark.usefixtures("watched_slot")
def test_long_standstills_are_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_sink, "_LONGEST_GAP", 1.0)
    sink = FileSink(tmp_path, Path("a.mp4"), fps=10)
    Fed(sink)(0, 50, 51)
    sink.close()
    assert len(levels(tmp_path / "a.mp4")) == 3


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes here")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def read_exactly(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(descriptor, size - len(data))
        assert part
        data += part
    return data


def test_a_pipe_gets_whole_frames_of_raw_rgb(fifo: Path) -> None:
    sink = PipeSink(fifo)
    reader = os.open(fifo, os.O_RDONLY)  # waits for the writer
    for number in (3, 4):
        sink.show(frame(number, channels=1))
        assert read_exactly(reader, 16 * 24 * 3) == bytes([number * 10]) * (16 * 24 * 3)
    os.close(reader)
    sink.close()
    assert sink.written == 2


def test_a_slow_reader_gets_the_newest_frame_and_the_others_are_counted(fifo: Path) -> None:
    sink = PipeSink(fifo)
    reader = os.open(fifo, os.O_RDONLY)  # waits for the writer
    size = 256 * 256 * 3  # more than a pipe holds
    for number in range(20):
        sink.show(frame(number, height=256, width=256))
    got = [read_exactly(reader, size)[0]]
    while got[-1] != 190:
        got.append(read_exactly(reader, size)[0])
    assert got == sorted(got)
    assert sink.dropped == 20 - len(got)
    os.close(reader)
    sink.close()


def test_closing_waits_for_no_reader(fifo: Path) -> None:
    sink = PipeSink(fifo)
    sink.show(frame(0))
    sink.close()
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    stuck = PipeSink(fifo)
    stuck.show(frame(0, height=512, width=512))
    stuck.close()
    os.close(reader)


def test_a_reader_that_goes_ends_the_sink_of_a_descriptor() -> None:
    reader, writer = os.pipe()
    ended = threading.Event()
    sink = PipeSink(writer, ended=ended.set)
    os.close(reader)
    sink.show(frame(0))
    assert ended.wait(10)
    sink.close()
    os.close(writer)


def test_something_else_is_no_pipe(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="mkfifo"):
        PipeSink(tmp_path / "missing")


@pytest.fixture
def memory() -> Iterator[tuple[SharedMemorySink, SharedMemory]]:
    name = f"wplus-test-{os.getpid()}"
    sink = SharedMemorySink(name, size=16 * 24 * 3)
    reader = SharedMemory(name)
    yield sink, reader
    reader.close()
    sink.close()


@pytest.mark.usefixtures("watched_slot")
def test_shared_memory_holds_the_newest_frame(memory: tuple[SharedMemorySink, SharedMemory]) -> None:
    sink, reader = memory
    assert read_frame(reader) is None
    for number in (7, 8):
        sink.show(frame(number))
    sink._latest.close()
    sink._thread.join(10)
    got = read_frame(reader)
    assert got is not None
    assert got[0] == 8
    assert np.array_equal(got[1], frame(8).picture)


@pytest.mark.usefixtures("watched_slot")
def test_a_frame_that_does_not_fit_is_dropped(memory: tuple[SharedMemorySink, SharedMemory]) -> None:
    sink, reader = memory
    Fed(sink)(1)
    Fed(sink)(2, height=64)
    sink._latest.close()
    sink._thread.join(10)
    got = read_frame(reader)
    assert got is not None
    assert got[0] == 1
    assert sink.dropped == 1


def test_a_frame_half_written_is_never_read(memory: tuple[SharedMemorySink, SharedMemory]) -> None:
    sink, reader = memory
    stop = threading.Event()
    sink._write(frame(0))

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            sink._write(frame(number))

    writer = threading.Thread(target=write)
    writer.start()
    got = [read for _ in range(300) if (read := read_frame(reader)) is not None]
    stop.set()
    writer.join(10)
    assert got
    for number, picture in got:
        assert (picture == (number * 10) % 250).all()


def test_a_writer_that_died_in_a_frame_is_said_to_have(memory: tuple[SharedMemorySink, SharedMemory]) -> None:
    sink, reader = memory
    sink._write(frame(1))
    sink._step()
    with pytest.raises(ArtifactError, match="seems to have died"):
        read_frame(reader)
    with pytest.raises(ArtifactError, match="exists already"):
        SharedMemorySink(reader.name, size=10)


def test_readers_are_told_that_the_show_has_ended(memory: tuple[SharedMemorySink, SharedMemory]) -> None:
    sink, reader = memory
    sink.close()
    assert reader.buf is not None
    assert reader.buf[28] == 1
