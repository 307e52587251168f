"""The filtered leaky ReLU against the original's values and against its plain twin."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from support import DATA, GOLDEN_OPERATOR_GRADIENT_LIMIT, OPERATOR_LIMITS, assert_close, relative_rms
from torch import Tensor

from wplus.kernels import filtered_lrelu, polyphase, reference

_FILE = np.load(DATA / "ops.npz")
_GOLDEN: dict[str, dict[str, Any]] = {
    name: case for name, case in json.loads(str(_FILE["meta"])).items() if name.startswith("filtered_lrelu")
}


def _options(case: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Keyword arguments of a golden case, and its tensors."""
    options = dict(_GOLDEN[case]["kwargs"])
    options["padding"] = tuple(options["padding"])
    tensors = {
        name: torch.from_numpy(_FILE[f"{case}/in/{name}"])
        for name in ("x", "fu", "fd", "b")
        if f"{case}/in/{name}" in _FILE
    }
    if options.pop("flip_filter", False):
        tensors |= {name: tensors[name].flip(tuple(range(tensors[name].ndim))) for name in ("fu", "fd")}
    return options, tensors


@pytest.mark.parametrize("numbers", [1, 2**23], ids=["pieces", "whole"])
@pytest.mark.parametrize("case", _GOLDEN)
def test_agrees_with_the_original_forward_and_backward(
    case: str, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polyphase, "_NUMBERS", numbers)
    options, tensors = _options(case)
    x, b = tensors.pop("x").requires_grad_(), tensors.pop("b").requires_grad_()
    y = filtered_lrelu(x, b=b, **tensors, **options)
    assert_close(y, _FILE[f"{case}/out"], OPERATOR_LIMITS[torch.float32])
    y.backward(torch.from_numpy(_FILE[f"{case}/gseed"]))
    for name, tensor in (("x", x), ("b", b)):
        assert tensor.grad is not None
        # Sums of many, which nearly cancel, in float32 on both sides.
        assert_close(tensor.grad, _FILE[f"{case}/grad/{name}"], GOLDEN_OPERATOR_GRADIENT_LIMIT)


@pytest.mark.parametrize("case", _GOLDEN)
def test_the_plain_twin_agrees_with_the_original(case: str) -> None:
    options, tensors = _options(case)
    one = torch.ones(1)
    y = reference.filtered_lrelu(tensors["x"], tensors.get("fu", one), tensors.get("fd", one), tensors["b"], **options)
    assert_close(y, _FILE[f"{case}/out"], OPERATOR_LIMITS[torch.float32])


# (up, down, up taps, down taps, radial, padding), filters and paddings being as lopsided as they may
_SHAPES = {
    "2-2": (2, 2, 12, 12, False, (9, 8, 9, 8)),
    "2-2-radial": (2, 2, 12, 12, True, (11, 10, 12, 9)),
    "4-2": (4, 2, 24, 12, False, (22, 19, 24, 17)),
    "4-2-radial": (4, 2, 24, 12, True, (24, 21, 22, 23)),
    "2-4": (2, 4, 11, 23, False, (21, 24, 30, 15)),
    "1-2": (1, 2, 3, 5, True, (4, 3, 2, 5)),
    "2-1": (2, 1, 5, 3, False, (3, 6, 4, 5)),
    "8-2": (8, 2, 19, 9, False, (20, 11, 21, 8)),
    "3-2, by the twin": (3, 2, 9, 7, False, (8, 9, 10, 7)),
    "1-1": (1, 1, 1, 1, False, (1, 0, 0, 2)),
}
_SIZES = [(1, 1, 3, 4), (2, 3, 7, 5), (3, 37, 6, 9), (1, 63, 15, 3)]


def _case(shape: str, size: tuple[int, ...], dtype: torch.dtype = torch.float32) -> tuple[list[Tensor], dict[str, Any]]:
    up, down, up_taps, down_taps, is_radial, padding = _SHAPES[shape]
    fu = torch.rand(up_taps) / up_taps
    fd = torch.rand(*(down_taps,) * (2 if is_radial else 1)) / down_taps ** (2 if is_radial else 1)
    tensors = [torch.randn(size).to(dtype), fu, fd, torch.randn(size[1])]
    return tensors, {"up": up, "down": down, "padding": padding, "clamp": 1.2, "slope": 0.15, "gain": 1.7}


@pytest.mark.parametrize("numbers", [1, 20_000, 2**23], ids=["rows", "some", "whole"])
@pytest.mark.parametrize("size", _SIZES, ids=str)
@pytest.mark.parametrize("shape", _SHAPES)
def test_agrees_with_its_twin_forward_and_backward(
    shape: str, size: tuple[int, ...], numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polyphase, "_NUMBERS", numbers)
    (x, fu, fd, b), options = _case(shape, size)
    slow = [tensor.double().requires_grad_() for tensor in (x, b)]
    expected = reference.filtered_lrelu(slow[0], fu.double(), fd.double(), slow[1], **options)
    fast = [tensor.clone().requires_grad_() for tensor in (x, b)]
    y = filtered_lrelu(fast[0], fu, fd, fast[1], **options)
    assert_close(y, expected, OPERATOR_LIMITS[torch.float32])
    seed = torch.randn(expected.shape)
    expected.backward(seed.double())
    y.backward(seed)
    for tensor, twin in zip(fast, slow, strict=True):
        assert tensor.grad is not None
        assert twin.grad is not None
        assert_close(tensor.grad, twin.grad, OPERATOR_LIMITS[torch.float32])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", ["2-2", "2-2-radial", "4-2", "4-2-radial"])
def test_half_precision_is_no_worse_than_the_twins(shape: str, dtype: torch.dtype) -> None:
    (x, fu, fd, b), options = _case(shape, (2, 20, 9, 12), dtype)
    expected = reference.filtered_lrelu(x.double(), fu.double(), fd.double(), b.double(), **options)
    twin = relative_rms(reference.filtered_lrelu(x, fu, fd, b, **options), expected)
    y = filtered_lrelu(x, fu, fd, b, **options)
    assert y.dtype == dtype
    assert relative_rms(y, expected) <= 2 * twin + 1e-6


@pytest.mark.parametrize("shape", ["2-2-radial", "4-2", "2-4"])
def test_gradients_agree_with_finite_differences(shape: str) -> None:
    (x, fu, fd, b), options = _case(shape, (2, 2, 3, 4), torch.float64)
    inputs = (x.requires_grad_(), b.double().requires_grad_())
    assert torch.autograd.gradcheck(lambda x, b: filtered_lrelu(x, fu.double(), fd.double(), b, **options), inputs)


@pytest.mark.parametrize("layout", ["contiguous", "channels last", "transposed", "strided"])
def test_any_layout_gives_the_same_channels_last_result(layout: str) -> None:
    (x, fu, fd, b), options = _case("2-2", (2, 6, 8, 8))
    expected = filtered_lrelu(x, fu, fd, b, **options)
    other = {
        "contiguous": x,
        "channels last": x.contiguous(memory_format=torch.channels_last),
        "transposed": x.mT.contiguous().mT,
        "strided": x.repeat_interleave(2, dim=1)[:, ::2],
    }[layout]
    y = filtered_lrelu(other, fu, fd, b, **options)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, expected)


def test_arguments_stay_as_they_are() -> None:
    tensors, options = _case("2-2-radial", (2, 3, 7, 5))
    copies = [tensor.clone() for tensor in tensors]
    filtered_lrelu(*tensors, **options)
    assert all(map(torch.equal, tensors, copies))


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_any_slope_meets_the_clamp_after_it(slope: float) -> None:
    x = torch.tensor([-1e4, -3.0, 0.0, 3.0, 1e4]).reshape(1, 1, 1, 5)
    y = filtered_lrelu(x, gain=1.0, slope=slope, clamp=2.0)
    assert torch.equal(y, reference.filtered_lrelu(x, torch.ones(1), torch.ones(1), gain=1.0, slope=slope, clamp=2.0))


def test_a_picture_smaller_than_the_filters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"picture of 2×3.*filters of 12 and 12 taps"):
        filtered_lrelu(torch.zeros(1, 1, 2, 3), torch.ones(12), torch.ones(12), up=2, down=2)
