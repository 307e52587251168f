"""Facts about the sound beside the pictures."""

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_support import RATE, TONE, heard, pitch, sound
from video_support import frame

from wplus.errors import ArtifactError
from wplus.video import VideoOptions, open_sink

av = pytest.importorskip("av")


def write(path: Path, audio: Path, *, seconds: float = 1.0, fps: Fraction | int = 30, **options: Any) -> None:
    with open_sink(path, fps=fps, size=(32, 48), options=VideoOptions(audio=audio, **options)) as sink:
        for i in range(round(seconds * fps)):
            sink.write(frame(i))


@pytest.mark.parametrize(
    ("source", "coded", "output", "expected"),
    [
        ("song.wav", "pcm_s16le", "walk.mp4", "aac"),
        ("song.wav", "pcm_s16le", "walk.webm", "opus"),
        ("song.wav", "pcm_s16le", "walk.mov", "pcm_s16le"),
        ("song.flac", "flac", "walk.mkv", "flac"),
        ("song.flac", "flac", "walk.mov", "aac"),
        ("song.mp3", "libmp3lame", "walk.mp4", "mp3"),
        ("song.m4a", "aac", "walk.mp4", "aac"),
        ("song.aac", "aac", "walk.mp4", "aac"),
        ("song.m4a", "alac", "walk.mp4", "alac"),
        ("song.ogg", "libopus", "walk.webm", "opus"),
    ],
)
def test_sound_is_there_and_as_long_as_the_pictures(
    tmp_path: Path, source: str, coded: str, output: str, expected: str
) -> None:
    write(tmp_path / output, sound(tmp_path / source, 3.0, codec=coded), seconds=1.5)
    codec, rate, samples = heard(tmp_path / output)
    assert codec == expected
    assert len(samples) / rate == pytest.approx(1.5, abs=0.06)
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4]
    assert pitch(middle, rate) == pytest.approx(TONE, abs=5)
    with av.open(str(tmp_path / output)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 45


@pytest.mark.parametrize(("name", "codec"), [("song.wav", "pcm_s16le"), ("song.flac", "flac")])
def test_sound_without_loss_is_cut_at_the_sample_and_stays_as_it_was(tmp_path: Path, name: str, codec: str) -> None:
    tone = sound(tmp_path / name, 2.0, codec=codec)
    write(tmp_path / "walk.mkv", tone, seconds=1.0, fps=24)
    kept, _, samples = heard(tmp_path / "walk.mkv")
    assert kept == codec
    np.testing.assert_array_equal(samples, heard(tone)[2][:RATE])


def test_a_sound_that_is_too_short_is_said_to_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for output in ("walk.mp4", "walk.mov"):  # encoded, copied
        with caplog.at_level(logging.INFO, "wplus"):
            write(tmp_path / output, sound(tmp_path / "song.wav", 0.5, codec="pcm_s16le"), seconds=1.0)
        assert "song.wav ends after 0.5 s, before the pictures do" in caplog.text
        _, rate, samples = heard(tmp_path / output)
        assert len(samples) / rate == pytest.approx(0.5, abs=0.06)
        caplog.clear()


def test_one_channel_stays_one_and_unusual_rates_are_resampled(tmp_path: Path) -> None:
    tone = sound(tmp_path / "song.wav", 1.0, codec="pcm_s16le", layout="mono", rate=22_050)
    write(tmp_path / "walk.webm", tone, seconds=0.5)
    with av.open(str(tmp_path / "walk.webm")) as container:
        assert container.streams.audio[0].codec_context.layout.nb_channels == 1
    assert heard(tmp_path / "walk.webm")[1] == 48_000


@pytest.mark.parametrize("content", [None, b"", b"no sound at all" * 1000], ids=["missing", "empty", "text"])
def test_a_sound_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "song.mp3"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"The sound .*song\.mp3 cannot be read"):
        write(tmp_path / "out" / "walk.mp4", path)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_picture_without_sound_is_refused(tmp_path: Path) -> None:
    with open_sink(tmp_path / "silent.mp4", size=(32, 48)) as sink:
        sink.write(frame(0))
    with pytest.raises(ArtifactError, match=r"silent\.mp4 holds no sound\. Give a file such as \.wav"):
        write(tmp_path / "walk.mp4", tmp_path / "silent.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["silent.mp4"]
