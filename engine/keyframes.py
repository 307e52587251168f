"""From seeds, z or w to the points that a walk goes through."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

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


def keyframe_values(
    G: "Generator", keyframes: Keyframes, *, space: Space, allow_mismatch: bool
) -> tuple[_Array, Space]:
    """The numbers of keyframes, and the space that they are from; seeds give z, an array is of the walk's space.

    Raises:
        LatentMismatchError: the latents belong to another generator.
    """
    if isinstance(keyframes, Latents):
        check_generator(keyframes, G, allow_mismatch=allow_mismatch)
        return np.asarray(keyframes.values, np.float32), "z" if keyframes.space == "z" else "w"
    if isinstance(keyframes, np.ndarray) and keyframes.ndim > 1:
        return keyframes.astype(np.float32, copy=False), space
    return seeds_to_z([int(seed) for seed in keyframes], G.z_shape), "z"


def check_w(G: "Generator", values: _Array, *, space: Space) -> None:
    """Raises `ValueError` unless a walk in `space` can go through these w's."""
    if space == "z":
        raise ValueError("The keyframes are w; a walk in z needs z or seeds. Walk in w instead: --space=w.")
    if values.shape[1:] not in ((G.w_dim,), (G.num_ws, G.w_dim)):
        raise ValueError(
            f"The keyframes are {list(values.shape)}; {G.name} ({G.family}, {G.img_resolution} px) needs "
            f"[K, {G.w_dim}] or [K, {G.num_ws}, {G.w_dim}]."
        )


def check_z(G: "Generator", values: _Array, *, class_index: int | None) -> None:
    """Raises `ValueError` unless these are z's of the generator, and the class one that it needs."""
    if values.shape[1:] != tuple(G.z_shape):
        need = ", ".join(str(side) for side in G.z_shape)
        raise ValueError(f"The keyframes are {list(values.shape)}; {G.name} needs z of [K, {need}].")
    if (class_index is not None) != (G.c_dim > 0) or (class_index is not None and not 0 <= class_index < G.c_dim):
        need = f"a class from 0 to {G.c_dim - 1} (--class)" if G.c_dim else "none"
        raise ValueError(f"The class is {'missing' if class_index is None else class_index}; {G.name} needs {need}.")
