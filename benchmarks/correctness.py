"""How far a contestant's pictures are from the reference's, and whether they may be timed."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wplus.backends import Precision

# CONTRACT's bounds on pictures, for a network of the family stylegan2
_EXACT_MAX_ABS = 2e-3
_EXACT_UINT8_SHARE = 1e-3
_EXACT_PSNR_DB = 80.0
_FAST_PSNR_DB = 40.0
_PEAK = 2.0  # from -1 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What separates two batches of pictures."""

    max_abs: float  # of the unclamped pictures
    uint8_share: float  # of the uint8 values, how many differ
    uint8_max: int  # by how much at most
    psnr_db: float  # of the picture that is furthest off, both clamped to [-1, 1]; infinite where they are equal


def difference(img: Tensor, reference: Tensor) -> Difference:
    """Compares pictures `[N, C, H, W]`, float32, about [-1, 1]; NaN in either gives a `max_abs` of NaN."""
    if img.shape != reference.shape:
        raise ValueError(f"The pictures are {list(img.shape)}; the reference's are {list(reference.shape)}.")
    steps = (_to_uint8(img) - _to_uint8(reference)).abs()
    errors = (img.clamp(-1, 1) - reference.clamp(-1, 1)).square().mean(dim=(1, 2, 3))
    error = float(errors.max())
    return Difference(
        max_abs=float((img - reference).abs().max()),
        uint8_share=float((steps > 0).float().mean()),
        uint8_max=int(steps.max()),
        psnr_db=math.inf if error == 0 else 10 * math.log10(_PEAK**2 / error),
    )


def unacceptable_reasons(found: Difference, precision: Precision) -> list[str]:
    """Why pictures that far off may not be timed, in sentences with numbers; empty if they may."""
    if not math.isfinite(found.max_abs):
        return ["the pictures hold NaN or Inf"]
    if precision == "fast":
        limit = _FAST_PSNR_DB
        return [] if found.psnr_db >= limit else [f"PSNR is {found.psnr_db:.1f} dB; at least {limit:.0f} are needed"]
    reasons = []
    if found.max_abs > _EXACT_MAX_ABS:
        reasons.append(f"the largest difference is {found.max_abs:.2e}; at most {_EXACT_MAX_ABS:.0e} is allowed")
    if found.uint8_share > _EXACT_UINT8_SHARE or found.uint8_max > 1:
        share = f"{found.uint8_share:.3%} of the uint8 values differ, by up to {found.uint8_max}"
        reasons.append(f"{share}; at most {_EXACT_UINT8_SHARE:.1%} may, by 1")
    if found.psnr_db < _EXACT_PSNR_DB:
        reasons.append(f"PSNR is {found.psnr_db:.1f} dB; at least {_EXACT_PSNR_DB:.0f} are needed")
    return reasons


def _to_uint8(img: Tensor) -> Tensor:
    """The 8-bit values, kept in a type in which they can be subtracted."""
    return torch.nan_to_num(img * 127.5 + 128).floor().clamp(0, 255).to(torch.int16)
