"""Single pictures beside a show: thumbnails of keyframes, and a snapshot with its latent."""

import io
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, Final

import numpy as np
from PIL import Image

from wplus.generator import Generator
from wplus.inputs import Noise
from wplus.latents import Latents
from wplus.live.config import LiveConfig
from wplus.live.painting import Painter, draw_now, scaled, smaller_resolutions
from wplus.live.performance import State
from wplus.media import encode_image, grid, to_rgb
from wplus.paths.description import Keyframe, NoiseUse, Walk
from wplus.paths.drawing import Moment
from wplus.paths.path import Path
from wplus.recipe import recipe

_MOST: Final = 512  # thumbnails that are kept
_SIDES: Final = (8, 1024)


class Thumbnails:
    """Small pictures, each drawn once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, bytes] = OrderedDict()

    def of_seed(self, painter: Painter, walk: Walk, seed: int, width: int) -> bytes:
        """The picture of a seed as JPEG, truncated as the walk is.

        Raises:
            ValueError: the seed or the width is out of range.
        """
        classes = [frame.class_index for frame in walk.keyframes]
        keyframe = Keyframe(seed=seed, class_index=classes[0] if classes else None)
        return self._of(painter, walk, keyframe, width, None)

    def of_keyframe(self, painter: Painter, walk: Walk, index: int, width: int, folder: FilePath | None) -> bytes:
        """The picture of a keyframe, by its place in the walk.

        Raises:
            ValueError: there is no such place, or the width is out of range.
        """
        if not 0 <= index < len(walk.keyframes):
            raise ValueError(f"The keyframe {index} is asked for; the walk has 0 to {len(walk.keyframes) - 1}.")
        return self._of(painter, walk, walk.keyframes[index], width, folder)

    def _of(self, painter: Painter, walk: Walk, keyframe: Keyframe, width: int, folder: FilePath | None) -> bytes:
        if not _SIDES[0] <= width <= _SIDES[1]:
            raise ValueError(f"The width is {width}; {_SIDES[0]} to {_SIDES[1]} pixels are drawn.")
        still = Walk(
            keyframes=(replace(keyframe, layers=None),) * 2,
            space=walk.space,
            latents_as=walk.latents_as,
            class_index=walk.class_index,
            truncation_psi=walk.truncation_psi,
            truncation_cutoff=walk.truncation_cutoff,
            noise=NoiseUse(mode=walk.noise.mode),
        )
        with painter.borrowed() as G:
            key = (G.fingerprint, still.keyframes, still.truncation_psi, still.truncation_cutoff, width)
            with self._lock:
                if key in self._known:
                    self._known.move_to_end(key)
                    return self._known[key]
            drawn = _small(G, still, width, folder)
        with self._lock:
            self._known[key] = drawn
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return drawn


def snapshot(painter: Painter, state: State, config: LiveConfig) -> tuple[bytes, Latents]:
    """What is shown as PNG with its recipe, before any fade, and its latents, one a cell of the grid."""
    look = state.look
    with painter.borrowed() as G:
        path = Path(G, look.walk, folder=config.folder, allow_mismatch=config.allow_mismatch)
        moments = path.at(look.position, look.controls)
        pictures = np.stack(draw_now(G, moments))
        facts = recipe(G, "sample", _facts(moments, look.walk.grid))
        latents = _latents(G, moments)
    columns, rows = look.walk.grid
    return encode_image(grid(pictures, columns=columns, rows=rows), "png", facts), latents


def _small(G: Generator, still: Walk, width: int, folder: FilePath | None) -> bytes:
    moments = Path(G, still, folder=folder).at(0.0)
    enough = [side for side in smaller_resolutions(G) if side >= width]
    picture = to_rgb(draw_now(G, moments, min(enough, default=None))[0])
    height = max(1, round(width * picture.shape[0] / picture.shape[1]))
    file = io.BytesIO()
    Image.fromarray(scaled(picture, (height, width))).save(file, "JPEG", quality=85)
    return file.getvalue()


def _facts(moments: Sequence[Moment], cells: tuple[int, int]) -> dict[str, Any]:
    """The recipe: the latents that come with it, drawn as `sample` does."""
    return {
        "latents": ["snapshot.npz"],
        "noise_mode": moments[0].noise_mode,
        "grid": None if cells == (1, 1) else f"{cells[0]}x{cells[1]}",
    }


def _latents(G: Generator, moments: Sequence[Moment]) -> Latents:
    transforms = [moment.transform for moment in moments if moment.transform is not None]
    return Latents(
        values=np.stack([moment.latent for moment in moments]),
        space="w+" if G.has_w else "z",
        generator=G.fingerprint,
        noise=_noise([moment.noise for moment in moments]),
        truncation_psi=moments[0].options.get("truncation_psi"),
        transform=np.stack(transforms) if transforms else None,
    )


def _noise(maps: Sequence[Noise | None]) -> Noise:
    given = [each for each in maps if each is not None]
    return {name: np.concatenate([each[name] for each in given]) for name in given[0]} if given else {}
