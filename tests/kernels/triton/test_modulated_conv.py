"""The modulated convolutions in Triton's interpreter, forward and backward, against float64."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from triton_tools.comparing import DTYPES, assert_agrees, assert_close

from wplus.kernels import alias_free_conv2d, modulated_conv2d, normalized_for_half

pytestmark = pytest.mark.interp

_SIZES = [(1, 2, 1, 1, 1), (2, 3, 5, 7, 9), (1, 63, 17, 3, 5), (3, 70, 33, 4, 2)]
_IDS = ["1 pixel", "small", "odd channels", "several tiles"]
_ALL = (0, 1, 2, 3, 4)


def _tensors(count: int, inputs: int, outputs: int, height: int, width: int, *, up: int = 1, kernel: int = 3) -> Any:
    """x, weight, styles, noise, bias."""
    return (
        torch.randn(count, inputs, height, width),
        torch.randn(outputs, inputs, kernel, kernel),
        torch.rand(count, inputs) + 0.5,
        torch.randn(count, 1, height * up, width * up),
        torch.randn(outputs),
    )


def _filter(x: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 3.0, 2.0, 1.0])  # not symmetric: a flipped filter would show
    return (taps.outer(taps) / taps.sum() ** 2).to(torch.float64 if x.dtype == torch.float64 else torch.float32)


def _layer(
    x: Tensor, weight: Tensor, styles: Tensor, noise: Tensor, bias: Tensor, *, impl: str, up: int = 1, **options: Any
) -> Tensor:
    resample_filter = _filter(x) if up == 2 else None
    options = {"up": up, "resample_filter": resample_filter, "noise": noise, "bias": bias, **options}
    return modulated_conv2d(x, weight, styles, impl=impl, **options)  # type: ignore[arg-type]


def _own_branches(y: Tensor, *tensors: Tensor, clamp: float, **options: Any) -> Tensor:
    """The layer with the branches of leaky ReLU and clamp that y took."""
    linear = _layer(*tensors, impl="reference", **options)
    return linear * torch.where(y > 0, 1.0, 0.2) * (y.abs() < clamp)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("size", _SIZES, ids=_IDS)
def test_agrees_forward_and_backward(size: tuple[int, ...], up: int, dtype: str) -> None:
    options = {"up": up, "gain": 1.5}
    layer = partial(_layer, act="lrelu", clamp=2.0, **options)
    twin = partial(_own_branches, clamp=2.0, **options)
    assert_agrees(layer, _tensors(*size, up=up), dtype=dtype, needs_grad=_ALL, backward_twin=twin)


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_demodulation_by_1x1_kernels(dtype: str) -> None:
    layer = partial(_layer, demodulate=False, gain=1.5)
    assert_agrees(layer, _tensors(2, 19, 3, 5, 4, kernel=1), dtype=dtype, needs_grad=_ALL)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [1, 3])
def test_alias_free_convolution(kernel: int, dtype: str) -> None:
    x, weight, styles, _, bias = _tensors(2, 21, 18, 5, 4, kernel=kernel)
    gain = torch.tensor(0.7)

    def layer(x: Tensor, weight: Tensor, styles: Tensor, bias: Tensor, gain: Tensor, *, impl: Any) -> Tensor:
        return alias_free_conv2d(x, weight, styles, input_gain=gain, bias=bias, impl=impl)

    y = assert_agrees(layer, (x, weight, styles, bias, gain), dtype=dtype, needs_grad=_ALL)
    assert y.shape[2:] == (5 + kernel - 1, 4 + kernel - 1)


def test_tf32_is_used_where_it_is_allowed_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = _tensors(1, 33, 17, 4, 5)
    exact = assert_agrees(_layer, tensors, dtype="float32")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    rounded = assert_agrees(_layer, tensors, dtype="tf32", needs_grad=_ALL)
    assert (exact - rounded).abs().max() > 1e-5


@pytest.mark.parametrize("layout", ["contiguous", "channels last", "transposed", "cut out"])
def test_any_layout_of_input_and_weight(layout: str) -> None:
    x, weight, *rest = _tensors(2, 20, 18, 5, 6)
    if layout == "channels last":
        x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
    elif layout == "transposed":
        x = x.transpose(2, 3).contiguous().transpose(2, 3)
        weight = weight.transpose(0, 1).contiguous(memory_format=torch.channels_last).transpose(0, 1)
    elif layout == "cut out":
        x = torch.randn(3, 22, 7, 9)[1:, 1:21, 1:6, 2:8]
        weight = torch.randn(36, 20, 3, 3)[::2]
    assert_agrees(_layer, (x, weight, *rest), dtype="float32", needs_grad=_ALL)


def test_one_noise_map_and_one_constant_serve_all_samples() -> None:
    x, weight, styles, noise, bias = _tensors(3, 6, 7, 4, 4)
    y = assert_agrees(_layer, (x[:1], weight, styles, noise[:1], bias), dtype="float32", needs_grad=_ALL)
    assert len(y) == 3
    flat = assert_agrees(_layer, (x[:1], weight, styles, noise[0, 0], bias), dtype="float32", needs_grad=_ALL)
    assert torch.equal(y, flat)


def test_only_gradients_that_are_asked_for_are_computed() -> None:
    tensors = [t.requires_grad_(i == 2) for i, t in enumerate(_tensors(1, 4, 4, 3, 3))]
    _layer(*tensors, impl="triton").sum().backward()
    assert [t.grad is not None for t in tensors] == [False, False, True, False, False]


@pytest.mark.parametrize("dtype", DTYPES)
def test_scaling_for_the_next_layer_is_what_that_layer_would_do(dtype: str) -> None:
    x, weight, styles, noise, bias = _tensors(2, 5, 18, 4, 6)
    next_styles, next_weight = torch.rand(2, 18) + 0.5, torch.randn(7, 18, 3, 3)

    def layers(x: Tensor, styles: Tensor, next_styles: Tensor, *, impl: str) -> Tensor:
        y = _layer(x, *(t.to(styles) for t in (weight,)), styles, noise.to(styles), bias.to(styles), act="lrelu", next_styles=next_styles, impl=impl)  # fmt: skip  # noqa: E501
        return modulated_conv2d(y, next_weight.to(styles), next_styles, x_is_scaled=True, impl=impl)  # type: ignore[arg-type]

    with torch.no_grad():
        found = assert_agrees(layers, (x, styles, next_styles), dtype=dtype)
        y = _layer(x.to(found.dtype), weight, styles, noise, bias, act="lrelu", impl="triton")
        apart = modulated_conv2d(y, next_weight, next_styles, impl="triton")
    limit = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}[dtype]
    assert_close(found, apart.double(), limit)
    if dtype == "float32":
        assert_agrees(layers, (x, styles, next_styles), dtype=dtype, needs_grad=(0, 1, 2))


def test_float16_does_not_overflow_where_weights_and_styles_are_large() -> None:
    x, weight, styles, noise, bias = _tensors(1, 64, 8, 4, 4)
    y = assert_agrees(_layer, (x * 100, weight * 300, styles * 300, noise, bias), dtype="float16")
    assert y.isfinite().all()
    prepared = normalized_for_half(weight * 300)
    squares = prepared.square().sum(dim=(2, 3))
    again = _layer((x * 100).half(), prepared.half(), styles * 300, noise, bias, squared_weight=squares, impl="triton")
    assert_close(again, y.double(), 2e-3)


def test_a_gradient_is_the_same_each_time() -> None:
    def gradients() -> list[Tensor]:
        torch.manual_seed(0)
        tensors = [t.requires_grad_() for t in _tensors(2, 20, 18, 9, 8)]
        return list(torch.autograd.grad(_layer(*tensors, act="lrelu", impl="triton").square().sum(), tensors))

    assert all(torch.equal(one, other) for one, other in zip(gradients(), gradients(), strict=True))
