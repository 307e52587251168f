"""Noise maps that go around circles: they move with the walk, are standard normal at any angle, and close."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wplus.inputs import Noise, NoiseMode
from wplus.latents import check_seed, noise_maps
from wplus.paths.description import NoiseUse

if TYPE_CHECKING:
    from wplus.generator import Generator

_Array = NDArray[np.float32]


class NoiseSource:
    """The noise of one cell of a walk.

    Args:
        G: The generator.
        use: What the walk says.
        seed: Of the random maps and of the circles.
        given: Maps in place of the stored ones, `{name: [1, 1, H, W]}`.
    """

    def __init__(self, G: "Generator", use: NoiseUse, *, seed: int, given: Noise | None) -> None:
        self._G = G
        self._use = use
        self._seed = check_seed(seed)
        self._given = given
        self._centres: dict[str, _Array] | None = None
        self._axes: dict[tuple[str, int], tuple[_Array, _Array]] = {}

    def at(self, turn: float, radius: float | None = None) -> tuple[NoiseMode, Noise | None]:
        """What a generator takes when the first circle has turned that far; 1 is a whole round.

        Args:
            turn: Any number.
            radius: In place of the largest of the walk's radii; the others keep their proportion to it.
        """
        use = self._use
        if use.mode == "none" or not (use.moves if radius is None else radius > 0):
            return self._still()
        centres = self._all_centres()
        maps = {name: self._moved(name, centre, turn, radius) for name, centre in centres.items()}
        return "const", maps or self._given

    def _still(self) -> tuple[NoiseMode, Noise | None]:
        if self._use.mode == "random" and self._G.noise_constants:
            return "const", self._all_centres()  # drawn once, and not for each picture
        return self._use.mode, self._given

    def _all_centres(self) -> dict[str, _Array]:
        """The maps that the circles are around."""
        if self._centres is None:
            constants = self._G.noise_constants
            if self._use.mode == "random":
                centres = noise_maps({name: (map_.shape[-2], map_.shape[-1]) for name, map_ in constants.items()}, [self._seed])
            else:
                centres = {name: map_[None, None] for name, map_ in constants.items()}
            self._centres = centres | {name: np.asarray(map_, np.float32) for name, map_ in (self._given or {}).items()}
        return self._centres

    def _moved(self, name: str, centre: _Array, turn: float, radius: float | None) -> _Array:
        radii = self._radii(name, centre.shape[-2], radius)
        if not any(radii):
            return centre
        moved = np.array(centre)
        for circle, size in enumerate(radii):
            if size:
                angle = 2 * math.pi * math.fmod(turn * (circle + 1), 1)
                cosine, sine = self._circle(name, circle, centre.shape)
                moved += np.float32(size * math.cos(angle)) * cosine
                moved += np.float32(size * math.sin(angle)) * sine
        moved *= np.float32(1 / math.sqrt(1 + sum(size**2 for size in radii)))
        return moved

    def _radii(self, name: str, height: int, radius: float | None) -> tuple[float, ...]:
        scales, everywhere = self._use.scales, self._use.radii
        radii = scales.get(name, scales.get(str(height), everywhere))
        if radius is None:
            return radii
        largest = max((*everywhere, *(size for sizes in scales.values() for size in sizes)), default=0.0)
        return tuple(size * radius / largest for size in radii) if largest else (radius,)

    def _circle(self, name: str, circle: int, shape: tuple[int, ...]) -> tuple[_Array, _Array]:
        """The two maps that span a circle's plane: Philox with the key (seed, layer), beyond the keys of `noise_maps`."""
        if (name, circle) not in self._axes:
            layer = list(self._G.noise_constants).index(name)
            keys = (layer + ((2 * circle + axis + 1) << 32) for axis in range(2))
            streams = [np.random.Generator(np.random.Philox(key=[self._seed, key])) for key in keys]
            cosine, sine = (stream.standard_normal(shape, dtype=np.float32) for stream in streams)
            self._axes[name, circle] = cosine, sine
        return self._axes[name, circle]
