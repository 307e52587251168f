"""Facts about raw frames on standard output."""

import os
import subprocess
import sys

import numpy as np
import pytest
from video_support import frame

from wplus import video_raw
from wplus.errors import ArtifactError
from wplus.media import to_rgb
from wplus.video import open_sink


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_raw_frames_are_their_bytes_and_nothing_else(capfdbinary: pytest.CaptureFixture[bytes], channels: int) -> None:
    with open_sink("-", fps=25, size=(32, 48), metadata={"seeds": [1]}) as sink:
        for i in range(5):
            sink.write(frame(i, channels=channels))
    expected = np.stack([to_rgb(frame(i, channels=channels)) for i in range(5)])
    assert capfdbinary.readouterr().out == expected.tobytes()


def test_how_to_read_raw_frames_is_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level("INFO", "wplus"), open_sink("-", fps=29.97, size=(32, 48)):
        pass
    assert capfd.readouterr().out == ""
    assert "-pixel_format rgb24 -video_size 48x32 -framerate 2997/100 -i - " in caplog.text


def test_a_terminal_gets_no_raw_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    def start() -> None:
        with open_sink("-", size=(32, 48)):
            pytest.fail("it was opened")

    with pytest.raises(ValueError, match=r"Raw frames would go to the terminal.*ffmpeg -f rawvideo"):
        start()


LEAVES_EARLY = """
import sys
import numpy as np
from wplus.errors import ArtifactError
from wplus.video import open_sink
try:
    with open_sink("-", size=(64, 64)) as sink:
        for i in range(1000):
            sink.write(np.zeros((64, 64, 3), np.uint8))
except ArtifactError as exc:
    sys.exit(str(exc))
"""


def test_a_reader_that_leaves_is_our_error() -> None:
    command = [sys.executable, "-c", LEAVES_EARLY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(3 * 64 * 64)) == 3 * 64 * 64
        process.stdout.close()
        error = process.stderr.read().decode()
    assert process.returncode == 1
    assert error.startswith("The program that reads the frames left before frame ")


def test_a_pipe_that_takes_little_at_a_time_gets_all(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    write = os.write
    monkeypatch.setattr(video_raw.os, "write", lambda descriptor, data: write(descriptor, data[:100]))
    with open_sink("-", size=(32, 48)) as sink:
        sink.write(frame(3))
    assert capfdbinary.readouterr().out == frame(3).tobytes()


def test_a_pipe_that_breaks_otherwise_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> int:
        raise OSError(28, "No space left on device")

    def one() -> None:
        with open_sink("-", size=(32, 48)) as sink:
            sink.write(frame(0))

    monkeypatch.setattr(video_raw.os, "write", fails)
    with pytest.raises(ArtifactError, match="Frame 0 could not be written: No space left on device"):
        one()
