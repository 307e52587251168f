"""The plain twin of `latent_path`: against the engine's curves, and differentiable."""

from typing import Any

import numpy as np
import pytest
import torch

from wplus.interpolation import interpolate
from wplus.kernels import latent_path


def _frames() -> torch.Tensor:
    """Neighbours that are opposite, zero and equal are among them."""
    frames = torch.randn(5, 3, 16)
    frames[2, 1] = -2 * frames[1, 1]
    frames[3, 0] = 0
    frames[4, 2] = frames[3, 2]
    return frames


@pytest.mark.parametrize("loop", [False, True], ids=["open", "loop"])
@pytest.mark.parametrize("interp", ["linear", "slerp", "spline"])
def test_the_curves_are_the_engines(interp: Any, loop: bool) -> None:
    frames = _frames()
    times = torch.linspace(-7, 12, 39, dtype=torch.float64) if loop else torch.linspace(0, 4, 33, dtype=torch.float64)
    expected = interpolate(frames.numpy(), times.numpy(), interp=interp, loop=loop)
    np.testing.assert_allclose(latent_path(frames, times, interp=interp, loop=loop).numpy(), expected, atol=2e-6)


def test_catmull_rom_passes_through_keyframes_and_keeps_straight_lines_straight() -> None:
    frames = _frames()
    assert torch.equal(latent_path(frames, torch.arange(5).double(), interp="catmull-rom"), frames)
    line = torch.arange(4.0)[:, None, None] * torch.randn(2, 8)
    times = torch.linspace(0, 3, 25, dtype=torch.float64)
    expected = times.float()[:, None, None] * line[1]
    assert torch.allclose(latent_path(line, times, interp="catmull-rom"), expected, atol=1e-5)


def test_catmull_rom_has_no_corners() -> None:
    frames, step = _frames().double(), 1e-5
    for moment in range(5):
        times = torch.tensor([moment - step, moment, moment + step], dtype=torch.float64)
        before, at, after = latent_path(frames, times, interp="catmull-rom", loop=True)
        assert torch.allclose((at - before) / step, (after - at) / step, atol=1e-3)


@pytest.mark.parametrize("interp", ["linear", "slerp", "catmull-rom", "spline"])
def test_gradients_are_those_of_finite_differences(interp: Any) -> None:
    frames = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    w_avg = torch.randn(3, dtype=torch.float64, requires_grad=True)
    psi = torch.tensor([0.7, 0.3], dtype=torch.float64, requires_grad=True)
    times = torch.tensor([0.3, 1.6, 3.2], dtype=torch.float64)

    def path(frames: torch.Tensor, w_avg: torch.Tensor, psi: torch.Tensor) -> torch.Tensor:
        return latent_path(frames, times, interp=interp, loop=True, w_avg=w_avg, truncation_psi=psi)

    assert torch.autograd.gradcheck(path, (frames, w_avg, psi))


def test_mixing_comes_before_truncation_and_layers_of_psi_1_are_left_alone() -> None:
    frames, mix, w_avg = torch.randn(2, 3, 4), torch.randn(3, 4), torch.randn(4)
    mask = torch.tensor([[True, True, False]])
    psi = torch.tensor([1.0, 0.5, 1.0])
    y = latent_path(frames, torch.ones(1).double(), w_avg=w_avg, truncation_psi=psi, mix=mix, mix_mask=mask)
    expected = torch.stack([mix[0], w_avg + 0.5 * (mix[1] - w_avg), frames[1, 2]])
    assert torch.allclose(y[0], expected)
    assert torch.equal(y[0, 0], mix[0])
