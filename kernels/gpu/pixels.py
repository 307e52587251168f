"""`to_uint8` in Triton: floats to bytes in the order in which files want them, pictures put into a grid on the way."""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit(do_not_specialize=["count", "height", "width", "columns", "stride_n", "stride_c", "stride_y", "stride_x"])
def _to_uint8_kernel(
    img_ptr,  # [NCHW] in any layout
    y_ptr,  # [rows * H, columns * W, C], uint8
    count,
    height,
    width,
    columns,
    stride_n,
    stride_c,
    stride_y,
    stride_x,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    n = tl.program_id(1).to(tl.int64)  # the cell of the grid
    number = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # in the order of the bytes of a picture by itself
    c = number % CHANNELS
    x = number // CHANNELS % width
    y = number // CHANNELS // width
    is_inside = y < height
    source = n * stride_n + c * stride_c + y.to(tl.int64) * stride_y + x.to(tl.int64) * stride_x
    # Cells without a picture are black.
    value = tl.load(img_ptr + source, mask=is_inside & (n < count), other=-2.0).to(tl.float32) * 127.5 + 128.0
    # NaN becomes 0, as it does in PyTorch.
    value = tl.where(value > 255.0, 255.0, tl.where(value > 0.0, value, 0.0))
    row = (n // columns) * height + y
    target = (row * columns * width + n % columns * width + x) * CHANNELS + c
    tl.store(y_ptr + target, value.to(tl.uint8), mask=is_inside)


def to_uint8(img: Tensor, *, columns: int | None = None) -> Tensor:
    """Pictures `[N, C, H, W]` in [-1, 1], in any layout, as bytes; see `wplus.kernels.to_uint8`."""
    count, channels, height, width = img.shape
    across = 1 if columns is None else columns
    rows = -(-count // across)
    size = (count, height, width, channels) if columns is None else (rows * height, across * width, channels)
    y = torch.empty(size, dtype=torch.uint8, device=img.device)
    block = 1024
    _to_uint8_kernel[(triton.cdiv(height * width * channels, block), rows * across)](
        img_ptr=img,
        y_ptr=y,
        count=count,
        height=height,
        width=width,
        columns=across,
        stride_n=img.stride(0),
        stride_c=img.stride(1),
        stride_y=img.stride(2),
        stride_x=img.stride(3),
        CHANNELS=channels,
        BLOCK=block,
        num_warps=4,
    )
    return y
