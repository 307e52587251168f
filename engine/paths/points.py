"""Keyframes of a walk, from what names them to latents, before any of them is mapped."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wplus.errors import LatentMismatchError, UnsupportedError
from wplus.inputs import Noise, one_hot
from wplus.keyframes import Keyframes, Space, check_w, check_z, keyframe_values
from wplus.latent_files import load_latents
from wplus.latents import Latents
from wplus.paths.description import Walk

if TYPE_CHECKING:
    from wplus.generator import Generator

_Array = NDArray[np.float32]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """A keyframe's latent."""

    values: _Array  # z `[*z_shape]`, or w `[num_ws, w_dim]`
    is_z: bool
    label: _Array | None  # `[c_dim]`, of a z in a conditional network
    seed: int | None  # which it was drawn from


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """The keyframes of a walk, in its space."""

    points: list[Point]
    noise: Noise | None = None  # that came with them
    truncation_psi: float | None = None  # that the z's in files are waiting for

    @property
    def are_z(self) -> bool:
        """Whether all of them are z."""
        return all(point.is_z for point in self.points)


# A z, its label `[c_dim]`, psi and cutoff of its truncation.
ToMap = tuple[_Array, _Array | None, float, int | None]


def map_rows(G: "Generator", rows: Iterable[ToMap]) -> Iterator[_Array]:
    """ws `[num_ws, w_dim]` of each z, in micro-batches of one size: the same bits in any company."""
    stream = iter(rows)
    while chunk := list(islice(stream, G.micro_batch)):
        padded = chunk + chunk[-1:] * (G.micro_batch - len(chunk))
        z, labels, psis, cutoffs = zip(*padded, strict=True)
        c = None if labels[0] is None else np.stack(labels)
        psi = psis[0] if len(set(psis)) == 1 else np.array(psis)
        cutoff = cutoffs[0]
        if len(set(cutoffs)) > 1:
            cutoff = np.array([G.default_cutoff if one is None else one for one in cutoffs])
        yield from G.map(np.stack(z), c, psi, cutoff)[: len(chunk)]


def space_of(G: "Generator", walk: Walk) -> Space:
    """The space that the walk is in.

    Raises:
        UnsupportedError: the network has no w.
    """
    if walk.space == "w" and not G.has_w:
        raise UnsupportedError(f"{G.name} (family {G.family}) has no space w. Walk in z instead: --space=z.")
    return walk.space or ("w" if G.has_w else "z")


def gather(
    G: "Generator", walk: Walk, *, keyframes: Keyframes | None, folder: Path | None, allow_mismatch: bool
) -> Points:
    """The walk's keyframes; those given stand in for the description's.

    Raises:
        ValueError: shapes do not fit, a class is missing or one too many, or files wait for different truncations.
        LatentMismatchError: latents belong to another generator.
        ArtifactError: a file cannot be read.
    """
    if len(walk.keyframes if keyframes is None else keyframes) == 0:
        raise ValueError("There are 0 keyframes; a walk needs 2 or more. Give seeds (--seeds=0-7) or latents.")
    if keyframes is not None:
        return _of_values(G, walk, keyframes, [walk.class_index] * len(keyframes), allow_mismatch)
    files = _load_files(G, walk, folder)
    parts = []
    for keyframe in walk.keyframes:
        given: Keyframes = [] if keyframe.seed is None else [keyframe.seed]
        if keyframe.file is not None:
            given = _row(files[keyframe.file], keyframe.file, keyframe.index)
        index = walk.class_index if keyframe.class_index is None else keyframe.class_index
        try:
            parts.append(_of_values(G, walk, given, [index], allow_mismatch))
        except LatentMismatchError as exc:
            raise LatentMismatchError(f"{keyframe.file}: {exc}") from exc
    points = [point for part in parts for point in part.points]
    noise = next(iter(files.values())).noise if len(files) == 1 else {}
    if len(files) > 1 and any(file.noise for file in files.values()):
        _log.warning("The noise in these files is left out: a walk has one, and it is the network's own.")
    return Points(points=points, noise=_one_noise(noise), truncation_psi=_waiting(walk, parts))


def _of_values(
    G: "Generator", walk: Walk, keyframes: Keyframes, classes: Sequence[int | None], allow_mismatch: bool
) -> Points:
    space = space_of(G, walk)
    values, given = keyframe_values(G, keyframes, space=space, allow_mismatch=allow_mismatch)
    if given == "w":
        check_w(G, values, space=space)
        ws = np.broadcast_to(values if values.ndim == 3 else values[:, None], (len(values), G.num_ws, G.w_dim))
        points = [Point(values=w, is_z=False, label=None, seed=None) for w in ws]
    else:
        for index in set(classes):
            check_z(G, values, class_index=index)
        labels = [None if index is None else one_hot(index, G.c_dim)[0] for index in classes]
        seeds = _seeds(keyframes, len(values))
        points = [
            Point(values=z, is_z=True, label=label, seed=seed)
            for z, label, seed in zip(values, labels, seeds, strict=True)
        ]
    waiting = keyframes.truncation_psi if isinstance(keyframes, Latents) and given == "z" else None
    noise = keyframes.noise if isinstance(keyframes, Latents) else {}
    return Points(points=points, noise=_one_noise(noise), truncation_psi=waiting)


def _seeds(keyframes: Keyframes, count: int) -> Sequence[int | None]:
    if isinstance(keyframes, Latents) or (isinstance(keyframes, np.ndarray) and keyframes.ndim > 1):
        return [None] * count
    return [int(seed) for seed in keyframes]


def _load_files(G: "Generator", walk: Walk, folder: Path | None) -> dict[str, Latents]:
    """Each latent file once, by the name that the description has for it."""
    names = dict.fromkeys(keyframe.file for keyframe in walk.keyframes if keyframe.file is not None)
    num_ws = G.num_ws if G.has_w else None
    return {name: load_latents((folder or Path()) / name, num_ws=num_ws, latents_as=walk.latents_as) for name in names}


def _row(latents: Latents, name: str, index: int) -> Latents:
    if index >= len(latents):
        raise ValueError(f"A keyframe is row {index} of {name}, which has the rows 0 to {len(latents) - 1}.")
    return Latents(
        values=latents.values[index : index + 1],
        space=latents.space,
        generator=latents.generator,
        truncation_psi=latents.truncation_psi,
    )


def _one_noise(noise: Noise) -> Noise | None:
    if any(len(values) > 1 for values in noise.values()):
        _log.warning("Each latent brings its own noise, and a walk has one: it uses the network's own.")
        return None
    return noise or None


def _waiting(walk: Walk, parts: list[Points]) -> float | None:
    """The truncation that all keyframes wait for; where only some do, the walk has to say one for all."""
    waiting = {part.truncation_psi if part.truncation_psi is not None else 1.0 for part in parts}
    if len(waiting) == 1:
        return waiting.pop()
    if walk.truncation_psi.is_constant and walk.truncation_psi.values[0] == 1:
        known = ", ".join(f"{psi:g}" for psi in sorted(waiting))
        raise ValueError(
            f"The keyframes of this walk are to be truncated differently: {known}. Say one truncation_psi for all."
        )
    return None
