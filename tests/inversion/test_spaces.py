"""The way from variables to latents, and gradients back along it."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from wplus.generator import Generator
from wplus.inversion.adam import Arrays
from wplus.inversion.spaces import Parametrization, transforms
from wplus.inversion.statistics import WStatistics, w_statistics
from wplus.transforms import user_transform

_RANDOM = np.random.RandomState(0)


def _statistics(size: int) -> WStatistics:
    axes = _RANDOM.randn(size, size).astype(np.float32)
    inverse = np.linalg.inv(axes).astype(np.float32)
    return WStatistics(mean=_RANDOM.randn(size).astype(np.float32), std=1.0, axes=axes, inverse=inverse)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("is_whitened", [True, False])
def test_coordinates_lead_back_to_the_same_ws(slots: int, is_whitened: bool) -> None:
    space = Parametrization(num_ws=3, statistics=_statistics(5) if is_whitened else None)
    ws = _RANDOM.randn(2, slots, 5).astype(np.float32)
    found = space.latents({"v": space.coordinates(ws)})["ws"]
    np.testing.assert_allclose(found, np.broadcast_to(ws, (2, 3, 5)) if slots == 1 else ws, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("slots", [1, 3])
def test_an_anchor_holds_the_first_slot_and_nothing_else(slots: int) -> None:
    anchor = np.arange(5, dtype=np.float32)
    free, held = (Parametrization(num_ws=3, statistics=_statistics(5), anchor=at) for at in (None, anchor))
    held = replace(held, statistics=free.statistics)
    variables = {"v": _RANDOM.randn(2, slots, 5).astype(np.float32)}
    ws = held.latents(variables)["ws"]
    assert (ws[:, 0] == anchor).all()
    assert np.array_equal(ws[:, 1:], free.latents(variables)["ws"][:, 1:])


@pytest.mark.parametrize("anchor", [None, np.zeros(4, np.float32)])
@pytest.mark.parametrize("slots", [1, 3])
def test_gradients_are_those_of_finite_differences(slots: int, anchor: NDArray[np.float32] | None) -> None:
    space = Parametrization(num_ws=3, statistics=_statistics(4), anchor=anchor)
    variables = {"v": _RANDOM.randn(2, slots, 4), "place": _RANDOM.randn(2, 3), "noise/b4": _RANDOM.randn(2, 1, 2, 2)}
    weights = {name: _RANDOM.randn(*value.shape) for name, value in space.latents(variables).items()}

    def value(given: Arrays) -> float:
        return float(sum((weights[name] * latent).sum() for name, latent in space.latents(given).items()))

    gradients = space.pull(weights, variables)
    for name, start in variables.items():
        direction = _RANDOM.randn(*start.shape)
        step = 1e-4
        ahead, behind = (variables | {name: start + sign * step * direction} for sign in (1, -1))
        slope = (value(ahead) - value(behind)) / (2 * step)
        np.testing.assert_allclose((gradients[name] * direction).sum(), slope, rtol=1e-3)


def test_a_place_is_a_transform_as_stylegan3_takes_it() -> None:
    assert np.array_equal(transforms(np.zeros((1, 3), np.float32))[0], np.eye(3))
    found = transforms(np.array([[np.radians(30) * 10, 0, 0]], np.float32))[0]
    np.testing.assert_allclose(found, user_transform(rotate=30), atol=1e-6)


def test_whitened_coordinates_of_mapped_w_are_about_standard_normal(demo: Generator) -> None:
    statistics = w_statistics(demo)
    z = np.random.RandomState(7).randn(2000, demo.z_dim).astype(np.float32)
    w = demo.map(z)[:, :1]
    v = Parametrization(num_ws=demo.num_ws, statistics=statistics).coordinates(w)[:, 0]
    assert abs(v.mean()) < 0.05
    assert 0.9 < np.sort(v.std(axis=0))[-20:].mean() < 1.1  # the axes along which W varies
    np.testing.assert_allclose(statistics.mean, demo.w_avg, atol=0.5)  # of a spread of 32
