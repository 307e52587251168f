"""reference.npz: what is kept of the network's pictures is what they are compared with later."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_support import write_bundle

from wplus.bundle import Bundle
from wplus.config import StyleGAN2Config, StyleGAN3Config, WrappedConfig
from wplus.errors import ArtifactError
from wplus.parity import Tally
from wplus.reference import load_reference, save_reference
from wplus.trial_cases import Cases, make_cases

Drawn = list[tuple[np.ndarray, np.ndarray]]


def _bundle(folder: Path, blocks: int, output: str = "float", c_dim: int = 0) -> Bundle:
    """A bundle of a StyleGAN2 of 4 px in so many blocks."""
    side = 4 << (blocks - 1)
    config = StyleGAN2Config(z_dim=8, c_dim=c_dim, w_dim=8, img_resolution=side, img_channels=3, channels=(8,) * blocks)
    bundle = write_bundle(folder)
    return replace(bundle, manifest=replace(bundle.manifest, config=config, output=output))


def _drawn(bundle: Bundle, cases: Cases) -> Drawn:
    random, config = np.random.RandomState(0), bundle.config
    assert isinstance(config, StyleGAN2Config)
    ws = random.randn(len(cases), config.num_ws, config.w_dim).astype(np.float32)
    if bundle.manifest.output == "uint8":
        return list(zip(ws, random.randint(0, 256, (len(cases), *config.img_shape, 3)).astype(np.uint8), strict=True))
    images = random.uniform(-1.1, 1.1, (len(cases), 3, *config.img_shape)).astype(np.float32)
    return list(zip(ws, images, strict=True))


def _spotted(img: np.ndarray) -> np.ndarray:
    """The picture with another corner of 4×4 pixels."""
    other = img.copy()
    if img.dtype == np.uint8:
        other[:4, :4] ^= 255
    else:
        other[:, :4, :4] *= -1
    return other


def _kept(folder: Path, blocks: int, **options: Any) -> tuple[Bundle, Cases, Drawn, Path]:
    bundle = _bundle(folder / "bundle", blocks, **options)
    cases = make_cases(bundle.config, range(4), random_noise=False)
    drawn = _drawn(bundle, cases)
    save_reference(folder / "reference.npz", bundle, cases, drawn, steps={})
    return bundle, cases, drawn, folder / "reference.npz"


@pytest.mark.parametrize("output", ["float", "uint8"])
@pytest.mark.parametrize("blocks", [3, 7, 8, 9], ids=lambda blocks: f"{4 << (blocks - 1)}px")
def test_what_was_drawn_equals_what_was_kept_and_what_is_a_little_off_does_not(
    tmp_path: Path, blocks: int, output: str
) -> None:
    bundle, cases, drawn, path = _kept(tmp_path, blocks, output=output, c_dim=3)
    found, stored = load_reference(path, bundle)
    for name in Cases.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(found, name), getattr(cases, name))
    tally, off = Tally(), Tally()
    for row, (ws, img) in enumerate(drawn):
        np.testing.assert_array_equal(stored.ws(row), ws)
        tally.add(stored.same_of(row, img), stored.picture(row))
        off.add(stored.same_of(row, _spotted(img)), stored.picture(row))
    assert (tally.result().psnr_db, tally.result().uint8_share) == (np.inf, 0)
    assert off.result().psnr_db < 60
    assert path.stat().st_size <= 32_000_000


def test_the_largest_common_picture_is_kept_whole_in_bytes_within_32_mb(tmp_path: Path) -> None:
    _, _, drawn, path = _kept(tmp_path, 9)  # 1024 px, of noise, which does not compress
    with np.load(path) as arrays:
        assert arrays["picture"].shape == (8, 1024, 1024, 3)
        assert arrays["crops"].shape == (8, 16, 3, 64, 64)
        np.testing.assert_array_equal(arrays["crops"][3, 15], drawn[3][1][:, -64:, -64:])
    assert 25_000_000 < path.stat().st_size <= 32_000_000


def test_of_pictures_that_are_too_large_pieces_are_kept(tmp_path: Path) -> None:
    """4096 px, without drawing that much: of the eight pictures not one fits in 32 MB."""
    bundle = _bundle(tmp_path / "bundle", 11)
    cases = make_cases(bundle.config, range(4), random_noise=False)
    img = np.broadcast_to(np.linspace(-1, 1, 4096, dtype=np.float32), (3, 4096, 4096))
    ws = np.zeros((22, 8), np.float32)
    save_reference(tmp_path / "reference.npz", bundle, cases, [(ws, img)] * 8, steps={})
    _, stored = load_reference(tmp_path / "reference.npz", bundle)
    assert stored.arrays["picture"].shape == (0, 4096, 4096, 3)
    tally = Tally()
    tally.add(stored.same_of(0, img), stored.picture(0))
    assert tally.result().psnr_db == np.inf


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", None),
        ("seed", np.zeros(0, np.int64)),
        ("z", np.zeros((8, 9), np.float32)),
        ("z", np.zeros((1, 8, 8), np.float32)),
        ("ws", None),
        ("ws", np.zeros((8, 6, 8), np.float64)),
        ("truncation_cutoff", np.zeros(7, np.int64)),
        ("picture", np.zeros((8, 3, 16, 15), np.float32)),
        ("picture", np.zeros((8, 16, 16, 3), np.uint8)),
        ("random_noise", np.zeros(8, np.int64)),
    ],
    ids=lambda value: "missing" if value is None else getattr(value, "shape", value),
)
def test_a_reference_that_does_not_fit_is_refused(tmp_path: Path, name: str, value: np.ndarray | None) -> None:
    bundle, _, _, path = _kept(tmp_path, 3)
    with np.load(path) as archive:
        arrays = dict(archive)
    del arrays[name]
    np.savez(path, **arrays if value is None else arrays | {name: value})
    said = "it names no seeds" if name == "seed" else f"{name} is"
    with pytest.raises(ArtifactError, match=rf"reference\.npz does not fit its bundle: {said}"):
        load_reference(path, bundle)


def test_a_reference_that_expands_beyond_measure_is_not_read(tmp_path: Path) -> None:
    bundle, _, _, path = _kept(tmp_path, 3)
    np.savez_compressed(path, z=np.zeros(100_000_000, np.uint8))
    with pytest.raises(ArtifactError, match="bytes expand to 100,"):
        load_reference(path, bundle)


def test_cases_vary_every_input() -> None:
    sizes = {"z_dim": 8, "c_dim": 5, "w_dim": 8, "img_resolution": 16, "img_channels": 3}
    cases = make_cases(StyleGAN3Config(**sizes, channels=(8,) * 5), range(8), random_noise=True)
    assert len(cases) == 16
    assert cases.truncation_psi[:4].tolist() == [1, np.float32(0.7), 1, np.float32(0.7)]
    assert set(cases.truncation_cutoff.tolist()) == {3, 7}
    assert cases.c is not None
    assert cases.transform is not None
    assert cases.c.sum(axis=0).all()
    assert len(np.unique(cases.transform, axis=0)) == 2
    assert cases.random_noise.any()
    assert not cases.random_noise.all()
    mixed = cases[:3]
    assert len(mixed) == 3
    np.testing.assert_array_equal(mixed.z[2], cases.z[2])


def test_a_plain_network_has_one_case_a_seed() -> None:
    config = WrappedConfig(
        z_dim=8, c_dim=0, img_resolution=4, img_channels=1, latent_shape=(2, 2, 2), picture_shape=(4, 4)
    )
    cases = make_cases(config, range(3), random_noise=False)
    assert cases.z.shape == (3, 2, 2, 2)
    assert (cases.c, cases.transform) == (None, None)
