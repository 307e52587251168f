"""Facts about noise that goes around circles."""

import numpy as np
import pytest

from wplus.generator import Generator
from wplus.inputs import Noise
from wplus.latents import noise_maps
from wplus.paths.description import NoiseUse
from wplus.paths.noise_loops import NoiseSource


class Noisy:
    """A generator with two maps that are large enough to measure."""

    def __init__(self) -> None:
        random = np.random.RandomState(0)
        self.noise_constants = {f"b{size}": random.randn(size, size).astype(np.float32) for size in (64, 256)}


def maps_at(use: NoiseUse, turn: float, radius: float | None = None, seed: int = 5) -> Noise:
    source = NoiseSource(as_generator(), use, seed=seed, given=None)
    mode, maps = source.at(turn, radius)
    assert mode == "const"
    assert maps is not None
    return maps


def as_generator() -> Generator:
    return Noisy()  # type: ignore[return-value]


@pytest.mark.parametrize("radii", [(0.3,), (1.0,), (4.0,), (0.5, 0.25), (0.0, 2.0)], ids=str)
@pytest.mark.parametrize("mode", ["const", "random"])
def test_noise_is_standard_normal_at_any_angle(radii: tuple[float, ...], mode: str) -> None:
    use = NoiseUse(mode="const" if mode == "const" else "random", radii=radii)
    for turn in (0, 0.1, 1 / 3, 0.77):
        values = maps_at(use, turn)["b256"].ravel()
        assert abs(values.mean()) < 5 / 256  # five standard errors
        assert abs(values.var() - 1) < 5 * np.sqrt(2) / 256
        assert abs((values**4).mean() - 3) < 5 * np.sqrt(96) / 256


def test_it_closes_and_moves() -> None:
    use = NoiseUse(radii=(0.5, 0.25))
    start, end, middle = (maps_at(use, turn)["b64"] for turn in (0, 1, 0.5))
    np.testing.assert_array_equal(start, end)
    assert np.abs(start - middle).max() > 0.1
    near = maps_at(use, 1 - 1e-6)["b64"]
    assert np.abs(start - near).max() < 1e-4


def test_a_radius_of_nothing_is_the_stored_map() -> None:
    source = NoiseSource(as_generator(), NoiseUse(), seed=5, given=None)
    assert source.at(0.3) == ("const", None)
    moved = maps_at(NoiseUse(radii=(1.0,), scales={"64": (0.0,)}), 0.3)
    np.testing.assert_array_equal(moved["b64"][0, 0], Noisy().noise_constants["b64"])
    assert np.abs(moved["b256"][0, 0] - Noisy().noise_constants["b256"]).max() > 0.1


def test_scales_go_by_height_and_by_name() -> None:
    by_height, by_name = (maps_at(NoiseUse(scales={name: (1.0,)}), 0.2) for name in ("64", "b64"))
    np.testing.assert_array_equal(by_height["b64"], by_name["b64"])
    np.testing.assert_array_equal(by_height["b256"][0, 0], Noisy().noise_constants["b256"])


def test_a_small_circle_moves_little_and_a_second_one_goes_around_twice() -> None:
    for radius in (0.1, 0.2):
        start, across = (maps_at(NoiseUse(radii=(radius,)), turn)["b256"] for turn in (0, 0.5))
        assert np.isclose((start - across).std(), 2 * radius / np.sqrt(1 + radius**2), rtol=0.02)
    twice = NoiseUse(radii=(0.0, 1.0))
    np.testing.assert_allclose(maps_at(twice, 0.1)["b64"], maps_at(twice, 0.6)["b64"], atol=1e-6)


def test_a_performer_sets_the_largest_radius() -> None:
    walk = NoiseUse(radii=(0.5, 0.25))
    np.testing.assert_array_equal(
        maps_at(walk, 0.2, radius=1.0)["b64"], maps_at(NoiseUse(radii=(1.0, 0.5)), 0.2)["b64"]
    )
    still = NoiseUse()
    np.testing.assert_array_equal(maps_at(still, 0.2, radius=1.0)["b64"], maps_at(NoiseUse(radii=(1.0,)), 0.2)["b64"])
    assert NoiseSource(as_generator(), walk, seed=5, given=None).at(0.2, 0.0) == ("const", None)


def test_random_maps_are_those_of_the_seed_and_no_circle_meets_them() -> None:
    shapes = {"b64": (64, 64), "b256": (256, 256)}
    still = maps_at(NoiseUse(mode="random"), 0.7)
    np.testing.assert_array_equal(still["b256"], noise_maps(shapes, [5])["b256"])
    axes = [np.sqrt(2) * maps_at(NoiseUse(mode="random", radii=(1e6,)), turn)["b256"].ravel() for turn in (0, 0.25)]
    correlations = np.corrcoef([still["b256"].ravel(), *axes]) - np.eye(3)
    assert np.abs(correlations).max() < 5 / 256


def test_maps_that_came_with_the_latents_are_the_centre() -> None:
    given = {"b64": np.ones((1, 1, 64, 64), np.float32)}
    source = NoiseSource(as_generator(), NoiseUse(scales={"256": (1.0,)}), seed=5, given=given)
    _, maps = source.at(0.1)
    assert maps is not None
    np.testing.assert_array_equal(maps["b64"], given["b64"])


def test_no_noise_stays_none() -> None:
    assert NoiseSource(as_generator(), NoiseUse(mode="none"), seed=5, given=None).at(0.5, 2.0) == ("none", None)
