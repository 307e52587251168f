"""How long the parts of a walk are: in W, or in what the eye sees, estimated from small pictures."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.inputs import one_hot
from wplus.inversion.goals import reduced
from wplus.inversion.starts import coarse_resolution, reduction
from wplus.paths.arc_length import ConstantSpeed, steps_between
from wplus.sampling import default_micro_batch

if TYPE_CHECKING:
    from wplus.generator import Generator

_LATENT_SAMPLES = 256  # per span: in w within 1 % of one speed, in z, where the mapping has kinks, mostly within 5 %
_PICTURE_SAMPLES = 16  # per span; each is a picture to draw

_Array = NDArray[np.float32]
Latents = Callable[[NDArray[np.float64]], _Array]  # times `[T]` to ws `[T, num_ws, w_dim]`, or z


def constant_speed_in_latents(latents: Latents, *, spans: int, rests: bool) -> ConstantSpeed:
    """By arc length of the latents; see `constant_speed_in_pictures` for the arguments."""
    return ConstantSpeed(steps_between(latents, spans=spans, samples=_LATENT_SAMPLES), rests=rests)


def constant_speed_in_pictures(
    G: "Generator", latents: Latents, *, spans: int, rests: bool, options: dict[str, Any]
) -> ConstantSpeed:
    """By the distance between pictures, 16 a span, drawn as small as the network can and reduced besides.

    Args:
        G: The generator.
        latents: What it draws, at some times.
        spans: How many spans there are.
        rests: See `ConstantSpeed`.
        options: What `G.synthesize` takes besides.
    """
    resolution = coarse_resolution(G, one_hot(0, G.c_dim) if G.c_dim else None)
    small: dict[str, Any] = options if resolution is None else options | {"resolution": resolution}
    size = default_micro_batch(G.config)

    def pictures(times: NDArray[np.float64]) -> _Array:
        given = latents(times)
        parts = []
        for start in range(0, len(given), size):
            img = G.synthesize(given[start : start + size], **small)
            parts.append(reduced(img, reduction(img.shape[2], img.shape[3])))
        return np.concatenate(parts)

    return ConstantSpeed(steps_between(pictures, spans=spans, samples=_PICTURE_SAMPLES), rests=rests)
