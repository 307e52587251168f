"""Moments into pictures: micro-batches of one size, so that a picture never depends on its company."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Array
from wplus.backends.arrays import to_bytes
from wplus.backends.downloads import downloaded
from wplus.inputs import Noise, NoiseMode
from wplus.media import Picture, grid

if TYPE_CHECKING:
    from wplus.generator import Generator

_STAY = np.eye(3, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moment:
    """All that one picture needs."""

    latent: NDArray[np.float32]  # ws `[num_ws, w_dim]`; z where the network has no w
    noise: Noise | None = None  # maps for this picture, `{name: [1, 1, H, W]}`
    noise_mode: NoiseMode = "const"
    noise_seed: int = 0
    transform: NDArray[np.float32] | None = None  # `[3, 3]`
    options: dict[str, Any] = field(default_factory=dict)  # what `G.images` takes besides with a z


def draw_moments(
    G: "Generator", moments: Iterable[Moment], *, batch: int | None = None, resolution: int | None = None
) -> Iterator[Picture]:
    """One picture uint8 `[H, W, C]` a moment, in order; moments are taken as pictures are asked for.

    Args:
        G: Draws.
        moments: What.
        batch: Pictures at a time; None: the generator's micro-batch.
        resolution: Of a StyleGAN2's block to stop at; see `Generator.synthesize`.
    """
    for pictures in downloaded(_drawn(G, iter(moments), batch or G.micro_batch, resolution)):
        yield from pictures


def draw_frame(G: "Generator", moments: Sequence[Moment], *, columns: int, rows: int) -> Picture:
    """The moments of one frame as one picture, uint8 `[rows * H, columns * W, C]`."""
    return grid(np.stack(list(draw_moments(G, moments))), columns=columns, rows=rows)


def draw_frames(G: "Generator", frames: Iterable[Sequence[Moment]], *, columns: int, rows: int) -> Iterator[Picture]:
    """A stream of frames, as `draw_frame` draws them; micro-batches reach from one into the next."""
    pictures = draw_moments(G, chain.from_iterable(frames))
    while cells := list(islice(pictures, columns * rows)):
        yield grid(np.stack(cells), columns=columns, rows=rows)


def _drawn(G: "Generator", moments: Iterator[Moment], size: int, resolution: int | None) -> Iterator[Array]:
    while chunk := list(islice(moments, size)):
        yield _draw(G, chunk, size, resolution)


def _draw(G: "Generator", chunk: list[Moment], size: int, resolution: int | None) -> Array:
    """The pictures of a micro-batch, uint8 `[N, H, W, C]`, where PyTorch draws them: on a GPU, if it does it there."""
    kinds = {(moment.noise_mode, None if moment.noise is None else frozenset(moment.noise)) for moment in chunk}
    if len(kinds) > 1:  # the noise began to move, or stopped, in mid-batch
        return np.concatenate(list(downloaded(_draw(G, [moment], size, resolution) for moment in chunk)))
    padded = chunk + chunk[-1:] * (size - len(chunk))
    latents = _where_it_is_drawn(G, np.stack([moment.latent for moment in padded]))
    mode, noise, seeds = padded[0].noise_mode, _noise(padded), [moment.noise_seed for moment in padded]
    options = _options(G, padded) | {"transform": _transforms(padded)}
    if resolution is None:
        images = G.images(latents, mode, noise, seeds, **options)
    else:
        images = _to_bytes(G.synthesize(latents, mode, noise, seeds, resolution=resolution, **options))
    return images[: len(chunk)]


def _where_it_is_drawn(G: "Generator", latents: NDArray[np.float32]) -> Array:
    """The latents on PyTorch's GPU, so that the pictures stay there too; elsewhere as they are."""
    if G.backend != "torch" or not G.device.startswith("cuda"):
        return latents
    import torch

    return torch.from_numpy(latents).to(G.device)


def _to_bytes(images: Array) -> Array:
    if isinstance(images, np.ndarray):
        return to_bytes(images)
    from wplus.kernels import to_uint8

    return to_uint8(images)


def _noise(moments: list[Moment]) -> Noise | None:
    first = moments[0].noise
    if first is None or all(moment.noise is first for moment in moments):
        return first
    maps = [moment.noise for moment in moments if moment.noise is not None]
    return {name: np.concatenate([each[name] for each in maps]) for name in first}


def _transforms(moments: list[Moment]) -> NDArray[np.float32] | None:
    if all(moment.transform is None for moment in moments):
        return None
    return np.stack([_STAY if moment.transform is None else moment.transform for moment in moments])


def _options(G: "Generator", moments: list[Moment]) -> dict[str, Any]:
    """What goes with z's: labels stacked, truncations one number where they are one."""
    options: dict[str, Any] = {}
    for name in moments[0].options:
        values = [moment.options[name] for moment in moments]
        if name == "c":
            options[name] = None if values[0] is None else np.concatenate(values)
        elif len(set(values)) == 1:
            options[name] = values[0]
        else:
            options[name] = np.array([G.default_cutoff if value is None else value for value in values])
    return options
