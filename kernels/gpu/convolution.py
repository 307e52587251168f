"""One convolution in Triton for everything: forward, backward, up-sampling.

Features lie channels-last (NHWC), so that a tile of the input is rows of `BLOCK_K` neighbouring channels, and a
convolution is one matrix product per tap, all of them added into one accumulator. Weights stay as they are: their
strides say which way a matrix lies. The input comes scaled by its styles: scaling it here, between memory and tensor
cores, made the whole convolution 2 to 18 times slower (measured on an H200).
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
import triton
import triton.language as tl
from torch import Tensor

from wplus.kernels.gpu.epilogue import Epilogue, activate

Dot = Literal["ieee", "tf32"]  # how float32 is multiplied


def dot_type(dtype: torch.dtype) -> Dot:
    """How numbers of a type are multiplied: float32 as cuDNN is allowed to, the others as they are."""
    return "tf32" if dtype == torch.float32 and torch.backends.cudnn.allow_tf32 else "ieee"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Which convolution: of the given stride, or transposed, with `up - 1` zeros inserted between pixels."""

    padding: int = 0
    stride: int = 1
    up: int = 1
    flips: bool = False  # the taps

    @property
    def name(self) -> str:
        """All of it in a word."""
        return f"up{self.up}" if self.up > 1 else f"pad{self.padding}stride{self.stride}flip{int(self.flips)}"

    def out_size(self, size: int, kernel: int) -> int:
        """Rows or columns of the result."""
        if self.up > 1:
            return (size - 1) * self.up + kernel
        return (size + 2 * self.padding - kernel) // self.stride + 1

    def transposed(self, kernel: int) -> "Form":
        """The form of the gradient with respect to the input; the weight's channels change places."""
        if self.up > 1:
            return Form(stride=self.up)
        assert self.stride == 1, "a strided convolution is a gradient itself"
        return Form(padding=kernel - 1 - self.padding, flips=True)


@triton.jit
def _met(place, tap, UP: tl.constexpr, STRIDE: tl.constexpr, PAD: tl.constexpr):
    """The row or column of the input that a tap meets; `place` is one of the result, counted within its phase."""
    if UP == 1:
        return place * STRIDE + tap - PAD
    return place - tap


@triton.jit(do_not_specialize=["batch", "in_height", "in_width", "out_height", "out_width", "stride_noise_n"])
def _convolution_kernel(
    x_ptr,  # [NHWI]
    w_ptr,
    out_scale_ptr,  # [NO]
    noise_ptr,  # [NHW] or [1HW]
    bias_ptr,  # [O]
    next_scale_ptr,  # [NO]
    y_ptr,  # [NHWO]
    batch,
    in_height,
    in_width,
    out_height,
    out_width,
    stride_w_tap,
    stride_w_in,
    stride_w_out,
    stride_noise_n,
    slope,
    limit,
    C_IN: tl.constexpr,
    C_OUT: tl.constexpr,
    KERNEL: tl.constexpr,
    UP: tl.constexpr,
    STRIDE: tl.constexpr,
    PAD: tl.constexpr,
    FLIP: tl.constexpr,
    ACTIVATES: tl.constexpr,
    CLAMPS: tl.constexpr,
    DOT: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    # Neighbouring programs share the pixels and differ in output channels: the input is read from memory once.
    blocks_n: tl.constexpr = (C_OUT + BLOCK_N - 1) // BLOCK_N
    pid_m = tl.program_id(0) // blocks_n
    pid_n = tl.program_id(0) % blocks_n
    # Of an up-sampled picture, this program's pixels have one phase: (row, column) modulo UP is (phase_y, phase_x).
    phase_y = tl.program_id(1) // UP
    phase_x = tl.program_id(1) % UP
    rows = (out_height - phase_y + UP - 1) // UP
    columns = (out_width - phase_x + UP - 1) // UP

    m = pid_m * BLOCK_M + tl.arange(0, BLOCK_M)
    is_pixel = m < batch * rows * columns
    n = tl.where(is_pixel, m // (rows * columns), 0)
    row = m // columns % rows
    column = m % columns
    o = pid_n * BLOCK_N + tl.arange(0, BLOCK_N)
    is_out = o < C_OUT

    taps_y = (KERNEL - phase_y + UP - 1) // UP  # those that meet no inserted zero
    taps_x = (KERNEL - phase_x + UP - 1) // UP
    blocks_k: tl.constexpr = (C_IN + BLOCK_K - 1) // BLOCK_K
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for step in range(taps_y * taps_x * blocks_k):
        tap = step // blocks_k
        i = step % blocks_k * BLOCK_K + tl.arange(0, BLOCK_K)
        is_in = i < C_IN
        tap_y = tap // taps_x
        tap_x = tap % taps_x
        y = _met(row, tap_y, UP, STRIDE, PAD)
        x = _met(column, tap_x, UP, STRIDE, PAD)
        w_tap = (phase_y + UP * tap_y) * KERNEL + phase_x + UP * tap_x
        if FLIP:
            w_tap = KERNEL * KERNEL - 1 - w_tap
        is_inside = is_pixel & (y >= 0) & (y < in_height) & (x >= 0) & (x < in_width)
        pixel = ((n * in_height + y) * in_width + x).to(tl.int64)
        a = tl.load(
            x_ptr + pixel[:, None] * C_IN + i[None, :], mask=is_inside[:, None] & is_in[None, :], other=0.0
        )  # [MK]
        b = tl.load(
            w_ptr + w_tap * stride_w_tap + i[:, None] * stride_w_in + o[None, :] * stride_w_out,
            mask=is_in[:, None] & is_out[None, :],
            other=0.0,
        )  # [KN]
        acc = tl.dot(a, b, acc, input_precision=DOT)

    place = (row * UP + phase_y) * out_width + column * UP + phase_x
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
        o,
        is_pixel,
        is_out,
        C_OUT,
        ACTIVATES,
        CLAMPS,
    )
    pixel = (n * out_height * out_width + place).to(tl.int64)
    mask = is_pixel[:, None] & is_out[None, :]
    tl.store(y_ptr + pixel[:, None] * C_OUT + o[None, :], acc.to(y_ptr.dtype.element_ty), mask=mask)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """How the work is cut: pixels, output channels and input channels a step, and who computes it."""

    pixels: int
    outputs: int
    inputs: int
    warps: int
    stages: int
    registers: int | None = None  # the most of a thread; None leaves it to the assembler

    @property
    def name(self) -> str:
        """All of it in a word."""
        return f"{self.pixels}x{self.outputs}x{self.inputs}w{self.warps}s{self.stages}"


_HALF_TILES: tuple[Tile, ...] = (
    Tile(pixels=64, outputs=64, inputs=64, warps=4, stages=4),
    Tile(pixels=64, outputs=128, inputs=64, warps=4, stages=3),
    Tile(pixels=128, outputs=64, inputs=32, warps=4, stages=4),
)
_SINGLE_TILES: tuple[Tile, ...] = (
    Tile(pixels=64, outputs=64, inputs=32, warps=4, stages=3),
    Tile(pixels=128, outputs=64, inputs=32, warps=8, stages=3),
)
# Left alone, the assembler takes fewer registers than these need, so that one program more fits, and keeps the rest in
# memory. Gradients of 1x1 convolutions are given more; up-sampling in float32 needs fewer with 8 warps.
_HALF_POINT_GRADIENT_TILES = tuple(replace(tile, registers=255) for tile in _HALF_TILES)
_SINGLE_UP_TILES = (replace(_SINGLE_TILES[0], warps=8), *_SINGLE_TILES[1:])
# Where channels do not fill whole accesses of 16 bytes, every number has an address of its own, and registers do not
# hold those of the tiles above: here 8 warps share them, and a step in half precision takes 32 channels.
_UNEVEN_HALF_TILES = (
    Tile(pixels=64, outputs=64, inputs=32, warps=8, stages=4),
    Tile(pixels=128, outputs=64, inputs=32, warps=8, stages=4),
)
_UNEVEN_SINGLE_TILES = (replace(_SINGLE_TILES[0], warps=8),)


def tiles(x: Tensor, weight: Tensor, form: Form) -> tuple[Tile, ...]:
    """Those worth trying for a convolution, the safest first."""
    outputs, inputs = (max(16, triton.next_power_of_2(size)) for size in weight.shape[:2])
    is_even = all(size * x.element_size() % 16 == 0 for size in weight.shape[:2])
    if x.dtype == torch.float32:
        even = _SINGLE_TILES if form.up == 1 else _SINGLE_UP_TILES
        candidates = even if is_even else _UNEVEN_SINGLE_TILES
    else:
        even = _HALF_POINT_GRADIENT_TILES if form.flips and weight.shape[2] == 1 else _HALF_TILES
        candidates = even if is_even else _UNEVEN_HALF_TILES
    fitting = [
        replace(tile, outputs=min(tile.outputs, outputs), inputs=min(tile.inputs, inputs)) for tile in candidates
    ]
    return tuple(dict.fromkeys(fitting))


def convolve(x: Tensor, weight: Tensor, *, epilogue: Epilogue, form: Form, tile: Tile, dot: Dot) -> Tensor:
    """The convolution of `form` of x with the weight, and the epilogue.

    Args:
        x: `[N, I, H, W]`, channels last.
        weight: `[O, I, k, k]` in x's type, its taps at equal distances.
    """
    count, channels, height, width = x.shape
    outputs, _, kernel, _ = weight.shape
    out_height, out_width = form.out_size(height, kernel), form.out_size(width, kernel)
    size = (count, outputs, out_height, out_width)
    y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    pixels = count * -(-out_height // form.up) * -(-out_width // form.up)
    grid = (-(-pixels // tile.pixels) * -(-outputs // tile.outputs), form.up**2)
    _convolution_kernel[grid](
        x_ptr=x,
        w_ptr=weight,
        y_ptr=y,
        batch=count,
        in_height=height,
        in_width=width,
        out_height=out_height,
        out_width=out_width,
        stride_w_tap=weight.stride(3),
        stride_w_in=weight.stride(1),
        stride_w_out=weight.stride(0),
        C_IN=channels,
        C_OUT=outputs,
        KERNEL=kernel,
        UP=form.up,
        STRIDE=form.stride,
        PAD=form.padding,
        FLIP=form.flips,
        DOT=dot,
        BLOCK_M=tile.pixels,
        BLOCK_N=tile.outputs,
        BLOCK_K=tile.inputs,
        num_warps=tile.warps,
        num_stages=tile.stages,
        maxnreg=tile.registers,
        **epilogue.arguments(),
    )
    return y
