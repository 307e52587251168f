"""The cells of a walk's grid: which keyframes each goes through, the curve through them, and the speed on it."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.errors import LatentMismatchError, UnsupportedError
from wplus.interpolation import Curve, Interp, curve
from wplus.keyframes import Space
from wplus.paths.arc_length import ConstantSpeed
from wplus.paths.description import Walk
from wplus.paths.edits import check_layers
from wplus.paths.points import Point, map_rows
from wplus.paths.speed import constant_speed_in_latents, constant_speed_in_pictures

if TYPE_CHECKING:
    from wplus.generator import Generator

_Array = NDArray[np.float32]

_log = logging.getLogger(__name__)


def cells_of(given: int, *, grid: tuple[int, int], num_keyframes: int | None) -> list[list[int]]:
    """Which keyframes each cell goes through.

    Raises:
        ValueError: they do not divide into cells of two or more each.
    """
    columns, rows = grid
    cells = columns * rows
    each = num_keyframes
    if each is None:
        if given % cells:
            raise ValueError(
                f"{given} keyframes do not divide into the {cells} cells of a {columns}x{rows} grid. "
                f"Give a multiple of {cells}, or reuse them: --num-keyframes=4."
            )
        each = given // cells
    if each < 2:
        raise ValueError(
            f"{given} keyframes and a {columns}x{rows} grid leave {each} per cell; a walk needs 2 or more in each. "
            "Give more seeds, or reuse them: --num-keyframes=4."
        )
    return [[(cell * each + i) % given for i in range(each)] for cell in range(cells)]


def check_fits(G: "Generator", walk: Walk, *, space: Space, allow_mismatch: bool) -> None:
    """Raises where a network lacks what a walk uses, or the walk is for another one.

    Raises:
        LatentMismatchError: the walk is for another generator, and `allow_mismatch` is False.
        UnsupportedError: the network has no truncation, transform or layers.
        ValueError: a layer is beyond its last, or layers are chosen in z.
    """
    if walk.generator not in (None, G.fingerprint, G.parent):
        message = f"This walk is for the generator {walk.generator}; this one is {G.fingerprint}"
        if not allow_mismatch:
            raise LatentMismatchError(
                f"{message}. Load the generator that it was made for, or pass allow_mismatch=True (--allow-mismatch)."
            )
        _log.warning("%s; it is drawn all the same, as asked.", message)
    truncates = not walk.truncation_psi.is_constant or walk.truncation_psi.values[0] != 1
    if not G.has_truncation and (truncates or walk.truncation_cutoff is not None):
        raise UnsupportedError(f"{G.name} (family {G.family}) has no truncation. Leave out --trunc and --trunc-cutoff.")
    if (walk.moves_pictures or walk.anchor) and not G.has_transform:
        raise UnsupportedError(
            f"A walk that translates, rotates or anchors its pictures needs StyleGAN3; {G.name} is {G.family}."
        )
    chosen = [layers for layers in (walk.layers, *(keyframe.layers for keyframe in walk.keyframes)) if layers]
    if chosen and space == "z":
        raise ValueError("Layers are chosen in a walk through w; a z has none. Walk in w: --space=w.")
    for layers in chosen:
        check_layers(G, layers)


def curves_through(
    G: "Generator",
    points: Sequence[Point],
    cells: list[list[int]],
    walk: Walk,
    *,
    space: Space,
    interp: Interp,
    psi: float,
    is_narrow: bool = False,
) -> list[Curve]:
    """The curve of each cell, through `[K, num_ws, w_dim]`, or in z `[K, 1, numbers]`.

    Args:
        G: The generator.
        points: The keyframes.
        cells: Which of them each cell goes through.
        walk: What the walk says.
        space: Its space; in w every z is mapped with its class.
        interp: Its kind of curve.
        psi: Truncation, where they are mapped.
        is_narrow: Leave out slots that are the same as the first one, where all are: as long, and quicker to measure.
    """
    if space == "z":  # an arc turns a z as a whole, be it spatial, and each w of a W+
        vectors = np.stack([point.values.reshape(1, -1) for point in points])
        return [curve(vectors[cell], interp=interp, loop=walk.loop) for cell in cells]
    ws = _in_w(G, points, psi, walk.truncation_cutoff)
    held = [_held(ws[cell], cell, walk) for cell in cells]
    if is_narrow and all((values == values[:, :1]).all() for values in held):
        held = [values[:, :1] for values in held]
    return [curve(values, interp=interp, loop=walk.loop) for values in held]


def speeds_of(
    G: "Generator",
    walk: Walk,
    latents: Callable[[int, NDArray[np.float64]], _Array],
    *,
    cells: int,
    spans: int,
    labels: Sequence[_Array | None],
) -> list[ConstantSpeed]:
    """The change of time of each cell; none where the walk's speed is the curve's own.

    Args:
        G: The generator.
        walk: What the walk says.
        latents: What a cell draws at some times.
        cells: How many there are.
        spans: Of each.
        labels: The class of each cell's first keyframe, where the network draws z.
    """
    rests = walk.easing != "none"
    speeds = []
    for cell in range(cells):
        drawn = partial(latents, cell)
        if walk.constant_speed == "w":
            speeds.append(constant_speed_in_latents(drawn, spans=spans, rests=rests))
        elif walk.constant_speed == "picture":
            label = labels[cell]
            options: dict[str, Any] = {} if G.has_w or label is None else {"c": label[None]}
            speeds.append(constant_speed_in_pictures(G, drawn, spans=spans, rests=rests, options=options))
    return speeds


def _in_w(G: "Generator", points: Sequence[Point], psi: float, cutoff: int | None) -> _Array:
    mapped = map_rows(G, ((point.values, point.label, psi, cutoff) for point in points if point.is_z))
    return np.stack([next(mapped) if point.is_z else point.values for point in points])


def _held(vectors: _Array, cell: list[int], walk: Walk) -> _Array:
    """Keyframes `[K, num_ws, w_dim]` whose slots stay at the first one's where a keyframe, or the walk, leaves them."""
    keyframes = [walk.keyframes[i] if i < len(walk.keyframes) else None for i in cell]
    chosen = [walk.layers if each is None or each.layers is None else each.layers for each in keyframes]
    if all(layers is None for layers in chosen):
        return vectors
    held = np.array(vectors)
    for i, layers in enumerate(chosen):
        if layers is not None:
            others = [slot for slot in range(held.shape[1]) if slot not in layers]
            held[i, others] = vectors[0, others]
    return held
