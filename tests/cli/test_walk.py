"""`wplus walk`, from the flags to the file."""

from pathlib import Path

import numpy as np
import pytest
from cli_support import Run
from PIL import Image
from support import DATA

import wplus
from wplus.media_metadata import read_metadata


@pytest.mark.parametrize("name", ["walk.mp4", "walk.gif", "frames/"])
def test_a_walk_is_written_and_named(run: Run, network: str, tmp_path: Path, name: str) -> None:
    arguments = ["--seeds=0-3", "--grid=2x1", "--w-frames=2", "--fps=25", "--loop", f"--output={tmp_path}/{name}"]
    outcome = run("walk", f"--network={network}", *arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{tmp_path / name}\n"
    said = read_metadata(tmp_path / name / "frame0003.png" if name == "frames/" else tmp_path / name)
    assert said is not None
    assert {"seeds": [0, 1, 2, 3], "grid": "2x1", "w_frames": 2, "fps": 25, "loop": True}.items() <= said.items()


def test_frames_start_at_the_first_keyframe(run: Run, network: str, tmp_path: Path) -> None:
    run("walk", f"--network={network}", "--seeds=5,6", "--frames=3", f"--output={tmp_path}/f")
    with wplus.load(network) as G:
        images = next(G.sample([5, 6])).images
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "f" / "frame0000.png")), images[0])
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "f" / "frame0002.png")), images[1])
    assert len(list((tmp_path / "f").iterdir())) == 3


def test_latent_files_are_keyframes_as_options_or_arguments(run: Run, network: str, tmp_path: Path) -> None:
    with wplus.load(network) as G:
        for seed in (5, 6):
            next(G.sample([seed])).latents.save(tmp_path / f"{seed}.npz")
    files = [f"{tmp_path}/5.npz", f"{tmp_path}/6.npz"]
    run("walk", f"--network={network}", "--seeds=5,6", "--frames=3", f"--output={tmp_path}/f0")
    run("walk", f"--network={network}", *files, "--frames=3", f"--output={tmp_path}/f1")
    options = [f"--latents={files[0]}", f"--projected-w={files[1]}"]
    run("walk", f"--network={network}", *options, "--frames=3", f"--output={tmp_path}/f2")
    middle = [np.asarray(Image.open(tmp_path / f"f{i}" / "frame0001.png")) for i in range(3)]
    np.testing.assert_array_equal(middle[0], middle[1])
    np.testing.assert_array_equal(middle[0], middle[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give the keyframes either as --seeds or as latent files"),
        (["--seeds=0-1", "x.npz"], "Give the keyframes either as --seeds or as latent files"),
        (["--seeds=3"], "1 keyframes and a 1x1 grid leave 1 per cell; a walk needs 2 or more in each."),
        (["--seeds=0-7", "--grid=4x2"], "--num-keyframes=4"),
        (["--seeds=0-1", "--fps=nan"], "Invalid value for '--fps'"),
        (["--seeds=0-1", "--fps=0"], "fps is 0.0; it must be positive"),
        (["--seeds=0-1", "--trunc=inf"], "Invalid value for '--trunc'"),
        (["--seeds=0-1", "--grid=0x1"], "write columns and rows like 4x2"),
    ],
)
def test_wrong_usage_writes_nothing(run: Run, network: str, tmp_path: Path, arguments: list[str], message: str) -> None:
    outcome = run("walk", f"--network={network}", *arguments, f"--output={tmp_path}/walk.gif")
    assert (outcome.code, outcome.out, list(tmp_path.iterdir())) == (2, "", [])
    assert message in outcome.err


def test_an_unknown_suffix_is_refused(run: Run, network: str, tmp_path: Path) -> None:
    outcome = run("walk", f"--network={network}", "--seeds=0-1", f"--output={tmp_path}/walk.avi")
    assert outcome.code == 2
    assert "use .mp4, .gif, or a folder" in outcome.err


def test_options_without_effect_say_so(run: Run, network: str, plain_network: str, tmp_path: Path) -> None:
    def notes(*arguments: str) -> list[str]:
        outcome = run("walk", *arguments, f"--output={tmp_path}/f")
        assert outcome.code == 0
        return [line.rpartition(": ")[0] for line in outcome.err.splitlines() if line.startswith("Note")]

    unused = ["--w-frames=5", "--class=1", "--allow-mismatch"]
    assert notes(f"--network={network}", "--seeds=0-1", "--frames=2", *unused) == [
        "Note: --w-frames has no effect",
        "Note: --allow-mismatch has no effect",
        "Note: --class has no effect",
    ]
    assert notes(f"--network={plain_network}", "--seeds=0-1", "--frames=2", "--trunc=0.5") == [
        "Note: --trunc has no effect"
    ]
    np.save(tmp_path / "w.npy", np.zeros((2, 16), np.float32))
    assert notes(f"--network={network}", f"{tmp_path}/w.npy", "--frames=2", "--trunc=0.5") == [
        "Note: --trunc has no effect"
    ]


def test_a_conditional_network_needs_a_class(run: Run, tmp_path: Path) -> None:
    arguments = [f"--network={DATA / 'golden_sg2_cond_32.pkl'}", "--seeds=0-1", "--frames=2", f"--output={tmp_path}/f"]
    refused = run("walk", *arguments)
    assert refused.code == 2
    assert "The class is missing; golden_sg2_cond_32.pkl needs a class from 0 to 4 (--class)." in refused.err
    assert run("walk", *arguments, "--class=0").code == 0


def test_an_unwritable_place_is_named(run: Run, network: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("walk.mp4", "walk.gif", "frames/"):
        outcome = run("walk", f"--network={network}", "--seeds=0-1", f"--output={tmp_path}/file/{name}")
        assert outcome.code == 1
        assert f"{tmp_path}/file" in outcome.err
        assert "is a file, where a folder is needed" in outcome.err or "Not a directory" in outcome.err
