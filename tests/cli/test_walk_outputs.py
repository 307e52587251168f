"""`wplus walk`: all that it writes to, with sound, into a pipe, and after an interruption."""

import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from cli_support import Run
from PIL import Image

from wplus.media_metadata import read_metadata

av = pytest.importorskip("av")

WPLUS = [sys.executable, "-c", "from wplus.cli import main; main()"]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Two seconds of noise."""
    path = tmp_path / "song.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.random.RandomState(0).randint(-9999, 9999, 16000).astype("<i2").tobytes())
    return path


def walk(network: str, *more: str) -> list[str]:
    return ["walk", f"--network={network}", "--seeds=0-3", "--w-frames=4", "--fps=10", *more]


def test_codec_quality_and_sound_reach_the_file_and_its_recipe(
    run: Run, network: str, tmp_path: Path, song: Path
) -> None:
    output = tmp_path / "walk.mov"
    outcome = run(*walk(network, "--codec=hevc", "--crf=30", f"--audio={song}", f"--output={output}"))
    assert (outcome.code, outcome.err) == (0, "")
    said = read_metadata(output)
    assert said is not None
    assert {"codec": "hevc", "crf": 30, "audio": "song.wav"}.items() <= said.items()
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == "hevc"
        assert float(container.streams.audio[0].duration * container.streams.audio[0].time_base) == pytest.approx(1.3)
    info = run("info", str(output)).out
    assert "--codec=hevc --crf=30.0 --audio=song.wav" in info
    assert "--output=again.mov" in info


def test_raw_frames_are_all_that_standard_output_gets(network: str, tmp_path: Path) -> None:
    folder = f"--output={tmp_path}/f/"
    subprocess.run([*WPLUS, *walk(network, folder)], check=True, capture_output=True)
    frames = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "f").iterdir())]
    piped = subprocess.run([*WPLUS, *walk(network, "--output=-")], check=True, capture_output=True)
    assert piped.stdout == np.stack(frames).tobytes()
    assert b"ffmpeg -f rawvideo" in piped.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output=walk.gif", "--audio=song.wav"], "A GIF is written without --audio"),
        (["--output=walk.mp4", "--codec=flying"], "codec is 'flying'"),
        (["--output=walk.mp4", "--resume"], "only numbered PNGs can"),
        (["--output=frames/", "--resume", "--no-metadata"], "leave out --no-metadata"),
        (["--output=walk.mp4", "--bitrate=fast"], "write bits a second like 8M or 800k"),
        (["--output=walk.mp4", "--bitrate=8M", "--crf=20"], "Both crf and bitrate"),
    ],
)
def test_wrong_usage_writes_nothing(
    run: Run, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run(*walk(network, *arguments))
    assert (outcome.code, list(tmp_path.iterdir())) == (2, [])
    assert message in outcome.err


def test_an_interrupted_walk_of_pngs_goes_on(network: str, tmp_path: Path) -> None:
    command = [*WPLUS, "walk", f"--network={network}", "--seeds=0-3", "--w-frames=200", "--resume"]
    folder = tmp_path / "frames"

    def hear_interrupts() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with subprocess.Popen([*command, f"--output={folder}/"], stderr=subprocess.PIPE, preexec_fn=hear_interrupts) as one:
        deadline = time.monotonic() + 30
        while not list(folder.glob("frame0020.png")) and one.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        one.send_signal(signal.SIGINT)
        one.communicate(timeout=30)
    assert one.returncode == 1
    there = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert 20 < len(there) < 601
    assert all(path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in there)
    done = subprocess.run([*command, f"--output={folder}/"], check=True, capture_output=True, text=True)
    assert f"{len(there)} of 601 frames are there already" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in there} == there
    subprocess.run([*command, f"--output={tmp_path}/whole/"], check=True, capture_output=True)
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("frames", "whole")]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 601
