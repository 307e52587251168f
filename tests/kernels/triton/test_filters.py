"""`upfirdn2d`, `torgb` and `filtered_lrelu` in Triton's interpreter, forward and backward, against float64."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from triton_tools.comparing import DTYPES, assert_agrees

from wplus.kernels import filtered_lrelu, torgb, upfirdn2d

pytestmark = pytest.mark.interp

_PADDINGS = [(0, 0, 0, 0), (2, 1, 2, 1), (3, -1, 2, 4), (-1, 2, 1, -2)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("padding", _PADDINGS, ids=str)
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (3, 2), (4, 1)])
def test_upfirdn2d(up: int, down: int, padding: tuple[int, int, int, int], dtype: str) -> None:
    f = torch.randn(4, 5)

    def op(x: Tensor, *, impl: Any) -> Tensor:
        return upfirdn2d(x, f.to(torch.promote_types(x.dtype, f.dtype)), up=up, down=down, padding=padding, impl=impl)

    assert_agrees(op, [torch.randn(2, 3, 7, 9)], dtype=dtype, needs_grad=[0])


@pytest.mark.parametrize("channels", [1, 65])
def test_upfirdn2d_of_a_separable_filter_correlating_with_a_gain(channels: int) -> None:
    f = torch.randn(3, dtype=torch.float64)

    def op(x: Tensor, *, impl: Any) -> Tensor:
        return upfirdn2d(x, f, padding=(1, 1, 1, 1), flip_filter=True, gain=-2.5, impl=impl)

    assert_agrees(op, [torch.randn(1, channels, 1, 6)], dtype="float32", needs_grad=[0])


def test_upfirdn2d_has_second_derivatives() -> None:
    f = torch.randn(3, 3, dtype=torch.float64)

    def op(x: Tensor, *, impl: Any) -> Tensor:
        y = upfirdn2d(x, f, up=2, padding=(1, 1, 1, 1), impl=impl)
        (grad,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return grad

    assert_agrees(op, [torch.randn(1, 2, 3, 4)], dtype="float32", needs_grad=[0])


def _torgb(x: Tensor, weight: Tensor, styles: Tensor, bias: Tensor, img: Tensor | None = None, *, impl: Any) -> Tensor:
    f = torch.tensor([1.0, 3.0, 2.0, 1.0], dtype=torch.promote_types(torch.float32, weight.dtype))
    return torgb(x, weight, styles, bias, img, resample_filter=f.outer(f) / f.sum() ** 2, clamp=15.0, impl=impl)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("inputs", "outputs", "size"), [(1, 1, 2), (70, 3, 14), (20, 18, 4)])
def test_torgb_in_one_pass_and_with_gradients(inputs: int, outputs: int, size: int, dtype: str) -> None:
    tensors = [
        torch.randn(2, inputs, size, size + 2),
        torch.randn(outputs, inputs, 1, 1),
        torch.randn(2, inputs),
        torch.randn(outputs),
        torch.randn(2, outputs, size // 2, size // 2 + 1),
    ]
    with torch.no_grad():
        y = assert_agrees(_torgb, tensors, dtype=dtype)
        assert y.dtype == torch.float32
        assert_agrees(_torgb, tensors[:4], dtype=dtype)
    if dtype == "float32":  # the clamp's kink
        assert_agrees(_torgb, tensors, dtype=dtype, needs_grad=range(5))


def _activation(x: Tensor, b: Tensor, *, fu: Tensor, fd: Tensor, impl: Any, **options: Any) -> Tensor:
    fu, fd = (f.to(torch.promote_types(b.dtype, f.dtype)) for f in (fu, fd))
    return filtered_lrelu(x, fu, fd, b, impl=impl, **options)


def _filters(up_taps: int, down_taps: int, *, is_radial: bool) -> tuple[Tensor, Tensor]:
    """Positive and not symmetric; a radial one is not separable."""
    fu, fd = (torch.rand(taps) + 0.1 for taps in (up_taps, down_taps))
    fu, fd = fu / fu.sum(), fd / fd.sum()
    return fu, (fd.outer(fd) + 0.5 * fd.flip(0).outer(fd) + 0.1 * torch.eye(down_taps) / down_taps) if is_radial else fd


_FORMS = [
    (2, 2, 12, 12, False),
    (2, 2, 12, 12, True),
    (4, 2, 24, 12, False),
    (1, 2, 1, 12, False),
    (2, 1, 12, 1, False),
]


@pytest.mark.parametrize(("up", "down", "up_taps", "down_taps", "is_radial"), _FORMS)
def test_filtered_lrelu_in_float32_with_all_its_kinks(
    up: int, down: int, up_taps: int, down_taps: int, is_radial: bool
) -> None:
    fu, fd = _filters(up_taps, down_taps, is_radial=is_radial)
    padding = (up_taps // 2 + 5, up_taps // 2 + 4, 2, up_taps // 2 + 9)
    op = partial(_activation, fu=fu, fd=fd, up=up, down=down, padding=padding, clamp=0.3)
    assert_agrees(op, [torch.randn(2, 3, 26, 9), torch.randn(3)], dtype="float32", needs_grad=[0, 1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("is_radial", [False, True])
def test_filtered_lrelu_in_every_type_away_from_its_kinks(is_radial: bool, dtype: str) -> None:
    fu, fd = _filters(12, 12, is_radial=is_radial)
    op = partial(_activation, fu=fu, fd=fd, up=2, down=2, padding=(9, 9, 9, 9))
    signs = torch.tensor([1.0, -1, -1, 1, -1])  # of a channel: positive filters keep it
    x = (torch.rand(1, 5, 13, 24) + 0.5) * signs[:, None, None]
    assert_agrees(op, [x, (torch.rand(5) + 0.1) * signs], dtype=dtype, needs_grad=[0, 1])


def test_filtered_lrelu_without_filters_and_bias() -> None:
    def op(x: Tensor, *, impl: Any) -> Tensor:
        return filtered_lrelu(x, slope=0.0, gain=1.0, impl=impl)

    assert_agrees(op, [torch.randn(2, 17, 5, 3)], dtype="float32", needs_grad=[0])
