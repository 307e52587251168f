"""`wplus walk` with walk files, and the flags that describe more than a curve through seeds."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from cli_support import Run
from support import DATA

import wplus
from wplus.media_metadata import read_metadata
from wplus.paths.walk_files import read_walk


def frames_of(folder: Path) -> list[bytes]:
    from PIL import Image

    return [np.asarray(Image.open(path)).tobytes() for path in sorted(folder.glob("frame*.png"))]


_FLAGS = [
    "--seeds=0-3",
    "--loop",
    "--w-frames=3",
    "--fps=12",
    "--interp=catmull-rom",
    "--easing=sine",
    "--constant-speed=w",
    "--noise-radius=0.5,0.2",
    "--trunc=0.8",
    "--trunc-cutoff=4",
]


@pytest.mark.parametrize("name", ["show.toml", "show.json"])
def test_a_saved_walk_draws_the_same_frames(run: Run, network: str, tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "smile.npy", np.random.RandomState(0).randn(16))
    flags = [f"--network={network}", *_FLAGS, f"--direction={tmp_path}/smile.npy=0,2,0"]
    saved = tmp_path / "walks" / name
    first = run("walk", *flags, f"--save-walk={saved}", f"--output={tmp_path}/first/")
    assert (first.code, first.err) == (0, "")
    assert first.out == f"{saved}\n{tmp_path}/first\n"
    assert run("walk", f"--network={network}", f"--walk={saved}", f"--output={tmp_path}/second/").code == 0
    assert frames_of(tmp_path / "first") == frames_of(tmp_path / "second")
    assert len(frames_of(tmp_path / "first")) == 12
    walk = read_walk(saved)
    assert walk.directions["smile"].file == str(Path("..") / "smile.npy")
    with wplus.load(network) as G:
        assert (walk.generator, walk.space) == (G.fingerprint, "w")


def test_latent_files_and_frames_are_kept_in_a_walk_file(
    run: Run, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wplus.load(network) as G:
        next(G.sample([5, 6])).latents.save(tmp_path / "both.npz")
    monkeypatch.chdir(tmp_path)
    run("walk", f"--network={network}", "both.npz", "--frames=4", "--save-walk=sub/w.json", "--output=a/")
    assert json.loads(Path("sub/w.json").read_text())["keyframes"][1] == {"file": "../both.npz", "index": 1}
    assert run("walk", f"--network={network}", "--walk=sub/w.json", "--output=b/").code == 0
    assert frames_of(Path("a")) == frames_of(Path("b"))


def test_without_an_output_the_walk_alone_is_written(run: Run, network: str, tmp_path: Path) -> None:
    outcome = run("walk", f"--network={network}", "--seeds=0-1", f"--save-walk={tmp_path}/w.toml")
    assert (outcome.code, outcome.out) == (0, f"{tmp_path}/w.toml\n")
    assert [path.name for path in tmp_path.iterdir()] == ["w.toml"]


def test_flags_stand_in_for_what_the_file_says(run: Run, network: str, tmp_path: Path) -> None:
    saved = f"{tmp_path}/w.toml"
    run("walk", f"--network={network}", *_FLAGS, f"--save-walk={saved}")
    changed = [f"--walk={saved}", "--trunc=1", "--noise-radius=0", "--easing=none", "--constant-speed=none"]
    run("walk", f"--network={network}", *changed, f"--output={tmp_path}/a/")
    plain = [flag for flag in _FLAGS if not flag.startswith(("--trunc", "--noise", "--easing", "--constant"))]
    run("walk", f"--network={network}", *plain, f"--output={tmp_path}/b/")
    assert frames_of(tmp_path / "a") == frames_of(tmp_path / "b")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seeds=0-2", "--frames=3", "--easing=smooth", "--constant-speed=w", "--noise-radius=0.5"],
        ["--seeds=0-2", "--frames=3", "--direction=smile.npy=0,1.5", "--interp=catmull-rom"],
        ["--walk=w.toml"],
        ["--walk=w.toml", "--trunc=1", "--easing=none", "--frames=5", "--noise-mode=const", "--noise-radius=0"],
    ],
    ids=str,
)
def test_the_command_that_is_printed_makes_the_same_bytes(
    run: Run, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.safetensors").symlink_to(network)
    np.save("smile.npy", np.random.RandomState(0).randn(16))
    saving = [*_FLAGS, "--noise-mode=random", "--save-walk=w.toml"]
    assert run("walk", "--network=tiny.safetensors", *saving).code == 0
    assert run("walk", "--network=tiny.safetensors", *arguments, "--output=first/").code == 0
    command = json.loads(run("info", "--json", "first/frame0001.png").out)["again"]
    assert run(*shlex.split(command)[1:]).code == 0
    for path in Path("first").iterdir():
        assert Path("again", path.name).read_bytes() == path.read_bytes()


def test_a_picture_says_what_its_walk_file_said(run: Run, network: str, tmp_path: Path) -> None:
    run("walk", f"--network={network}", *_FLAGS, f"--save-walk={tmp_path}/w.toml")
    run("walk", f"--network={network}", f"--walk={tmp_path}/w.toml", f"--output={tmp_path}/a/")
    said = read_metadata(tmp_path / "a" / "frame0000.png")
    assert said is not None
    assert said["walk"] == "w.toml"
    assert said["description"]["noise"] == {"radii": [0.5, 0.2]}


def test_classes_are_taken_in_turn(run: Run, tmp_path: Path) -> None:
    network = f"--network={DATA / 'golden_sg2_cond_32.pkl'}"
    for classes in ("0,3", "0", "3"):
        arguments = ["--seeds=0-2", "--w-frames=1", f"--class={classes}", f"--output={tmp_path}/{classes}/"]
        assert run("walk", network, *arguments).code == 0
    mixed, first, second = (frames_of(tmp_path / name) for name in ("0,3", "0", "3"))
    assert mixed == [first[0], second[1], first[2]]
    assert "--class=0,3,0" in run("info", f"{tmp_path}/0,3/frame0000.png").out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--seeds=0-1"], 2, "Missing option '--output'"),
        (["--walk=none.toml", "--output=x.gif"], 1, "none.toml cannot be read as a walk file"),
        (["--walk=odd.json", "--output=x.gif"], 1, "unknown field speed"),
        (["--walk=alien.json", "--output=x.gif"], 1, "This walk is for the generator wplus1:ffffffffffffffff"),
        (["--seeds=0-1", "--direction=smile.npy", "--output=x.gif"], 2, "write file and amount like smile.npy=1.5"),
        (["--seeds=0-1", "--direction=none.npy=1", "--output=x.gif"], 1, "none.npy does not exist"),
        (["--seeds=0-1", "--noise-radius=x", "--output=x.gif"], 2, "'x' is not a finite number"),
        (["--seeds=0-1", "--noise-radius=-1", "--output=x.gif"], 2, "A noise radius is -1.0"),
        (["--seeds=0-1", "--save-walk=w.yaml"], 2, "w.yaml ends otherwise"),
    ],
)
def test_wrong_usage_is_named(
    run: Run,
    network: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    least = {"format": "wplus walk", "version": 1, "keyframes": [{"seed": 1}, {"seed": 2}]}
    Path("odd.json").write_text(json.dumps(least | {"speed": 2}))
    Path("alien.json").write_text(json.dumps(least | {"generator": "wplus1:ffffffffffffffff"}))
    outcome = run("walk", f"--network={network}", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err
    assert not Path("x.gif").exists()
