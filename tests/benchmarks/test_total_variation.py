"""Reconstruction without a generator: a fair opponent."""

import math
import sys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wplus.benchmarks.total_variation import least_squares, reconstruct
from wplus.errors import UnsupportedError
from wplus.inversion.measurements import measure
from wplus.inversion.operators import make_operator


def _blocks() -> NDArray[np.float32]:
    """A picture of few edges."""
    img = np.full((1, 1, 16, 20), -0.5, np.float32)
    img[:, :, 3:9, 4:15] = 0.75
    img[:, :, 7:13, 10:18] = 0.0
    return img


def _psnr(img: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    return 10 * math.log10(4 / float(np.square(img - target).mean()))


def test_few_measurements_of_few_edges_give_the_picture_back_and_beat_least_squares() -> None:
    operator = make_operator("coded:160", img_shape=(1, 16, 20))
    y = measure(operator, torch.from_numpy(_blocks()), seeds=[0]).y
    plain, smooth = least_squares(operator, y), reconstruct(operator, y, sigma=0)
    assert _psnr(smooth, _blocks()) > 35
    assert _psnr(smooth, _blocks()) > _psnr(plain, _blocks()) + 10
    torch.testing.assert_close(operator(torch.from_numpy(plain)), torch.from_numpy(y), rtol=1e-4, atol=1e-4)


def test_noise_is_not_explained() -> None:
    operator = make_operator("coded:160", img_shape=(1, 16, 20))
    y = measure(operator, torch.from_numpy(_blocks()), seeds=[0], sigma=0.1).y
    img = reconstruct(operator, y, sigma=0.1)
    residual = np.sqrt(np.square(operator(torch.from_numpy(img)).numpy() - y).mean())
    assert 0.03 < residual <= 0.1
    assert _psnr(img, _blocks()) > 20


def test_colours_and_several_pictures_keep_their_places() -> None:
    operator = make_operator("down:1", img_shape=(3, 6, 8))
    img = torch.linspace(-1, 1, 2 * 3 * 6 * 8).view(2, 3, 6, 8)
    np.testing.assert_allclose(reconstruct(operator, img.numpy(), sigma=0), img.numpy(), atol=0.02)
    np.testing.assert_allclose(least_squares(operator, img.numpy()), img.numpy(), atol=1e-5)


def test_without_the_library_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyunlocbox.functions", None)
    with pytest.raises(UnsupportedError, match="pip install pyunlocbox"):
        reconstruct(make_operator("grey", img_shape=(3, 6, 8)), np.zeros((1, 1, 6, 8)), sigma=0)
