"""Facts about frames in files that move."""

import builtins
import errno
import logging
import os
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import GifImagePlugin, Image
from video_support import decoded, frame, psnr

from wplus import video_png
from wplus.errors import ArtifactError, UnsupportedError
from wplus.media import to_rgb
from wplus.media_metadata import read_metadata
from wplus.video import open_sink

OUTPUTS = ["walk.mp4", "walk.gif", "frames/"]


def write(
    path: str, count: int = 12, *, fps: Fraction | float = 30, error: BaseException | None = None, **of: int
) -> None:
    size = frame(0, **of).shape[:2]
    with open_sink(path, fps=fps, size=(size[0], size[1]), metadata={"seeds": [1, 2], "loop": True}) as sink:
        for i in range(count):
            sink.write(frame(i, **of))
        if error is not None:
            raise error


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 47), (1, 1)])
def test_mp4_decodes_to_the_frames_and_pads_odd_sides(tmp_path: Path, height: int, width: int) -> None:
    write(f"{tmp_path}/walk.mp4", height=height, width=width)
    frames = decoded(tmp_path / "walk.mp4")
    assert len(frames) == 12
    for i, got in enumerate(frames):
        assert got.shape == (height + height % 2, width + width % 2, 3)
        assert psnr(got[:height, :width], frame(i, height, width)) > 34
    assert [path.name for path in tmp_path.iterdir()] == ["walk.mp4"]


@pytest.mark.parametrize("fps", [60, 24, Fraction(30000, 1001), 29.97])
def test_mp4_plays_at_the_rate_and_starts_fast(tmp_path: Path, fps: Fraction | float) -> None:
    av = pytest.importorskip("av")
    write(f"{tmp_path}/walk.mp4", fps=fps)
    with av.open(str(tmp_path / "walk.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(float(fps), rel=1e-4)
        assert stream.codec_context.colorspace == 1  # BT.709
    content = (tmp_path / "walk.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["walk.mp4", "walk.gif"])
def test_gray_and_alpha_become_rgb(tmp_path: Path, name: str, channels: int) -> None:
    write(f"{tmp_path}/{name}", channels=channels)
    if name.endswith(".mp4"):
        got = decoded(tmp_path / name)[5]
    else:
        with Image.open(tmp_path / name) as image:
            image.seek(5)
            got = np.asarray(image.convert("RGB"))
    assert psnr(got, to_rgb(frame(5, channels=channels))) > 30


def test_a_gray_gif_is_exact(tmp_path: Path) -> None:
    write(f"{tmp_path}/walk.gif", channels=1)
    with Image.open(tmp_path / "walk.gif") as image:
        image.seek(7)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), to_rgb(frame(7, channels=1)))


@pytest.mark.parametrize("fps", [10, 24, 30, 50])
def test_a_gif_repeats_for_ever_and_keeps_its_rate_on_average(tmp_path: Path, fps: int) -> None:
    write(f"{tmp_path}/walk.gif", count=60, fps=fps, height=4, width=4)
    with Image.open(tmp_path / "walk.gif") as image:
        assert image.info["loop"] == 0
        assert image.n_frames == 60  # type: ignore[attr-defined]
        delays = []
        for i in range(60):
            image.seek(i)
            delays.append(image.info["duration"])
    assert sum(delays) == pytest.approx(60_000 / fps, abs=5)
    assert max(delays) - min(delays) in (0, 10)


def test_a_gif_that_cannot_play_as_fast_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        write(f"{tmp_path}/walk.gif", fps=60)
    assert "at most 50 frames a second" in caplog.text
    assert "instead of 60" in caplog.text


def test_png_frames_are_exact_and_replace_those_of_a_longer_video(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "frames"
    write(f"{folder}/", count=15)
    (folder / "notes.txt").write_text("mine")
    write(str(folder), count=12, channels=4)
    assert sorted(path.name for path in folder.iterdir()) == [*(f"frame{i:04d}.png" for i in range(12)), "notes.txt"]
    for i in range(12):
        np.testing.assert_array_equal(np.asarray(Image.open(folder / f"frame{i:04d}.png")), frame(i, channels=4))


@pytest.mark.parametrize("name", ["walk.mp4", "walk.gif", "frames/frame0003.png"])
def test_videos_say_how_they_were_made(tmp_path: Path, name: str) -> None:
    write(f"{tmp_path}/{name.split('frame0')[0]}")
    assert read_metadata(tmp_path / name) == {"seeds": [1, 2], "loop": True}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("mine")], ids=["interrupt", "error"])
def test_an_interrupted_video_leaves_nothing(tmp_path: Path, name: str, error: BaseException) -> None:
    with pytest.raises(type(error)):
        write(f"{tmp_path}/{name}", error=error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_interrupted_video_leaves_the_earlier_one(tmp_path: Path, name: str) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    write(f"{tmp_path}/{name}")
    before = contents()
    with pytest.raises(KeyboardInterrupt):
        write(f"{tmp_path}/{name}", count=5, error=KeyboardInterrupt())
    assert contents() == before


@pytest.mark.parametrize("name", ["walk.gif", "frames/"])
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path, name: str) -> None:
    noise = np.random.RandomState(0)
    tracemalloc.start()
    with open_sink(f"{tmp_path}/{name}", fps=30, size=(128, 128)) as sink:
        for _ in range(200):  # 10 MB in all, and hardly compressible
            sink.write(noise.randint(0, 256, (128, 128, 3), np.uint8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6


FILL_THE_DISK = """
import resource, sys
import numpy as np
from wplus.errors import ArtifactError
from wplus.video import open_sink
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.RandomState(0)
try:
    with open_sink(sys.argv[1], fps=30, size=(128, 128)) as sink:
        for i in range(200):
            sink.write(noise.randint(0, 256, (128, 128, 3)).astype(np.uint8))
except ArtifactError as exc:
    print(exc)
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a POSIX matter")
@pytest.mark.parametrize("name", OUTPUTS)
def test_a_file_that_cannot_grow_is_our_error_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-c", FILL_THE_DISK, f"{tmp_path}/{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (7, ""), done.stderr
    assert "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_our_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(GifImagePlugin, "getdata", full)
    monkeypatch.setattr(video_png, "encode_image", full)
    for name in ("walk.gif", "frames/"):
        with pytest.raises(ArtifactError, match="No space left on device"):
            write(f"{tmp_path}/{name}")
        assert list(tmp_path.iterdir()) == []


def test_mp4_without_pyav_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actual = builtins.__import__

    def without_av(name: str, *rest: Any, **options: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return actual(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(UnsupportedError, match=r"pip install 'wplus\[video\]'"):
        write(f"{tmp_path}/walk.mp4")
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    def one(shape: tuple[int, int, int]) -> None:
        with open_sink(tmp_path / "walk.gif", size=(4, 6)) as sink:
            sink.write(np.zeros(shape, np.uint8))

    with pytest.raises(ValueError, match=r"\[4, 7, 3\]; this video needs \[4, 6, C\]"):
        one((4, 7, 3))


@pytest.mark.parametrize(
    ("path", "fps", "message"),
    [("walk.avi", 30, r"ends in \.avi; use \.mp4, \.gif, or a folder"), ("walk.gif", 0, "must be positive")],
)
def test_bad_requests_are_refused(tmp_path: Path, path: str, fps: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write(f"{tmp_path}/{path}", fps=fps)
    assert list(tmp_path.iterdir()) == []
