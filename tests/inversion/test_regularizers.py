"""Penalties against what they say they are, and their gradients against finite differences."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from wplus.inversion.regularizers import roughness, spread, squares, whitened

_Penalty = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _roughness(noise: Tensor) -> Tensor:
    """The formula, in torch: squared mean products with the map shifted by a pixel, summed over halvings."""
    total = torch.zeros(len(noise), dtype=noise.dtype)
    while True:
        for axis in (2, 3):
            total = total + (noise * noise.roll(1, axis)).mean(dim=(1, 2, 3)).square()
        if noise.shape[2] <= 8:
            return total
        noise = torch.nn.functional.avg_pool2d(noise, 2)


_FORMULAS: dict[str, tuple[_Penalty, Callable[[Tensor], Tensor], tuple[int, ...]]] = {
    "squares": (squares, lambda v: v.square().flatten(1).mean(dim=1), (3, 4, 5)),
    "spread": (spread, lambda v: (v - v.mean(dim=1, keepdim=True)).square().flatten(1).mean(dim=1), (3, 4, 5)),
    "roughness": (roughness, _roughness, (3, 1, 32, 32)),
    "roughness of a small map": (roughness, _roughness, (2, 1, 4, 4)),
}


@pytest.mark.parametrize("name", _FORMULAS)
def test_value_and_gradient_are_the_formulas(name: str) -> None:
    penalty, formula, shape = _FORMULAS[name]
    values = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    wanted = formula(values)
    (gradient,) = torch.autograd.grad(wanted.sum(), values)
    found, slope = penalty(values.detach().float().numpy())
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(slope, gradient.numpy(), rtol=1e-3, atol=1e-6)


def test_white_noise_is_smoother_to_the_penalty_than_a_ramp() -> None:
    ramp = whitened(np.broadcast_to(np.linspace(-1, 1, 32, dtype=np.float32), (1, 1, 32, 32)))
    white = whitened(np.random.RandomState(0).randn(1, 1, 32, 32).astype(np.float32))
    assert roughness(white)[0][0] < 0.1 < roughness(ramp)[0][0]


def test_whitened_maps_have_mean_0_and_variance_1() -> None:
    maps = whitened(np.random.RandomState(0).rand(2, 1, 16, 16).astype(np.float32) * 7 + 3)
    np.testing.assert_allclose(maps.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(maps.var(axis=(1, 2, 3)), 1, atol=1e-4)
    assert np.isfinite(whitened(np.ones((1, 1, 4, 4), np.float32))).all()
