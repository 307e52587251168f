"""The distribution of w: its mean, its spread, and the axes along which it varies."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wplus.generator import Generator

_SAMPLES = 10_000
_SEED = 123  # as NVIDIA's projector draws them
_CHUNK = 1000
_LEAST_VARIANCE = 1e-3  # of the largest: axes that hardly vary are not stretched further

_Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WStatistics:
    """Of 10,000 w's."""

    mean: _Array  # [w_dim]
    std: float  # root of the summed variances: what NVIDIA's projector calls w_std
    axes: _Array  # [w_dim, w_dim]: w = mean + axes @ v has about the distribution of W for standard normal v
    inverse: _Array  # [w_dim, w_dim]


def w_statistics(G: "Generator", c: _Array | None = None) -> WStatistics:
    """Maps 10,000 z of RandomState(123).

    Args:
        c: `[1, c_dim]`, the label of all of them in a conditional network.
    """
    z = np.random.RandomState(_SEED).randn(_SAMPLES, G.z_dim).astype(np.float32)
    rows = [G.map(z[i : i + _CHUNK], c)[:, 0] for i in range(0, _SAMPLES, _CHUNK)]
    w = np.concatenate(rows).astype(np.float64)
    mean = w.mean(axis=0)
    variances, directions = np.linalg.eigh((w - mean).T @ (w - mean) / len(w))
    scale = np.sqrt(np.maximum(variances, max(variances.max() * _LEAST_VARIANCE, 1e-24)))
    return WStatistics(
        mean=mean.astype(np.float32),
        std=float(np.sqrt(variances.clip(min=0).sum())),
        axes=(directions * scale).astype(np.float32),
        inverse=(directions / scale).T.astype(np.float32),
    )
