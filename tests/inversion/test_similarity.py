"""SSIM over scales, SSIM and PSNR of pictures."""

import math
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from wplus.errors import UnsupportedError
from wplus.inversion.losses import make_loss
from wplus.inversion.similarity import ms_ssim_loss, ms_ssim_scales, psnr, ssim
from wplus.parity import difference


def _pair(size: int, *, noise: float = 0.2, count: int = 2, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Smooth pictures, and the same with noise."""
    coarse = torch.rand(count, channels, max(size // 8, 4), max(size // 8, 4)) * 1.6 - 0.8
    target = F.interpolate(coarse, size=(size, size), mode="bicubic")
    return target + noise * torch.randn_like(target), target


def _ssim_by_definition(img: Tensor, target: Tensor) -> Tensor:
    """Wang et al. 2004, eq. 13, in float64, of pictures that are mirrored at their borders."""
    x, y = (F.pad(picture.double() + 1, (5, 5, 5, 5), mode="reflect") for picture in (img, target))
    line = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    window = (line[:, None] * line[None] / line.sum() ** 2).expand(x.shape[1], 1, 11, 11)

    def mean(values: Tensor) -> Tensor:
        return F.conv2d(values, window, groups=len(window))

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    values = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return values.flatten(1).mean(dim=1)


@pytest.mark.parametrize(
    ("side", "scales"),
    [(11, 1), (20, 1), (21, 2), (40, 2), (41, 3), (80, 3), (81, 4), (160, 4), (161, 5), (1024, 5)],
)
def test_there_are_as_many_scales_as_the_shorter_side_allows(side: int, scales: int) -> None:
    assert ms_ssim_scales(side, 2000) == ms_ssim_scales(2000, side) == scales
    if side < 200:
        img, target = _pair(side, count=1)
        assert torch.isfinite(ms_ssim_loss(img, target, None)).all()


@pytest.mark.parametrize("size", [64, 128, 192])
def test_ms_ssim_is_that_of_torchmetrics_for_each_picture(size: int) -> None:
    img, target = _pair(size)
    factors = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)[: ms_ssim_scales(size, size)]
    betas = tuple(factor / sum(factors) for factor in factors)
    for number in range(2):
        own = multiscale_structural_similarity_index_measure(
            img[number, None] + 1, target[number, None] + 1, data_range=2.0, betas=betas
        )
        torch.testing.assert_close(1 - ms_ssim_loss(img, target, None)[number], own, rtol=1e-5, atol=1e-6)


def test_one_scale_is_plain_ssim() -> None:
    img, target = (picture.clamp(-1, 1) for picture in _pair(16))
    torch.testing.assert_close(1 - ms_ssim_loss(img, target, None), ssim(img, target))


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_its_definition(channels: int) -> None:
    img, target = (picture.clamp(-1, 1) for picture in _pair(63, channels=channels))
    torch.testing.assert_close(ssim(img, target).double(), _ssim_by_definition(img, target), rtol=0, atol=1e-4)


def test_equal_pictures_are_alike_and_more_noise_is_less_so() -> None:
    target = _pair(48)[1]
    noise = torch.randn_like(target)
    losses = [ms_ssim_loss(target + amount * noise, target, None) for amount in (0.0, 0.1, 0.3)]
    assert losses[0].abs().max() < 1e-5
    assert (losses[0] + 0.01 < losses[1]).all()
    assert (losses[1] + 0.01 < losses[2]).all()


@pytest.mark.parametrize("picture", ["negative", "flat", "far outside"])
def test_gradients_are_finite_whatever_the_picture(picture: str) -> None:
    target = _pair(48)[1]
    img = {"negative": -target, "flat": torch.zeros_like(target), "far outside": 5 * target}[picture].requires_grad_()
    loss = ms_ssim_loss(img, target, None)
    (grad,) = torch.autograd.grad(loss.sum(), img)
    assert torch.isfinite(loss).all()
    assert (loss <= 1).all()
    assert torch.isfinite(grad).all()


def test_the_gradient_is_that_of_finite_differences() -> None:
    img, target = (picture.double() for picture in _pair(24, count=1, channels=1))
    img.requires_grad_()
    direction = torch.randn_like(img)
    (grad,) = torch.autograd.grad(ms_ssim_loss(img, target, None).sum(), img)
    with torch.no_grad():
        steps = [ms_ssim_loss(img + step * direction, target, None).sum() for step in (1e-5, -1e-5)]
    torch.testing.assert_close((steps[0] - steps[1]) / 2e-5, (grad * direction).sum(), rtol=1e-5, atol=0)


def test_a_constant_weight_is_none_and_what_weighs_nothing_has_no_say() -> None:
    img, target = _pair(48)
    torch.testing.assert_close(
        ms_ssim_loss(img, target, torch.full((2, 1, 48, 48), 0.3)), ms_ssim_loss(img, target, None)
    )
    weight = torch.zeros(2, 1, 48, 48)
    weight[..., :24] = 1
    other = img.clone()
    other[..., 24:] = 0.7
    losses = [ms_ssim_loss(picture, target, weight) for picture in (img, other)]
    torch.testing.assert_close(*losses)
    assert (losses[0] > 0.01).all()


def test_it_is_a_registered_loss() -> None:
    img, target = _pair(32)
    torch.testing.assert_close(make_loss("0.5*ms_ssim")(img, target, None), ms_ssim_loss(img, target, None) / 2)


def test_small_pictures_are_refused_with_what_to_use() -> None:
    with pytest.raises(ValueError, match=r"20x10 pixels; ms_ssim compares windows of 11x11. Use another loss"):
        ms_ssim_scales(10, 20)


def test_missing_torchmetrics_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(UnsupportedError, match=r"SSIM needs torchmetrics: pip install 'wplus\[torch\]'"):
        ssim(*_pair(16))


def test_psnr_is_that_of_certificates() -> None:
    img, target = _pair(16, noise=0.5, count=3)
    found = psnr(img, target)
    for number in range(3):
        expected = difference(img[number, None].numpy(), target[number, None].numpy()).psnr_db
        assert math.isclose(found[number].item(), expected, rel_tol=1e-5)
    assert torch.isinf(psnr(img, img)).all()
