"""`upfirdn2d` in Triton: up-sampling, FIR filter, down-sampling and an epilogue, in one pass over the picture."""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from wplus.kernels.gpu.epilogue import NOTHING, Epilogue, activate

_MOST_STEPS = 256
FAR = tl.constexpr(1 << 16)  # rows; more than a padding crops, so that what is divided is not negative


@triton.jit(
    do_not_specialize=["batch", "in_height", "in_width", "out_height", "out_width", "pad_y", "pad_x", "stride_noise_n"]
)
def _upfirdn2d_kernel(
    x_ptr,  # [NHWC]
    f_ptr,  # [taps_y, taps_x], float32
    out_scale_ptr,
    noise_ptr,
    bias_ptr,
    next_scale_ptr,
    y_ptr,  # [NHWC]
    batch,
    in_height,
    in_width,
    out_height,
    out_width,
    pad_y,  # above
    pad_x,  # on the left
    stride_noise_n,
    slope,
    limit,
    CHANNELS: tl.constexpr,
    TAPS_Y: tl.constexpr,
    TAPS_X: tl.constexpr,
    UP: tl.constexpr,
    DOWN: tl.constexpr,
    ACTIVATES: tl.constexpr,
    CLAMPS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    blocks_c: tl.constexpr = (CHANNELS + BLOCK_C - 1) // BLOCK_C
    m = tl.program_id(0) // blocks_c * BLOCK_M + tl.arange(0, BLOCK_M)
    c = tl.program_id(0) % blocks_c * BLOCK_C + tl.arange(0, BLOCK_C)
    is_pixel = m < batch * out_height * out_width
    is_channel = c < CHANNELS
    n = tl.where(is_pixel, m // (out_height * out_width), 0)
    place = m % (out_height * out_width)
    row = place // out_width * DOWN - pad_y  # in the up-sampled picture, that of the first tap
    column = place % out_width * DOWN - pad_x
    # Only every UP-th tap meets a sample; the others would meet inserted zeros.
    first_y = ((-row) % UP + UP) % UP
    first_x = ((-column) % UP + UP) % UP
    y = (row + first_y + UP * FAR) // UP - FAR  # the sample that the first such tap meets; it may lie outside
    x = (column + first_x + UP * FAR) // UP - FAR
    start = x_ptr + ((n.to(tl.int64) * in_height + y) * in_width + x)[:, None] * CHANNELS + c[None, :]
    acc = tl.zeros([BLOCK_M, BLOCK_C], tl.float32)
    for step_y in tl.static_range((TAPS_Y + UP - 1) // UP):
        tap_y = first_y + step_y * UP
        is_row = is_pixel & (y + step_y >= 0) & (y + step_y < in_height) & (tap_y < TAPS_Y)
        for step_x in tl.static_range((TAPS_X + UP - 1) // UP):
            tap_x = first_x + step_x * UP
            is_inside = is_row & (x + step_x >= 0) & (x + step_x < in_width) & (tap_x < TAPS_X)
            value = tl.load(
                start + (step_y * in_width + step_x) * CHANNELS,
                mask=is_inside[:, None] & is_channel[None, :],
                other=0.0,
            ).to(tl.float32)
            # The filter is convolved, so that its last tap meets the first sample.
            if UP == 1:
                acc += value * tl.load(f_ptr + (TAPS_Y - 1 - step_y) * TAPS_X + TAPS_X - 1 - step_x)
            else:
                place_f = (TAPS_Y - 1 - tap_y) * TAPS_X + TAPS_X - 1 - tap_x
                acc += value * tl.load(f_ptr + place_f, mask=is_inside, other=0.0)[:, None]
    acc = activate(
        acc,
        out_scale_ptr,
        noise_ptr,
        bias_ptr,
        next_scale_ptr,
        stride_noise_n,
        slope,
        limit,
        n,
        place,
        c,
        is_pixel,
        is_channel,
        CHANNELS,
        ACTIVATES,
        CLAMPS,
    )
    tl.store(
        y_ptr + m.to(tl.int64)[:, None] * CHANNELS + c[None, :],
        acc.to(y_ptr.dtype.element_ty),
        mask=is_pixel[:, None] & is_channel[None, :],
    )


def filter_picture(
    x: Tensor,
    f: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    epilogue: Epilogue = NOTHING,
) -> Tensor:
    """`upfirdn2d` and an epilogue, without gradients.

    Args:
        x: `[N, C, H, W]`, channels last.
        f: `[fh, fw]`, float32, contiguous, gain included; it is convolved.
        padding: On the left, right, top and bottom; negative ones crop.
    """
    count, channels, height, width = x.shape
    left, right, top, bottom = padding
    out_height = (height * up + top + bottom - f.shape[0]) // down + 1
    out_width = (width * up + left + right - f.shape[1]) // down + 1
    size = (count, channels, out_height, out_width)
    y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    block_c = min(64, triton.next_power_of_2(channels))
    block_m = (2048 if x.dtype == torch.float32 else 4096) // block_c if channels >= 16 else 256  # what registers hold
    blocks = triton.cdiv(count * out_height * out_width, block_m) * triton.cdiv(channels, block_c)
    _upfirdn2d_kernel[(blocks,)](
        x_ptr=x,
        f_ptr=f,
        y_ptr=y,
        batch=count,
        in_height=height,
        in_width=width,
        out_height=out_height,
        out_width=out_width,
        pad_y=top,
        pad_x=left,
        CHANNELS=channels,
        TAPS_Y=f.shape[0],
        TAPS_X=f.shape[1],
        UP=up,
        DOWN=down,
        BLOCK_M=block_m,
        BLOCK_C=block_c,
        num_warps=4,
        **epilogue.arguments(),
    )
    return y


def unsupported_reasons(f: Tensor, *, up: int, padding: tuple[int, int, int, int]) -> list[str]:
    """Sentences that say why such filtering cannot run in Triton."""
    reasons = []
    steps = triton.cdiv(f.shape[0], up) * triton.cdiv(f.shape[-1], up)
    if steps > _MOST_STEPS:
        reasons.append(
            f"A filter of {list(f.shape)} takes {steps} taps a pixel, each written out; {_MOST_STEPS} at most."
        )
    if max(map(abs, padding)) >= FAR.value:
        reasons.append(f"padding is {padding}; less than {FAR.value} pixels are needed.")
    return reasons


class UpFirDn2d(torch.autograd.Function):
    """`filter_picture` without an epilogue; its gradient is one more, the other way round."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        f: Tensor,
        up: int,
        down: int,
        padding: tuple[int, int, int, int],
    ) -> Tensor:
        """See `filter_picture`."""
        ctx.f, ctx.up, ctx.down, ctx.padding, ctx.size = f, up, down, padding, x.shape[2:]
        return filter_picture(x.contiguous(memory_format=torch.channels_last), f, up=up, down=down, padding=padding)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Of x alone."""
        padding = transposed_padding(ctx.size, grad.shape[2:], ctx.f.shape, ctx.padding, up=ctx.up, down=ctx.down)
        flipped = ctx.f.flip(0, 1).contiguous()
        x_grad: Tensor = UpFirDn2d.apply(grad, flipped, ctx.down, ctx.up, padding)
        return x_grad, None, None, None, None


def transposed_padding(
    size: Sequence[int],
    out: Sequence[int],
    taps: Sequence[int],
    padding: tuple[int, int, int, int],
    *,
    up: int = 1,
    down: int = 1,
) -> tuple[int, int, int, int]:
    """Margins with which the flipped filter, `up` and `down` exchanged, makes a gradient of `size` from one of `out`.

    Args:
        size: Height and width of what was filtered.
        out: Height and width of the result.
        taps: Height and width of the filter.
        padding: What it was filtered with.
    """
    left, _, top, _ = padding
    first = (taps[0] - 1 - top, taps[1] - 1 - left)
    last = [(size[i] - 1) * up + taps[i] - out[i] * down - first[i] for i in range(2)]
    return first[1], last[1], first[0], last[0]
