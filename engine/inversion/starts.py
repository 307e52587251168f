"""Where to start from: the best of many latents drawn at random, judged on small pictures."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.errors import UnsupportedError
from wplus.inversion.goals import Goal, reduced
from wplus.sampling import default_micro_batch

if TYPE_CHECKING:
    from wplus.generator import Generator

_Array = NDArray[np.float32]

_SMALLEST = 32  # pixels of the smallest pictures that are compared
_LEAST_EXPLAINED = 0.9  # share of the whole pictures' variance that a stopped network must draw
_PROBES = 8
_CANDIDATES, _CANDIDATE_PIXELS = 512, 512 * 128 * 128


def default_candidates(height: int, width: int) -> int:
    """How many candidates are drawn: 512 up to 128x128 px, fewer above, as each costs more, and 16 at least."""
    return max(16, min(_CANDIDATES, _CANDIDATE_PIXELS // (height * width)))


class Candidates:
    """Latents of random z, and their pictures, which are drawn once for all targets.

    Args:
        G: The generator.
        count: How many.
        seed: Of numpy's RandomState.
        c: `[1, c_dim]`, the label of all of them in a conditional network.
        resolution: At which a StyleGAN2 stops; None: whole pictures.
        is_small: Keep their pictures reduced, where that is enough to judge them.
    """

    def __init__(
        self,
        G: "Generator",
        *,
        count: int,
        seed: int,
        c: _Array | None = None,
        resolution: int | None = None,
        is_small: bool,
    ) -> None:
        random = np.random.RandomState(seed)
        self.z = random.randn(count, math.prod(G.z_shape)).astype(np.float32).reshape(-1, *G.z_shape)
        self.ws: _Array | None = G.map(self.z, c) if G.has_w and count else None
        drawn = self.z if self.ws is None else self.ws
        options: dict[str, Any] = {"resolution": resolution} if resolution else {}
        if not G.has_w:
            options["c"] = c
        size = default_micro_batch(G.config) if count else 1
        parts = []
        for i in range(0, count, size):
            img = G.synthesize(drawn[i : i + size], **options)
            parts.append(reduced(img, reduction(img.shape[2], img.shape[3])) if is_small else img)
        self.pictures = np.concatenate(parts) if parts else np.zeros((0, G.img_channels, *G.img_shape), np.float32)

    def best(self, goal: Goal, target: int, count: int) -> NDArray[np.int64]:
        """The `count` candidates nearest to a target, the nearest first."""
        losses = []
        for start in range(0, len(self.pictures), 32):
            losses.append(goal.distances(self.pictures[start : start + 32], target))
        return np.argsort(np.concatenate(losses), kind="stable")[:count]


def coarse_resolution(G: "Generator", c: _Array | None = None) -> int | None:
    """The lowest resolution at which the network may stop and still draw about its whole picture in small.

    None where there is none below its own. A StyleGAN2 need not paint its coarse blocks' running pictures alike: they
    are compared on some random latents.
    """
    resolutions = [r for r in getattr(G.config, "resolutions", ()) if _SMALLEST <= r < G.img_resolution]
    if not resolutions or not G.has_w:
        return None
    z = np.random.RandomState(0).randn(_PROBES, G.z_dim).astype(np.float32)
    size = default_micro_batch(G.config)
    ws = G.map(z, c)
    whole = np.concatenate([G.synthesize(ws[i : i + size]) for i in range(0, _PROBES, size)])
    for resolution in resolutions:
        try:
            parts = [G.synthesize(ws[i : i + size], resolution=resolution) for i in range(0, _PROBES, size)]
        except UnsupportedError:
            return None
        small = np.concatenate(parts)
        if _explained(small, whole) >= _LEAST_EXPLAINED:
            return int(resolution)
    return None


def _explained(small: _Array, whole: _Array) -> float:
    """Share of the reduced whole pictures' variance that the small ones draw."""
    wanted = reduced(whole, whole.shape[3] // small.shape[3])
    return float(1 - np.square(small - wanted).mean() / max(wanted.var(), 1e-12))


def reduction(height: int, width: int) -> int:
    """The power of two by which pictures are reduced to be judged."""
    factor = 1
    while min(height, width) // factor >= 2 * _SMALLEST and height % (2 * factor) == width % (2 * factor) == 0:
        factor *= 2
    return factor
