"""Pictures in quantity: micro-batches of one size, so that a picture never depends on its company."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Array
from wplus.config import Config
from wplus.errors import UnsupportedError
from wplus.inputs import Noise, NoiseMode
from wplus.latents import Latents, seeds_to_z

if TYPE_CHECKING:
    from wplus.generator import Generator

_T = TypeVar("_T")

_MICRO_BATCH_PIXELS = 128 * 128 * 8  # beyond that a CPU gains nothing, and memory grows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Some pictures, and how to draw them again."""

    seeds: list[int]
    images: NDArray[np.uint8]  # [N, H, W, C]
    latents: Latents  # W+; z where no w is seen


def default_micro_batch(config: Config) -> int:
    """Samples that run at once: 8 up to 128×128 px, fewer above, 1 from 512×512 px."""
    return max(1, min(8, _MICRO_BATCH_PIXELS // math.prod(config.img_shape)))


def sample(
    generator: "Generator",
    seeds: Iterable[int],
    *,
    c: Array | None = None,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
    noise_mode: NoiseMode = "const",
    transform: Array | None = None,
) -> Iterator[Batch]:
    """Draws seeds, `generator.micro_batch` at a time; memory does not grow with their number.

    A seed's picture is the same to the last bit whatever other seeds are drawn with it.

    Args:
        seeds: Any iterable; it is read as the pictures are taken.
        c: `[c_dim]` or `[1, c_dim]` for all, or one row per seed.
        truncation_psi: For all samples.
        truncation_cutoff: For all samples; None: every slot.
        noise_mode: "random" draws each sample's noise from its seed.
        transform: StyleGAN3's user transform `[3, 3]`, for all samples.

    Raises:
        ValueError: a seed or label does not fit.
        UnsupportedError: truncation is asked of a family without W.
    """
    if not generator.has_truncation and (truncation_psi != 1 or truncation_cutoff is not None):
        raise UnsupportedError(
            f"Truncation needs a W space, which the family {generator.family} ({generator.name}) lacks. Leave it out."
        )
    for start, chunk in _chunks(seeds, generator.micro_batch):
        padded = chunk + chunk[-1:] * (generator.micro_batch - len(chunk))
        latents = seeds_to_z(padded, generator.z_shape)
        label = None if c is None else _rows(c, start, len(chunk), len(padded))
        options: dict[str, Any] = {"c": label}
        if generator.has_truncation:
            options |= {"truncation_psi": truncation_psi, "truncation_cutoff": truncation_cutoff}
        if generator.has_w:
            latents, options = generator.map(latents, **options), {}
        images = generator.images(latents, noise_mode, seeds=padded, transform=transform, **options)
        passport = Latents(
            values=latents[: len(chunk)],
            space="w+" if generator.has_w else "z",
            generator=generator.fingerprint,
            truncation_psi=truncation_psi if generator.has_truncation else None,
        )
        yield Batch(seeds=chunk, images=images[: len(chunk)], latents=passport)


def draw(
    generator: "Generator",
    rows: Iterable[tuple[NDArray[np.float32], int]],
    *,
    noise_mode: NoiseMode = "const",
    noise: Noise | None = None,
    c: Array | None = None,
    truncation_psi: float | None = None,
    truncation_cutoff: int | None = None,
    transform: Array | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Draws a stream of latents, one picture uint8 `[H, W, C]` each, in order.

    Args:
        rows: (ws `[num_ws, w_dim]`, or z where `has_w` is False; seed of its random noise).
        noise_mode: See `Generator.synthesize`.
        noise: Maps for all pictures, `{name: [1, 1, H, W]}`.
        c: The label of all pictures, `[1, c_dim]`, where the rows are z.
        truncation_psi: Of all pictures, likewise.
        truncation_cutoff: Of all pictures, likewise.
        transform: StyleGAN3's user transform of all pictures, `[3, 3]`.
    """
    options: dict[str, Any] = {"c": c, "truncation_psi": truncation_psi, "truncation_cutoff": truncation_cutoff}
    for _, chunk in _chunks(rows, generator.micro_batch):
        padded = chunk + chunk[-1:] * (generator.micro_batch - len(chunk))
        latents = np.stack([latent for latent, _ in padded])
        seeds = [seed for _, seed in padded]
        images = generator.images(latents, noise_mode, noise, seeds, transform=transform, **options)
        yield from images[: len(chunk)]


def _chunks(items: Iterable[_T], size: int) -> Iterator[tuple[int, list[_T]]]:
    stream = iter(items)
    start = 0
    while chunk := list(islice(stream, size)):
        yield start, chunk
        start += len(chunk)


def _rows(c: Array, start: int, count: int, size: int) -> Array:
    """The labels of `count` samples from `start` on, padded to `size` rows; one label serves all."""
    c = np.asarray(c, np.float32)
    if c.ndim == 1 or len(c) == 1:
        return c
    part = c[start : start + count]
    if len(part) < count:
        raise ValueError(f"c has {len(c)} rows, and there are more seeds than that; give one row for all, or one each.")
    return np.concatenate([part, np.repeat(part[-1:], size - count, axis=0)])
