"""`wplus info`: facts for people, and JSON alone for programs."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from cli_support import Run

import wplus
from wplus.media import encode_image


def test_a_network_is_described(run: Run, network: str) -> None:
    outcome = run("info", network)
    assert (outcome.code, outcome.err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in outcome.out.splitlines() if not line.startswith(" "))
    with wplus.load(network) as G:
        assert facts["fingerprint"] == G.fingerprint
    assert (facts["file"], facts["family"], facts["num_ws"]) == ("tiny.safetensors", "stylegan2", "6")


@pytest.mark.parametrize("source", ["network", "plain_network"])
def test_json_stands_alone(run: Run, request: pytest.FixtureRequest, source: str) -> None:
    outcome = run("info", "--json", request.getfixturevalue(source))
    facts = json.loads(outcome.out)
    assert facts["parameters"] > 0
    assert facts["config"]["img_channels"] == 3
    assert facts["licence"]


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (["sample", "--seeds=3", "--trunc=0.7", "--trunc-cutoff=2", "--noise-mode=random"], ["seed0003.png"]),
        (["sample", "--seeds=4", "--format=jpg"], ["seed0004.jpg"]),
        (["sample", "--seeds=4", "--format=webp", "--batch=3"], ["seed0004.webp"]),
        (["sample", "--seeds=0,2-3", "--grid=2x2"], ["grid.png", "seed0002.png"]),
        (["sample", "--seeds=0", "--grid=1x1"], ["grid.png"]),
        (["sample", "--rows=1-2", "--cols=2,3", "--styles=0-1,4", "--noise-mode=random"], ["1-3.png", "grid.png"]),
        (["sample", "--projected-w=w.npy", "--latents-as=z", "--trunc=0.5", "--grid=3x1"], ["proj01.png", "grid.png"]),
        (["sample", "--projected-w=alien.npz", "--allow-mismatch"], ["proj00.png"]),
        (["walk", "--seeds=0-3", "--grid=2x1", "--w-frames=2", "--loop", "--space=z"], ["frame0003.png"]),
        (["walk", "--seeds=0-2", "--num-keyframes=4", "--frames=3", "--trunc=0.6", "--fps=12.5"], ["again.gif"]),
        (["walk", "--seeds=0-2", "--interp=linear", "--frames=4", "--noise-mode=random"], ["again.mp4"]),
        (["walk", "w.npy", "--latents-as=w", "--frames=2"], ["frame0001.png"]),
    ],
    ids=lambda value: value[-1],
)
def test_the_command_that_is_printed_makes_the_same_bytes(
    run: Run, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], files: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.safetensors").symlink_to(network)
    np.save("w.npy", np.random.RandomState(0).randn(3, 16).astype(np.float32))
    alien = wplus.Latents(values=np.zeros((1, 6, 16), np.float32), space="w+", generator="wplus1:0123456789abcdef")
    alien.save("alien.npz")
    target = "--outdir=first" if arguments[0] == "sample" else "--output=first/"
    if files[0].startswith("again"):
        target = f"--output=first/{files[0]}"
    assert run(*arguments, "--network=tiny.safetensors", target).code == 0
    for name in files:
        command = json.loads(run("info", "--json", f"first/{name}").out)["again"]
        assert run(*shlex.split(command)[1:]).code == 0
        second = Path(name) if name.startswith("again") else Path("again") / name
        assert second.read_bytes() == Path("first", name).read_bytes()


def test_a_foreign_picture_and_a_missing_one_are_errors(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(encode_image(np.zeros((4, 4, 3), np.uint8), "png"))
    foreign, missing = run("info", f"{tmp_path}/photo.png"), run("info", f"{tmp_path}/none.png")
    assert (foreign.code, missing.code) == (1, 1)
    assert "does not say how it was made" in foreign.err
    assert "No such file" in missing.err


def test_what_a_file_says_does_not_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    said = {"verb": "sample", "network": "\x1b[2Jx", "seed": 1}
    (tmp_path / "x.png").write_bytes(encode_image(np.zeros((4, 4, 3), np.uint8), "png", said))
    outcome = run("info", f"{tmp_path}/x.png")
    assert outcome.code == 0
    assert "\x1b" not in outcome.out
    assert "?[2Jx" in outcome.out
