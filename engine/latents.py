"""Latents: from seeds, between spaces, and with a passport that says which generator they belong to."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from wplus.errors import LatentMismatchError

Space = Literal["z", "w", "w+"]
Array = Any  # numpy or torch

_log = logging.getLogger(__name__)


class _HasFingerprint(Protocol):
    @property
    def fingerprint(self) -> str: ...
    @property
    def parent(self) -> str | None: ...


def seeds_to_z(seeds: Iterable[int], z_shape: int | Sequence[int]) -> NDArray[np.float32]:
    """One standard normal z per seed, float32 `[N, *z_shape]`, the same one as NVIDIA's scripts draw.

    Args:
        seeds: Integers from 0 to 2**32 - 1.
        z_shape: `z_dim`, or the shape of a spatial latent.
    """
    shape = (z_shape,) if isinstance(z_shape, int) else tuple(z_shape)
    size = int(np.prod(shape))
    rows = [np.random.RandomState(check_seed(seed)).randn(1, size) for seed in seeds]
    return np.concatenate(rows or [np.empty((0, size))]).astype(np.float32).reshape(-1, *shape)


def check_seed(seed: int) -> int:
    """The seed as an int.

    Raises:
        ValueError: it lies outside 0 to 2**32 - 1.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"The seed is {seed}; seeds lie between 0 and {2**32 - 1}.")
    return int(seed)


def noise_maps(shapes: Mapping[str, tuple[int, int]], seeds: Sequence[int]) -> dict[str, NDArray[np.float32]]:
    """Standard normal noise for every layer, `{name: [N, 1, H, W]}`: numpy's Philox with the key (seed, layer).

    Args:
        shapes: Height and width of each layer's map, in the network's order; a layer is its position there.
        seeds: One per sample.
    """
    keys = [check_seed(seed) for seed in seeds]
    maps = {}
    for layer, (name, shape) in enumerate(shapes.items()):
        streams = [np.random.Generator(np.random.Philox(key=[key, layer])) for key in keys]
        maps[name] = np.stack([stream.standard_normal((1, *shape), dtype=np.float32) for stream in streams])
    return maps


def broadcast(w: Array, *, num_ws: int) -> Array:
    """w `[N, w_dim]` to ws `[N, num_ws, w_dim]`: the same w in every slot."""
    if w.ndim != 2:
        raise ValueError(f"w is {list(w.shape)}; broadcast needs [N, w_dim].")
    return w[:, None].repeat(num_ws, axis=1) if isinstance(w, np.ndarray) else w[:, None].repeat(1, num_ws, 1)


def mix(rows: Array, columns: Array, *, styles: Sequence[int]) -> NDArray[np.float32]:
    """Style mixing: every row's latent with the slots `styles` taken from every column's.

    Args:
        rows: `[R, num_ws, w_dim]`.
        columns: `[C, num_ws, w_dim]`.
        styles: Slots, from 0 to num_ws - 1. Early slots decide the coarse features.

    Returns:
        `[R, C, num_ws, w_dim]`, float32.

    Source: Karras et al. 2019 (StyleGAN), section 3.1.
    """
    rows, columns = np.asarray(rows, np.float32), np.asarray(columns, np.float32)
    num_ws = rows.shape[1]
    if wrong := [slot for slot in styles if not 0 <= slot < num_ws]:
        raise ValueError(f"styles has {wrong}; this generator has the slots 0 to {num_ws - 1}.")
    mixed = np.repeat(rows[:, None], len(columns), axis=1)
    mixed[:, :, list(styles)] = columns[None][:, :, list(styles)]
    return mixed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Latents:
    """Latents and their passport.

    Raises:
        ValueError: values do not have the shape that the space needs.
    """

    values: NDArray[np.float32]  # "z": [N, *z_shape], "w": [N, w_dim], "w+": [N, num_ws, w_dim]
    space: Space
    generator: str | None = None  # fingerprint; None: nobody knows
    noise: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # {name: [N or 1, 1, H, W]}
    truncation_psi: float | None = None  # for w and w+: what was applied; for z: what `synthesize` is to apply
    transform: NDArray[np.float32] | None = None  # [N, 3, 3], StyleGAN3's, with which they were found

    def __post_init__(self) -> None:
        if self.space not in get_args(Space):
            raise ValueError(f"space is {self.space!r}; known: z, w, w+.")
        needed = {"w": 2, "w+": 3}.get(self.space)
        shape = list(np.shape(self.values))
        if len(shape) < 2 or (needed is not None and len(shape) != needed):
            wanted = {"z": "[N, *z_shape]", "w": "[N, w_dim]", "w+": "[N, num_ws, w_dim]"}[self.space]
            raise ValueError(f"values is {shape}; the space {self.space} needs {wanted}.")
        if self.transform is not None and np.shape(self.transform) != (shape[0], 3, 3):
            raise ValueError(f"transform is {list(np.shape(self.transform))}; [{shape[0]}, 3, 3] is needed.")

    def __len__(self) -> int:
        return len(self.values)

    def save(self, path: str | Path) -> None:
        """Writes an `.npz`: key `w` or `z`, `noise/<name>`, `transform`, and `meta` with space and fingerprint."""
        from wplus.latent_files import save_latents

        save_latents(self, path)

    @staticmethod
    def load(path: str | Path, *, num_ws: int | None = None, latents_as: Space | None = None) -> "Latents":
        """Reads ours and other tools' latent files; see `wplus.latent_files.load_latents`."""
        from wplus.latent_files import load_latents

        return load_latents(path, num_ws=num_ws, latents_as=latents_as)


def check_generator(latents: Latents, generator: _HasFingerprint, *, allow_mismatch: bool = False) -> None:
    """Makes sure that the latents belong to this generator, or to the one that it was tuned from.

    Raises:
        LatentMismatchError: they belong to another one, and `allow_mismatch` is False.
    """
    if latents.generator is None:
        _log.info("These latents do not say which generator they belong to; only their shape can be checked.")
        return
    if latents.generator in (generator.fingerprint, generator.parent):
        return
    message = (
        f"These latents belong to the generator {latents.generator}; this one is {generator.fingerprint}. "
        "A w means nothing in another generator"
    )
    if not allow_mismatch:
        raise LatentMismatchError(
            f"{message}. Load the generator that they were made with, or pass allow_mismatch=True (--allow-mismatch)."
        )
    _log.warning("%s; it is drawn all the same, as asked.", message)
