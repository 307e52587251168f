"""From a look to a picture: the latents of one moment, the network, and bytes; each stage timed."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path as FilePath

import numpy as np
from PIL import Image

from wplus.arguments import is_whole
from wplus.errors import UnsupportedError
from wplus.generator import Generator
from wplus.live.performance import Look
from wplus.media import Picture, grid
from wplus.paths.description import Walk
from wplus.paths.drawing import Moment, draw_moments
from wplus.paths.path import Path

Measure = Callable[[str, float], None]


class Painter:
    """Draws looks on one generator. What a look has in common with the last one is kept: nothing is mapped twice.

    Args:
        G: The generator; `close` closes it.
        folder: That the walk's files are relative to.
        allow_mismatch: Draw latents of another generator.
    """

    def __init__(self, G: Generator, *, folder: FilePath | None = None, allow_mismatch: bool = False) -> None:
        self.G = G
        self._folder = folder
        self.measure: Measure = _ignore  # told how long each stage took, in seconds
        self._allow_mismatch = allow_mismatch
        self._path: Path | None = None
        self._shared = threading.Lock()

    def path(self, walk: Walk) -> Path:
        """The walk on this generator; made anew only when it has changed."""
        if self._path is None or (self._path.walk is not walk and self._path.walk != walk):
            self._path = Path(self.G, walk, folder=self._folder, allow_mismatch=self._allow_mismatch)
        return self._path

    def paint(self, look: Look, resolution: int | None = None) -> Picture:
        """The picture of a look, uint8 `[rows * H, columns * W, C]`, contiguous.

        Args:
            resolution: Stop at this block of a StyleGAN2, and scale up: cheaper, and blurred.
        """
        with self._stage("latents"):
            moments = self.path(look.walk).at(look.position, look.controls)
        with self._stage("network"):
            pictures = draw_now(self.G, moments, resolution)
        with self._stage("transfer"):
            columns, rows = look.walk.grid
            picture = pictures[0] if len(pictures) == 1 else grid(np.stack(pictures), columns=columns, rows=rows)
            height, width = self.G.img_shape
            return scaled(np.ascontiguousarray(picture), (rows * height, columns * width))

    @contextmanager
    def borrowed(self) -> Iterator[Generator]:
        """The generator, for another thread: it is not closed meanwhile."""
        with self._shared:
            yield self.G

    def close(self) -> None:
        """Closes the generator, when nobody borrows it."""
        with self._shared:
            self.G.close()

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.measure(name, time.perf_counter() - start)


def draw_now(G: Generator, moments: Sequence[Moment], resolution: int | None = None) -> list[Picture]:
    """The picture of each moment, in batches that are no larger than there is use for."""
    return list(draw_moments(G, moments, batch=min(len(moments), G.micro_batch), resolution=resolution))


def scaled(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture at another height and width, by Pillow: Lanczos' filter down, bicubic up."""
    if picture.shape[:2] == size:
        return picture
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    method = Image.Resampling.LANCZOS if size[0] < picture.shape[0] else Image.Resampling.BICUBIC
    resized = np.array(image.resize((size[1], size[0]), method))
    return resized.reshape(*size, picture.shape[2])


def faded(picture: Picture, fade: float) -> Picture:
    """The picture, darker: 0 leaves it as it is, the same array, and 1 is black."""
    light = round(256 * (1 - fade))
    if light == 256:
        return picture
    return ((picture * np.uint16(light)) >> 8).astype(np.uint8)


def smaller_resolutions(G: Generator) -> list[int]:
    """Resolutions that the network can stop at, the largest first; none where it cannot, and none that is useless."""
    known = [side for side in getattr(G.config, "resolutions", ()) if 64 <= side < G.img_resolution]
    try:
        return [side for side in sorted(known, reverse=True) if not is_whole(G, side)]
    except UnsupportedError:
        return []


def _ignore(stage: str, seconds: float) -> None:
    pass
