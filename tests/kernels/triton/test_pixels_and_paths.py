"""`to_uint8` and `latent_path` in Triton's interpreter."""

from typing import Any

import pytest
import torch
from torch import Tensor
from triton_tools.comparing import assert_close

from wplus.kernels import latent_path, to_uint8

pytestmark = pytest.mark.interp


@pytest.mark.parametrize("columns", [None, 1, 2, 7])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_bytes_are_those_of_the_reference(channels: int, columns: int | None) -> None:
    img = torch.randn(5, channels, 7, 6)
    img[0, 0, 0, :3] = torch.tensor([float("nan"), float("inf"), -float("inf")])
    for one in (img, img.contiguous(memory_format=torch.channels_last), img.half(), img[:, :, ::2, 1:]):
        expected = to_uint8(one, columns=columns, impl="reference")
        assert torch.equal(to_uint8(one, columns=columns, impl="triton"), expected)


def test_every_byte_is_reached_and_rounding_is_the_contracts() -> None:
    levels = torch.arange(256)
    lowest = (levels - 128) / 127.5  # the smallest x with that byte, but for rounding
    img = torch.cat([lowest + 1e-4, lowest + 1 / 127.5 - 1e-4]).reshape(1, 1, 2, 256)
    assert torch.equal(to_uint8(img, impl="triton").reshape(2, 256), levels.repeat(2, 1).to(torch.uint8))


def _keyframes() -> Tensor:
    """Five with three slots; neighbours that are opposite, zero, nearly equal and nearly opposite."""
    frames = torch.randn(5, 3, 37)
    frames[2, 1] = -2 * frames[1, 1]
    frames[3, 0] = 0
    frames[4, 2] = frames[3, 2] * (1 + 1e-6)
    frames[1, 2] = -frames[0, 2] + 1e-4 * torch.randn(37)
    return frames


@pytest.mark.parametrize("loop", [False, True], ids=["open", "loop"])
@pytest.mark.parametrize("interp", ["linear", "slerp", "catmull-rom"])
def test_paths_are_those_of_the_reference(interp: Any, loop: bool) -> None:
    frames = _keyframes()
    times = torch.linspace(-7, 13, 61, dtype=torch.float64) if loop else torch.linspace(0, 4, 43, dtype=torch.float64)
    options: dict[str, Any] = {
        "w_avg": torch.randn(37),
        "truncation_psi": torch.tensor([1.0, 0.7, -0.2]),
        "mix": torch.randn(3, 37),
        "mix_mask": torch.rand(len(times), 3) > 0.7,
    }
    exact = {name: value.double() if value.dtype == torch.float32 else value for name, value in options.items()}
    for given, twins in (({}, {}), (options, exact)):
        found = latent_path(frames, times, interp=interp, loop=loop, impl="triton", **given)
        expected = latent_path(frames.double(), times, interp=interp, loop=loop, impl="reference", **twins)
        assert_close(found, expected, 2e-6)


def test_whole_times_give_keyframes_to_the_bit_and_large_ones_lose_nothing() -> None:
    frames = _keyframes()
    for interp in ("linear", "slerp", "catmull-rom"):
        found = latent_path(frames, torch.arange(5).double(), interp=interp, impl="triton")  # type: ignore[arg-type]
        assert torch.equal(found, frames)
    late = torch.tensor([5e8 + 0.375, -1e-18], dtype=torch.float64)
    early = torch.tensor([0.375, 0.0], dtype=torch.float64)
    a, b = (latent_path(frames, times, loop=True, impl="triton") for times in (late, early))
    assert torch.equal(a, b)


def test_a_path_of_one_keyframe_or_of_no_times() -> None:
    frame = torch.randn(1, 2, 5)
    for interp in ("linear", "slerp", "catmull-rom"):
        y = latent_path(frame, torch.zeros(2).double(), interp=interp, impl="triton")  # type: ignore[arg-type]
        assert torch.equal(y, frame.expand(2, -1, -1))
    assert latent_path(frame, torch.zeros(0).double(), impl="triton").shape == (0, 2, 5)
