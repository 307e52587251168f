"""Facts about frames in containers, whatever the codec."""

import builtins
import errno
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_support import decoded, frame, psnr

from wplus import video_codecs
from wplus.errors import ArtifactError, UnsupportedError
from wplus.media_metadata import read_metadata
from wplus.video import VideoOptions, open_sink

av = pytest.importorskip("av")

SIZE = (66, 96)
COUNT = 12


def write(path: Path, options: VideoOptions | None = None, *, fps: Fraction | float = 30, count: int = COUNT) -> None:
    with open_sink(path, fps=fps, size=SIZE, metadata={"seeds": [1, 2]}, options=options) as sink:
        for i in range(count):
            sink.write(frame(i, *SIZE))


def facts(path: Path) -> tuple[str, str]:
    """Codec and pixel format."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.codec.canonical_name, context.pix_fmt


def least_psnr(path: Path) -> float:
    frames = decoded(path)
    assert len(frames) == COUNT
    return min(psnr(got, frame(i, *SIZE)) for i, got in enumerate(frames))


@pytest.mark.parametrize(
    ("name", "codec", "expected", "least"),
    [
        ("walk.mp4", None, ("h264", "yuv420p"), 34),
        ("walk.mov", None, ("h264", "yuv420p"), 34),
        ("walk.mkv", None, ("h264", "yuv420p"), 34),
        ("walk.webm", None, ("vp9", "yuv420p"), 34),
        ("walk.webm", "vp8", ("vp8", "yuv420p"), 30),
        ("walk.mp4", "hevc", ("hevc", "yuv420p"), 34),
        ("walk.mp4", "av1", ("av1", "yuv420p"), 34),
        ("walk.webm", "av1", ("av1", "yuv420p"), 34),
        ("walk.mov", "prores", ("prores", "yuv422p10le"), 36),
        ("walk.mkv", "mpeg4", ("mpeg4", "yuv420p"), 30),
        ("walk.mkv", "mjpeg", ("mjpeg", "yuvj420p"), 30),
        ("walk.mkv", "ffv1", ("ffv1", "bgr0"), 90),
        ("walk.mkv", "libx264rgb", ("h264", "gbrp"), 34),
    ],
)
def test_every_container_and_codec_plays_the_frames(
    tmp_path: Path, name: str, codec: str | None, expected: tuple[str, str], least: float
) -> None:
    write(tmp_path / name, VideoOptions(codec=codec), fps=25)
    assert facts(tmp_path / name) == expected
    assert least_psnr(tmp_path / name) > least
    assert read_metadata(tmp_path / name) == {"seeds": [1, 2]}
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["walk.mp4", "walk.mov", "walk.mkv", "walk.webm"])
@pytest.mark.parametrize("fps", [24, Fraction(30000, 1001), 59.94, 12.5, 120])
def test_every_container_keeps_its_rate(tmp_path: Path, name: str, fps: Fraction | float) -> None:
    write(tmp_path / name, VideoOptions(codec="vp8" if name.endswith("webm") else "mpeg4"), fps=fps)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        times = [picture.time for picture in container.decode(stream)]
        assert float(stream.average_rate) == pytest.approx(float(fps), rel=1e-3)
    assert times == pytest.approx([i / float(fps) for i in range(COUNT)], abs=0.001)  # Matroska counts milliseconds


def test_a_lower_crf_is_better_and_larger(tmp_path: Path) -> None:
    for crf in (10, 40):
        write(tmp_path / f"{crf}.mp4", VideoOptions(crf=crf))
    assert least_psnr(tmp_path / "10.mp4") > least_psnr(tmp_path / "40.mp4") + 5
    assert (tmp_path / "10.mp4").stat().st_size > (tmp_path / "40.mp4").stat().st_size


def test_a_bitrate_sets_the_size(tmp_path: Path) -> None:
    noise = np.random.RandomState(0).randint(0, 256, (60, *SIZE, 3)).astype(np.uint8)
    for bitrate in (200_000, 1_600_000):
        options = VideoOptions(bitrate=bitrate)
        with open_sink(tmp_path / f"{bitrate}.mp4", fps=30, size=SIZE, options=options) as sink:
            for picture in noise:
                sink.write(picture)
    small, large = ((tmp_path / f"{bitrate}.mp4").stat().st_size for bitrate in (200_000, 1_600_000))
    assert large > 3 * small
    assert large == pytest.approx(2 * 1_600_000 / 8, rel=0.5)


def test_colours_are_tagged_as_what_they_are(tmp_path: Path) -> None:
    for codec in ("h264", "hevc", "prores"):
        write(tmp_path / "walk.mov", VideoOptions(codec=codec))
        with av.open(str(tmp_path / "walk.mov")) as container:
            context = container.streams.video[0].codec_context
            assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)


def test_hevc_is_called_as_apples_players_want(tmp_path: Path) -> None:
    write(tmp_path / "walk.mp4", VideoOptions(codec="hevc"))
    with av.open(str(tmp_path / "walk.mp4")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_odd_sides_are_padded_only_where_chroma_is_shared(tmp_path: Path) -> None:
    for codec, size in (("ffv1", (3, 5)), ("h264", (4, 6)), ("prores", (3, 6))):
        with open_sink(tmp_path / "walk.mkv", size=(3, 5), options=VideoOptions(codec=codec)) as sink:
            sink.write(frame(0, 3, 5))
        assert decoded(tmp_path / "walk.mkv")[0].shape[:2] == size


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("walk.mp4", {"codec": "flying"}, r"codec is 'flying', which this PyAV .* does not know; use h264, .*ffv1"),
        ("walk.mp4", {"codec": "aac"}, "codec is 'aac', which is for audio"),
        ("walk.webm", {"codec": "h264"}, r"libx264 does not go into \.webm\. Matroska takes .* --output=walk\.mkv"),
        ("walk.mov", {"codec": "prores", "crf": 20}, r"prores_ks has no constant quality \(crf\)\. Use --bitrate"),
        ("walk.gif", {"codec": "h264"}, r"A GIF is written without --codec; \.mp4, \.mov, \.mkv, \.webm take it"),
        ("frames/", {"crf": 20, "audio": Path("a.wav")}, "PNGs are written without --crf and --audio"),
        ("-", {"bitrate": 10_000}, "Raw frames are written without --bitrate"),
        ("walk.mp4", {"resume": True}, "only numbered PNGs can"),
    ],
)
def test_options_that_an_output_cannot_follow_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)

    def start() -> None:
        with open_sink(name, size=SIZE, options=VideoOptions(**options)):
            pytest.fail("it was opened")

    with pytest.raises(ValueError, match=message):
        start()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crf": -1}, "crf is -1"),
        ({"bitrate": 8}, "bitrate is 8; it is in bits a second"),
        ({"crf": 20, "bitrate": 8000}, "Both crf and bitrate are given"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoOptions(**options)


def test_an_encoder_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(video_codecs._ENCODERS, "h264", ("libnothing",))  # type: ignore[index]
    with pytest.raises(UnsupportedError, match=r"built without libnothing, which makes h264\. .*pip install"):
        write(tmp_path / "walk.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_takes_no_such_frames_says_so(tmp_path: Path) -> None:
    def start() -> None:
        with open_sink(tmp_path / "walk.mkv", fps=30, size=(2, 2), options=VideoOptions(codec="libsvtav1")):
            pytest.fail("it was opened")

    with pytest.raises(UnsupportedError, match=r"libsvtav1 does not start on 2x2 px at 30 frames a second.*--codec"):
        start()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="threads have policies on POSIX")
def test_no_encoder_changes_how_the_callers_thread_is_scheduled(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    with open_sink(tmp_path / "walk.mkv", fps=30, size=(64, 64), options=VideoOptions(codec="av1")) as sink:
        sink.write(frame(0, 64, 64))
    assert os.sched_getscheduler(0) == before


def test_an_encoder_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: object, **_options: object) -> Any:
        raise av.error.OSError(errno.ENOSPC, "No space left on device", "walk.mp4")

    monkeypatch.setattr("wplus.video_container._Converter.__call__", fails)
    with pytest.raises(ArtifactError, match="No space left on device"):
        write(tmp_path / "walk.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_pyav_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actual = builtins.__import__

    def without_av(name: str, *rest: Any, **options: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return actual(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(UnsupportedError, match=r"WebM need PyAV.* pip install 'wplus\[video\]'"):
        write(tmp_path / "walk.webm")
    assert list(tmp_path.iterdir()) == []
