"""`wplus invert --tune`, and the tuning in the other verbs."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_support import Run, interrupted_at
from PIL import Image

import wplus
from wplus.checkpoints import Checkpoint, write_checkpoint
from wplus.checkpoints.tuning import Tuning
from wplus.inversion.run import Inversion, invert
from wplus.inversion.tuning import tune
from wplus.latents import seeds_to_z
from wplus.media import encode_image

_QUICK = ("--num-steps=20", "--starts=1", "--tune-steps=20", "--device=cpu")


def _unseen(network: str, folder: Path, *seeds: int) -> Path:
    """A folder of pictures that the network does not draw."""
    folder.mkdir(parents=True)
    with wplus.load(network, device="cpu") as G:
        for seed in seeds:
            picture = G.images(G.map(seeds_to_z([seed], G.z_dim)))[0]
            ramp = np.linspace(0, 120, picture.shape[1])[None, :, None]
            changed = (picture * 0.5 + ramp).clip(0, 255).astype(np.uint8)
            (folder / f"{seed}.png").write_bytes(encode_image(changed, "png", None))
    return folder


@pytest.fixture(scope="module")
def targets(network: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of them."""
    return _unseen(network, tmp_path_factory.mktemp("targets") / "two", 5, 6)


@pytest.fixture
def tuning(run: Run, network: str, targets: Path, tmp_path: Path) -> Path:
    """What the verb makes for one picture."""
    made = tmp_path / "made"
    outcome = run(
        "invert", f"--network={network}", f"--target={targets / '5.png'}", "--tune", *_QUICK, f"--outdir={made}"
    )
    assert outcome.code == 0, outcome.err
    return made / "tuning.safetensors"


def test_one_tuning_for_all_targets_and_a_picture_beside_each(run: Run, network: str, targets: Path, out: Path) -> None:
    outcome = run("invert", f"--network={network}", f"--target={targets}", "--tune", *_QUICK, f"--outdir={out}")
    assert outcome.code == 0, outcome.err
    files = {str(file.relative_to(out)) for file in out.rglob("tun*")}
    assert files == {"tuning.safetensors", "5/tuned.png", "6/tuned.png"}
    assert outcome.out.count("dB before tuning") == 2
    assert "squared" in outcome.out


def test_an_interrupted_tuning_fails_and_goes_on_without_a_new_search(
    run: Run, network: str, targets: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wplus.cli import inverting, tuning

    def without_a_step(*args: Any, on_step: Any, **options: Any) -> Inversion:
        del on_step
        return invert(*args, on_step=lambda report: pytest.fail(f"searches, step {report.step}"), **options)

    words = ("invert", f"--network={network}", f"--target={targets / '5.png'}", "--tune", *_QUICK, f"--outdir={out}")
    whole = run(*words)
    final = Tuning.load(out / "tuning.safetensors")
    left = {file.name for file in out.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "tune", interrupted_at(7, tune))
        outcome = run(*words)
    assert outcome.code == 1
    assert "interrupted after 7 steps" in outcome.out
    assert "The same command with --resume goes on." in outcome.out
    assert Tuning.load(out / "tuning.safetensors").fingerprint != final.fingerprint
    monkeypatch.setattr(inverting, "invert", without_a_step)
    again = run(*words, "--resume")
    assert (whole.code, again.code) == (0, 0)
    found = Tuning.load(out / "tuning.safetensors")
    assert (found.fingerprint, found.notes) == (final.fingerprint, final.notes)
    assert {file.name for file in out.iterdir()} == left


def test_the_tuned_picture_is_drawn_again_from_what_it_says(
    run: Run, network: str, tuning: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tuning.parent)
    Path(Path(network).name).symlink_to(network)
    facts = json.loads(run("info", "--json", "tuned.png").out)
    assert facts["tuning"] == "tuning.safetensors"
    outcome = run(*shlex.split(facts["again"])[1:])
    assert outcome.code == 0, outcome.err
    assert np.array_equal(np.asarray(Image.open("again/proj00.png")), np.asarray(Image.open("tuned.png")))
    assert not np.array_equal(np.asarray(Image.open("proj.png")), np.asarray(Image.open("tuned.png")))


def test_other_verbs_take_it(run: Run, network: str, tuning: Path, targets: Path, out: Path) -> None:
    how = (f"--network={network}", f"--tuning={tuning}", "--device=cpu")
    assert run("sample", *how, "--seeds=0", f"--outdir={out}").code == 0
    assert run("sample", f"--network={network}", "--seeds=0", f"--outdir={out / 'plain'}", "--device=cpu").code == 0
    assert (out / "seed0000.png").read_bytes() != (out / "plain" / "seed0000.png").read_bytes()
    assert run("walk", *how, "--seeds=0,1", "--frames=2", f"--output={out}/walk/").code == 0
    target = f"--target={targets / '6.png'}"
    outcome = run("invert", *how, target, "--num-steps=2", "--starts=1", f"--outdir={out / 'again'}")
    assert outcome.code == 0, outcome.err
    outcome = run("invert", *how, target, "--tune", f"--outdir={out / 'again'}")
    assert outcome.code == 2
    assert "Build the tuning in first" in outcome.err


def test_info_says_what_it_is_and_convert_builds_it_in(run: Run, network: str, tuning: Path, out: Path) -> None:
    facts = json.loads(run("info", "--json", str(tuning)).out)
    with wplus.load(network, device="cpu") as G:
        assert facts["parent"] == G.fingerprint
    assert facts["notes"]["targets"] == 1
    outcome = run("convert", network, str(out / "baked.safetensors"), f"--tuning={tuning}")
    assert outcome.code == 0, outcome.err
    assert facts["fingerprint"] in outcome.out
    baked = json.loads(run("info", "--json", str(out / "baked.safetensors")).out)
    assert (baked["fingerprint"], baked["parent"]) == (facts["fingerprint"], facts["parent"])


def test_measurements_are_tuned_for(run: Run, network: str, targets: Path, out: Path) -> None:
    outcome = run(
        "invert",
        f"--network={network}",
        f"--target={targets / '5.png'}",
        "--operator=mask:0.5",
        "--tune",
        *_QUICK,
        f"--outdir={out}",
    )
    assert outcome.code == 0, outcome.err
    assert (out / "tuned.png").exists()
    assert "data term" in outcome.out


def test_what_has_no_effect_is_said_and_strangers_are_refused(
    run: Run, network: str, targets: Path, tuning: Path, out: Path, conditional_checkpoint: Checkpoint
) -> None:
    target = f"--target={targets / '5.png'}"
    outcome = run("invert", f"--network={network}", target, *_QUICK, f"--outdir={out}")
    assert "--tune-steps has no effect: there is no --tune" in outcome.err
    assert not (out / "tuning.safetensors").exists()
    other = out / "other.safetensors"
    write_checkpoint(other, conditional_checkpoint)
    outcome = run("sample", f"--network={other}", f"--tuning={tuning}", "--seeds=0", f"--outdir={out}")
    assert outcome.code == 1
    assert "Give the network that it was made from" in outcome.err
    outcome = run("info", network, f"--tuning={tuning}")
    assert outcome.code == 2
    outcome = run("sample", f"--network={tuning}", "--seeds=0", f"--outdir={out}")
    assert "It is a tuning of the generator" in outcome.err
