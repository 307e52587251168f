"""The filtered leaky ReLU as graphs hold it, against its plain twin."""

from typing import Any

import pytest
import torch
from support import OPERATOR_LIMITS, assert_close, relative_rms

from wplus.kernels import phase_graph, reference

# (up, down, up taps, down taps, radial, padding), filters and paddings being as lopsided as they may
_SHAPES = {
    "2-2": (2, 2, 12, 12, False, (9, 8, 9, 8)),
    "2-2-radial": (2, 2, 12, 12, True, (11, 10, 12, 9)),
    "4-2": (4, 2, 24, 12, False, (-2, -5, 24, 17)),
    "4-2-radial": (4, 2, 24, 12, True, (24, 21, 22, 23)),
    "8-2": (8, 2, 19, 9, False, (20, 11, 21, 8)),
    "3-3": (3, 3, 7, 4, False, (3, 4, 5, 2)),
    "2-1": (2, 1, 5, 3, False, (3, 6, 4, 5)),
    "1-1": (1, 1, 1, 1, False, (1, 0, 0, 2)),
}


def _case(shape: str, size: tuple[int, ...]) -> tuple[list[torch.Tensor], dict[str, Any]]:
    up, down, up_taps, down_taps, is_radial, padding = _SHAPES[shape]
    fd = torch.randn(*(down_taps,) * (2 if is_radial else 1)) / down_taps
    tensors = [torch.randn(size), torch.randn(up_taps) / up_taps, fd]
    return tensors, {"up": up, "down": down, "padding": padding, "clamp": 1.2, "slope": 0.15, "gain": 1.7}


@pytest.mark.parametrize("size", [(1, 1, 8, 12), (2, 3, 17, 13)], ids=str)
@pytest.mark.parametrize("shape", _SHAPES)
def test_agrees_with_its_twin_forward_and_backward(shape: str, size: tuple[int, ...]) -> None:
    (x, fu, fd), options = _case(shape, size)
    slow, fast = x.double().requires_grad_(), x.requires_grad_()
    expected = reference.filtered_lrelu(slow, fu.double(), fd.double(), **options)
    y = phase_graph.filtered_lrelu(fast, fu, fd, **options)
    assert_close(y, expected, OPERATOR_LIMITS[torch.float32])
    seed = torch.randn(expected.shape)
    (expected_grad,) = torch.autograd.grad(expected, slow, seed.double())
    (grad,) = torch.autograd.grad(y, fast, seed)
    assert_close(grad, expected_grad, OPERATOR_LIMITS[torch.float32])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", ["2-2", "2-2-radial", "4-2", "4-2-radial"])
def test_half_precision_is_about_as_good_as_the_twins(shape: str, dtype: torch.dtype) -> None:
    (x, fu, fd), options = _case(shape, (2, 20, 19, 12))
    x = x.to(dtype)
    expected = reference.filtered_lrelu(x.double(), fu.double(), fd.double(), **options)
    twin = relative_rms(reference.filtered_lrelu(x, fu, fd, **options), expected)
    y = phase_graph.filtered_lrelu(x, fu, fd, **options)
    assert y.dtype == dtype
    assert relative_rms(y, expected) <= 2.5 * twin + 1e-6  # separable: two roundings where the twin has one


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_any_slope_meets_the_clamp_after_it(slope: float) -> None:
    x, one = torch.tensor([-1e4, -3.0, 0.0, 3.0, 1e4]).reshape(1, 1, 1, 5), torch.ones(1)
    how: dict[str, Any] = {"up": 1, "down": 1, "padding": (0, 0, 0, 0), "gain": 1.0, "slope": slope, "clamp": 2.0}
    assert torch.equal(phase_graph.filtered_lrelu(x, one, one, **how), reference.filtered_lrelu(x, one, one, **how))
