"""What is done to a point of the path before it is drawn: truncation, style mixing, directions, the anchor."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from wplus.errors import LatentMismatchError, UnsupportedError
from wplus.inputs import one_hot
from wplus.latents import check_seed, seeds_to_z
from wplus.paths.description import MixUse, Walk
from wplus.paths.directions import load_direction
from wplus.paths.tracks import constant

if TYPE_CHECKING:
    from wplus.generator import Generator

_Array = NDArray[np.float32]

_KEPT_MIXES = 64  # latents of the seeds that were mixed in last


class _Controls(Protocol):
    @property
    def directions(self) -> Mapping[str, float]: ...
    @property
    def mix_seed(self) -> int | None: ...
    @property
    def mix_layers(self) -> tuple[int, ...]: ...
    @property
    def mix_amount(self) -> float: ...


def truncate(G: "Generator", ws: _Array, *, psi: float, cutoff: int | None) -> _Array:
    """ws `[num_ws, w_dim]` with its first `cutoff` slots drawn toward the mean: as a mapping does, to rounding."""
    if psi == 1:
        return ws
    slots = G.default_cutoff if cutoff is None else cutoff
    truncated = np.array(ws)
    mean = G.w_avg
    truncated[:slots] = mean + np.float32(psi) * (ws[:slots] - mean)
    return truncated


def check_layers(G: "Generator", layers: Sequence[int] | None) -> None:
    """Raises unless the network has these slots.

    Raises:
        UnsupportedError: it has no w.
        ValueError: a slot is beyond its last.
    """
    if not layers:
        return
    if not G.has_w:
        raise UnsupportedError(f"{G.name} (family {G.family}) has no w, and so no layers to choose. Leave them out.")
    if wrong := [layer for layer in layers if not 0 <= layer < G.num_ws]:
        raise ValueError(f"The layers {wrong} are not there; {G.name} has 0 to {G.num_ws - 1}.")


class Edits:
    """The edits of one walk; directions and the latents of mixed seeds are kept.

    Raises:
        ValueError: a direction or a layer does not fit.
        UnsupportedError: mixing is asked of a network without w.
        LatentMismatchError: a direction belongs to another generator.
        ArtifactError: a direction file cannot be read.
    """

    def __init__(self, G: "Generator", walk: Walk, *, folder: Path | None, allow_mismatch: bool) -> None:
        self._G = G
        self._walk = walk
        self._mixes: dict[int, _Array] = {}
        self._steps: dict[str, _Array] = {}
        for name, use in walk.directions.items():
            check_layers(G, use.layers)
            try:
                step = load_direction(
                    (folder or Path()) / use.file, G, index=use.index, allow_mismatch=allow_mismatch
                )
            except LatentMismatchError as exc:
                raise LatentMismatchError(f"The direction {name} ({use.file}): {exc}") from exc
            if use.layers is not None:
                step[[slot for slot in range(len(step)) if slot not in use.layers]] = 0
            self._steps[name] = step
        if walk.mix is not None:
            self._check_mix(walk.mix)

    def apply(
        self,
        latent: _Array,
        controls: _Controls,
        *,
        position: float,
        period: float | None,
        psi: float,
        cutoff: int | None,
    ) -> _Array:
        """The latent as it is drawn; the one given stays as it is.

        Args:
            latent: ws `[num_ws, w_dim]`, truncated; or z.
            controls: A performer's.
            position: In keyframes.
            period: The length of a walk that loops.
            psi: Truncation of what is mixed in.
            cutoff: Likewise.
        """
        edited = self._mixed(latent, controls, position, period, psi, cutoff)
        for name, amount in self._amounts(controls, position, period).items():
            if amount:
                edited = edited + np.float32(amount) * self._steps[name]
        if self._walk.anchor:
            edited = np.array(edited)
            edited[0] = self._G.w_avg  # from which StyleGAN3 learns where the picture stands
        return edited

    def _amounts(self, controls: _Controls, position: float, period: float | None) -> dict[str, float]:
        if unknown := [name for name in controls.directions if name not in self._steps]:
            known = ", ".join(self._steps) or "none"
            raise ValueError(f"The walk has no direction {unknown[0]!r}; it has {known}.")
        uses = self._walk.directions
        return {
            name: controls.directions.get(name, use.amount.at(position, period=period)) for name, use in uses.items()
        }

    def _mixed(
        self,
        latent: _Array,
        controls: _Controls,
        position: float,
        period: float | None,
        psi: float,
        cutoff: int | None,
    ) -> _Array:
        mix = self._walk.mix
        if controls.mix_seed is not None:
            asked = (controls.mix_seed, controls.mix_layers, constant(controls.mix_amount))
            mix = MixUse(seed=asked[0], layers=asked[1], amount=asked[2])
            self._check_mix(mix)
        amount = mix.amount.at(position, period=period) if mix else 0.0
        if mix is None or not mix.layers or not amount:
            return latent
        other = truncate(self._G, self._mapped(mix.seed), psi=psi, cutoff=cutoff)
        slots = list(mix.layers)
        mixed = np.array(latent)
        mixed[slots] += np.float32(amount) * (other[slots] - latent[slots])
        if amount == 1:
            mixed[slots] = other[slots]
        return mixed

    def _check_mix(self, mix: MixUse) -> None:
        if not self._G.has_w:
            raise UnsupportedError(f"Style mixing needs a W space, which {self._G.name} ({self._G.family}) lacks.")
        check_layers(self._G, mix.layers)

    def _mapped(self, seed: int) -> _Array:
        if seed not in self._mixes:
            if len(self._mixes) >= _KEPT_MIXES:
                del self._mixes[next(iter(self._mixes))]
            classes = [self._walk.class_index, *(keyframe.class_index for keyframe in self._walk.keyframes)]
            index = next((index for index in classes if index is not None), None)
            label = None if index is None else one_hot(index, self._G.c_dim)
            self._mixes[seed] = self._G.map(seeds_to_z([check_seed(seed)], self._G.z_shape), label)[0]
        return self._mixes[seed]
