"""StyleGAN3's filtered leaky ReLU, the fast way; `reference.py` has its plain twin."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wplus.kernels import phase_graph, reference
from wplus.kernels.polyphase import Axis, Plan, filter_piece, pieces


def filtered_lrelu(
    x: Tensor,
    fu: Tensor | None = None,
    fd: Tensor | None = None,
    b: Tensor | None = None,
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    gain: float = math.sqrt(2),
    slope: float = reference.LRELU_SLOPE,
    clamp: float | None = None,
) -> Tensor:
    """Adds a bias, up-samples, applies a leaky ReLU, gain and clamp, and down-samples.

    What lies between is computed again in the backward pass, and not kept. There are no second derivatives.

    Args:
        x: `[N, C, H, W]`.
        fu: FIR filter `[taps]` for both directions, applied with gain `up` in each. None: `[1]`.
        fd: FIR filter `[taps]` for both directions, or `[height, width]`. None: `[1]`.
        b: `[C]`.
        up: Integer factor.
        down: Integer factor. If it neither divides `up` nor is divided by it, the slow plain twin runs.
        padding: Pixels added to the up-sampled picture on the left, right, top and bottom; negative ones crop.
        gain: Positive factor on the activation.
        slope: Of the leaky ReLU, from 0 to 1.
        clamp: What is down-sampled is clamped to +-clamp.

    Returns:
        `[N, C, (H * up + top + bottom - (taps of fu - 1) - taps of fd) // down + 1, ...]` in x's type, channels last.

    Raises:
        ValueError: filters and padding leave nothing of the picture.

    Source: Karras et al. 2021 (StyleGAN3), section 3.2.
    """
    fu, fd = (x.new_ones(1) if f is None else f for f in (fu, fd))
    is_odd = (up % down and down % up) or min(*fu.shape, *fd.shape) < up
    is_exporting = torch.compiler.is_exporting()  # a graph is to hold nothing of how we cut the picture
    if is_odd or (is_exporting and up % down):
        return reference.filtered_lrelu(
            x, fu, fd, b, up=up, down=down, padding=padding, gain=gain, slope=slope, clamp=clamp
        )
    if is_exporting:
        x = reference.bias_act(x, b)
        return phase_graph.filtered_lrelu(
            x, fu, fd, up=up, down=down, padding=padding, gain=gain, slope=slope, clamp=clamp
        )
    left, right, top, bottom = padding
    axes = [
        Axis(up=up, down=down, before=before, inner=size * up + before + after - fu.shape[0] + 1, down_taps=taps)
        for size, before, after, taps in zip(
            x.shape[2:], (top, left), (bottom, right), (fd.shape[0], fd.shape[-1]), strict=True
        )
    ]
    if min(axis.out for axis in axes) < 1:
        raise ValueError(
            f"A picture of {x.shape[2]}×{x.shape[3]}, up-sampled by {up} and padded by {padding}, is smaller than the "
            f"filters of {fu.shape[0]} and {fd.shape[0]} taps."
        )
    plan = Plan(
        rows=axes[0],
        columns=axes[1],
        up_taps=(fu.flip(0) * (up * math.sqrt(gain))).to(x.dtype),
        down_taps=fd.flip(tuple(range(fd.ndim))).to(x.dtype),
        slope=slope,
        # Before a leaky ReLU the lower limit is that much lower; a slope of 0 needs none.
        limits=None if clamp is None else (-clamp / slope if slope else -math.inf, clamp),
    )
    if b is not None:
        x = x + b.to(x.dtype)[:, None, None]
    y: Tensor = _FilteredLeakyReLU.apply(x, plan)  # type: ignore[no-untyped-call]
    return y


class _FilteredLeakyReLU(torch.autograd.Function):
    """Everything but the bias, piece by piece, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, plan: Plan) -> Tensor:
        ctx.save_for_backward(x)
        ctx.plan = plan
        size = (*x.shape[:2], plan.rows.out, plan.columns.out)
        y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        for piece in pieces(plan, *x.shape[:2]):
            filter_piece(piece.cut(x), piece.of(y), plan, piece)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        total = torch.zeros_like(x)
        for piece in pieces(ctx.plan, *x.shape[:2]):
            part = piece.of(grad)
            with torch.enable_grad():
                inputs = piece.cut(x).requires_grad_()
                y = torch.empty_like(part)
                filter_piece(inputs, y, ctx.plan, piece)
            piece.add(total, *torch.autograd.grad(y, inputs, part))
        return total, None
