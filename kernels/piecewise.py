"""StyleGAN3's filtered leaky ReLU piece by piece: the fast way on a CPU."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wplus.kernels.polyphase import Axis, Plan, filter_piece, pieces


def filtered_lrelu(
    x: Tensor,
    fu: Tensor,
    fd: Tensor,
    *,
    up: int,
    down: int,
    padding: tuple[int, int, int, int],
    gain: float,
    slope: float,
    clamp: float | None,
) -> Tensor:
    """Up-samples, applies a leaky ReLU, gain and clamp, and down-samples; see `wplus.kernels.filtered_lrelu`.

    Args:
        x: `[N, C, H, W]`, bias included.
        fu: `[taps]`, at least `up` of them.
        fd: `[taps]` or `[height, width]`, at least `up` of them.
        up: Integer factor that divides `down` or is divided by it.
        down: Integer factor.
        padding: On the left, right, top and bottom of the up-sampled picture.
        gain: Positive factor on the activation.
        slope: Of the leaky ReLU.
        clamp: What is down-sampled is clamped to +-clamp.
    """
    left, right, top, bottom = padding
    axes = [
        Axis(up=up, down=down, before=before, inner=size * up + before + after - fu.shape[0] + 1, down_taps=taps)
        for size, before, after, taps in zip(
            x.shape[2:], (top, left), (bottom, right), (fd.shape[0], fd.shape[-1]), strict=True
        )
    ]
    plan = Plan(
        rows=axes[0],
        columns=axes[1],
        up_taps=(fu.flip(0) * (up * math.sqrt(gain))).to(x.dtype),
        down_taps=fd.flip(tuple(range(fd.ndim))).to(x.dtype),
        slope=slope,
        # Before a leaky ReLU the lower limit is that much lower; a slope of 0 needs none.
        limits=None if clamp is None else (-clamp / slope if slope else -math.inf, clamp),
    )
    y: Tensor = _FilteredLeakyReLU.apply(x, plan)  # type: ignore[no-untyped-call]
    return y


class _FilteredLeakyReLU(torch.autograd.Function):
    """Everything but the bias, piece by piece, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, plan: Plan) -> Tensor:
        """x `[N, C, H, W]`; the result lies channels last."""
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
        """Of x; each piece is computed again."""
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
