"""The operators' face: what they refuse, with which words, and how they choose."""

import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from wplus.kernels import (
    alias_free_conv2d,
    dispatch,
    filtered_lrelu,
    latent_path,
    modulated_conv2d,
    reference,
    to_uint8,
    torgb,
    upfirdn2d,
)

_X, _W, _S = torch.randn(2, 4, 6, 6), torch.randn(5, 4, 3, 3), torch.rand(2, 4)
_F = torch.ones(4, 4)
_FRAMES, _TIMES = torch.randn(3, 2, 8), torch.zeros(4, dtype=torch.float64)


def _meta(tensor: Tensor) -> Tensor:
    return tensor.to("meta")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: upfirdn2d(_X[0], _F), r"x is torch.float32 \[4, 6, 6\]; a floating-point \[N, C, H, W\] is needed"),
        (lambda: upfirdn2d(_X.int(), _F), r"x is torch.int32 \[2, 4, 6, 6\]"),
        (lambda: upfirdn2d(_X, _F, gain=float("nan")), "gain is nan; a finite number is needed"),
        (lambda: upfirdn2d(_X, torch.ones(9, 9)), "A picture of 6×6, .* is smaller than the filters of 9"),
        (lambda: upfirdn2d(_X, _F, up=0), "up is 0 and down 1; whole numbers of 1 or more"),
        (lambda: upfirdn2d(_X, torch.ones(2, 2, 2)), r"A filter is \[2, 2, 2\]"),
        (lambda: upfirdn2d(_X, _meta(_F)), "f is on meta, and x on cpu; move one of them"),
        (lambda: modulated_conv2d(_X, _W[:, :3], _S), r"weight \[5, 3, 3, 3\]: 4 channels meet 3"),
        (lambda: modulated_conv2d(_X, _W[..., :2], _S), r"weight is \[5, 4, 3, 2\]; .* k odd"),
        (lambda: modulated_conv2d(_X, _W, _S[:, :3]), r"styles are \[2, 3\]; x, \[2, 4, 6, 6\], needs \[2, 4\]"),
        (lambda: modulated_conv2d(_X, _W, _S.repeat(2, 1)), r"styles are \[4, 4\]"),
        (lambda: modulated_conv2d(_X, _W, _S, bias=torch.ones(4)), r"bias is \[4\]; .* needs \[5\]"),
        (lambda: modulated_conv2d(_X, _W, _S, up=2), "up is 2, which needs a resample_filter"),
        (lambda: modulated_conv2d(_X, _W, _S, up=3), "up is 3; 1 or 2 is needed"),
        (lambda: modulated_conv2d(_X, _W, _S, gain=float("inf")), "gain is inf; a positive number is needed"),
        (lambda: modulated_conv2d(_X, _W, _S, clamp=-1), "clamp is -1; a number of 0 or more"),
        (lambda: modulated_conv2d(_X, _W, _S, act="relu"), "act is 'relu'; known: linear, lrelu"),  # type: ignore[arg-type]
        (lambda: modulated_conv2d(_X, _meta(_W), _S), "weight is on meta, and x on cpu"),
        (lambda: alias_free_conv2d(_X, _W, _S[:1]), r"styles are \[1, 4\]"),
        (lambda: torgb(_X, _W[:3, :, :1, :1], _S, torch.ones(3), torch.ones(2, 3, 6, 6)), r"img is \[2, 3, 6, 6\]; .* needs \[N, 3, 3, 3\]"),  # noqa: E501
        (lambda: torgb(_X, _W[:3, :, :1, :1], _S, torch.ones(3), torch.ones(2, 3, 3, 3)), "needs a resample_filter"),
        (lambda: filtered_lrelu(_X, slope=1.5), "slope is 1.5; a number from 0 to 1"),
        (lambda: filtered_lrelu(_X, torch.ones(12), torch.ones(12)), "is smaller than the filters of 12 and 12 taps"),
        (lambda: to_uint8(_X, columns=0), "columns is 0; a grid has at least 1"),
        (lambda: latent_path(_FRAMES[0], _TIMES), r"keyframes are torch.float32 \[2, 8\]"),
        (lambda: latent_path(_FRAMES, _TIMES, w_avg=torch.ones(8)), "w_avg and truncation_psi go together"),
        (lambda: latent_path(_FRAMES, _TIMES, mix=torch.ones(2, 7), mix_mask=torch.ones(4, 2).bool()), r"mix is \[2, 7\]"),  # noqa: E501
        (lambda: to_uint8(_X, impl="cuda"), "impl is 'cuda'; known: auto, reference, triton"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_with_what_is_needed(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.skipif(torch.cuda.is_available(), reason="here it can run")
def test_triton_where_it_cannot_run_raises_with_all_reasons() -> None:
    with pytest.raises(
        ValueError, match=r"to_uint8 cannot run in Triton\. x is on cpu; Triton's kernels run on an NVIDIA"
    ):
        to_uint8(_X, impl="triton")
    frames = _FRAMES.clone().requires_grad_()
    with pytest.raises(ValueError, match=r"x is on cpu; .* keyframes needs a gradient, .* interp is 'spline'"):
        latent_path(frames, _TIMES, interp="spline", impl="triton")


def test_other_types_and_traced_calls_have_their_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_runs_on", lambda _: True)
    assert dispatch.unsupported_reasons(_X) == []
    assert "x is torch.float64" in dispatch.unsupported_reasons(_X.double())[0]
    huge = torch.empty(1, 1, 2**14, 2**14, device="meta")
    assert "count up to" in dispatch.unsupported_reasons(huge)[0]
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert dispatch.unsupported_reasons(_X) == ["A compiler or exporter traces this; it is to see plain PyTorch."]
    monkeypatch.undo()
    monkeypatch.setattr(dispatch, "has_triton", lambda: False)
    assert "Triton is not installed" in dispatch.unsupported_reasons(_X)[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="the choice is another here")
def test_on_the_cpu_plain_pytorch_runs_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    dispatch._say.cache_clear()
    with caplog.at_level(logging.DEBUG, logger="wplus.kernels"):
        for _ in range(3):
            assert torch.equal(to_uint8(_X), reference.to_uint8(_X))
    assert [record.message.split(":")[0] for record in caplog.records] == ["The operators run in plain PyTorch"]


def test_the_grid_of_pictures_is_filled_row_by_row() -> None:
    img = torch.arange(5.0).reshape(5, 1, 1, 1).expand(-1, 3, 2, 2) / 127.5
    grid = to_uint8(img, columns=2)
    assert grid.shape == (6, 4, 3)
    assert grid[::2, ::2, 0].tolist() == [[128, 129], [130, 131], [132, 0]]


def test_styles_for_the_next_layer_are_applied_to_the_result() -> None:
    styles = torch.rand(2, 5) + 0.5
    own = modulated_conv2d(_X, _W, _S)
    scaled = modulated_conv2d(_X, _W, _S, next_styles=styles)
    assert torch.equal(scaled, own * styles[:, :, None, None])
    second = torch.randn(3, 5, 1, 1)
    expected = modulated_conv2d(own, second, styles)
    assert torch.allclose(modulated_conv2d(scaled, second, styles, x_is_scaled=True), expected, atol=1e-6)
