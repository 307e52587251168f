"""StyleGAN2's torgb in Triton: reads the features once, and adds them to the running picture as it up-samples that."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from wplus.kernels.gpu.convolution import dot_type


@triton.jit(do_not_specialize=["height", "width", "pad_y", "pad_x"])
def _torgb_kernel(
    x_ptr,  # [NHWI]
    w_ptr,  # [O, I]
    styles_ptr,  # [NI]
    bias_ptr,  # [O]
    img_ptr,  # [N, H / 2, W / 2, O], float32
    f_ptr,  # [taps_y, taps_x], float32
    y_ptr,  # [NHWO], float32
    height,
    width,
    pad_y,
    pad_x,
    limit,
    C_IN: tl.constexpr,
    C_OUT: tl.constexpr,
    TAPS_Y: tl.constexpr,
    TAPS_X: tl.constexpr,
    CLAMPS: tl.constexpr,
    DOT: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    n = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    is_pixel = place < height * width
    o = tl.arange(0, BLOCK_N)
    is_out = o < C_OUT
    pixel = n * height * width + place
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(0, C_IN, BLOCK_K):
        i = start + tl.arange(0, BLOCK_K)
        is_in = i < C_IN
        mask = is_pixel[:, None] & is_in[None, :]
        a = tl.load(x_ptr + pixel[:, None] * C_IN + i[None, :], mask=mask, other=0.0)  # [MK]
        # Few outputs: scaling the weight costs less than scaling the features, and rounds no feature.
        styles = tl.load(styles_ptr + n * C_IN + i, mask=is_in, other=0.0)
        mask = is_in[:, None] & is_out[None, :]
        w = tl.load(w_ptr + o[None, :] * C_IN + i[:, None], mask=mask, other=0.0)  # [KN]
        acc = tl.dot(a, (w * styles[:, None]).to(a.dtype), acc, input_precision=DOT)
    acc += tl.load(bias_ptr + o, mask=is_out, other=0.0)[None, :]
    if CLAMPS:
        acc = tl.where(acc > limit, limit, tl.where(acc < -limit, -limit, acc))
    if img_ptr is not None:
        row = place // width - pad_y
        column = place % width - pad_x
        first_y = ((-row) % 2 + 2) % 2  # every other tap meets an inserted zero
        first_x = ((-column) % 2 + 2) % 2
        start = n * (height // 2) * (width // 2)
        for channel in tl.static_range(C_OUT):
            up = tl.zeros([BLOCK_M], tl.float32)
            for step_y in tl.static_range((TAPS_Y + 1) // 2):
                for step_x in tl.static_range((TAPS_X + 1) // 2):
                    tap_y = first_y + step_y * 2
                    tap_x = first_x + step_x * 2
                    y = (row + tap_y) // 2
                    x = (column + tap_x) // 2
                    is_inside = (row + tap_y >= 0) & (y < height // 2) & (column + tap_x >= 0) & (x < width // 2)
                    mask = is_pixel & is_inside & (tap_y < TAPS_Y) & (tap_x < TAPS_X)
                    f = tl.load(f_ptr + (TAPS_Y - 1 - tap_y) * TAPS_X + TAPS_X - 1 - tap_x, mask=mask, other=0.0)
                    source = start + y * (width // 2) + x
                    up += f * tl.load(img_ptr + source * C_OUT + channel, mask=mask, other=0.0)
            acc += tl.where(o[None, :] == channel, up[:, None], 0.0)
    tl.store(y_ptr + pixel[:, None] * C_OUT + o[None, :], acc, mask=is_pixel[:, None] & is_out[None, :])


def torgb(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    bias: Tensor,
    img: Tensor | None,
    f: Tensor | None,
    *,
    padding: tuple[int, int, int, int],
    clamp: float | None,
) -> Tensor:
    """clamp(conv(x * styles, weight) + bias), added to the running picture up-sampled by 2; without gradients.

    Args:
        x: `[N, I, H, W]`, channels last.
        weight: `[O, I, 1, 1]`, contiguous, O at most 4.
        styles: `[N, I]`, float32, contiguous.
        bias: `[O]`, float32.
        img: `[N, O, H / 2, W / 2]`, float32, channels last.
        f: Filter for it, `[fh, fw]`, float32, contiguous, gain included.
        padding: Of the filter: left, right, top, bottom.
        clamp: Before the picture is added.

    Returns:
        `[N, O, H, W]`, float32, channels last.
    """
    count, channels, height, width = x.shape
    outputs = weight.shape[0]
    size = (count, outputs, height, width)
    y = torch.empty(size, dtype=torch.float32, device=x.device, memory_format=torch.channels_last)
    taps_y, taps_x = (1, 1) if f is None else f.shape
    # Without tensor cores, which do not multiply float32 in full, each thread has its part of both blocks in registers.
    block_m, most_k, warps = (64, 32, 8) if x.dtype == torch.float32 else (128, 64, 4)
    _torgb_kernel[(triton.cdiv(height * width, block_m), count)](
        x_ptr=x,
        w_ptr=weight,
        styles_ptr=styles,
        bias_ptr=bias,
        img_ptr=img,
        f_ptr=f,
        y_ptr=y,
        height=height,
        width=width,
        pad_y=padding[2],
        pad_x=padding[0],
        limit=0.0 if clamp is None else clamp,
        C_IN=channels,
        C_OUT=outputs,
        TAPS_Y=taps_y,
        TAPS_X=taps_x,
        CLAMPS=clamp is not None,
        BLOCK_M=block_m,
        DOT=dot_type(x.dtype),
        BLOCK_N=16,  # the fewest that tensor cores take
        BLOCK_K=min(most_k, max(16, triton.next_power_of_2(channels))),
        num_warps=warps,
    )
    return y
