"""How far pictures are from their targets: one number a picture, differentiable, and a small registry of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(img `[N, C, H, W]`, target likewise, weight `[N, 1, H, W]` of at least 0, or None for 1 everywhere) to `[N]`."""

_SOFTNESS = 0.03  # differences below it count by their square, larger ones by their size
_SCALES = 4
_TERM = re.compile(r"(?:(?P<factor>\d+(?:\.\d*)?(?:e-?\d+)?)\s*\*\s*)?(?P<name>[a-z][a-z0-9_]*)")


def squared(img: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Mean squared difference, the default."""
    return _mean((img - target).square(), weight)


def pixel(img: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Mean robust difference, over the picture and its halves of size: a square near 0, an absolute value far from it.

    For targets with parts that the generator cannot draw, which would have the most weight among squares.
    Source: Charbonnier et al. 1994 (the penalty).
    """
    difference = img - target
    scales = [_mean(_robust(part), own) for part, own in _pyramid(difference, weight)]
    return torch.stack(scales).mean(dim=0)


def gradient(img: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Mean robust difference of neighbouring pixels' steps, over the picture and its halves of size: edges."""
    scales = []
    for part, own in _pyramid(img - target, weight):
        right, down = part[..., :, 1:] - part[..., :, :-1], part[..., 1:, :] - part[..., :-1, :]
        beside = None if own is None else torch.minimum(own[..., :, 1:], own[..., :, :-1])
        below = None if own is None else torch.minimum(own[..., 1:, :], own[..., :-1, :])
        scales.append((_mean(_robust(right), beside) + _mean(_robust(down), below)) / 2)
    return torch.stack(scales).mean(dim=0)


def _robust(difference: Tensor) -> Tensor:
    return (difference.square() + _SOFTNESS**2).sqrt() - _SOFTNESS


def _mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """The mean over channels and pixels, `[N]`, by weight."""
    if weight is None:
        return values.flatten(1).mean(dim=1)
    total = (values * weight).flatten(1).sum(dim=1)
    return total / (weight.flatten(1).sum(dim=1) * values.shape[1]).clamp(min=1e-12)


def _pyramid(difference: Tensor, weight: Tensor | None) -> list[tuple[Tensor, Tensor | None]]:
    """The difference and its weighted means over 2x2, 4x4 ... pixels, while both sides have more than 8 of them."""
    levels = [(difference, weight)]
    while len(levels) < _SCALES and min(difference.shape[-2:]) >= 16:
        if weight is None:
            difference = F.avg_pool2d(difference, 2)
        else:
            covered = F.avg_pool2d(weight, 2)
            difference = F.avg_pool2d(difference * weight, 2) / covered.clamp(min=1e-12)
            weight = covered
        levels.append((difference, weight))
    return levels


def _lpips() -> Loss:
    from wplus.inversion.perceptual import load_lpips

    return load_lpips()


def _ms_ssim() -> Loss:
    from wplus.inversion.similarity import ms_ssim_loss

    return ms_ssim_loss


LOSSES: dict[str, Callable[[], Loss]] = {
    "squared": lambda: squared,
    "pixel": lambda: pixel,
    "gradient": lambda: gradient,
    "ms_ssim": _ms_ssim,
    "lpips": _lpips,
}


@dataclass(frozen=True, slots=True)
class WeightedLoss:
    """A sum of registered losses, each with its factor; called as each of them is."""

    terms: tuple[tuple[float, str, Loss], ...]

    def __call__(self, img: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """The sum, `[N]`."""
        return sum((factor * loss(img, target, weight) for factor, _, loss in self.terms), img.new_zeros(img.shape[0]))


def make_loss(text: str) -> WeightedLoss:
    """The loss that `text` names: "pixel", "pixel + 0.5*gradient + 0.1*ms_ssim".

    Raises:
        ValueError: it names no loss, or is written otherwise.
        UnsupportedError: a package, or a file of weights, is missing.
    """
    terms = []
    for part in text.split("+"):
        match = _TERM.fullmatch(part.strip())
        if match is None or match["name"] not in LOSSES:
            raise ValueError(
                f"The loss {text!r} has the part {part.strip()!r}; known are {', '.join(LOSSES)}, "
                "summed and weighted like pixel + 0.5*gradient."
            )
        terms.append((float(match["factor"] or 1), match["name"], LOSSES[match["name"]]()))
    return WeightedLoss(tuple(terms))
