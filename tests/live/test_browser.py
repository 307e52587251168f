"""The real pages in a real browser, on the real demo."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_support import CHROMIUM, pixels, psnr, slide, wait_for_frames
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page
from served_support import Served, read_to_the_end, seeds_walk, served, wait_until
from websockets.exceptions import ConnectionClosed

import wplus
from wplus.generator import Generator

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)")

_PSI = 0.7
_LEAST_PSNR = 30.0  # dB: what JPEG leaves of a picture


class _Failing:
    """Opens the demo, whose drawing fails while it is told to."""

    def __init__(self) -> None:
        self.fails = 0

    def __call__(self) -> Generator:
        generator = wplus.load("demo:portraits", device="cpu", threads=1, batch=1)
        draw = generator.images

        def images(*arguments: Any, **options: Any) -> Any:
            if self.fails:
                self.fails -= 1
                raise MemoryError("the device is lost")
            return draw(*arguments, **options)

        generator.images = images  # type: ignore[method-assign]
        return generator


@pytest.fixture(scope="module")
def opening() -> _Failing:
    return _Failing()


@pytest.fixture(scope="module")
def show(opening: _Failing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    walk = seeds_walk(0, 1, 2, 3, fps=10.0)
    with served(opening, walk, tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def open_page(browser: Browser, show: Served) -> Iterator[Callable[[str], Page]]:
    """Opens a page of the show at its beginning; nothing in it may fail."""
    show.show.change(
        {
            "playing": False,
            "position": 0,
            "truncation_psi": _PSI,
            "seeds": [0, 1, 2, 3],
            "loop": True,
            "fade": 0,
            "freeze": False,
            "mix_seed": None,
            "speed": 1,
            "bpm": None,
        }
    )
    failures: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 860})

    def opened(path: str) -> Page:
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("dialog", lambda dialog: failures.append(f"a dialog: {dialog.message}"))
        page.goto(show.url(path))
        wait_for_frames(page)
        return page

    yield opened
    context.close()
    assert not failures


@pytest.fixture(scope="module")
def sampled() -> Callable[[int, float], NDArray[np.uint8]]:
    """What `sample` draws of a seed."""
    generator = wplus.load("demo:portraits", device="cpu", threads=1, batch=1)

    def draw(seed: int, psi: float) -> NDArray[np.uint8]:
        return next(iter(generator.sample([seed], truncation_psi=psi))).images[0]

    return draw


def _wait_for_picture(page: Page, wanted: NDArray[np.uint8]) -> None:
    """Waits until the canvas shows it."""
    wait_until(lambda: psnr(pixels(page), wanted) >= _LEAST_PSNR)


def _scrub(page: Page, value: float) -> None:
    page.eval_on_selector(
        "#position",
        "(slider, value) => { slider.value = value;"
        " slider.dispatchEvent(new Event('input')); slider.dispatchEvent(new Event('change')); }",
        value,
    )


def test_the_canvas_shows_what_sample_draws_at_given_seeds_and_psi(
    open_page: Callable[[str], Page], sampled: Callable[[int, float], NDArray[np.uint8]]
) -> None:
    page = open_page("")
    _wait_for_picture(page, sampled(0, _PSI))
    for position, psi in ((1, _PSI), (3, 0.4)):
        _scrub(page, position)
        slide(page, "truncation_psi", psi)
        _wait_for_picture(page, sampled(position, psi))
    page.fill("#seeds", "42, 7-9")
    page.press("#seeds", "Enter")
    _scrub(page, 0)
    _wait_for_picture(page, sampled(42, 0.4))


def test_a_walk_moves_and_stops(open_page: Callable[[str], Page], show: Served) -> None:
    page = open_page("")
    first = pixels(page)
    page.click("#play")
    wait_until(lambda: psnr(pixels(page), first) < 25)
    wait_until(lambda: page.inner_text("#hud-fps") not in ("–", "0.0"))
    wait_until(lambda: page.inner_text("#hud-reaches") != "–")
    assert float(page.inner_text("#hud-reaches")) > 0
    page.keyboard.press("Space")
    wait_until(lambda: not show.show.state()["playing"])


def test_scrubbing_back_gives_the_same_frame(
    open_page: Callable[[str], Page], show: Served, sampled: Callable[[int, float], NDArray[np.uint8]]
) -> None:
    page = open_page("")
    _scrub(page, 1.37)
    wait_until(lambda: abs(show.show.state()["position"] - 1.37) < 0.01)
    page.wait_for_timeout(500)
    first = pixels(page)
    _scrub(page, 2)
    _wait_for_picture(page, sampled(2, _PSI))
    _scrub(page, 1.37)
    wait_until(lambda: np.array_equal(pixels(page), first))


def test_hands_change_what_they_say(open_page: Callable[[str], Page], show: Served) -> None:
    page = open_page("")
    slide(page, "speed", -2)
    page.select_option("select[data-name=easing]", "sine")
    page.select_option("select[data-name=interp]", "slerp")
    page.uncheck("#loopbox")
    page.click("summary:text('Style mixing')")
    page.fill("#mix-seed", "99")
    page.press("#mix-seed", "Tab")
    page.click("#freeze")
    page.fill("input[type=number][data-name=seconds_per_keyframe]", "5.5")
    page.press("input[type=number][data-name=seconds_per_keyframe]", "Enter")

    def arrived() -> bool:
        state = show.show.state()
        wanted = {"speed": -2.0, "easing": "sine", "interp": "slerp", "loop": False, "mix_seed": 99, "freeze": True}
        return all(state[name] == value for name, value in {**wanted, "seconds_per_keyframe": 5.5}.items())

    wait_until(arrived)
    assert show.show.state()["mix_layers"]
    page.click("#dice")
    wait_until(lambda: show.show.state()["seeds"] != [0, 1, 2, 3] and len(show.show.state()["seeds"]) == 4)
    for _ in range(4):
        page.click("#tap")
        page.wait_for_timeout(250)
    wait_until(lambda: show.show.state()["bpm"] is not None)
    assert 60 < show.show.state()["bpm"] < 300


def test_what_is_typed_wrong_is_said_at_the_field(open_page: Callable[[str], Page], show: Served) -> None:
    page = open_page("")
    for text, words in (("4", "two seeds"), ("9-3", "backwards"), ("a", "neither"), ("0-999", "at most 256")):
        page.fill("#seeds", text)
        page.press("#seeds", "Enter")
        assert words in page.inner_text("#seeds-error")
    assert show.show.state()["seeds"] == [0, 1, 2, 3]


def test_a_reload_shows_the_same_state_and_picture(
    open_page: Callable[[str], Page], sampled: Callable[[int, float], NDArray[np.uint8]]
) -> None:
    page = open_page("")
    page.fill("#seeds", "5, 6, 11")
    page.press("#seeds", "Enter")
    slide(page, "truncation_psi", 0.5)
    _scrub(page, 2)
    _wait_for_picture(page, sampled(11, 0.5))
    page.reload()
    wait_for_frames(page)
    _wait_for_picture(page, sampled(11, 0.5))
    assert page.input_value("#seeds") == "5, 6, 11"
    assert page.input_value("input[type=number][data-name=truncation_psi]") == "0.5"
    assert len(page.query_selector_all("#strip li")) == 3


def test_two_viewers_and_an_output_see_the_same_and_a_hostile_client_ends_alone(
    open_page: Callable[[str], Page], show: Served, sampled: Callable[[int, float], NDArray[np.uint8]]
) -> None:
    pages = [open_page(""), open_page(""), open_page("output")]
    _scrub(pages[0], 2)
    for page in pages:
        _wait_for_picture(page, sampled(2, _PSI))
    with show.connect() as hostile:
        hostile.send(json.dumps({"set": {"seeds": "all of them"}}))
        with pytest.raises(ConnectionClosed, match="1008"):
            read_to_the_end(hostile)
    _scrub(pages[1], 1)
    for page in pages:
        _wait_for_picture(page, sampled(1, _PSI))


def test_the_output_is_the_picture_alone_and_obeys_its_keys(
    open_page: Callable[[str], Page], show: Served, sampled: Callable[[int, float], NDArray[np.uint8]]
) -> None:
    page = open_page("output")
    _wait_for_picture(page, sampled(0, _PSI))
    assert page.inner_text("body").strip() == ""
    assert page.evaluate("getComputedStyle(document.body).cursor") == "none"
    page.keyboard.press("Space")
    wait_until(lambda: show.show.state()["freeze"])
    page.keyboard.press("Space")
    wait_until(lambda: not show.show.state()["freeze"])
    for _ in range(2):  # faster than the server's word comes back
        page.keyboard.press("Space")
    page.keyboard.press("b")
    wait_until(lambda: show.show.state()["fade"] == 1)
    assert not show.show.state()["freeze"]
    wait_until(lambda: pixels(page).max() < 3)
    page.keyboard.press("b")
    _wait_for_picture(page, sampled(0, _PSI))
    for key, part in (("m", "mode=fill"), ("p", "filter=pixelated"), ("x", "flip=1"), ("m", "mode=tile")):
        page.keyboard.press(key)
        assert part in page.evaluate("location.search")
    assert pixels(page).shape[:2] == (860, 1280)
    page.keyboard.press("m")
    page.keyboard.press("+")
    assert "tiles=3" in page.evaluate("location.search")
    page.reload()
    wait_until(lambda: pixels(page).shape[1] == 1280)
    shown = pixels(page).astype(float)
    side = round(860 / 3)
    assert np.abs(shown[: side - 2] - shown[2 * side - 2 : side : -1][: side - 2]).mean() < 12  # the second row mirrors


def test_a_killed_renderer_leaves_the_picture_up_and_comes_back_with_the_state(
    open_page: Callable[[str], Page],
    show: Served,
    opening: _Failing,
    sampled: Callable[[int, float], NDArray[np.uint8]],
) -> None:
    page = open_page("")
    _scrub(page, 3)
    _wait_for_picture(page, sampled(3, _PSI))
    before = show.show.stats()["failures"]
    opening.fails = 2
    show.show.change({"truncation_psi": 0.5})
    wait_until(lambda: show.show.stats()["failures"] > before)
    assert psnr(pixels(page), sampled(3, _PSI)) >= _LEAST_PSNR or psnr(pixels(page), sampled(3, 0.5)) >= _LEAST_PSNR
    _wait_for_picture(page, sampled(3, 0.5))
    assert show.show.state()["seeds"] == [0, 1, 2, 3]
    assert page.inner_text("#link") == "live"


def test_the_output_comes_back_by_itself_when_the_server_does(
    browser: Browser, opening: _Failing, tmp_path: Path
) -> None:
    page = browser.new_page()
    with served(opening, seeds_walk(0, 1), tmp_path) as first:
        page.goto(first.url("output"))
        wait_for_frames(page)
        up = pixels(page)
    assert np.array_equal(pixels(page), up)  # and no word of it
    with served(opening, seeds_walk(8, 9), tmp_path, port=first.port):
        wait_until(lambda: not np.array_equal(pixels(page), up))
    page.close()


def test_a_snapshot_and_a_preset_are_offered_to_download(open_page: Callable[[str], Page], tmp_path: Path) -> None:
    page = open_page("")
    page.click("#snapshot")
    page.wait_for_selector("#files a")
    page.fill("#preset-name", "from a browser")
    page.click("#preset-form button[type=submit]")
    wait_until(lambda: len(page.query_selector_all("#files a")) == 3)
    with page.expect_download() as download:
        page.click("#files a:text('from a browser')")
    download.value.save_as(tmp_path / "preset.json")
    assert json.loads((tmp_path / "preset.json").read_text())["format"] == "wplus walk"
    page.fill("#preset-name", "../x")
    page.click("#preset-load")
    assert "Name the preset" in page.inner_text("#notes")
