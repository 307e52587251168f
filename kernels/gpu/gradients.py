"""What the backward pass of a modulated convolution needs besides convolutions, in Triton.

Each kernel is one pass over a picture. Sums over pixels are written as one partial sum a block and added up afterwards,
in a fixed order: a gradient is the same each time it is computed.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from wplus.kernels.gpu.epilogue import Epilogue


@triton.jit(do_not_specialize=["pixels", "stride_noise_n"])
def _epilogue_grad_kernel(
    grad_ptr,  # [NHWC], of y
    y_ptr,  # [NHWC], what the epilogue gave
    out_scale_ptr,
    noise_ptr,
    bias_ptr,
    before_ptr,  # [NHWC], the gradient of what the epilogue was given
    sums_ptr,  # [N, blocks, C]
    products_ptr,  # [N, blocks, C]
    noise_grad_ptr,  # [NHW]
    pixels,  # of a picture
    stride_noise_n,
    slope,
    limit,
    CHANNELS: tl.constexpr,
    ACTIVATES: tl.constexpr,
    CLAMPS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    n = tl.program_id(1).to(tl.int64)
    block = tl.program_id(0)
    place = block * BLOCK_M + tl.arange(0, BLOCK_M)
    is_pixel = place < pixels
    noise = tl.zeros([BLOCK_M], tl.float32)
    if noise_ptr is not None:
        noise = tl.load(noise_ptr + n * stride_noise_n + place, mask=is_pixel, other=0.0)
    over_channels = tl.zeros([BLOCK_M], tl.float32)
    for start in range(0, CHANNELS, BLOCK_C):
        c = start + tl.arange(0, BLOCK_C)
        is_channel = c < CHANNELS
        mask = is_pixel[:, None] & is_channel[None, :]
        offsets = (n * pixels + place)[:, None] * CHANNELS + c[None, :]
        grad = tl.load(grad_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        y = tl.load(y_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        # The result alone tells where it was clamped, and on which side of zero it was.
        if CLAMPS:
            grad = tl.where((y < limit) & (y > -limit), grad, 0.0)
        if ACTIVATES:
            grad = tl.where(y > 0, grad, grad * slope)
            y = tl.where(y > 0, y, y / slope)
        before = grad
        if out_scale_ptr is not None:
            before *= tl.load(out_scale_ptr + n * CHANNELS + c, mask=is_channel, other=0.0)[None, :]
        tl.store(before_ptr + offsets, before.to(before_ptr.dtype.element_ty), mask=mask)
        scaled = y - noise[:, None]
        if bias_ptr is not None:
            scaled -= tl.load(bias_ptr + c, mask=is_channel, other=0.0)[None, :]
        partial = (n * tl.num_programs(0) + block) * CHANNELS + c
        tl.store(sums_ptr + partial, tl.sum(grad, axis=0), mask=is_channel)
        tl.store(products_ptr + partial, tl.sum(grad * scaled, axis=0), mask=is_channel)
        over_channels += tl.sum(grad, axis=1)
    if noise_grad_ptr is not None:
        tl.store(noise_grad_ptr + n * pixels + place, over_channels, mask=is_pixel)


@triton.jit(do_not_specialize=["pixels"])
def _scale_grad_kernel(
    grad_ptr,  # [NHWC], of x * scale
    x_ptr,  # [NHWC]
    scale_ptr,  # [NC]
    x_grad_ptr,  # [NHWC]
    products_ptr,  # [N, blocks, C]
    pixels,
    CHANNELS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    n = tl.program_id(1).to(tl.int64)
    block = tl.program_id(0)
    place = block * BLOCK_M + tl.arange(0, BLOCK_M)
    for start in range(0, CHANNELS, BLOCK_C):
        c = start + tl.arange(0, BLOCK_C)
        is_channel = c < CHANNELS
        mask = (place < pixels)[:, None] & is_channel[None, :]
        offsets = (n * pixels + place)[:, None] * CHANNELS + c[None, :]
        grad = tl.load(grad_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        scale = tl.load(scale_ptr + n * CHANNELS + c, mask=is_channel, other=0.0)
        tl.store(x_grad_ptr + offsets, (grad * scale[None, :]).to(x_grad_ptr.dtype.element_ty), mask=mask)
        partial = (n * tl.num_programs(0) + block) * CHANNELS + c
        tl.store(products_ptr + partial, tl.sum(grad * x, axis=0), mask=is_channel)


class EpilogueGradients(NamedTuple):
    """What `epilogue_gradients` finds."""

    before: Tensor  # [NCHW] in the result's type: of what the epilogue was given, x
    sums: Tensor  # [NC], the gradient of out_scale * x, summed over the pixels
    products: Tensor  # [NC], that times out_scale * x, summed over the pixels
    noise: Tensor | None  # [N1HW], the former summed over the channels


def epilogue_gradients(grad: Tensor, y: Tensor, epilogue: Epilogue, *, needs_noise: bool) -> EpilogueGradients:
    """Gradients of an epilogue without `next_scale`, from its result y.

    Args:
        grad: Of y, `[N, C, H, W]`, channels last.
        y: `[N, C, H, W]`, channels last.
        needs_noise: Whether the noise's gradient is wanted.
    """
    count, channels, height, width = y.shape
    block_m, block_c, blocks = _blocks(channels, height * width)
    before = torch.empty_like(y)
    sums, products = (y.new_empty((count, blocks, channels), dtype=torch.float32) for _ in range(2))
    noise = y.new_empty((count, 1, height, width), dtype=torch.float32) if needs_noise else None
    arguments = epilogue.arguments()
    del arguments["next_scale_ptr"]
    _epilogue_grad_kernel[(blocks, count)](
        grad_ptr=grad,
        y_ptr=y,
        before_ptr=before,
        sums_ptr=sums,
        products_ptr=products,
        noise_grad_ptr=noise,
        pixels=height * width,
        CHANNELS=channels,
        BLOCK_M=block_m,
        BLOCK_C=block_c,
        num_warps=4,
        **arguments,
    )
    return EpilogueGradients(before=before, sums=sums.sum(dim=1), products=products.sum(dim=1), noise=noise)


def scale_gradients(grad: Tensor, x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of x * scale: of x, `[N, C, H, W]`, and of the scale, `[N, C]`.

    Args:
        grad: Of the product, `[N, C, H, W]`, channels last.
        x: `[N, C, H, W]`, channels last.
        scale: `[N, C]`, float32, contiguous.
    """
    count, channels, height, width = x.shape
    block_m, block_c, blocks = _blocks(channels, height * width)
    x_grad = torch.empty_like(x)
    products = x.new_empty((count, blocks, channels), dtype=torch.float32)
    _scale_grad_kernel[(blocks, count)](
        grad_ptr=grad,
        x_ptr=x,
        scale_ptr=scale,
        x_grad_ptr=x_grad,
        products_ptr=products,
        pixels=height * width,
        CHANNELS=channels,
        BLOCK_M=block_m,
        BLOCK_C=block_c,
        num_warps=4,
    )
    return x_grad, products.sum(dim=1)


def _blocks(channels: int, pixels: int) -> tuple[int, int, int]:
    """Pixels and channels of a block, and how many blocks of pixels a picture has."""
    block_c = min(64, triton.next_power_of_2(channels))
    block_m = max(16, 4096 // block_c)
    return block_m, block_c, triton.cdiv(pixels, block_m)
