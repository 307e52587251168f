"""What tests of pages share: a browser, what a page's canvas shows, and hands."""

import base64
import io
import shutil

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page
from served_support import wait_until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

_PIXELS = "document.getElementById('picture').toDataURL('image/png')"


def pixels(page: Page) -> NDArray[np.uint8]:
    data = base64.b64decode(page.evaluate(_PIXELS).split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = np.mean((one.astype(float) - other.astype(float)) ** 2)
    return float(20 * np.log10(255) - 10 * np.log10(max(error, 1e-9)))


def wait_for_frames(page: Page) -> None:
    """Waits for the first picture: canvases begin smaller, or empty."""
    wait_until(lambda: pixels(page).shape[0] > 100 and bool(pixels(page).any()))


def slide(page: Page, name: str, value: float) -> None:
    page.eval_on_selector(
        f"input[type=range][data-name={name}]",
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }",
        value,
    )
