"""StyleGAN3's filtered leaky ReLU in Triton: the up-sampled picture lives in registers only, forward and backward.

A filter along rows or columns is a product with a banded matrix: an up-sampling one has `up` columns for each row, and
no zero is inserted anywhere. Each program takes a tile of the picture and goes through the channels, a few at a time,
with four such products. They multiply the band's surroundings too, about ten times what a loop over taps would, and
gain more than that by running on the tensor cores. A filter that is not separable is a sum of separable ones (its
singular value decomposition), one pair of products each.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from wplus.kernels.gpu.convolution import Dot, dot_type
from wplus.kernels.gpu.separable import Filters, factors

_SIZES = ["in_height", "in_width", "out_height", "out_width", "pad_y", "pad_x"]  # no other machine code for each
_SIDE_UP = 64  # of the square of up-sampled places
_CHANNELS = 16  # of a program; in half precision, as many as come with each access to memory


def _at_once(dtype: torch.dtype) -> tuple[int, int]:
    """Channels at a time and warps of a program: what the registers hold."""
    return (1, 8) if dtype == torch.float32 else (2, 8)


@triton.jit
def _band(
    taps_ptr,
    offset,
    STEP_ROW: tl.constexpr,
    STEP_COLUMN: tl.constexpr,
    TAPS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """The matrix whose element (r, c) is tap number offset + r * STEP_ROW + c * STEP_COLUMN, or 0 if there is none."""
    tap = offset + tl.arange(0, ROWS)[:, None] * STEP_ROW + tl.arange(0, COLUMNS)[None, :] * STEP_COLUMN
    return tl.load(taps_ptr + tap, mask=(tap >= 0) & (tap < TAPS), other=0.0)


@triton.jit
def _along(
    x, band, CHANNELS: tl.constexpr, LINES: tl.constexpr, IN: tl.constexpr, OUT: tl.constexpr, DOT: tl.constexpr
):
    """`[CHANNELS, LINES, IN]` times the band `[IN, OUT]`, as `[CHANNELS, OUT, LINES]`: ready for the other axis."""
    y = tl.dot(tl.reshape(x, [CHANNELS * LINES, IN]), band.to(x.dtype), input_precision=DOT)
    return tl.permute(tl.reshape(y, [CHANNELS, LINES, OUT]), (0, 2, 1))


@triton.jit
def _load_tile(ptr, n, c, first_y, first_x, height, width, ALL: tl.constexpr, SIDE: tl.constexpr):
    """Samples `[CHANNELS, SIDE, SIDE]` from (first_y, first_x) on, 0 outside; and where they are inside."""
    y = first_y + tl.arange(0, SIDE)[None, :, None]
    x = first_x + tl.arange(0, SIDE)[None, None, :]
    is_inside = (y >= 0) & (y < height) & (x >= 0) & (x < width) & (c < ALL)[:, None, None]
    place = ((n * height + y) * width + x).to(tl.int64) * ALL + c[:, None, None]
    return tl.load(ptr + place, mask=is_inside, other=0.0), is_inside


@triton.jit
def _store_tile(
    ptr, value, n, c, first_y, first_x, height, width, ALL: tl.constexpr, SIDE: tl.constexpr, STEP: tl.constexpr
):
    """Stores the first STEP rows and columns of `[CHANNELS, SIDE, SIDE]` at (first_y, first_x), inside the picture."""
    line = tl.arange(0, SIDE)
    y = first_y + line[None, :, None]
    x = first_x + line[None, None, :]
    is_ours = (line < STEP)[None, :, None] & (line < STEP)[None, None, :]
    mask = is_ours & (y < height) & (x < width) & (c < ALL)[:, None, None]
    place = ((n * height + y) * width + x).to(tl.int64) * ALL + c[:, None, None]
    tl.store(ptr + place, value.to(ptr.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=_SIZES)
def _filtered_lrelu_fwd_kernel(
    x_ptr,  # [NHWC]
    bias_ptr,  # [C], float32
    up_ptr,  # [UP_TAPS], float32, correlated with
    down_y_ptr,  # [RANK, DOWN_TAPS], float32, correlated with
    down_x_ptr,
    y_ptr,  # [NHWC]
    in_height,
    in_width,
    out_height,
    out_width,
    pad_y,
    pad_x,
    slope,
    limit,
    ALL: tl.constexpr,  # channels
    UP: tl.constexpr,
    DOWN: tl.constexpr,
    UP_TAPS: tl.constexpr,
    DOWN_TAPS: tl.constexpr,
    RANK: tl.constexpr,
    CLAMPS: tl.constexpr,
    DOT: tl.constexpr,
    STEP: tl.constexpr,  # rows and columns of the result that a program makes
    SIDE_IN: tl.constexpr,
    SIDE_UP: tl.constexpr,
    SIDE_OUT: tl.constexpr,
    CHANNELS: tl.constexpr,  # at a time
    REPEATS: tl.constexpr,
):
    tiles_x = (out_width + STEP - 1) // STEP
    out_y = tl.program_id(0) // tiles_x * STEP
    out_x = tl.program_id(0) % tiles_x * STEP
    n = tl.program_id(2)
    up_y = out_y * DOWN  # the tile's first place in the up-sampled picture
    up_x = out_x * DOWN
    in_y = (up_y - pad_y + UP * 65536) // UP - 65536  # rounded down
    in_x = (up_x - pad_x + UP * 65536) // UP - 65536
    band_x = _band(up_ptr, in_x * UP - up_x + pad_x, UP, -1, UP_TAPS, SIDE_IN, SIDE_UP)
    band_y = _band(up_ptr, in_y * UP - up_y + pad_y, UP, -1, UP_TAPS, SIDE_IN, SIDE_UP)
    for repeat in range(REPEATS):
        c = (tl.program_id(1) * REPEATS + repeat) * CHANNELS + tl.arange(0, CHANNELS)
        x, is_inside = _load_tile(x_ptr, n, c, in_y, in_x, in_height, in_width, ALL, SIDE_IN)
        if bias_ptr is not None:
            bias = tl.load(bias_ptr + c, mask=c < ALL, other=0.0)
            x = tl.where(is_inside, x + bias[:, None, None], 0.0).to(x_ptr.dtype.element_ty)
        u = _along(x, band_x, CHANNELS, SIDE_IN, SIDE_IN, SIDE_UP, DOT).to(x.dtype)  # [C, x, y]
        u = _along(u, band_y, CHANNELS, SIDE_UP, SIDE_IN, SIDE_UP, DOT)  # [C, y, x]
        u = tl.where(u > 0, u, u * slope)
        if CLAMPS:
            u = tl.where(u > limit, limit, tl.where(u < -limit, -limit, u))
        u = u.to(x.dtype)
        y = tl.zeros([CHANNELS, SIDE_OUT, SIDE_OUT], tl.float32)
        for rank in range(RANK):
            band = _band(down_x_ptr + rank * DOWN_TAPS, 0, 1, -DOWN, DOWN_TAPS, SIDE_UP, SIDE_OUT)
            v = _along(u, band, CHANNELS, SIDE_UP, SIDE_UP, SIDE_OUT, DOT).to(x.dtype)  # [C, x, y]
            band = _band(down_y_ptr + rank * DOWN_TAPS, 0, 1, -DOWN, DOWN_TAPS, SIDE_UP, SIDE_OUT)
            y += _along(v, band, CHANNELS, SIDE_OUT, SIDE_UP, SIDE_OUT, DOT)  # [C, y, x]
        _store_tile(y_ptr, y, n, c, out_y, out_x, out_height, out_width, ALL, SIDE_OUT, STEP)


@triton.jit(do_not_specialize=_SIZES)
def _filtered_lrelu_bwd_kernel(
    grad_ptr,  # [NHWC], of y
    x_ptr,
    bias_ptr,
    up_ptr,
    down_y_ptr,
    down_x_ptr,
    x_grad_ptr,  # [NHWC]
    in_height,
    in_width,
    out_height,
    out_width,
    pad_y,
    pad_x,
    slope,
    limit,
    ALL: tl.constexpr,
    UP: tl.constexpr,
    DOWN: tl.constexpr,
    UP_TAPS: tl.constexpr,
    DOWN_TAPS: tl.constexpr,
    RANK: tl.constexpr,
    CLAMPS: tl.constexpr,
    DOT: tl.constexpr,
    STEP: tl.constexpr,  # rows and columns of x's gradient that a program makes
    SIDE_IN: tl.constexpr,
    SIDE_UP: tl.constexpr,
    SIDE_OUT: tl.constexpr,
    CHANNELS: tl.constexpr,
    REPEATS: tl.constexpr,
):
    tiles_x = (in_width + STEP - 1) // STEP
    own_y = tl.program_id(0) // tiles_x * STEP
    own_x = tl.program_id(0) % tiles_x * STEP
    n = tl.program_id(2)
    # The up-sampled places that these inputs reach, all inputs that reach those, and the results that they reach.
    up_y = own_y * UP + pad_y - UP_TAPS + 1
    up_x = own_x * UP + pad_x - UP_TAPS + 1
    in_y = (up_y - pad_y + UP * 65536) // UP - 65536
    in_x = (up_x - pad_x + UP * 65536) // UP - 65536
    out_y = (up_y - DOWN_TAPS + 1 + DOWN * 65536) // DOWN - 65536
    out_x = (up_x - DOWN_TAPS + 1 + DOWN * 65536) // DOWN - 65536
    band_x = _band(up_ptr, in_x * UP - up_x + pad_x, UP, -1, UP_TAPS, SIDE_IN, SIDE_UP)
    band_y = _band(up_ptr, in_y * UP - up_y + pad_y, UP, -1, UP_TAPS, SIDE_IN, SIDE_UP)
    back_x = _band(up_ptr, own_x * UP - up_x + pad_x, -1, UP, UP_TAPS, SIDE_UP, SIDE_IN)
    back_y = _band(up_ptr, own_y * UP - up_y + pad_y, -1, UP, UP_TAPS, SIDE_UP, SIDE_IN)
    for repeat in range(REPEATS):
        c = (tl.program_id(1) * REPEATS + repeat) * CHANNELS + tl.arange(0, CHANNELS)
        # The gradient first: while it is summed over ranks, nothing else has to stay in registers.
        grad, _ = _load_tile(grad_ptr, n, c, out_y, out_x, out_height, out_width, ALL, SIDE_OUT)
        g = tl.zeros([CHANNELS, SIDE_UP, SIDE_UP], tl.float32)
        for rank in range(RANK):
            band = _band(down_x_ptr + rank * DOWN_TAPS, up_x - out_x * DOWN, -DOWN, 1, DOWN_TAPS, SIDE_OUT, SIDE_UP)
            v = _along(grad, band, CHANNELS, SIDE_OUT, SIDE_OUT, SIDE_UP, DOT).to(grad.dtype)  # [C, x, y]
            band = _band(down_y_ptr + rank * DOWN_TAPS, up_y - out_y * DOWN, -DOWN, 1, DOWN_TAPS, SIDE_OUT, SIDE_UP)
            g += _along(v, band, CHANNELS, SIDE_UP, SIDE_OUT, SIDE_UP, DOT)  # [C, y, x]
        x, is_inside = _load_tile(x_ptr, n, c, in_y, in_x, in_height, in_width, ALL, SIDE_IN)
        if bias_ptr is not None:
            bias = tl.load(bias_ptr + c, mask=c < ALL, other=0.0)
            x = tl.where(is_inside, x + bias[:, None, None], 0.0).to(x_ptr.dtype.element_ty)
        u = _along(x, band_x, CHANNELS, SIDE_IN, SIDE_IN, SIDE_UP, DOT).to(x.dtype)
        u = _along(u, band_y, CHANNELS, SIDE_UP, SIDE_IN, SIDE_UP, DOT)  # [C, y, x]
        factor = tl.where(u > 0, 1.0, slope)
        if CLAMPS:
            factor = tl.where((u * factor <= limit) & (u * factor >= -limit), factor, 0.0)
        g = (g * factor).to(x.dtype)
        g = _along(g, back_x, CHANNELS, SIDE_UP, SIDE_UP, SIDE_IN, DOT).to(x.dtype)  # [C, x, y]
        g = _along(g, back_y, CHANNELS, SIDE_IN, SIDE_UP, SIDE_IN, DOT)  # [C, y, x]
        _store_tile(x_grad_ptr, g, n, c, own_y, own_x, in_height, in_width, ALL, SIDE_IN, STEP)


def filtered_lrelu(
    x: Tensor,
    fu: Tensor,
    fd: Tensor,
    b: Tensor | None,
    *,
    up: int,
    down: int,
    padding: tuple[int, int, int, int],
    gain: float,
    slope: float,
    clamp: float | None,
) -> Tensor:
    """See `wplus.kernels.filtered_lrelu`; x lies channels last."""
    down_y, down_x = factors(fd)
    filters = Filters(
        up_taps=(fu.float().flip(0) * (up * math.sqrt(gain))).contiguous(),
        down_y=down_y,
        down_x=down_x,
        up=up,
        down=down,
        padding=padding,
        slope=slope,
        clamp=clamp,
    )
    bias = None if b is None else b.float().contiguous()
    y: Tensor = FilteredLeakyReLU.apply(x, bias, filters, dot_type(x.dtype))
    return y


def unsupported_reasons(fu: Tensor, fd: Tensor, *, up: int, down: int) -> list[str]:
    """Sentences that say why these filters cannot run in Triton."""
    if fu.ndim != 1:
        return [f"fu is {list(fu.shape)}; only one that is separable, [taps], runs in Triton."]
    sizes = {"up": up, "down": down, "up_taps": len(fu), "down_taps": max(fd.shape)}
    if fd.ndim == 2 and fd.shape[0] != fd.shape[1]:
        return [f"fd is {list(fd.shape)}; one that is not separable has to be square."]
    if forward_tile(**sizes).step < 1 or backward_tile(**sizes).step < 1:
        return [
            f"Filters of {len(fu)} and {max(fd.shape)} taps for factors of {up} and {down} are too long for a tile."
        ]
    return []


class FilteredLeakyReLU(torch.autograd.Function):
    """down(clamp(lrelu(up(x + bias)))); what lies between is computed again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, filters: Filters, dot: Dot) -> Tensor:
        """x `[N, C, H, W]`, channels last; bias `[C]`, float32."""
        ctx.save_for_backward(x, bias)
        ctx.filters, ctx.dot = filters, dot
        size = (*x.shape[:2], *filters.out_size(*x.shape[2:]))
        y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        tile = forward_tile(**filters.sizes)
        _filtered_lrelu_fwd_kernel[tile.grid(y)](x_ptr=x, y_ptr=y, **_arguments(x, bias, y, filters, tile), DOT=dot)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Of x and the bias."""
        x, bias = ctx.saved_tensors
        filters: Filters = ctx.filters
        grad = grad.contiguous(memory_format=torch.channels_last)
        x_grad = torch.empty_like(x)
        tile = backward_tile(**filters.sizes)
        _filtered_lrelu_bwd_kernel[tile.grid(x)](
            grad_ptr=grad,
            x_ptr=x,
            x_grad_ptr=x_grad,
            **_arguments(x, bias, grad, filters, tile),
            DOT=ctx.dot,
        )
        bias_grad = x_grad.sum(dim=(0, 2, 3), dtype=torch.float32) if ctx.needs_input_grad[1] else None
        return x_grad, bias_grad, None, None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What a program makes, and the sides of the squares that it computes with."""

    step: int  # rows and columns that it stores
    side_in: int
    side_out: int

    def grid(self, stored: Tensor) -> tuple[int, int, int]:
        """Programs for a picture `[N, C, H, W]`."""
        count, channels, height, width = stored.shape
        tiles = triton.cdiv(height, self.step) * triton.cdiv(width, self.step)
        return tiles, triton.cdiv(channels, _CHANNELS), count


def forward_tile(*, up: int, down: int, up_taps: int, down_taps: int) -> Tile:
    """The tile of the forward pass; its step is 0 if the filters are too long for one."""
    side_in = 64 if up == 1 else 32

    def fits(step: int) -> bool:
        places = (step - 1) * down + down_taps
        return places <= _SIDE_UP and _reach(places, up_taps, up) <= side_in

    step = max((step for step in range(1, _SIDE_UP + 1) if fits(step)), default=0)
    side_out = max(16, triton.next_power_of_2(step))
    return Tile(step=step, side_in=side_in, side_out=side_out)


def backward_tile(*, up: int, down: int, up_taps: int, down_taps: int) -> Tile:
    """The tile of the backward pass; its step is 0 if the filters are too long for one."""
    side_in, side_out = (64 if factor == 1 else 32 for factor in (up, down))

    def fits(step: int) -> bool:
        places = (step - 1) * up + up_taps
        is_read = _reach(places, up_taps, up) <= side_in and _reach(places, down_taps, down) <= side_out
        return is_read and places <= _SIDE_UP

    step = max((step for step in range(1, side_in + 1) if fits(step)), default=0)
    return Tile(step=step, side_in=side_in, side_out=side_out)


def _reach(places: int, taps: int, factor: int) -> int:
    """How many samples, `factor` places apart, a filter reaches from so many places; the first may be one before."""
    return (places + taps - 2) // factor + 2


def _arguments(x: Tensor, bias: Tensor | None, y: Tensor, filters: Filters, tile: Tile) -> dict[str, Any]:
    """What both kernels are given."""
    left, _, top, _ = filters.padding
    at_once, warps = _at_once(x.dtype)
    return {
        "bias_ptr": bias,
        "up_ptr": filters.up_taps,
        "down_y_ptr": filters.down_y,
        "down_x_ptr": filters.down_x,
        "in_height": x.shape[2],
        "in_width": x.shape[3],
        "out_height": y.shape[2],
        "out_width": y.shape[3],
        "pad_y": top,
        "pad_x": left,
        "slope": filters.slope,
        "limit": 0.0 if filters.clamp is None else filters.clamp,
        "ALL": x.shape[1],
        "UP": filters.up,
        "DOWN": filters.down,
        "UP_TAPS": filters.up_taps.shape[0],
        "DOWN_TAPS": filters.down_y.shape[1],
        "RANK": filters.down_y.shape[0],
        "CLAMPS": filters.clamp is not None,
        "STEP": tile.step,
        "SIDE_IN": tile.side_in,
        "SIDE_UP": _SIDE_UP,
        "SIDE_OUT": tile.side_out,
        "CHANNELS": at_once,
        "REPEATS": _CHANNELS // at_once,
        "num_warps": warps,
        "num_stages": 1,
    }
