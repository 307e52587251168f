"""How alike pictures are to the eye: SSIM over scales as a loss, and SSIM and PSNR for reports."""

import torch
import torch.nn.functional as F
from torch import Tensor

from wplus.errors import UnsupportedError
from wplus.parity import PEAK

_WINDOW = 11  # pixels, each way, over which SSIM compares
_FACTORS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, the finest first
_LEAST = 0.01  # of a scale's similarity: at 0 the power has no slope, and below it is not a number


def ms_ssim_scales(height: int, width: int) -> int:
    """Over how many scales `ms_ssim_loss` compares pictures: five above 160 px, four above 80, and so on.

    Raises:
        ValueError: a side is under 11 px.
    """
    side = min(height, width)
    if side < _WINDOW:
        raise ValueError(
            f"The pictures are {width}x{height} pixels; ms_ssim compares windows of {_WINDOW}x{_WINDOW}. "
            "Use another loss, such as pixel."
        )
    return next(scales for scales in range(len(_FACTORS), 0, -1) if side > (_WINDOW - 1) * 2 ** (scales - 1))


def ms_ssim_loss(img: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """1 - MS-SSIM, `[N]`: 0 for equal pictures, near 1 for unlike ones.

    Of small pictures the coarsest scales are left out, and the others' exponents still sum to 1; one scale alone is
    plain SSIM. A scale whose similarity is under 0.01 counts as 0.01, and has no gradient.

    Args:
        img: `[N, C, H, W]`, about [-1, 1].
        target: Likewise.
        weight: `[N, 1, H, W]`, at least 0, or None; see `only_what_counts`.

    Raises:
        ValueError: a side is under 11 px.
        UnsupportedError: torchmetrics is not installed.
    Source: Wang et al. 2003, eq. 7, with the exponents of its section 4.
    """
    scales = ms_ssim_scales(*img.shape[-2:])
    img = only_what_counts(img, target, weight)
    product = img.new_ones(len(img))
    for scale, factor in enumerate(_FACTORS[:scales]):
        if scale:
            img, target = (F.avg_pool2d(picture, 2, ceil_mode=True) for picture in (img, target))
        whole, contrast = _ssim_and_contrast(img, target)
        similarity = whole if scale == scales - 1 else contrast
        product = product * similarity.clamp(min=_LEAST) ** (factor / sum(_FACTORS[:scales]))
    return 1 - product


def only_what_counts(img: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """`img` with the target in its place where the weight is 0, and partly so between 0 and the weight's maximum.

    For losses of which each value sees many pixels, so that a weight cannot be a factor of it. They remain means over
    the whole picture: the smaller the part that counts, the smaller the loss. A constant weight changes nothing.
    """
    if weight is None:
        return img
    most = weight.flatten(1).amax(dim=1)[:, None, None, None]
    return torch.lerp(target, img, weight / most.clamp(min=1e-12))


def ssim(img: Tensor, target: Tensor) -> Tensor:
    """SSIM `[N]` of pictures `[N, C, H, W]`, clamped to [-1, 1]; at most 1.

    Raises:
        ValueError: a side is under 11 px.
        UnsupportedError: torchmetrics is not installed.
    Source: Wang et al. 2004, with its Gaussian window of 1.5 px; the picture is mirrored at its borders.
    """
    ms_ssim_scales(*img.shape[-2:])
    return _ssim_and_contrast(img.clamp(-1, 1), target.clamp(-1, 1))[0]


def psnr(img: Tensor, target: Tensor) -> Tensor:
    """PSNR `[N]`, in dB, of pictures `[N, C, H, W]`, clamped to [-1, 1]; infinite where they are equal."""
    error = (img.clamp(-1, 1) - target.clamp(-1, 1)).square().flatten(1).mean(dim=1)
    return 10 * torch.log10(PEAK**2 / error)


def _ssim_and_contrast(img: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM and its part without luminance, each `[N]`."""
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError as exc:
        raise UnsupportedError("SSIM needs torchmetrics: pip install 'wplus[torch]'") from exc
    # Its luminances are meant to be positive: -1 to 1 becomes 0 to 2.
    whole, contrast = structural_similarity_index_measure(
        img + 1, target + 1, data_range=PEAK, reduction="none", return_contrast_sensitivity=True
    )
    return whole, contrast
