"""Latents from seeds, between spaces, and mixed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wplus import latents
from wplus.latents import Latents


def test_z_of_a_seed_is_nvidias() -> None:
    z = latents.seeds_to_z([0, 7], 512)
    assert z.dtype == np.float32
    assert np.array_equal(z[1], np.random.RandomState(7).randn(1, 512).astype(np.float32)[0])


@given(st.lists(st.integers(0, 2**32 - 1), max_size=4))
def test_a_seeds_z_does_not_depend_on_the_others(seeds: list[int]) -> None:
    z = latents.seeds_to_z(seeds, 8)
    assert z.shape == (len(seeds), 8)
    for seed, row in zip(seeds, z, strict=True):
        assert np.array_equal(latents.seeds_to_z([seed], 8)[0], row)


def test_a_spatial_z_is_reshaped_from_the_flat_one() -> None:
    assert np.array_equal(latents.seeds_to_z([3], (4, 2, 2)).reshape(1, 16), latents.seeds_to_z([3], 16))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_says_the_range(seed: int) -> None:
    with pytest.raises(ValueError, match=f"The seed is {seed}; seeds lie between 0 and 4294967295"):
        latents.seeds_to_z([seed], 8)


def test_noise_maps_are_philox_of_seed_and_layer() -> None:
    maps = latents.noise_maps({"a": (2, 3), "b": (4, 4)}, [5, 9])
    assert maps["a"].shape == (2, 1, 2, 3)
    expected = np.random.Generator(np.random.Philox(key=[9, 1])).standard_normal((1, 4, 4), dtype=np.float32)
    assert np.array_equal(maps["b"][1], expected)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_broadcast_puts_the_w_into_every_slot(kind: str) -> None:
    w = np.arange(6, dtype=np.float32).reshape(2, 3)
    ws = latents.broadcast(w if kind == "numpy" else torch.from_numpy(w), num_ws=4)
    assert isinstance(ws, np.ndarray if kind == "numpy" else torch.Tensor)
    assert tuple(ws.shape) == (2, 4, 3)
    assert all(np.array_equal(ws[:, i], w) for i in range(4))


def test_broadcast_refuses_what_has_slots_already() -> None:
    with pytest.raises(ValueError, match=r"w is \[1, 4, 3\]; broadcast needs \[N, w_dim\]"):
        latents.broadcast(np.zeros((1, 4, 3)), num_ws=4)


def test_mixing_takes_the_styles_from_the_columns() -> None:
    rows, columns = np.zeros((2, 6, 3)), np.ones((4, 6, 3))
    mixed = latents.mix(rows, columns, styles=[0, 5])
    assert mixed.shape == (2, 4, 6, 3)
    assert mixed[:, :, [0, 5]].min() == 1
    assert mixed[:, :, 1:5].max() == 0


def test_mixing_slots_that_do_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"styles has \[6\]; this generator has the slots 0 to 5"):
        latents.mix(np.zeros((1, 6, 3)), np.zeros((1, 6, 3)), styles=[0, 6])


@pytest.mark.parametrize(
    ("space", "shape", "message"),
    [
        ("w", (2, 3, 4), r"values is \[2, 3, 4\]; the space w needs \[N, w_dim\]"),
        ("w+", (2, 3), r"the space w\+ needs \[N, num_ws, w_dim\]"),
        ("z", (3,), r"the space z needs \[N, \*z_shape\]"),
        ("s", (2, 3), "space is 's'; known: z, w, w+"),
    ],
)
def test_latents_of_the_wrong_shape_are_refused(space: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Latents(values=np.zeros(shape, np.float32), space=space)  # type: ignore[arg-type]
