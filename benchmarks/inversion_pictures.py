"""Pictures to find again: the demo generator's own, and portraits that were rendered and it never saw."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wplus.benchmarks.portraits import random_attributes, render
from wplus.errors import UnsupportedError
from wplus.generator import Generator
from wplus.inversion.linear_maps import ChannelSum
from wplus.inversion.similarity import psnr, ssim
from wplus.latents import seeds_to_z

Origin = Literal["own", "rendered"]


def make_pictures(G: Generator, origin: Origin, seeds: Sequence[int]) -> NDArray[np.float32]:
    """Pictures `[N, C, H, W]` of the generator's size, about [-1, 1], one a seed.

    Raises:
        UnsupportedError: portraits are to be rendered for a generator whose pictures are not square and in colours.
    """
    if origin == "own":
        parts = [G.synthesize(G.map(seeds_to_z([seed], G.z_dim))) for seed in seeds]
        return np.concatenate(parts)
    if G.img_channels != 3 or len(set(G.img_shape)) != 1:
        raise UnsupportedError(f"{G.name} draws {G.img_shape}, {G.img_channels} channels; portraits are square RGB.")
    attributes = [random_attributes(1, torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.cat([render(one, size=G.img_resolution) for one in attributes]).numpy()


def similarities(
    found: NDArray[np.float32], wanted: NDArray[np.float32], grey: ChannelSum | None = None
) -> dict[str, list[float]]:
    """PSNR in dB and SSIM of pictures `[N, C, H, W]`, clamped to [-1, 1], one number a picture.

    With `grey`, `Operator.grey`, also the PSNR of the grey picture that was measured.
    """
    one, other = (torch.from_numpy(img).clamp(-1, 1) for img in (found, wanted))
    values: dict[str, Tensor] = {"psnr": psnr(one, other), "ssim": ssim(one, other)}
    if grey is not None:
        values["grey_psnr"] = psnr(grey.forward(one), grey.forward(other))
    return {name: [float(value) for value in value_of] for name, value_of in values.items()}
