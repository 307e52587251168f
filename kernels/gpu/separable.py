"""The filters around StyleGAN3's leaky ReLU, as sums of separable ones."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is done between the convolution and its result; taps are correlated with, gains included."""

    up_taps: Tensor  # [taps], float32
    down_y: Tensor  # [rank, taps], float32: the down-sampling filter is the sum of down_y[r] times down_x[r]
    down_x: Tensor
    up: int
    down: int
    padding: tuple[int, int, int, int]  # left, right, top, bottom
    slope: float
    clamp: float | None

    @property
    def sizes(self) -> dict[str, int]:
        """What the tiles depend on."""
        taps = {"up_taps": self.up_taps.shape[0], "down_taps": self.down_y.shape[1]}
        return {"up": self.up, "down": self.down, **taps}

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result."""
        left, right, top, bottom = self.padding
        lost = self.up_taps.shape[0] - 1 + self.down_y.shape[1]
        return (
            (height * self.up + top + bottom - lost) // self.down + 1,
            (width * self.up + left + right - lost) // self.down + 1,
        )


_decomposed = WeakTensorKeyDictionary()  # filter -> (its version, its factors): a decomposition takes milliseconds


def factors(f: Tensor) -> tuple[Tensor, Tensor]:
    """A filter, to be convolved, as a sum of separable ones to be correlated with: `[rank, taps]` down and across."""
    if f.ndim == 1:
        taps = f.float().flip(0)[None].contiguous()
        return taps, taps
    version, found = _decomposed.get(f, (None, None))
    if version != f._version:
        u, s, vt = torch.linalg.svd(f.double().cpu().flip(0, 1))
        rank = max(1, int((s > s[0] * 1e-7).sum()))
        root = s[:rank, None].sqrt()
        found = tuple((root * part).float().contiguous().to(f.device) for part in (u.T[:rank], vt[:rank]))
        _decomposed[f] = (f._version, found)
    down_y, down_x = found
    return down_y, down_x
