"""The data term: likelihood where the noise is known, comparable between operators where there is none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wplus.inversion.data_term import data_loss, residual
from wplus.inversion.measurements import measure
from wplus.inversion.operators import make_operator

TEXTS = ["identity", "grey", "mask:0.2", "down:2", "bicubic:3", "blur:1.5", "crop:1,2,20,30", "coded:400"]
SHAPE = (3, 33, 40)


def test_the_residual_is_what_the_picture_gives_less_what_was_measured() -> None:
    operator = make_operator("down:4", img_shape=SHAPE)
    img, y = torch.randn(2, *SHAPE), torch.randn(1, *operator.y_shape)
    torch.testing.assert_close(residual(operator, img, y), operator(img) - y)


@pytest.mark.parametrize("text", TEXTS)
def test_without_noise_a_white_difference_has_about_its_variance(text: str) -> None:
    operator = make_operator(text, img_shape=SHAPE, seed=2)
    img = torch.randn(8, *SHAPE)
    loss = data_loss(operator, img + 0.3 * torch.randn(8, *SHAPE), operator(img), 0)
    assert loss.shape == (8,)
    assert loss.mean().item() == pytest.approx(0.09, rel=0.1)


def test_without_noise_it_is_the_mean_squared_difference_of_all_pixels_for_identity() -> None:
    operator = make_operator("identity", img_shape=SHAPE)
    img, y = torch.randn(2, *SHAPE), torch.randn(2, *SHAPE)
    torch.testing.assert_close(data_loss(operator, img, y, 0), (img - y).square().mean(dim=(1, 2, 3)))


def test_without_noise_a_scaled_operator_has_the_same_loss(tmp_path: Path) -> None:
    rows = np.random.RandomState(0).randn(6, 3 * 33 * 40)
    img, target = torch.randn(2, *SHAPE), torch.randn(2, *SHAPE)
    losses = []
    for factor in (1, 1000):
        np.save(f"{tmp_path}/a.npy", rows * factor)
        operator = make_operator(f"matrix:{tmp_path}/a.npy", img_shape=SHAPE)
        losses.append(data_loss(operator, img, operator(target), 0))
    torch.testing.assert_close(losses[0], losses[1])


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("sigma", [0.01, 2.0])
def test_with_noise_the_true_picture_has_about_one_half(text: str, sigma: float) -> None:
    operator = make_operator(text, img_shape=SHAPE, seed=2)
    img = torch.randn(4, *SHAPE)
    measured = measure(operator, img, seeds=range(4), sigma=sigma)
    loss = data_loss(operator, img, torch.from_numpy(measured.y), sigma)
    assert loss.mean().item() == pytest.approx(0.5, rel=0.15)


def test_its_gradient_goes_through_the_adjoint() -> None:
    operator = make_operator("coded:50", img_shape=(3, 7, 9))
    img = torch.randn(2, 3, 7, 9, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 50, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(data_loss(operator, img, y, 0.5).sum(), img)
    torch.testing.assert_close(gradient, operator.adjoint(residual(operator, img, y)) / (0.5**2 * 50))


def test_measurements_that_do_not_fit_and_a_negative_sigma_are_refused() -> None:
    operator = make_operator("coded:5", img_shape=SHAPE)
    img = torch.zeros(3, *SHAPE)
    with pytest.raises(ValueError, match=r"y is \[2, 5\]; for 3 pictures the operator coded:5 needs \[3, 5\], or \[1"):
        data_loss(operator, img, torch.zeros(2, 5), 0)
    with pytest.raises(ValueError, match=r"y is \[3, 4\]"):
        residual(operator, img, torch.zeros(3, 4))
    with pytest.raises(ValueError, match="sigma is -1; a standard deviation"):
        data_loss(operator, img, torch.zeros(1, 5), -1)
