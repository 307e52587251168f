"""Inversion end to end: what is found, that it is found again, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support import DATA

import wplus
from wplus.checkpoints import Checkpoint
from wplus.errors import ArtifactError, LatentMismatchError, UnsupportedError
from wplus.generator import Generator
from wplus.inversion.config import Preset
from wplus.inversion.operators import make_operator
from wplus.inversion.run import Inversion, invert
from wplus.inversion.search import StepReport
from wplus.latents import Latents, seeds_to_z
from wplus.transforms import user_transform

_SHORT = {"steps": 60, "starts": 2, "candidates": 16}


def _psnr(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    error = np.square(found.clip(-1, 1) - wanted.clip(-1, 1)).reshape(len(found), -1).mean(axis=1)
    return 10 * np.log10(4 / error)


def _targets(G: Generator, seeds: list[int]) -> np.ndarray:
    return G.synthesize(G.map(seeds_to_z(seeds, G.z_dim)))


def _same(a: Inversion, b: Inversion) -> bool:
    return np.array_equal(a.latents.values, b.latents.values) and np.array_equal(a.images, b.images)


@pytest.mark.parametrize("space", ["w", "w+", "z"])
def test_a_generators_own_pictures_are_found_again(tiny: Generator, space: str) -> None:
    targets = _targets(tiny, [900])
    found = invert(tiny, targets, space=space, steps=300, candidates=64)
    assert _psnr(tiny.synthesize(found.latents if space != "z" else tiny.map(found.latents.values)), targets)[0] > 30
    assert found.latents.space == ("z" if space == "z" else "w+")
    assert found.latents.generator == tiny.fingerprint
    assert found.images.shape == (1, 16, 16, 3)
    assert not found.is_interrupted


def test_the_demos_pictures_are_found_again(demo: Generator) -> None:
    targets = _targets(demo, [1001])
    found = invert(demo, targets, space="w", steps=150)
    assert _psnr(demo.synthesize(found.latents), targets)[0] > 30
    assert np.ptp(found.latents.values, axis=1).max() == 0  # one w in every slot


def test_the_same_seed_gives_the_same_bytes_in_any_company(tiny: Generator) -> None:
    targets = _targets(tiny, [900, 901, 902])
    alone = invert(tiny, targets[1:2], batch=2, **_SHORT)
    together = invert(tiny, targets, batch=2, **_SHORT)
    assert np.array_equal(alone.latents.values[0], together.latents.values[1])
    assert np.array_equal(alone.images[0], together.images[1])
    assert _same(together, invert(tiny, targets, batch=2, **_SHORT))
    assert not _same(alone, invert(tiny, targets[1:2], batch=2, seed=7, **_SHORT))


def test_noise_maps_are_optimised_kept_and_drawn_again(tiny: Generator, tmp_path: Path) -> None:
    targets = _targets(tiny, [900])
    found = invert(tiny, targets, optimizes_noise=True, **_SHORT)
    assert list(found.latents.noise) == list(tiny.noise_shapes)
    for maps in found.latents.noise.values():
        np.testing.assert_allclose(maps.mean(), 0, atol=1e-4)
        np.testing.assert_allclose(maps.var(), 1, atol=1e-2)
    found.latents.save(tmp_path / "projected_w.npz")
    assert np.array_equal(tiny.images(Latents.load(tmp_path / "projected_w.npz")), found.images)


def test_nvidias_preset_starts_at_w_avg_and_optimises_noise(tiny: Generator) -> None:
    found = invert(tiny, _targets(tiny, [900]), preset="nvidia", steps=40, keeps_path=True)
    first = found.paths[0][0]
    assert found.latents.noise
    assert found.config.space == "w"
    # One step of Adam at the start of the ramp away from the mean of W.
    w_avg = np.mean([tiny.map(seeds_to_z(range(500), tiny.z_dim))[:, 0]], axis=(0, 1))
    assert np.abs(first[0] - w_avg).max() < 0.5


def test_stylegan3s_place_is_optimised_and_kept(tmp_path: Path) -> None:
    with wplus.load(DATA / "golden_sg3t_64.pkl", device="cpu") as G:
        ws = G.map(seeds_to_z([0], G.z_dim))
        moved = G.synthesize(ws, transform=user_transform(translate=(0.05, 0), rotate=20))
        fixed = invert(G, moved, init=ws, steps=60, space="w", patience=0)
        placed = invert(G, moved, init=ws, steps=60, space="w", patience=0, optimizes_transform=True)
        assert placed.losses[0] < 0.8 * fixed.losses[0]
        placed.latents.save(tmp_path / "projected_w.npz")
        loaded = Latents.load(tmp_path / "projected_w.npz")
        assert loaded.transform is not None
        assert np.array_equal(G.images(loaded), placed.images)


@pytest.mark.parametrize("space", ["w", "w+"])
def test_an_anchored_stylegan3_keeps_its_place_whatever_is_found(space: str) -> None:
    with wplus.load(DATA / "golden_sg3t_64.pkl", device="cpu") as G:
        ws = np.array(G.map(seeds_to_z([0], G.z_dim)))
        ws[:, 0] = G.w_avg
        found = invert(G, G.synthesize(ws), steps=30, starts=2, candidates=16, space=space, anchors_transform=True)
        values = np.asarray(found.latents.values)
        assert (values[:, 0] == G.w_avg).all()
        assert np.ptp(values[0, 1:], axis=0).max() == 0 if space == "w" else np.ptp(values[0, 1:], axis=0).max() > 0
        assert found.history[0]["loss"][-1] < 0.8 * found.history[0]["loss"][0]
        with pytest.raises(ValueError, match="A z has no slots"):
            invert(G, G.synthesize(ws), space="z", anchors_transform=True)


def test_what_has_no_place_is_not_anchored(tiny: Generator) -> None:
    with pytest.raises(UnsupportedError, match="no transform to anchor; StyleGAN3 has"):
        invert(tiny, _targets(tiny, [900]), anchors_transform=True)


def test_plain_generators_are_inverted_in_z() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 3 * 8 * 8), torch.nn.Tanh(), torch.nn.Unflatten(1, (3, 8, 8)))
    G = wplus.wrap(net, z_dim=4)
    targets = G.synthesize(seeds_to_z([5], 4))
    found = invert(G, targets, steps=200, candidates=64)
    assert _psnr(G.synthesize(found.latents.values), targets)[0] > 30
    with pytest.raises(UnsupportedError, match="no W space"):
        invert(G, targets, space="w")


def test_conditional_networks_need_a_class(conditional: Generator) -> None:
    label = np.eye(3, dtype=np.float32)[1:2]
    targets = conditional.synthesize(conditional.map(seeds_to_z([3], conditional.z_dim), label))
    assert invert(conditional, targets, class_index=1, **_SHORT).losses[0] < 0.1
    with pytest.raises(ValueError, match="class_index, --class"):
        invert(conditional, targets, **_SHORT)


def test_measurements_are_inverted(tiny: Generator) -> None:
    targets = _targets(tiny, [900])
    operator = make_operator("mask:0.5", img_shape=(3, 16, 16), seed=1)
    y = operator(torch.from_numpy(targets)).numpy()
    found = invert(tiny, y, operator=operator, space="w", steps=200, candidates=64)
    assert _psnr(tiny.synthesize(found.latents), targets)[0] > 25
    with pytest.raises(ValueError, match=r"The measurements are \[1, 3, 5\]; the operator mask:0.5 gives"):
        invert(tiny, y[:, :, :5], operator=operator)


@pytest.mark.parametrize(("sigma", "share"), [(0.1, 1 / 2), (0.0, 4e-3)])
def test_the_prior_of_measurements_is_of_their_noise_or_of_what_a_generator_leaves(
    tiny: Generator, sigma: float, share: float
) -> None:
    operator = make_operator("mask:0.5", img_shape=(3, 16, 16), seed=1)
    y = operator(torch.from_numpy(_targets(tiny, [900]))).numpy()
    options = {"operator": operator, "sigma": sigma, "space": "w", **_SHORT}
    found = invert(tiny, y, **options)
    assert _same(found, invert(tiny, y, prior_weight=share * tiny.w_dim / y[0].size, **options))
    assert not _same(found, invert(tiny, y, prior_weight=0, **options))


def test_pixels_without_weight_do_not_count(tiny: Generator) -> None:
    targets = _targets(tiny, [900])
    weights = np.ones((1, 1, 16, 16), np.float32)
    weights[..., :8] = 0
    spoilt = targets.copy()
    spoilt[..., :8] = 1
    a, b = (invert(tiny, picture, weights=weights, **_SHORT) for picture in (targets, spoilt))
    assert np.array_equal(a.latents.values, b.latents.values)


def test_an_interrupted_run_keeps_its_best_and_goes_on_to_the_same_end(tiny: Generator, tmp_path: Path) -> None:
    targets = _targets(tiny, [900, 901])
    whole = invert(tiny, targets, **_SHORT)
    seen = []

    def interrupt(report: StepReport) -> None:
        seen.append(report)
        if len(seen) == 75:  # in the middle of the second picture
            raise KeyboardInterrupt

    part = invert(tiny, targets, checkpoint=tmp_path / "state.npz", on_step=interrupt, **_SHORT)
    assert part.is_interrupted
    assert len(part.latents) == 2
    assert np.array_equal(part.latents.values[0], whole.latents.values[0])
    rest = invert(tiny, targets, checkpoint=tmp_path / "state.npz", on_step=seen.append, **_SHORT)
    assert _same(rest, whole)
    assert len(seen) == 2 * 60
    with pytest.raises(ArtifactError, match="written with other options or targets"):
        invert(tiny, targets, checkpoint=tmp_path / "state.npz", **_SHORT | {"steps": 61})
    with pytest.raises(ArtifactError, match="other options or targets"):
        invert(tiny, _targets(tiny, [902, 901]), checkpoint=tmp_path / "state.npz", **_SHORT)
    (tmp_path / "state.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ArtifactError, match="damaged"):
        invert(tiny, targets, checkpoint=tmp_path / "state.npz", **_SHORT)


def test_the_preset_fast_goes_on_to_the_same_end_in_any_company(tiny: Generator, tmp_path: Path) -> None:
    targets = _targets(tiny, [900, 901])
    whole = invert(tiny, targets, preset="fast", batch=2)

    def interrupt(report: StepReport) -> None:
        if report.step == 70:  # after the search, on the way of the best start
            raise KeyboardInterrupt

    options = {"preset": "fast", "batch": 2, "checkpoint": tmp_path / "state.npz"}
    assert invert(tiny, targets, on_step=interrupt, **options).is_interrupted
    assert _same(invert(tiny, targets, **options), whole)
    assert np.array_equal(
        invert(tiny, targets[[1, 1]], preset="fast", batch=2).latents.values[0], whole.latents.values[1]
    )
    assert _psnr(tiny.synthesize(whole.latents.values), targets).min() > 35


@pytest.mark.parametrize("option", [{"optimizes_noise": True}, {"w_noise": 0.1}])
def test_lbfgs_refuses_what_is_not_smooth(tiny: Generator, option: dict) -> None:
    with pytest.raises(ValueError, match="optimizer='adam'"):
        invert(tiny, _targets(tiny, [900]), preset="fast", **option)


@pytest.mark.parametrize("preset", ["default", "fast"])
def test_a_step_that_gives_no_number_is_taken_back(
    tiny: Generator, preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wplus.inversion.objective import TorchObjective

    targets = _targets(tiny, [900])
    evaluate = TorchObjective.__call__
    calls = []

    def sometimes_nan(self: TorchObjective, latents: dict, rows: np.ndarray) -> tuple:
        losses, gradients = evaluate(self, latents, rows)
        calls.append(1)
        return (losses * np.float32("nan") if len(calls) in (20, 21) else losses), gradients

    monkeypatch.setattr(TorchObjective, "__call__", sometimes_nan)
    found = invert(tiny, targets, preset=preset, **_SHORT)
    assert np.isfinite(found.losses).all()
    assert np.isfinite(found.latents.values).all()
    assert found.losses[0] < 0.1


def test_a_network_that_gives_no_numbers_at_all_ends(tiny_checkpoint: Checkpoint) -> None:
    tensors = tiny_checkpoint.tensors | {"synthesis.b16.torgb.bias": np.full(3, np.nan, np.float32)}
    with Generator(replace(tiny_checkpoint, tensors=tensors), device="cpu") as G:
        found = invert(G, np.zeros((1, 3, 16, 16), np.float32), **_SHORT)
        assert np.isnan(found.losses).all()
        assert len(found.history[0]["loss"]) < 60


def test_a_loss_that_is_reached_ends_the_run(tiny: Generator) -> None:
    targets = _targets(tiny, [900])
    long = invert(tiny, targets, space="w", starts=1, steps=200)
    short = invert(tiny, targets, space="w", starts=1, steps=200, stops_at=0.05)
    assert len(short.history[0]["loss"]) < len(long.history[0]["loss"])
    assert short.losses[0] <= 0.05


def test_the_search_and_the_end_have_each_its_loss(tiny: Generator) -> None:
    targets = _targets(tiny, [900])
    found = invert(tiny, targets, space="w", **_SHORT)
    assert (found.search_loss, found.loss) == ("pixel", "squared")
    alike = invert(tiny, targets, space="w", search_loss="pixel", loss="squared", **_SHORT)
    by_squares = invert(tiny, targets, space="w", loss="squared", **_SHORT)
    assert by_squares.search_loss == by_squares.loss == "squared"
    assert _same(found, alike)
    assert not _same(found, by_squares)
    wanted = np.square(tiny.synthesize(found.latents) - targets).mean()
    np.testing.assert_allclose(found.losses[0], wanted, rtol=1e-4)
    searched = found.history[0]["loss"]
    by_pixel = invert(tiny, targets, space="w", loss="pixel", **_SHORT)
    count = 2 * (60 // 6)
    assert searched[:count] == by_pixel.history[0]["loss"][:count]  # the same way, then another
    assert searched[count] != by_pixel.history[0]["loss"][count]
    assert invert(tiny, targets, preset="fast", steps=5).search_loss == "squared"
    assert invert(tiny, targets, preset="fast", steps=5, loss="pixel").search_loss == "pixel"


def test_given_latents_are_started_from(tiny: Generator) -> None:
    ws = tiny.map(seeds_to_z([900], tiny.z_dim))
    targets = tiny.synthesize(ws)
    found = invert(tiny, targets, init=ws, steps=1)
    assert _psnr(tiny.synthesize(found.latents), targets)[0] > 60
    other = Latents(values=ws, space="w+", generator="wplus1:0000000000000000")
    with pytest.raises(LatentMismatchError):
        invert(tiny, targets, init=other)
    with pytest.raises(ValueError, match="init is"):
        invert(tiny, targets, init=ws[:, :2])


@pytest.mark.parametrize(
    ("targets", "options", "message"),
    [
        (np.zeros((1, 3, 8, 8), np.float32), {}, r"The targets are float32 \[1, 3, 8, 8\]"),
        (np.full((1, 3, 16, 16), np.nan, np.float32), {}, "not finite"),
        (np.full((1, 3, 16, 16), 255, np.float32), {}, "far outside"),
        (np.zeros((1, 3, 16, 16), np.float32), {"loss": "vgg"}, "known are squared, pixel, gradient"),
        (np.zeros((1, 3, 16, 16), np.float32), {"steps": 0}, "num_steps is 0"),
        (np.zeros((1, 3, 16, 16), np.float32), {"preset": "best"}, "known: default, fast, nvidia"),
        (np.zeros((1, 3, 16, 16), np.float32), {"space": "s"}, "known: z, w, w+"),
        (np.zeros((1, 3, 16, 16), np.float32), {"class_index": 1}, "unconditional"),
        (np.zeros((1, 3, 16, 16), np.float32), {"weights": np.zeros((1, 1, 16, 16))}, "0 everywhere"),
        (np.zeros((1, 3, 16, 16), np.float32), {"weights": np.ones((1, 1, 8, 8))}, r"weights is \[1, 1, 8, 8\]"),
    ],
)
def test_what_does_not_fit_is_refused(tiny: Generator, targets: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        invert(tiny, targets, **options)
