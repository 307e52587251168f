"""Pivotal tuning: what it gains, what it leaves alone, and its file, which other generators refuse."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from support import DATA

import wplus
from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint, write_checkpoint
from wplus.checkpoints.tuning import FORMAT, Tuning, is_tuning
from wplus.errors import ArtifactError, CheckpointError, LatentMismatchError, UnsupportedError
from wplus.generator import Generator
from wplus.inversion.tuner import TuneReport
from wplus.inversion.tuning import tune
from wplus.latents import Latents, seeds_to_z

_SHORT = {"steps": 40, "learning_rate": 3e-3, "device": "cpu"}


def _psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(10 * np.log10(4 / np.square(found.clip(-1, 1) - wanted.clip(-1, 1)).mean()))


def _unseen(checkpoint: Checkpoint, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Pivots, and pictures near theirs that the generator does not draw."""
    with Generator(checkpoint, device="cpu") as G:
        c = np.eye(G.c_dim, dtype=np.float32)[:1] if G.c_dim else None
        latents = seeds_to_z(range(count), G.z_shape)
        if G.has_w:
            latents = G.map(latents, c)
        pictures = G.synthesize(latents).clip(-1, 1)
    ramp = np.linspace(-0.3, 0.3, pictures.shape[-1], dtype=np.float32)
    return latents, (pictures * 0.7 + ramp).clip(-1, 1).astype(np.float32)


def _draw(checkpoint: Checkpoint, latents: Any) -> np.ndarray:
    with Generator(checkpoint, device="cpu") as G:
        return np.asarray(G.synthesize(latents))


@pytest.fixture(scope="module")
def tuned(tiny_checkpoint: Checkpoint) -> Tuning:
    """Of the tiny generator, toward one picture."""
    return tune(tiny_checkpoint, *_unseen(tiny_checkpoint), **_SHORT)


@pytest.fixture
def network(tiny_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """The tiny generator's file."""
    write_checkpoint(tmp_path / "tiny.safetensors", tiny_checkpoint)
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def file(tuned: Tuning, tmp_path: Path) -> Path:
    """The tuning's file."""
    tuned.save(tmp_path / "tuning.safetensors")
    return tmp_path / "tuning.safetensors"


def test_an_unseen_picture_is_drawn_better(tiny_checkpoint: Checkpoint, tuned: Tuning) -> None:
    latents, targets = _unseen(tiny_checkpoint)
    before, after = (_psnr(_draw(cp, latents), targets) for cp in (tiny_checkpoint, tuned.apply(tiny_checkpoint)))
    assert after > before + 6
    assert tuned.notes["best_loss"] < tuned.notes["first_loss"] / 2
    assert tuned.notes["steps"] == 40


def test_only_the_synthesis_learns_and_the_checkpoint_stays(tiny_checkpoint: Checkpoint, tuned: Tuning) -> None:
    assert fingerprint(tiny_checkpoint.config, tiny_checkpoint.tensors) == tuned.parent
    assert tuned.differences
    for name, difference in tuned.differences.items():
        assert name.startswith("synthesis.")
        assert not name.endswith(("noise_const", "_filter"))
        assert difference.dtype == np.float16


@pytest.mark.parametrize(
    "name", ["genforce_sg1_128_fused.pth", "golden_sg2_resnet_32.pkl", "golden_sg3t_64.pkl", "golden_sg3r_64.pkl"]
)
def test_every_family_is_tuned(name: str) -> None:
    checkpoint = read_checkpoint(DATA / name)
    latents, targets = _unseen(checkpoint)
    made = tune(checkpoint, latents, targets, **_SHORT | {"steps": 4, "learning_rate": 1e-3})
    assert made.notes["best_loss"] < made.notes["first_loss"]
    before, after = (np.square(_draw(cp, latents) - targets).mean() for cp in (checkpoint, made.apply(checkpoint)))
    assert after < before
    assert not any(name.endswith(("magnitude_ema", "transform", "freqs", "phases")) for name in made.differences)


def test_networks_without_w_are_tuned_around_z(dcgan_file: Path) -> None:
    checkpoint = read_checkpoint(dcgan_file)
    latents, targets = _unseen(checkpoint)
    made = tune(checkpoint, latents, targets, **_SHORT | {"steps": 5, "learning_rate": 1e-4})
    assert made.notes["best_loss"] < made.notes["first_loss"]


def test_the_same_call_gives_the_same_tuning_and_another_seed_another(
    tiny_checkpoint: Checkpoint, tuned: Tuning
) -> None:
    pair = _unseen(tiny_checkpoint)
    assert tune(tiny_checkpoint, *pair, **_SHORT).fingerprint == tuned.fingerprint
    assert tune(tiny_checkpoint, *pair, **_SHORT, seed=7).fingerprint != tuned.fingerprint


def test_locality_keeps_other_pictures_closer_to_what_they_were(tiny_checkpoint: Checkpoint) -> None:
    latents, targets = _unseen(tiny_checkpoint)
    with Generator(tiny_checkpoint, device="cpu") as G:
        others = G.map(seeds_to_z(range(100, 116), G.z_dim))
    was = _draw(tiny_checkpoint, others)
    kept = {}
    for locality in (0.0, 1.0):
        made = tune(tiny_checkpoint, latents, targets, **_SHORT, locality=locality)
        kept[locality] = _psnr(_draw(made.apply(tiny_checkpoint), others), was)
    assert kept[1.0] > kept[0.0] + 1


def test_several_targets_are_tuned_for_together(tiny_checkpoint: Checkpoint) -> None:
    latents, targets = _unseen(tiny_checkpoint, 3)
    made = tune(tiny_checkpoint, latents, targets, **_SHORT)
    drawn, was = _draw(made.apply(tiny_checkpoint), latents), _draw(tiny_checkpoint, latents)
    for i in range(3):
        assert _psnr(drawn[i], targets[i]) > _psnr(was[i], targets[i])
    with pytest.raises(ValueError, match="2 latents for 3 targets"):
        tune(tiny_checkpoint, latents[:2], targets)


def test_only_pixels_that_count_are_tuned_for(tiny_checkpoint: Checkpoint) -> None:
    latents, targets = _unseen(tiny_checkpoint)
    weights = np.zeros((1, 1, 16, 16), np.float32)
    weights[..., :8] = 1
    drawn = _draw(tune(tiny_checkpoint, latents, targets, weights=weights, **_SHORT).apply(tiny_checkpoint), latents)
    assert _psnr(drawn[..., :8], targets[..., :8]) > _psnr(drawn[..., 8:], targets[..., 8:]) + 3


def test_noise_maps_of_the_latents_are_drawn_with(tiny_checkpoint: Checkpoint) -> None:
    latents, targets = _unseen(tiny_checkpoint)
    with Generator(tiny_checkpoint, device="cpu") as G:
        noise = {name: np.full((1, 1, *shape), 2, np.float32) for name, shape in G.noise_shapes.items()}
        own = Latents(values=latents, space="w+", generator=G.fingerprint, noise=noise)
        first = float(np.mean(np.abs(G.synthesize(own) - targets)))
    made = tune(tiny_checkpoint, own, targets, loss="squared", **_SHORT | {"steps": 1})
    plain = tune(tiny_checkpoint, latents, targets, loss="squared", **_SHORT | {"steps": 1})
    assert first > 0
    assert made.notes["first_loss"] != plain.notes["first_loss"]


def test_a_conditional_network_is_tuned_around_w_and_around_z(conditional_checkpoint: Checkpoint) -> None:
    latents, targets = _unseen(conditional_checkpoint)
    around_w = tune(conditional_checkpoint, latents, targets, **_SHORT)
    z = Latents(values=seeds_to_z([0], 16), space="z")
    around_z = tune(conditional_checkpoint, z, targets, class_index=0, **_SHORT)
    assert around_w.fingerprint == around_z.fingerprint  # the class is in w already
    assert around_w.notes["best_loss"] < around_w.notes["first_loss"] / 2
    with pytest.raises(ValueError, match="class_index, --class"):
        tune(conditional_checkpoint, z, targets)


def test_an_interruption_keeps_the_best_so_far(tiny_checkpoint: Checkpoint) -> None:
    def stop(report: TuneReport) -> None:
        if report.step == 10:
            raise KeyboardInterrupt

    latents, targets = _unseen(tiny_checkpoint)
    made = tune(tiny_checkpoint, latents, targets, **_SHORT, on_step=stop)
    assert made.notes["is_interrupted"]
    assert made.notes["steps"] == 10
    assert _psnr(_draw(made.apply(tiny_checkpoint), latents), targets) > _psnr(_draw(tiny_checkpoint, latents), targets)


def test_an_interrupted_run_goes_on_to_the_same_end(
    tiny_checkpoint: Checkpoint, tuned: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(report: TuneReport) -> None:
        steps.append(report.step)
        if len(steps) == 10:
            raise KeyboardInterrupt

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    steps: list[int] = []
    latents, targets = _unseen(tiny_checkpoint)
    options: dict[str, Any] = _SHORT | {"checkpoint": tmp_path / "state.npz", "on_step": stop}
    assert tune(tiny_checkpoint, latents, targets, **options).notes["is_interrupted"]
    written = (tmp_path / "state.npz").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("torch.optim.Adam.step", interrupt)  # some weights may have moved, and others not
        tune(tiny_checkpoint, latents, targets, **options)
    assert (tmp_path / "state.npz").read_bytes() == written
    rest = tune(tiny_checkpoint, latents, targets, **options)
    assert rest.fingerprint == tuned.fingerprint
    assert rest.notes == tuned.notes
    assert steps == list(range(1, 41))
    with pytest.raises(ArtifactError, match="other options or targets"):
        tune(tiny_checkpoint, latents, targets, **options | {"locality": 0})
    with pytest.raises(ArtifactError, match="other options or targets"):
        tune(tiny_checkpoint, latents + 0.1, targets, **options)
    (tmp_path / "state.npz").write_bytes(written[: len(written) // 2])
    with pytest.raises(ArtifactError, match="damaged"):
        tune(tiny_checkpoint, latents, targets, **options)


def test_an_interruption_at_once_changes_nothing(
    tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    latents, targets = _unseen(tiny_checkpoint)
    monkeypatch.setattr("wplus.inversion.goals.PictureGoal.loss", interrupt)
    made = tune(tiny_checkpoint, latents, targets, **_SHORT)
    assert (made.differences, made.fingerprint, made.notes["best_loss"]) == ({}, made.parent, None)
    made.save(tmp_path / "empty.safetensors")
    assert Tuning.load(tmp_path / "empty.safetensors").apply(tiny_checkpoint).provenance.parent == made.parent


def test_a_loss_that_is_no_number_stops_at_the_best_so_far(
    tiny_checkpoint: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    made = tune(tiny_checkpoint, *_unseen(tiny_checkpoint), steps=20, learning_rate=1e30, device="cpu")
    assert "no number after" in caplog.text
    assert all(np.isfinite(value).all() for value in made.differences.values())
    assert made.apply(tiny_checkpoint).provenance.parent == made.parent


def test_a_file_draws_the_same_bytes(
    tiny_checkpoint: Checkpoint, tuned: Tuning, network: Path, file: Path, tmp_path: Path
) -> None:
    latents, _ = _unseen(tiny_checkpoint)
    with Generator(tuned.apply(tiny_checkpoint), device="cpu") as G:
        wanted, own = G.images(latents), G.fingerprint
    with wplus.load(network, device="cpu", tuning=file) as G:
        assert np.array_equal(G.images(latents), wanted)
        assert G.fingerprint == own == tuned.fingerprint
        assert G.parent == tuned.parent
        assert G.tuning == "tuning.safetensors"
        with pickle.loads(pickle.dumps(G)) as again:
            assert again.fingerprint == own
    with wplus.load(network, device="cpu", tuning=tuned) as G:
        assert G.fingerprint == own
    write_checkpoint(tmp_path / "baked.safetensors", tuned.apply(tiny_checkpoint))
    with wplus.load(tmp_path / "baked.safetensors", device="cpu") as G:
        assert np.array_equal(G.images(latents), wanted)
        assert (G.fingerprint, G.parent) == (own, tuned.parent)


def test_the_parents_latents_are_accepted_and_strangers_are_not(network: Path, file: Path, tuned: Tuning) -> None:
    values = np.zeros((1, 6, 16), np.float32)
    with wplus.load(network, device="cpu", tuning=file) as G:
        G.images(Latents(values=values, space="w+", generator=tuned.parent))
        G.images(Latents(values=values, space="w+", generator=tuned.fingerprint))
        with pytest.raises(LatentMismatchError):
            G.images(Latents(values=values, space="w+", generator="wplus1:0123456789abcdef"))


def test_another_generators_latents_and_tuning_are_refused(
    tiny_checkpoint: Checkpoint, conditional_checkpoint: Checkpoint, tuned: Tuning
) -> None:
    latents, targets = _unseen(tiny_checkpoint)
    alien = Latents(values=latents, space="w+", generator="wplus1:0123456789abcdef")
    with pytest.raises(LatentMismatchError, match="belong to the generator"):
        tune(tiny_checkpoint, alien, targets)
    with pytest.raises(ArtifactError, match="Give the network that it was made from"):
        tuned.apply(conditional_checkpoint)
    with pytest.raises(ArtifactError, match="belongs to the generator"):
        wplus.load("demo:portraits", tuning=tuned)


def test_bundles_are_refused(tmp_path: Path, file: Path, tiny_checkpoint: Checkpoint) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text("{}")
    with pytest.raises(UnsupportedError, match="Load the checkpoint"):
        wplus.load(tmp_path / "bundle", tuning=file)
    with pytest.raises(UnsupportedError, match="give the checkpoint it was made from"):
        tune(tmp_path / "bundle", *_unseen(tiny_checkpoint))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"locality": -1}, "locality is -1"),
        ({"seed": -1}, "The seed is -1"),
        ({"loss": "nothing"}, "known are"),
    ],
)
def test_numbers_out_of_range_are_refused(tiny_checkpoint: Checkpoint, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tune(tiny_checkpoint, *_unseen(tiny_checkpoint), **options)


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as archive:
        return dict(archive.metadata())


def test_files_that_are_no_tuning_are_refused(network: Path, file: Path, tmp_path: Path) -> None:
    assert is_tuning(file)
    assert not is_tuning(network)
    with pytest.raises(ArtifactError, match="does not exist"):
        Tuning.load(tmp_path / "none.safetensors")
    with pytest.raises(ArtifactError, match="is a folder"):
        Tuning.load(tmp_path)
    with pytest.raises(ArtifactError, match="is a network, and no tuning"):
        Tuning.load(network)
    save_file({"a": np.zeros(2, np.float16)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ArtifactError, match="wplus did not write"):
        Tuning.load(tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="It is a tuning of the generator"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parent": "wplus1:xyz"}, "whose parent cannot be read"),
        ({"fingerprint": ""}, "whose fingerprint cannot be read"),
        ({"notes": "[1]"}, "whose notes cannot be read"),
        ({"notes": "[" * 100_000}, "whose notes cannot be read"),
    ],
)
def test_metadata_that_cannot_be_read_are_refused(file: Path, change: dict[str, str], words: str) -> None:
    save_file(load_file(file), file, metadata=_metadata(file) | change)
    with pytest.raises(ArtifactError, match=words):
        Tuning.load(file)


def test_a_newer_format_says_to_upgrade(file: Path) -> None:
    save_file(load_file(file), file, metadata=_metadata(file) | {"format": "wplus-tuning2"})
    with pytest.raises(UnsupportedError, match="pip install --upgrade wplus"):
        Tuning.load(file)


def test_differences_that_do_not_fit_are_refused(tiny_checkpoint: Checkpoint, tuned: Tuning) -> None:
    name = "synthesis.b4.conv1.weight"
    good = tuned.differences[name]
    broken = good.copy()
    broken.flat[0] = np.nan
    other = good.copy()
    other.flat[0] += 1
    for changed, words in [
        ({name: good[:1]}, r"\[1, 8, 3, 3\], which is \[8, 8, 3, 3\]"),
        ({"synthesis.b9.weight": good}, "is not there in the network"),
        ({name: broken}, "not finite"),
        ({name: other}, "damaged: it gives the generator"),
    ]:
        with pytest.raises(ArtifactError, match=words):
            replace(tuned, differences={**tuned.differences, **changed}).apply(tiny_checkpoint)


def test_arrays_of_other_types_are_refused(file: Path) -> None:
    arrays = {name: value.astype(np.float64) for name, value in load_file(file).items()}
    save_file(arrays, file, metadata=_metadata(file))
    with pytest.raises(ArtifactError, match="arrays of F64; not a tuning's"):
        Tuning.load(file)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_damage_is_an_error_of_ours(file: Path, tiny_checkpoint: Checkpoint, data: st.DataObject) -> None:
    whole = file.read_bytes()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    bad = file.with_name("bad.safetensors")
    bad.write_bytes(bytes(damaged[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else damaged))
    try:
        Tuning.load(bad).apply(tiny_checkpoint)
    except (ArtifactError, UnsupportedError):
        return


def test_the_file_says_what_it_is(file: Path, tuned: Tuning) -> None:
    said = _metadata(file)
    assert (said["format"], said["parent"], said["fingerprint"]) == (FORMAT, tuned.parent, tuned.fingerprint)
    assert json.loads(said["notes"]) == tuned.notes
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        tuned.save(file.with_suffix(".bin"))
