"""From seeds, z or w to the points that a walk goes through."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from wplus.errors import UnsupportedError
from wplus.inputs import one_hot
from wplus.latents import Latents, check_generator, seeds_to_z

if TYPE_CHECKING:
    from wplus.generator import Generator

Space = Literal["z", "w"]
Keyframes = Sequence[int] | NDArray[Any] | Latents

_Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOptions:
    """What turns a z into ws, besides the z."""

    truncation_psi: float = 1
    truncation_cutoff: int | None = None
    class_index: int | None = None  # of a conditional network

    def label(self, c_dim: int) -> _Array | None:
        """The class as `[1, c_dim]`; None where there is none."""
        return None if self.class_index is None else one_hot(self.class_index, c_dim)

    def of_z(self, G: "Generator") -> dict[str, Any]:
        """What `G.images` takes with a z; nothing where it draws w."""
        if G.has_w:
            return {}
        options: dict[str, Any] = {"c": self.label(G.c_dim)}
        if G.has_truncation:
            options |= {"truncation_psi": self.truncation_psi, "truncation_cutoff": self.truncation_cutoff}
        return options


def map_each(G: "Generator", latents: Iterable[_Array], options: MapOptions) -> Iterator[_Array]:
    """ws `[num_ws, w_dim]` of each z, in micro-batches of one size, as sampling does: the same bits in any company."""
    c = options.label(G.c_dim)
    stream = iter(latents)
    while chunk := list(islice(stream, G.micro_batch)):
        padded = np.stack(chunk + chunk[-1:] * (G.micro_batch - len(chunk)))
        yield from G.map(padded, c, options.truncation_psi, options.truncation_cutoff)[: len(chunk)]


def resolve(G: "Generator", keyframes: Keyframes, *, space: Space, options: MapOptions, allow_mismatch: bool) -> _Array:
    """The keyframes in the space of the walk: float32 `[K, num_ws, w_dim]` in w, `[K, *z_shape]` in z.

    Raises:
        ValueError: shapes do not fit, a class is missing or one too many, or an option has no effect on such keyframes.
        UnsupportedError: the network has no w.
        LatentMismatchError: the latents belong to another generator.
    """
    if space == "w" and not G.has_w:
        raise UnsupportedError(f"{G.name} (family {G.family}) has no space w. Walk in z instead: --space=z.")
    if len(keyframes) == 0:
        raise ValueError("There are 0 keyframes; a walk needs 2 or more. Give seeds (--seeds=0-7) or latents.")
    values, given = _values(G, keyframes, space, allow_mismatch)
    if given == "w":
        _check_w(G, values, space, options)
        return np.broadcast_to(values if values.ndim == 3 else values[:, None], (len(values), G.num_ws, G.w_dim))
    _check_z(G, values, options)
    return np.stack(list(map_each(G, values, options))) if space == "w" else values


def _values(G: "Generator", keyframes: Keyframes, space: Space, allow_mismatch: bool) -> tuple[_Array, Space]:
    if isinstance(keyframes, Latents):
        check_generator(keyframes, G, allow_mismatch=allow_mismatch)
        return np.asarray(keyframes.values, np.float32), "z" if keyframes.space == "z" else "w"
    if isinstance(keyframes, np.ndarray) and keyframes.ndim > 1:
        return keyframes.astype(np.float32, copy=False), space
    return seeds_to_z([int(seed) for seed in keyframes], G.z_shape), "z"


def _check_w(G: "Generator", values: _Array, space: Space, options: MapOptions) -> None:
    if space == "z":
        raise ValueError("The keyframes are w; a walk in z needs z or seeds. Walk in w instead: --space=w.")
    if values.shape[1:] not in ((G.w_dim,), (G.num_ws, G.w_dim)):
        raise ValueError(
            f"The keyframes are {list(values.shape)}; {G.name} ({G.family}, {G.img_resolution} px) needs "
            f"[K, {G.w_dim}] or [K, {G.num_ws}, {G.w_dim}]."
        )
    if options != MapOptions():
        raise ValueError(
            "Truncation and class act on the way from z to w, and the keyframes are w already. "
            "Leave out --trunc, --trunc-cutoff and --class."
        )


def _check_z(G: "Generator", values: _Array, options: MapOptions) -> None:
    if values.shape[1:] != tuple(G.z_shape):
        need = ", ".join(str(side) for side in G.z_shape)
        raise ValueError(f"The keyframes are {list(values.shape)}; {G.name} needs z of [K, {need}].")
    index = options.class_index
    if (index is not None) != (G.c_dim > 0) or (index is not None and not 0 <= index < G.c_dim):
        need = f"a class from 0 to {G.c_dim - 1} (--class)" if G.c_dim else "none"
        raise ValueError(f"The class is {'missing' if index is None else index}; {G.name} needs {need}.")
    if not G.has_truncation and (options.truncation_psi != 1 or options.truncation_cutoff is not None):
        raise UnsupportedError(f"{G.name} (family {G.family}) has no truncation. Leave out --trunc and --trunc-cutoff.")
