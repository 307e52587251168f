"""What the kernels load, store and multiply, counted in the interpreter, against the fewest that would do."""

import pytest
import torch
from triton_tools.interpreter import counting

from wplus.kernels import latent_path, modulated_conv2d, to_uint8, torgb, upfirdn2d

pytestmark = pytest.mark.interp


def test_a_path_reads_two_latents_and_a_time_and_writes_one() -> None:
    frames, times = torch.randn(6, 3, 64), torch.linspace(0, 5, 11, dtype=torch.float64)
    with counting() as counts:
        latent_path(frames, times, impl="triton")
    latents = 11 * 3
    assert counts.load_bytes == latents * (2 * 64 * 4 + 8)
    assert counts.store_bytes == latents * 64 * 4


def test_bytes_of_a_picture_are_read_once_and_written_once() -> None:
    img = torch.randn(2, 3, 9, 7)
    with counting() as counts:
        to_uint8(img, impl="triton")
    assert (counts.load_bytes, counts.store_bytes) == (img.numel() * 4, img.numel())


def test_torgb_reads_the_features_once() -> None:
    x, img = torch.randn(2, 64, 16, 16).half(), torch.randn(2, 3, 8, 8)
    f = torch.rand(4, 4)
    with torch.no_grad(), counting() as counts:
        torgb(x, torch.randn(3, 64, 1, 1), torch.rand(2, 64), torch.randn(3), img, resample_filter=f, impl="triton")
    assert counts.store_bytes == 2 * 16 * 16 * 3 * 4
    programs = 2 * 2
    small = programs * (64 * 4 + 3 * 64 * 2 + 3 * 4)  # styles, weight, bias
    around = 4 * 2 * 16 * 16 * 3 * (1 + 1) * 4  # of each channel four samples of the running picture, and their taps
    assert x.numel() * 2 < counts.load_bytes <= x.numel() * 2 + small + around


def test_a_filter_meets_no_inserted_zero() -> None:
    x, f = torch.randn(1, 32, 8, 8), torch.rand(4, 4)
    with counting() as counts:
        y = upfirdn2d(x, f, up=2, padding=(2, 1, 2, 1), impl="triton")
    assert counts.store_bytes == y.numel() * 4
    taps = y.numel() // 32 * 4  # a quarter of sixteen, of each pixel
    assert taps * 32 * 4 * 0.75 < counts.load_bytes <= taps * (32 + 1) * 4


@pytest.mark.parametrize("up", [1, 2])
def test_a_convolution_multiplies_nothing_but_samples_with_taps(up: int) -> None:
    count, inputs, outputs, side = 2, 64, 64, 16
    x = torch.randn(count, inputs, side, side).half()
    weight, styles = torch.randn(outputs, inputs, 3, 3), torch.rand(count, inputs)
    with torch.no_grad(), counting() as counts:
        modulated_conv2d(x, weight, styles, up=up, resample_filter=torch.rand(4, 4), impl="triton")
    fewest = 2 * 9 * inputs * outputs * count * side * side  # up-sampling: every tap meets every sample once
    border = 1 if up == 1 else (side + 1) ** 2 / side**2 * 1.25  # tiles are of 64 pixels, phases of up to 17 x 17
    assert fewest <= counts.dot_flops <= fewest * border


def test_the_epilogue_stores_the_result_alone() -> None:
    x, weight, styles = torch.randn(1, 16, 8, 8), torch.randn(16, 16, 3, 3), torch.rand(1, 16)
    with torch.no_grad(), counting() as counts:
        y = modulated_conv2d(
            x,
            weight,
            styles,
            noise=torch.randn(1, 1, 8, 8),
            bias=torch.randn(16),
            act="lrelu",
            gain=1.4,
            clamp=3.0,
            next_styles=torch.rand(1, 16),
            impl="triton",
        )
    assert counts.store_bytes == y.numel() * 4
