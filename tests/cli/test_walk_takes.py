"""Facts about `wplus walk --take`."""

from pathlib import Path

import numpy as np
import pytest
from cli_support import Run
from PIL import Image

from wplus.live.performance import Event
from wplus.live.take import Take, write_take
from wplus.media_metadata import read_metadata
from wplus.paths.description import Keyframe, Walk


@pytest.fixture
def take(tmp_path: Path) -> Path:
    """A second of ten frames, the last half of them paused."""
    walk = Walk(keyframes=(Keyframe(seed=0), Keyframe(seed=1)), loop=True, fps=10.0, seconds_per_keyframe=1.0)
    events = (Event(at=0.5, changes={"playing": False}),)
    write_take(tmp_path / "take.json", Take(walk=walk, events=events, duration=1.0, fps=10.0))
    return tmp_path / "take.json"


def pictures(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("frame*.png"))]


def test_a_take_is_drawn_at_the_rate_and_size_of_the_show(run: Run, network: str, take: Path, tmp_path: Path) -> None:
    done = run("walk", f"--network={network}", f"--take={take}", f"--output={tmp_path}/out/")
    assert done.code == 0, done.err
    frames = pictures(tmp_path / "out")
    assert len(frames) == 10
    assert not np.array_equal(frames[4], frames[5])
    assert np.array_equal(frames[5], frames[9])
    assert read_metadata(tmp_path / "out" / "frame0000.png")["take"] == "take.json"


def test_a_take_is_drawn_at_another_rate_and_size(run: Run, network: str, take: Path, tmp_path: Path) -> None:
    flags = (f"--take={take}", "--fps=20", "--size=40x20", f"--output={tmp_path}/out/")
    assert run("walk", f"--network={network}", *flags).code == 0
    frames = pictures(tmp_path / "out")
    assert len(frames) == 20
    assert frames[0].shape == (20, 40, 3)
    said = run("info", f"{tmp_path}/out/frame0000.png").out
    assert "--take=take.json" in said
    assert "--size=40x20" in said


def test_what_a_take_says_itself_is_no_flag(run: Run, network: str, take: Path) -> None:
    done = run("walk", f"--network={network}", f"--take={take}", "--seeds=0-3", "--output=a.mp4")
    assert done.code == 2
    assert "A take says itself what --seeds is" in done.err


def test_a_size_belongs_to_a_take(run: Run, network: str) -> None:
    done = run("walk", f"--network={network}", "--seeds=0-3", "--size=40x20", "--output=a.mp4")
    assert done.code == 2
    assert "--size belongs to --take" in done.err


def test_a_take_needs_an_output_and_must_be_one(run: Run, network: str, take: Path, tmp_path: Path) -> None:
    assert "Missing option '--output'" in run("walk", f"--network={network}", f"--take={take}").err
    (tmp_path / "bad.json").write_text("{}")
    done = run("walk", f"--network={network}", f"--take={tmp_path}/bad.json", "--output=a.mp4")
    assert done.code == 1
    assert "bad.json is no take that can be read" in done.err
