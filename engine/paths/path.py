"""A walk as a pure function of time: from a position in keyframes to all that its pictures need."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.interpolation import Curve, Interp
from wplus.keyframes import Keyframes
from wplus.media import Picture
from wplus.paths.cells import cells_of, check_fits, curves_through, speeds_of
from wplus.paths.description import Walk
from wplus.paths.drawing import Moment, draw_frame
from wplus.paths.easing import ease
from wplus.paths.edits import Edits, truncate
from wplus.paths.noise_loops import NoiseSource
from wplus.paths.points import ToMap, gather, map_rows, space_of
from wplus.paths.tracks import Track, constant
from wplus.transforms import user_transform

if TYPE_CHECKING:
    from wplus.generator import Generator

__all__ = ["UNTOUCHED", "Controls", "Moment", "Path"]

_Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What a performer changes on top of the walk; None or nothing: as the walk has it."""

    truncation_psi: float | None = None
    truncation_cutoff: int | None = None
    directions: Mapping[str, float] = field(default_factory=dict)  # amounts by name, in place of the tracks'
    mix_seed: int | None = None  # in place of the walk's mix
    mix_layers: tuple[int, ...] = ()
    mix_amount: float = 1.0
    translate: tuple[float, float] | None = None
    rotate: float | None = None
    noise_radius: float | None = None


UNTOUCHED = Controls()


class Path:
    """A walk on a generator. Keyframes are mapped once; what a moment costs is its own point on the curve.

    Args:
        G: The generator.
        walk: What it is to walk.
        folder: To which the walk's file names are relative; None: the current one.
        allow_mismatch: Take a walk, latents and directions of another generator, with a warning.
        keyframes: Stand in for the walk's: seeds, `Latents`, or an array of its space.

    Raises:
        ValueError: keyframes, layers or classes do not fit the grid, the space or the network.
        UnsupportedError: the network lacks what the walk uses.
        LatentMismatchError: the walk, a latent or a direction belongs to another generator.
        ArtifactError: a file cannot be read.
    """

    def __init__(
        self,
        G: "Generator",
        walk: Walk,
        *,
        folder: FilePath | None = None,
        allow_mismatch: bool = False,
        keyframes: Keyframes | None = None,
    ) -> None:
        self.G = G
        self.walk = walk
        self.space = space_of(G, walk)
        self.interp: Interp = walk.interp or ("spline" if self.space == "w" else "slerp")
        check_fits(G, walk, space=self.space, allow_mismatch=allow_mismatch)
        points = gather(G, walk, keyframes=keyframes, folder=folder, allow_mismatch=allow_mismatch)
        self._points = points.points
        self._cells = cells_of(len(self._points), grid=walk.grid, num_keyframes=walk.num_keyframes)
        self.cells = len(self._cells)
        self.length = float(len(self._cells[0]) - (not walk.loop))
        self.truncation_psi: Track = walk.truncation_psi
        waiting = points.truncation_psi
        if waiting is not None and waiting != 1 and walk.truncation_psi == constant(1):
            self.truncation_psi = constant(waiting)
        # Seeds that all have one truncation are truncated where they are mapped; it costs nothing later.
        is_settled = self.truncation_psi.is_constant and points.are_z
        self._own_psi = self.truncation_psi.values[0] if is_settled else None
        self._curves: dict[tuple[float, bool], list[Curve]] = {}
        self._edits = Edits(G, walk, folder=folder, allow_mismatch=allow_mismatch)
        self._noise = [
            NoiseSource(G, walk.noise, seed=self._noise_seed(cell), given=points.noise) for cell in range(self.cells)
        ]
        self._curves_at(1.0 if self._own_psi is None else self._own_psi)
        labels = [self._points[cell[0]].label for cell in self._cells]
        self._speeds = speeds_of(G, walk, self._base_latents, cells=self.cells, spans=int(self.length), labels=labels)

    @property
    def duration(self) -> float:
        """Seconds at speed 1."""
        return self.length * self.walk.seconds_per_keyframe

    def at(self, position: float, controls: Controls = UNTOUCHED) -> list[Moment]:
        """What the picture at a position needs, one moment a cell of the grid, row by row.

        Args:
            position: In keyframes. A loop wraps; an open walk stays at its ends.
            controls: What stands in for the walk's own.

        Raises:
            ValueError: the controls name a direction or layer that is not there.
        """
        return next(self.along([(position, controls)]))

    def along(self, positions: Iterable[tuple[float, Controls]]) -> Iterator[list[Moment]]:
        """`at` for a stream of positions, which it takes as it needs them; in z they are mapped some at a time."""
        stream = iter(positions)
        maps = self.space == "z" and self.G.has_w
        size = max(1, self.G.micro_batch // self.cells) if maps else 1
        while chunk := list(islice(stream, size)):
            asked = [(cell, position, controls) for position, controls in chunk for cell in range(self.cells)]
            latents: Iterator[_Array] = (self._latent(*each) for each in asked)
            if maps:
                latents = map_rows(self.G, (self._to_map(*each) for each in asked))
            moments = (self._moment(latent, *each) for latent, each in zip(latents, asked, strict=True))
            for _ in chunk:
                yield list(islice(moments, self.cells))

    def draw(self, G: "Generator", moments: list[Moment]) -> Picture:
        """The moments of one frame as one picture, uint8 `[rows * H, columns * W, C]`."""
        columns, rows = self.walk.grid
        return draw_frame(G, moments, columns=columns, rows=rows)

    # Time

    def _wrapped(self, position: float) -> float:
        if not math.isfinite(position):
            raise ValueError(f"The position is {position}; a finite number of keyframes is needed.")
        return position % self.length if self.walk.loop else min(max(position, 0.0), self.length)

    def _time(self, cell: int, position: float) -> float:
        """Where on its curve a cell is."""
        eased = ease(self._wrapped(position), self.walk.easing)
        return self._speeds[cell](eased) if self._speeds else eased

    def _track(self, track: Track, position: float) -> float:
        return track.at(self._wrapped(position), period=self.length if self.walk.loop else None)

    # Latents

    def _curves_at(self, psi: float, *, is_narrow: bool = False) -> list[Curve]:
        """The curve of each cell, through keyframes truncated by psi where they are mapped; see `curves_through`."""
        if (psi, is_narrow) not in self._curves:
            options: dict[str, Any] = {"space": self.space, "interp": self.interp, "psi": psi, "is_narrow": is_narrow}
            self._curves[psi, is_narrow] = curves_through(self.G, self._points, self._cells, self.walk, **options)
        return self._curves[psi, is_narrow]

    def _latent(self, cell: int, position: float, controls: Controls) -> _Array:
        """The point of a cell: ws `[num_ws, w_dim]`, truncated, or z."""
        times = [self._time(cell, position)]
        if self.space == "z":
            return self._curves_at(1.0)[cell](times).reshape(self.G.z_shape)
        if self._own_psi is not None and (controls.truncation_psi, controls.truncation_cutoff) == (None, None):
            settled: _Array = self._curves_at(self._own_psi)[cell](times)[0]
            return settled
        psi, cutoff = self._truncation(position, controls)
        return truncate(self.G, self._curves_at(1.0)[cell](times)[0], psi=psi, cutoff=cutoff)

    def _truncation(self, position: float, controls: Controls) -> tuple[float, int | None]:
        psi, cutoff = controls.truncation_psi, controls.truncation_cutoff
        return (
            self._track(self.truncation_psi, position) if psi is None else psi,
            self.walk.truncation_cutoff if cutoff is None else cutoff,
        )

    def _label(self, cell: int, position: float) -> _Array | None:
        """The class of a z, `[c_dim]`: between keyframes of different classes, between them."""
        keyframes = self._cells[cell]
        time = self._time(cell, position)
        left = int(time) % len(keyframes)
        before, after = (self._points[keyframes[i % len(keyframes)]].label for i in (left, left + 1))
        share = np.float32(time - int(time))
        return before if before is None or after is None or share == 0 else (1 - share) * before + share * after

    def _to_map(self, cell: int, position: float, controls: Controls) -> ToMap:
        z = self._latent(cell, position, controls)
        return (z, self._label(cell, position), *self._truncation(position, controls))

    def _base_latents(self, cell: int, times: NDArray[np.float64]) -> _Array:
        """What a cell draws at some times on its curve, before any edit: by which constant speed is measured."""
        if self.space == "w":
            psi = 1.0 if self._own_psi is None else self._own_psi
            return self._curves_at(psi, is_narrow=self.walk.constant_speed == "w")[cell](times)
        values = self._curves_at(1.0)[cell](times)
        z = values.reshape(-1, *self.G.z_shape)
        if not self.G.has_w:
            return z
        label, cutoff = self._points[self._cells[cell][0]].label, self.walk.truncation_cutoff
        psi = self.truncation_psi.values[0]
        return np.stack(list(map_rows(self.G, [(row, label, psi, cutoff) for row in z])))

    # The rest of a moment

    def _moment(self, latent: _Array, cell: int, position: float, controls: Controls) -> Moment:
        wrapped = self._wrapped(position)
        mode, noise = self._noise[cell].at(self.walk.noise.turns * wrapped / self.length, controls.noise_radius)
        period = self.length if self.walk.loop else None
        psi, cutoff = self._truncation(position, controls)
        options: dict[str, Any] = {}
        if not self.G.has_w:
            label = self._label(cell, position)
            options["c"] = None if label is None else label[None]
            if self.G.has_truncation:
                options |= {"truncation_psi": psi, "truncation_cutoff": cutoff}
        return Moment(
            latent=self._edits.apply(latent, controls, position=wrapped, period=period, psi=psi, cutoff=cutoff),
            noise=noise,
            noise_mode=mode,
            noise_seed=self._noise_seed(cell),
            transform=self._transform(position, controls),
            options=options,
        )

    def _noise_seed(self, cell: int) -> int:
        if self.walk.noise.seed is not None:
            return (self.walk.noise.seed + cell) % 2**32
        first = self._cells[cell][0]
        seed = self._points[first].seed
        return first if seed is None else seed

    def _transform(self, position: float, controls: Controls) -> _Array | None:
        walk = self.walk
        if not walk.moves_pictures and controls.translate is None and controls.rotate is None:
            return None
        translate = controls.translate or (
            self._track(walk.translate_x, position),
            self._track(walk.translate_y, position),
        )
        rotate = self._track(walk.rotate, position) if controls.rotate is None else controls.rotate
        return user_transform(translate=translate, rotate=rotate)
