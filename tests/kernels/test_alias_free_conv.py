"""StyleGAN3's modulated convolution against the original's values and against its definition."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support import DATA, OPERATOR_LIMITS, assert_close, relative_rms
from torch import Tensor

from wplus.kernels import alias_free_conv2d, modulated_conv2d, normalized_weight

_FILE = np.load(DATA / "ops.npz")


@pytest.mark.parametrize("case", ["sg3_modconv_0", "sg3_modconv_1", "sg3_modconv_2"])
def test_agrees_with_the_original_forward_and_backward(case: str) -> None:
    x, w, s, gain = (torch.from_numpy(_FILE[f"{case}/in/{name}"]) for name in ("x", "w", "s", "input_gain"))
    x.requires_grad_()
    s.requires_grad_()
    if case == "sg3_modconv_2":  # as torgb runs it
        y = modulated_conv2d(x, w, s * gain, demodulate=False)
    else:
        y = alias_free_conv2d(x, w, s, input_gain=gain)
    assert_close(y, _FILE[f"{case}/out"], OPERATOR_LIMITS[torch.float32])
    y.backward(torch.from_numpy(_FILE[f"{case}/gseed"]))
    for name, tensor in (("x", x), ("s", s)):
        assert tensor.grad is not None
        assert_close(tensor.grad, _FILE[f"{case}/grad/{name}"], OPERATOR_LIMITS[torch.float32])


def _definition(x: Tensor, weight: Tensor, styles: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """Every sample with weights of its own, float64."""
    x, weight, styles, gain, bias = (tensor.double() for tensor in (x, weight, styles, gain, bias))
    pictures = []
    for sample, style in zip(x, styles, strict=True):
        w = weight * style[None, :, None, None]
        w = w * w.square().sum(dim=(1, 2, 3), keepdim=True).rsqrt() * gain
        pictures.append(F.conv2d(sample[None], w, padding=w.shape[2] - 1))
    return torch.cat(pictures) + bias[:, None, None]


@pytest.mark.parametrize("dtype", OPERATOR_LIMITS, ids=str)
@pytest.mark.parametrize("is_prepared", [False, True], ids=["raw", "prepared"])
@pytest.mark.parametrize("size", [(1, 1, 1, 1, 1, 1), (3, 5, 7, 3, 3, 2), (2, 63, 16, 1, 4, 9)], ids=str)
def test_is_its_definition(dtype: torch.dtype, is_prepared: bool, size: tuple[int, ...]) -> None:
    batch, in_channels, out_channels, kernel, height, width = size
    x = torch.randn(batch, in_channels, height, width).to(dtype)
    weight = torch.randn(out_channels, in_channels, kernel, kernel) * 7
    styles, bias = torch.randn(batch, in_channels) + 3, torch.randn(out_channels)
    gain = torch.tensor(0.7)
    expected = _definition(x, weight, styles, gain, bias)
    squared = None
    if is_prepared:
        weight, squared = normalized_weight(weight)
    y = alias_free_conv2d(x, weight, styles, squared_weight=squared, input_gain=gain, bias=bias)
    assert y.dtype == dtype
    assert_close(y, expected, OPERATOR_LIMITS[dtype] * (1 if dtype == torch.float32 else 2))  # weights are rounded too


def test_a_sample_does_not_depend_on_its_batch() -> None:
    x, weight, styles = torch.randn(3, 8, 5, 5), torch.randn(6, 8, 3, 3), torch.randn(3, 8)
    styles[1] *= 1000
    together = alias_free_conv2d(x, weight, styles)
    for i in range(3):
        assert relative_rms(alias_free_conv2d(x[i : i + 1], weight, styles[i : i + 1])[0], together[i]) < 1e-6


def test_float16_survives_large_weights_and_styles() -> None:
    x = torch.full((1, 512, 4, 4), 200.0).half()
    y = alias_free_conv2d(x, torch.full((8, 512, 3, 3), 4.0), torch.full((1, 512), 3000.0))
    assert y[0, 0, 2, 2].item() == pytest.approx(200 * (512 * 9) ** 0.5, rel=2e-3)


def test_gradients_flow_to_every_input_and_agree_with_finite_differences() -> None:
    shapes = [(2, 3, 4, 4), (2, 3, 3, 3), (2, 3), (), (2,)]
    inputs = [(torch.randn(shape) + 1).double().requires_grad_() for shape in shapes]
    assert torch.autograd.gradcheck(
        lambda x, w, s, gain, b: alias_free_conv2d(x, w, s, input_gain=gain, bias=b), inputs
    )


def test_arguments_stay_as_they_are() -> None:
    tensors = [torch.randn(2, 3, 5, 5), torch.randn(4, 3, 3, 3), torch.randn(2, 3)]
    copies = [tensor.clone() for tensor in tensors]
    alias_free_conv2d(*tensors, bias=torch.ones(4))
    assert all(map(torch.equal, tensors, copies))
