"""Facts about numbered PNGs whose writing goes on after an interruption."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from video_support import frame

from wplus.media_metadata import read_metadata
from wplus.video import VideoOptions, frames_to_write, open_sink

RESUME = VideoOptions(resume=True)
HOW = {"seeds": [1, 2]}
COUNT = 12


def missing(folder: Path, metadata: dict[str, Any] | None = None, count: int = COUNT) -> list[int]:
    return list(frames_to_write(folder, count, HOW if metadata is None else metadata, RESUME))


def write(folder: Path, *, stop: int | None = None, metadata: dict[str, Any] | None = None) -> list[int]:
    """Goes on with the frames in the folder; interrupted before frame `stop`. Returns what it wrote."""
    numbers = missing(folder, metadata)
    of = {"metadata": metadata or HOW, "options": RESUME, "numbers": numbers}
    written = []
    with open_sink(folder, size=(32, 48), **of) as sink:  # type: ignore[arg-type]
        for number in numbers:
            if number == stop:
                raise KeyboardInterrupt
            sink.write(frame(number))
            written.append(number)
    return written


def interrupted(folder: Path, stop: int) -> list[int]:
    with pytest.raises(KeyboardInterrupt):
        write(folder, stop=stop)
    return sorted(int(path.name[5:9]) for path in folder.iterdir())


def test_only_missing_frames_are_written_and_the_others_keep_their_bytes(tmp_path: Path) -> None:
    there = interrupted(tmp_path, 7)
    assert there == list(range(len(there)))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert write(tmp_path) == list(range(len(there), COUNT))
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    for i in range(COUNT):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"frame{i:04d}.png")), frame(i))
    assert write(tmp_path) == []


def test_the_folder_is_the_same_as_without_an_interruption(tmp_path: Path) -> None:
    interrupted(tmp_path / "twice", 5)
    write(tmp_path / "twice")
    with open_sink(tmp_path / "once", size=(32, 48), metadata=HOW) as sink:
        for i in range(COUNT):
            sink.write(frame(i))
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("once", "twice")]
    assert contents[0] == contents[1]


def test_frames_of_another_video_are_removed_and_other_files_stay(tmp_path: Path) -> None:
    write(tmp_path, metadata={"seeds": [8, 9]})
    (tmp_path / "notes.txt").write_text("mine")
    assert missing(tmp_path) == list(range(COUNT))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_frames_beyond_the_end_are_removed(tmp_path: Path) -> None:
    write(tmp_path)
    assert missing(tmp_path, count=4) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"frame{i:04d}.png" for i in range(4)]


@pytest.mark.parametrize("damage", [b"", b"\x89PNG", "half", "noise"])
def test_a_damaged_frame_is_written_again(tmp_path: Path, damage: bytes | str) -> None:
    write(tmp_path)
    path = tmp_path / "frame0003.png"
    whole = path.read_bytes()
    content = {"half": whole[: len(whole) // 2], "noise": b"\0" * len(whole)}
    path.write_bytes(damage if isinstance(damage, bytes) else content[damage])
    assert write(tmp_path) == [3]
    assert path.read_bytes() == whole
    assert read_metadata(path) == HOW


def test_a_video_that_says_nothing_of_itself_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leave out --no-metadata"):
        frames_to_write(tmp_path, 3, None, RESUME)


def test_all_frames_are_wanted_where_nothing_is_resumed(tmp_path: Path) -> None:
    write(tmp_path)
    assert list(frames_to_write(tmp_path, 3, HOW, VideoOptions())) == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == COUNT
