"""Frames that are easy to tell apart, and what a video shows when it is played."""

from pathlib import Path

import numpy as np
import pytest

from wplus.media import Picture


def frame(index: int, height: int = 32, width: int = 48, channels: int = 3) -> Picture:
    """A smooth pattern that moves."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return (127.5 + 100 * np.sin((x + y + 3 * index) / 12 + c)).astype(np.uint8)


def decoded(path: Path) -> list[Picture]:
    """The frames of a video as RGB."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]


def psnr(a: Picture, b: Picture) -> float:
    """Decibels over 8 bits."""
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b.astype(float)) ** 2), 1e-9)))
