"""The operators against the originals' values, against float64, and against their definitions."""

import json
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support import DATA, OPERATOR_LIMITS, assert_close
from torch import Tensor

from wplus.kernels import bias_act, modulated_conv2d, to_uint8, upfirdn2d

_FILE = np.load(DATA / "ops.npz")
_CASES: dict[str, dict[str, Any]] = json.loads(str(_FILE["meta"]))


def _golden(case: str, *names: str) -> list[Tensor]:
    return [torch.from_numpy(_FILE[f"{case}/in/{name}"]) for name in names if f"{case}/in/{name}" in _FILE]


def _cases(op: str) -> list[str]:
    return [name for name, case in _CASES.items() if op in case["op"]]


@pytest.mark.parametrize("case", _cases("upfirdn2d"))
def test_upfirdn2d_agrees_with_the_original_forward_and_backward(case: str) -> None:
    x, *f = _golden(case, "x", "f")
    options = dict(_CASES[case]["kwargs"])
    options["padding"] = tuple(options["padding"])
    y = upfirdn2d(x.requires_grad_(), f[0] if f else torch.ones(1, 1), **options)
    assert_close(y, _FILE[f"{case}/out"], OPERATOR_LIMITS[torch.float32])
    y.backward(torch.from_numpy(_FILE[f"{case}/gseed"]))
    assert x.grad is not None
    assert_close(x.grad, _FILE[f"{case}/grad/x"], OPERATOR_LIMITS[torch.float32])


@pytest.mark.parametrize("case", _cases("bias_act"))
def test_bias_act_agrees_with_the_original_forward_and_backward(case: str) -> None:
    x, b = (tensor.requires_grad_() for tensor in _golden(case, "x", "b"))
    act = _CASES[case]["kwargs"]["act"]
    y = bias_act(x, b, act=act, gain=2**0.5 if act == "lrelu" else 1.0)
    assert_close(y, _FILE[f"{case}/out"], OPERATOR_LIMITS[torch.float32])
    y.backward(torch.from_numpy(_FILE[f"{case}/gseed"]))
    for name, tensor in (("x", x), ("b", b)):
        assert tensor.grad is not None
        assert_close(tensor.grad, _FILE[f"{case}/grad/{name}"], OPERATOR_LIMITS[torch.float32])


@pytest.mark.parametrize("case", [name for name in _cases("stylegan2.modulated_conv2d") if "fp16" not in name])
def test_modulated_conv2d_agrees_with_the_original_forward_and_backward(case: str) -> None:
    options = _CASES[case]["kwargs"]
    x, weight, styles, noise, fir = _golden(case, "x", "weight", "styles", "noise", "resample_filter")
    inputs = {"x": x.requires_grad_(), "styles": styles.requires_grad_(), "noise": noise.requires_grad_()}
    y = modulated_conv2d(
        x,
        weight,
        styles,
        up=options.get("up", 1),
        resample_filter=fir,
        demodulate=options.get("demodulate", True),
        noise=noise,
    )
    assert_close(y, _FILE[f"{case}/out"], OPERATOR_LIMITS[torch.float32])
    y.backward(torch.from_numpy(_FILE[f"{case}/gseed"]))
    for name, tensor in inputs.items():
        assert tensor.grad is not None
        assert_close(tensor.grad, _FILE[f"{case}/grad/{name}"], OPERATOR_LIMITS[torch.float32])


def _definition(
    x: Tensor, weight: Tensor, styles: Tensor, noise: Tensor, bias: Tensor, *, up: int, fir: Tensor
) -> Tensor:
    """Equations 1 and 3 as they stand: every sample with weights of its own. float64."""
    x, weight, styles, noise, bias = (t.double() for t in (x, weight, styles, noise, bias))
    pictures = []
    for sample, style in zip(x, styles, strict=True):
        w = weight * style[None, :, None, None]
        w = w * (w.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        if up == 2:
            full = F.conv_transpose2d(sample[None], w.transpose(0, 1), stride=2)
            kernel = (fir.double() * 4).flip(0, 1).expand(len(w), 1, 4, 4)
            pictures.append(F.conv2d(F.pad(full, (1, 1, 1, 1)), kernel, groups=len(w)))
        else:
            pictures.append(F.conv2d(sample[None], w, padding=w.shape[2] // 2))
    y = torch.cat(pictures) + noise + bias[:, None, None]
    return (F.leaky_relu(y, 0.2) * 2**0.5).clamp(-2.5, 2.5)


@pytest.mark.parametrize("dtype", OPERATOR_LIMITS, ids=str)
@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize(
    ("batch", "in_channels", "out_channels", "height", "width"),
    [(1, 1, 1, 1, 1), (3, 5, 7, 3, 2), (2, 63, 16, 4, 9)],
    ids=["ones", "odd", "wide"],
)
def test_modulated_conv2d_is_its_definition(
    dtype: torch.dtype, up: int, batch: int, in_channels: int, out_channels: int, height: int, width: int
) -> None:
    fir = torch.rand(4, 4) / 8  # asymmetric, so that a flip shows
    x = torch.randn(batch, in_channels, height, width).to(dtype)
    weight = torch.randn(out_channels, in_channels, 3, 3).to(dtype)
    styles = torch.randn(batch, in_channels) + 1
    noise = torch.randn(1, 1, height * up, width * up).to(dtype)
    bias = torch.randn(out_channels)
    y = modulated_conv2d(
        x,
        weight,
        styles,
        up=up,
        resample_filter=fir,
        noise=noise,
        bias=bias,
        act="lrelu",
        gain=2**0.5,
        clamp=2.5,
    )
    assert y.dtype == dtype
    limit = OPERATOR_LIMITS[dtype] * (
        2 if dtype != torch.float32 else 1
    )  # twice eager's: noise and bias are rounded too
    assert_close(y, _definition(x, weight, styles, noise, bias, up=up, fir=fir), limit)


def test_float16_survives_sums_beyond_its_range() -> None:
    x = torch.full((1, 512, 4, 4), 200.0).half()
    y = modulated_conv2d(x, torch.full((8, 512, 3, 3), 4.0), torch.full((1, 512), 30.0))
    assert torch.isfinite(y).all()
    # Demodulated, equal weights are 1 / sqrt(512 * 9) each, and 9 * 512 inputs of 200 meet them in the middle.
    assert y[0, 0, 1, 1].item() == pytest.approx(200 * (512 * 9) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("grad", [False, True])
def test_modulated_conv2d_leaves_its_arguments_as_they_are(grad: bool) -> None:
    arguments = [
        torch.randn(2, 4, 5, 5),
        torch.randn(6, 4, 3, 3),
        torch.randn(2, 4),
        torch.randn(1, 1, 5, 5),
        torch.randn(6),
    ]
    copies = [argument.clone() for argument in arguments]
    x, weight, styles, noise, bias = arguments
    modulated_conv2d(x.requires_grad_(grad), weight, styles, noise=noise, bias=bias, act="lrelu", gain=1.5, clamp=1.0)
    for argument, copy in zip(arguments, copies, strict=True):
        assert torch.equal(argument, copy)


def test_gradients_flow_to_every_input_and_agree_with_finite_differences() -> None:
    inputs = [
        torch.randn(2, 3, 4, 4),
        torch.randn(2, 3, 3, 3),
        torch.randn(2, 3) + 1,
        torch.randn(2, 1, 8, 8),
        torch.randn(2),
    ]
    inputs = [tensor.double().requires_grad_() for tensor in inputs]
    fir = torch.rand(4, 4).double()

    def run(x: Tensor, weight: Tensor, styles: Tensor, noise: Tensor, bias: Tensor) -> Tensor:
        return modulated_conv2d(
            x, weight, styles, up=2, resample_filter=fir, squared_weight=weight.square().sum((2, 3)), noise=noise,
            bias=bias, act="lrelu", gain=2**0.5, clamp=100.0,
        )  # fmt: skip

    assert torch.autograd.gradcheck(run, inputs)


def test_few_output_channels_take_another_path_to_the_same_values() -> None:
    x, weight, styles = torch.randn(2, 8, 5, 3), torch.randn(3, 8, 1, 1), torch.randn(2, 8)
    expected = F.conv2d((x * styles[:, :, None, None]).double(), weight.double())
    assert_close(modulated_conv2d(x, weight, styles, demodulate=False), expected, OPERATOR_LIMITS[torch.float32])


def test_upfirdn2d_is_zero_insertion_padding_and_convolution() -> None:
    x, f = torch.randn(2, 3, 5, 4).double(), torch.rand(3, 2).double()
    spread = torch.zeros(2, 3, 15, 12).double()
    spread[:, :, ::3, ::3] = x
    padded = F.pad(spread, (2, -1, 0, 4))
    expected = F.conv2d(padded, f.flip(0, 1).expand(3, 1, 3, 2), groups=3)[:, :, ::2, ::2] * 1.5
    assert_close(upfirdn2d(x, f, up=3, down=2, padding=(2, -1, 0, 4), gain=1.5), expected, 1e-14)


def test_channels_last_stays_channels_last() -> None:
    x = torch.randn(2, 8, 6, 6).contiguous(memory_format=torch.channels_last)
    y = modulated_conv2d(x, torch.randn(8, 8, 3, 3), torch.randn(2, 8), up=2, resample_filter=torch.rand(4, 4))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_up_sampling_without_a_filter_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="needs a resample_filter"):
        modulated_conv2d(torch.randn(1, 2, 4, 4), torch.randn(2, 2, 3, 3), torch.randn(1, 2), up=2)


def test_to_uint8_rounds_down_and_clamps() -> None:
    values = torch.tensor([-2.0, -1.0, -1 + 1 / 127.5, 0.0, 0.99999 / 127.5, 1.0, 2.0, 1e9])
    img = values.reshape(1, 1, 1, -1).expand(1, 3, 1, -1)
    pixels = to_uint8(img)
    assert pixels.shape == (1, 1, 8, 3)
    assert pixels[0, 0, :, 0].tolist() == [0, 0, 1, 128, 128, 255, 255, 255]
