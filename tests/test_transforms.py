"""The user transform: NVIDIA's convention, and its way through generator, pictures and walks."""

import numpy as np
import pytest
import torch
from support import DATA

import wplus
from wplus.errors import UnsupportedError
from wplus.generator import Generator
from wplus.transforms import Move, user_transform
from wplus.walk import WalkConfig, frames

_NETWORK = DATA / "golden_sg3t_64.pkl"


@pytest.fixture(scope="module")
def mover() -> Generator:
    return wplus.load(_NETWORK, device="cpu", batch=2)


def test_nothing_asked_is_the_identity() -> None:
    assert np.array_equal(user_transform(), np.eye(3))
    assert Move().matrix is None
    assert Move().facts == {"translate": None, "rotate": None}


def test_it_is_inverted_as_nvidias_is() -> None:
    """The transform that the golden file of StyleGAN3 holds for 25 degrees and a shift of (0.15, -0.1)."""
    expected = [
        [0.9063077870366499, -0.42261826174069944, -0.17820799422956743],
        [0.42261826174069944, 0.90630778703665, 0.0272380394425601],
        [0, 0, 1],
    ]
    np.testing.assert_allclose(user_transform(translate=(0.15, -0.1), rotate=25), expected, atol=1e-7)


def test_samples_may_have_transforms_of_their_own(mover: Generator) -> None:
    z = wplus.latents.seeds_to_z([0], mover.z_dim)
    c = np.eye(mover.c_dim, dtype=np.float32)[:1] if mover.c_dim else None
    ws = np.repeat(mover.map(z, c), 2, axis=0)
    moved = user_transform(translate=(0.25, 0), rotate=10)
    both = mover.synthesize(ws, transform=np.stack([np.eye(3, dtype=np.float32), moved]))
    np.testing.assert_allclose(both[0], mover.synthesize(ws[:1])[0], atol=1e-5)
    np.testing.assert_allclose(both[1], mover.synthesize(ws[:1], transform=moved)[0], atol=1e-5)
    assert np.abs(both[0] - both[1]).max() > 0.01
    assert isinstance(mover.synthesize(torch.from_numpy(ws), transform=torch.from_numpy(moved)), torch.Tensor)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (np.eye(2), r"transform is \[2, 2\]; \[3, 3\], or \[2, 3, 3\] for 2 samples"),
        (np.full((3, 3), np.nan), "not finite"),
    ],
)
def test_a_transform_that_is_none_is_refused(mover: Generator, transform: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mover.synthesize(np.zeros((2, mover.num_ws, mover.w_dim), np.float32), transform=transform)


def test_a_family_without_one_says_so(tiny: Generator) -> None:
    with pytest.raises(UnsupportedError, match="moves and turns the picture inside StyleGAN3"):
        tiny.images(np.zeros((1, tiny.num_ws, tiny.w_dim), np.float32), transform=np.eye(3))


def test_an_anchored_walk_takes_its_place_from_the_mean(mover: Generator) -> None:
    ws = np.random.RandomState(0).randn(2, mover.num_ws, mover.w_dim).astype(np.float32)
    first = next(frames(mover, ws, WalkConfig(w_frames=2, anchor=True)))
    anchored = ws[:1].copy()
    anchored[:, 0] = mover.w_avg
    assert np.array_equal(first, mover.images(np.repeat(anchored, 2, axis=0))[0])
    assert not np.array_equal(first, next(frames(mover, ws, WalkConfig(w_frames=2))))
