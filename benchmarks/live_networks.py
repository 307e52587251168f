"""Networks for the benchmark of live walks: one that sleeps, and a case's network in the fast precision."""

import time
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image

import wplus
from wplus.backends import Array
from wplus.benchmarks.cases import CASES, read_network
from wplus.benchmarks.random_networks import random_checkpoint, stylegan2_config
from wplus.checkpoints import Checkpoint
from wplus.exports import exported
from wplus.generator import Generator
from wplus.media import Picture
from wplus.paths.description import Walk
from wplus.paths.drawing import draw_moments
from wplus.paths.path import Path as WalkPath

_PICTURES = 8
_GRAIN = 4.0  # standard deviation, of 255: enlarged pictures alone would be easier to encode than a network's


class SleepingGenerator(Generator):
    """Maps as a StyleGAN2 does, but gives pictures that were drawn beforehand, after `seconds` of sleep.

    Args:
        side: Of the pictures, in pixels.
        seconds: That a picture takes.
    """

    def __init__(self, side: int, seconds: float) -> None:
        config = stylegan2_config(side, channel_base=4 * side, channel_max=8)
        super().__init__(random_checkpoint(config), device="cpu", batch=1)
        self._seconds = seconds
        self._pictures = _drawn_beforehand(side)
        self._calls = 0

    def images(self, *args: Any, **options: Any) -> Array:  # noqa: ARG002
        """The next picture, uint8 `[1, side, side, 3]`, whatever is asked for."""
        time.sleep(self._seconds)
        self._calls += 1
        return self._pictures[self._calls % _PICTURES][None].copy()


def read_case(network: str) -> Checkpoint:
    """The network of a case, or of a file."""
    return read_network(CASES[network].network if network in CASES else network)[0]


def open_fast(checkpoint: Checkpoint, threads: int, *, exact: bool = False) -> Generator:
    """The network as OpenVINO draws it, exported into the cache once; without OpenVINO, as torch does."""
    precision: wplus.backends.Precision = "exact" if exact else "fast"
    if find_spec("openvino") is None:
        return Generator(checkpoint, device="cpu", backend="torch", precision=precision, threads=threads)
    bundle = exported(checkpoint)
    return Generator.of_bundle(bundle, device="cpu", backend="openvino", precision=precision, threads=threads)


def picture_seconds(G: Generator, walk: Walk, *, pictures: int) -> list[float]:
    """What each picture of a walk takes, drawn alone; the first is not counted."""
    path = WalkPath(G, walk)
    seconds = []
    for position in np.linspace(0, path.length, pictures + 1, endpoint=False):
        moments = path.at(float(position))
        start = time.perf_counter()
        for _ in draw_moments(G, moments, batch=1):
            seconds.append(time.perf_counter() - start)
    return seconds[1:]


def _drawn_beforehand(side: int) -> list[Picture]:
    with wplus.load("demo:portraits", device="cpu", backend="torch") as demo:
        small = [picture for batch in demo.sample(range(_PICTURES)) for picture in batch.images]
    random = np.random.default_rng(0)
    pictures = []
    for picture in small:
        large = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC), np.float64)
        pictures.append(np.clip(large + random.normal(0, _GRAIN, large.shape), 0, 255).astype(np.uint8))
    return pictures
