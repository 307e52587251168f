"""Facts about looks becoming pictures."""

from collections.abc import Iterator

import numpy as np
import pytest
from live_support import seeds_walk

from wplus.checkpoints import Checkpoint
from wplus.generator import Generator
from wplus.live.painting import Painter, faded, scaled, smaller_resolutions
from wplus.live.performance import Look
from wplus.paths.path import Controls


@pytest.fixture
def painter(tiny_checkpoint: Checkpoint) -> Iterator[Painter]:
    painter = Painter(Generator(tiny_checkpoint, device="cpu", batch=4, threads=1))
    yield painter
    painter.close()


def test_a_look_is_the_picture_that_sample_draws(painter: Painter) -> None:
    walk = seeds_walk(3, 5, loop=True)
    drawn = painter.paint(Look(walk=walk, position=1.0, controls=Controls(truncation_psi=0.7)))
    batch = next(iter(painter.G.sample([5], truncation_psi=0.7)))
    assert drawn.shape == (16, 16, 3)
    assert np.abs(drawn.astype(int) - batch.images[0]).max() <= 1


def test_a_grid_is_one_picture_of_its_cells(painter: Painter) -> None:
    look = Look(walk=seeds_walk(*range(4), grid=(2, 1)), position=0.0, controls=Controls())
    drawn = painter.paint(look)
    single = painter.paint(Look(walk=seeds_walk(2, 3), position=0.0, controls=Controls()))
    assert drawn.shape == (16, 32, 3)
    assert drawn.flags.c_contiguous
    assert np.abs(drawn[:, 16:].astype(int) - single).max() <= 1


def test_nothing_is_mapped_while_the_walk_stays_the_same(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    mapped = painter.G.map
    monkeypatch.setattr(painter.G, "map", lambda *args, **kwargs: calls.append(1) or mapped(*args, **kwargs))
    walk = seeds_walk(0, 1, 2, loop=True)
    painter.paint(Look(walk=walk, position=0.0, controls=Controls()))
    painter.paint(Look(walk=walk, position=0.1, controls=Controls(truncation_psi=0.5)))
    after = len(calls)
    for i in range(5):
        painter.paint(Look(walk=walk, position=i / 5, controls=Controls(truncation_psi=i / 9, rotate=None)))
    assert 0 < after == len(calls)


def test_every_stage_is_measured(painter: Painter) -> None:
    stages = []
    painter.measure = lambda stage, seconds: stages.append((stage, seconds > 0))
    painter.paint(Look(walk=seeds_walk(0, 1), position=0.0, controls=Controls()))
    assert stages == [("latents", True), ("network", True), ("transfer", True)]


def test_a_lower_resolution_is_scaled_up_and_alike(painter: Painter) -> None:
    look = Look(walk=seeds_walk(0, 1), position=0.3, controls=Controls())
    whole, small = painter.paint(look), painter.paint(look, resolution=8)
    assert small.shape == whole.shape
    assert not np.array_equal(small, whole)
    assert np.corrcoef(small.ravel(), whole.ravel())[0, 1] > 0.3


def test_resolutions_too_small_to_be_seen_are_none(painter: Painter, demo: Generator) -> None:
    assert smaller_resolutions(painter.G) == []
    assert smaller_resolutions(demo) == [64]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_scaling_keeps_channels_and_flat_colours(channels: int) -> None:
    picture = np.full((8, 12, channels), 200, np.uint8)
    assert (scaled(picture, (20, 30)) == np.full((20, 30, channels), 200)).all()
    assert scaled(picture, (4, 6)).shape == (4, 6, channels)
    assert scaled(picture, (8, 12)) is picture


def test_fading_multiplies_down_to_black() -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert faded(picture, 0.0) is picture
    assert not faded(picture, 1.0).any()
    assert np.abs(faded(picture, 0.25).astype(float) - 0.75 * picture).max() <= 1
    assert faded(picture, 0.5).dtype == np.uint8
