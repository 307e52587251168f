"""What the control page shows of a grid, of directions and of StyleGAN3, in a real browser."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser_support import CHROMIUM, pixels, psnr, slide
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page
from served_support import Served, seeds_walk, served, wait_until

import wplus
from wplus.live.painting import Painter
from wplus.live.performance import Look
from wplus.paths.description import DirectionUse, Walk
from wplus.paths.path import Controls

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)")

_CHECKPOINT = Path(__file__).parents[1] / "data" / "golden_sg3t_64.pkl"
_LEAST_PSNR = 30.0  # dB: what JPEG leaves of a picture


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Two cells beside each other, of two keyframes each, and a direction that does much."""
    file = tmp_path_factory.mktemp("direction") / "smile.npy"
    with wplus.load(_CHECKPOINT, device="cpu") as G:
        w = np.asarray(G.map(np.random.RandomState(7).randn(1, G.z_dim).astype(np.float32)))
        np.save(file, w[0, 0] - G.w_avg)
    return replace(seeds_walk(1, 2, 3, 4, grid=(2, 1)), directions={"smile": DirectionUse(file=str(file))})


@pytest.fixture(scope="module")
def show(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(
        lambda: wplus.load(_CHECKPOINT, device="cpu", threads=1, batch=1), walk, tmp_path_factory.mktemp("panels")
    ) as running:
        yield running


@pytest.fixture
def page(browser: Browser, show: Served) -> Iterator[Page]:
    """The control page at the walk's beginning."""
    changes = {"position": 0, "direction/smile": None, "translate_x": None, "rotate": None}
    show.show.change(changes)
    opened = browser.new_page()
    opened.goto(show.url(""))
    wait_until(lambda: pixels(opened).shape == (64, 128, 3) and bool(pixels(opened).any()))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def painter() -> Iterator[Painter]:
    with wplus.load(_CHECKPOINT, device="cpu", threads=1, batch=1) as G:
        yield Painter(G)


def _wait_for_picture(page: Page, wanted: NDArray[np.uint8]) -> None:
    wait_until(lambda: psnr(pixels(page), wanted) >= _LEAST_PSNR)


def _marked(page: Page) -> list[int]:
    return page.evaluate("[...document.querySelectorAll('#strip li')].flatMap((li, i) => li.matches('.here') ? i : [])")


def test_the_strip_marks_the_keyframe_of_each_cell_and_goes_to_where_it_is(
    page: Page, show: Served, walk: Walk, painter: Painter
) -> None:
    wait_until(lambda: _marked(page) == [0, 2])
    for place, position, marked in ((3, 1, [1, 3]), (2, 0, [0, 2]), (1, 1, [1, 3])):
        page.click(f"#strip li:nth-child({place + 1}) button.keyframe")
        wait_until(lambda: show.show.state()["position"] == position)  # noqa: B023
        wait_until(lambda: _marked(page) == marked)  # noqa: B023
        _wait_for_picture(page, painter.paint(Look(walk=walk, position=position, controls=Controls())))


def test_a_direction_has_a_slider_that_moves_the_picture_along_it(page: Page, walk: Walk, painter: Painter) -> None:
    page.wait_for_selector("#directions-panel:not([hidden])")
    slide(page, "'direction/smile'", 1.5)
    moved = painter.paint(Look(walk=walk, position=0, controls=Controls(directions={"smile": 1.5})))
    assert psnr(moved, painter.paint(Look(walk=walk, position=0, controls=Controls()))) < 25
    _wait_for_picture(page, moved)
    page.click("#direction-rows button.reset")
    _wait_for_picture(page, painter.paint(Look(walk=walk, position=0, controls=Controls())))


def test_stylegan3_is_moved_and_turned_by_its_panel(page: Page, walk: Walk, painter: Painter) -> None:
    page.wait_for_selector("#transform-panel:not([hidden])")
    slide(page, "translate_x", 0.25)
    slide(page, "rotate", 30)
    controls = Controls(translate=(0.25, 0.0), rotate=30.0)
    _wait_for_picture(page, painter.paint(Look(walk=walk, position=0, controls=controls)))


def test_the_output_asks_that_the_screen_stays_awake(browser: Browser, show: Served) -> None:
    page = browser.new_page()
    page.add_init_script(
        "window.asked = [];"
        "Object.defineProperty(navigator, 'wakeLock', { value: { request: async (kind) => asked.push(kind) } });"
    )
    page.goto(show.url("output"))
    wait_until(lambda: page.evaluate("asked") == ["screen"])
    page.close()
