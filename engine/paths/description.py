"""What a walk is, apart from the generator that draws it: keyframes, the curve through them, and what changes on it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from wplus.inputs import NoiseMode
from wplus.interpolation import Interp
from wplus.keyframes import Space
from wplus.latents import Space as FileSpace
from wplus.latents import check_seed
from wplus.paths.easing import Easing
from wplus.paths.tracks import ONE, ZERO, Track

ConstantSpeed = Literal["none", "w", "picture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """A point that a walk goes through: a seed, or a row of a latent file."""

    seed: int | None = None
    file: str | None = None  # relative to the walk's own file
    index: int = 0  # row of the file
    class_index: int | None = None  # of a conditional network; None: the walk's
    layers: tuple[int, ...] | None = None  # slots of W+ that it sets, the others stay at the first's; None: all

    def __post_init__(self) -> None:
        if (self.seed is None) == (self.file is None):
            raise ValueError(f"A keyframe has the seed {self.seed} and the file {self.file!r}; exactly one is needed.")
        if self.seed is not None:
            check_seed(self.seed)
        _not_negative("index", self.index)
        _check_layers(self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionUse:
    """A direction in latent space, and how far along it the walk is."""

    file: str  # relative to the walk's own file
    amount: Track = ZERO
    index: int = 0  # of a file with many: component, or row
    layers: tuple[int, ...] | None = None  # slots of W+ that it moves; None: all

    def __post_init__(self) -> None:
        _not_negative("index", self.index)
        _check_layers(self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixUse:
    """Style mixing: slots that are drawn toward those of another seed."""

    seed: int
    layers: tuple[int, ...]
    amount: Track = ONE  # 0: the walk's own, 1: the other seed's

    def __post_init__(self) -> None:
        check_seed(self.seed)
        _check_layers(self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseUse:
    """The noise maps, and the circles that they go around while the walk goes from its start to its end.

    A circle of radius r turns a map C into (C + r (cos(angle) A + sin(angle) B)) / sqrt(1 + r²), with A and B drawn
    once: standard normal at any angle, and the same again after a round. Radius 0 keeps C.
    """

    mode: NoiseMode = "const"  # where C is from; random: one for each cell of the grid
    seed: int | None = None  # of random maps; None: the seed of each cell's first keyframe
    radii: tuple[float, ...] = ()  # of several circles: the second turns twice as fast as the first, and so on
    scales: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # other radii, by layer name or height in px
    turns: int = 1  # rounds of the first circle in the whole walk

    def __post_init__(self) -> None:
        if self.mode not in get_args(NoiseMode):
            raise ValueError(f"The noise mode is {self.mode!r}; known: {', '.join(get_args(NoiseMode))}.")
        if self.seed is not None:
            check_seed(self.seed)
        for radius in (*self.radii, *(radius for radii in self.scales.values() for radius in radii)):
            if not 0 <= radius < math.inf:
                raise ValueError(f"A noise radius is {radius}; 0 or more is needed.")
        if self.mode == "none" and self.moves:
            raise ValueError("The noise goes around circles, and its mode is none. Choose const or random.")
        if self.turns < 1:
            raise ValueError(f"The noise makes {self.turns} turns; 1 or more is needed.")

    @property
    def moves(self) -> bool:
        """Whether any map changes with time."""
        return any(self.radii) or any(any(radii) for radii in self.scales.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walk through latent space; the same one gives the same pictures on the same generator, bit for bit."""

    keyframes: tuple[Keyframe, ...] = ()
    generator: str | None = None  # fingerprint of the one that it is for; None: any
    space: Space | None = None  # None: w, or z where the network has no w
    interp: Interp | None = None  # None: spline in w, slerp in z, where it keeps the norm of the training's z
    easing: Easing = "none"  # with another, a walk of constant speed rests at each keyframe
    constant_speed: ConstantSpeed = "none"  # w: by arc length in W; picture: in small pictures, drawn beforehand
    loop: bool = False  # the last keyframe leads back to the first, without a seam
    seconds_per_keyframe: float = 2.0
    fps: float = 60.0
    grid: tuple[int, int] = (1, 1)  # columns, rows: each cell walks through keyframes of its own
    num_keyframes: int | None = None  # per cell, taking the given ones in turn, again and again; None: given / cells
    layers: tuple[int, ...] | None = None  # slots that the walk changes, the others stay at the first keyframe's
    latents_as: FileSpace | None = None  # space of files that do not name theirs
    class_index: int | None = None  # of a conditional network
    truncation_psi: Track = ONE  # of the whole path
    truncation_cutoff: int | None = None
    directions: Mapping[str, DirectionUse] = field(default_factory=dict)  # by name, added after truncation
    mix: MixUse | None = None
    noise: NoiseUse = field(default_factory=NoiseUse)
    translate_x: Track = ZERO  # of StyleGAN3's picture, to the right, in its widths
    translate_y: Track = ZERO  # down, in its heights
    rotate: Track = ZERO  # degrees
    anchor: bool = False  # StyleGAN3: every frame stays where the mean picture stands, and does not drift

    def __post_init__(self) -> None:
        choices: list[tuple[str, Any, Any]] = [
            ("space", self.space, Space),
            ("interp", self.interp, Interp),
            ("easing", self.easing, Easing),
            ("constant_speed", self.constant_speed, ConstantSpeed),
            ("latents_as", self.latents_as, FileSpace),
        ]
        for name, value, known in choices:
            if value is not None and value not in get_args(known):
                raise ValueError(f"{name} is {value!r}; known: {', '.join(get_args(known))}.")
        for name in ("seconds_per_keyframe", "fps"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive.")
        if len(self.grid) != 2 or min(self.grid) < 1:
            raise ValueError(f"grid is {list(self.grid)}; it needs columns and rows, at least one of each.")
        _not_negative("truncation_cutoff", self.truncation_cutoff)
        _check_layers(self.layers)

    @property
    def moves_pictures(self) -> bool:
        """Whether it uses StyleGAN3's transform."""
        return any(track != ZERO for track in (self.translate_x, self.translate_y, self.rotate))


def _not_negative(name: str, value: int | None) -> None:
    if value is not None and value < 0:
        raise ValueError(f"{name} is {value}; 0 or more is needed.")


def _check_layers(layers: Iterable[int] | None) -> None:
    for layer in layers or ():
        _not_negative("A layer", layer)
