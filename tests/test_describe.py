"""What `describe` says of each kind of file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support import DATA

from wplus.checkpoints import Checkpoint, write_checkpoint
from wplus.describe import describe
from wplus.errors import ArtifactError, CheckpointError
from wplus.generator import Generator
from wplus.latents import Latents
from wplus.live.performance import Event
from wplus.live.take import Take, write_take
from wplus.paths.description import Keyframe, Walk
from wplus.paths.tracks import constant
from wplus.paths.walk_files import write_walk
from wplus.render import RenderConfig, render_seeds


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("golden_sg2_cond_32.pkl", {"c_dim": 5, "num_ws": 8, "resolution": "32x32, 3 channels"}),
        ("rosinality_64.pt", {"c_dim": 0, "num_ws": 10, "resolution": "64x64, 3 channels"}),
    ],
)
def test_a_network_has_family_sizes_and_contents(name: str, facts: dict[str, object]) -> None:
    said = describe(str(DATA / name))
    assert (said["file"], said["family"], said["licence"]) == (name, "stylegan2", "unknown")
    assert facts.items() <= said.items()
    assert said["contents"]
    assert said["config"]["z_dim"] == said["z_dim"]
    json.dumps(said)


def test_a_converted_network_is_named_by_its_file_and_its_source(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "copy.safetensors", tiny_checkpoint)
    said = describe(str(tmp_path / "copy.safetensors"))
    assert said["file"] == "copy.safetensors"
    assert said["source"].startswith(tiny_checkpoint.provenance.source)


def test_the_demo_says_its_licence() -> None:
    assert describe("demo:portraits")["licence"] == "Apache-2.0"


def test_latents_say_their_space_and_generator(tmp_path: Path) -> None:
    noise = {"b4.conv1.noise_const": np.zeros((1, 1, 4, 4), np.float32)}
    latents = Latents(values=np.zeros((2, 8), np.float32), space="w", generator="wplus1:0", noise=noise)
    latents.save(tmp_path / "w.npz")
    said = describe(str(tmp_path / "w.npz"))
    assert (said["space"], said["shape"], said["generator"]) == ("w", [2, 8], "wplus1:0")
    assert said["noise"] == {"b4.conv1.noise_const": [1, 1, 4, 4]}
    json.dumps(said)


def test_a_torch_file_is_told_by_content(tmp_path: Path) -> None:
    torch.save(torch.zeros(1, 18, 512), tmp_path / "e4e.pt")
    assert describe(str(tmp_path / "e4e.pt"))["space"] == "w+"
    assert describe(str(DATA / "rosinality_64.pt"))["family"] == "stylegan2"


def test_a_picture_of_a_local_network_says_that_its_folder_is_unknown(tiny: Generator, tmp_path: Path) -> None:
    render_seeds(tiny, [3], RenderConfig(outdir=tmp_path))
    said = describe(str(tmp_path / "seed0003.png"))
    assert (said["seed"], said["fingerprint"]) == (3, tiny.fingerprint)
    assert "known by name alone" in said["note"]
    assert said["again"].startswith("wplus sample")


@pytest.mark.parametrize("name", ["none.png", "none.npz", "none.mp4"])
def test_a_missing_file_is_an_error_of_its_kind(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match=name):
        describe(str(tmp_path / name))


@pytest.mark.parametrize("name", ["none.pkl", "none.pt"])
def test_a_missing_network_is_a_checkpoint_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=f"{name} does not exist"):
        describe(str(tmp_path / name))


def test_a_walk_file_says_what_is_walked(tmp_path: Path) -> None:
    walk = Walk(keyframes=(Keyframe(seed=3), Keyframe(seed=4)), loop=True, easing="sine", truncation_psi=constant(0.7))
    write_walk(tmp_path / "a.toml", walk)
    facts = describe(str(tmp_path / "a.toml"))
    assert {name: facts[name] for name in ("format", "keyframes", "seconds", "easing", "truncation_psi")} == {
        "format": "walk",
        "keyframes": [3, 4],
        "seconds": 4.0,
        "easing": "sine",
        "truncation_psi": 0.7,
    }
    mixed = replace(walk, keyframes=(Keyframe(seed=3), Keyframe(file="w.npz", index=2)), loop=False)
    write_walk(tmp_path / "b.json", mixed)
    facts = describe(str(tmp_path / "b.json"))
    assert (facts["keyframes"], facts["seconds"]) == (["seed 3", "w.npz[2]"], 2.0)
    json.dumps(facts)


def test_a_take_says_how_long_it_is(tmp_path: Path) -> None:
    walk = Walk(keyframes=(Keyframe(seed=3), Keyframe(seed=4)))
    events = (Event(at=1.0, changes={"speed": 2.0}),)
    write_take(tmp_path / "take-1.json", Take(walk=walk, events=events, duration=9.5, audio="song.wav"))
    facts = describe(str(tmp_path / "take-1.json"))
    assert (facts["seconds"], facts["changes"], facts["sound"]) == (9.5, 1, "song.wav")
    assert facts["begins with"]["keyframes"] == [3, 4]
    assert "--take=take-1.json --output=take-1.mp4" in facts["use"]


@pytest.mark.parametrize("text", ["{}", "[", '{"format": "wplus walk"}', '{"format": "wplus take"}'])
def test_json_of_another_kind_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"a\.json"):
        describe(str(tmp_path / "a.json"))
