"""Points on a path through latents in Triton: interpolation, truncation and style mixing in one launch.

One program makes one latent: it reads the keyframes on both sides whole (a latent is a few hundred numbers), so that
norms and angles need no second pass, and writes its own.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from wplus.kernels.reference import Interp


@triton.jit
def _atan(t):
    """The arc tangent of 0 <= t <= 1, to the last bit or two of float32.

    Above tan(pi / 8), atan(t) = pi / 4 + atan((t - 1) / (t + 1)); what is left has a short odd polynomial.
    """
    is_large = t > 0.41421356
    s = tl.where(is_large, (t - 1.0) / (t + 1.0), t)
    q = s * s
    series = ((8.05374449538e-2 * q - 1.38776856032e-1) * q + 1.99777106478e-1) * q - 3.33329491539e-1
    return series * q * s + s + tl.where(is_large, 0.78539816339744830962, 0.0)


@triton.jit
def _sin_cos(angle):
    """Sine and cosine of 0 <= angle <= pi by polynomials: the library's would use memory for larger ones."""
    quarter = tl.floor(angle * 0.63661977236758134308 + 0.5)
    # pi / 2 in two parts, so that the difference is exact to the last bit.
    r = angle - quarter * 1.5707962512969970703 - quarter * 7.5497894158615963e-8
    q = r * r
    sine = r + r * q * (-1.6666654611e-1 + q * (8.3321608736e-3 + q * -1.9515295891e-4))
    cosine = 1.0 - 0.5 * q + q * q * (4.166664568298827e-2 + q * (-1.388731625493765e-3 + q * 2.443315711809948e-5))
    is_second = quarter == 1.0
    is_third = quarter == 2.0
    return (
        tl.where(is_second, cosine, tl.where(is_third, -sine, sine)),
        tl.where(is_second, -sine, tl.where(is_third, -cosine, cosine)),
    )


@triton.jit
def _slerp(a, b, t, d, is_number):
    """The direction goes by the arc, the norm linearly."""
    norm_a = tl.sqrt(tl.sum(a * a, axis=0))
    norm_b = tl.sqrt(tl.sum(b * b, axis=0))
    # A zero vector takes the other's direction. Both have the length of `start` then, b's in one rounding: what the
    # factor lacks is a bit of length, which neither the angle nor the perpendicular below notices.
    start = tl.where(norm_a == 0, b, a)
    end = tl.where(norm_b == 0, start, b)
    length = tl.where(norm_a == 0, norm_b, norm_a)
    own = tl.where(norm_b == 0, length, norm_b)
    factor = length / tl.where(own == 0, 1.0, own)
    scaled = tl.zeros_like(end) + factor
    both = tl.fma(scaled, end, start)
    difference = tl.fma(scaled, end, -start)
    total = tl.sqrt(tl.sum(both * both, axis=0))
    apart = tl.sqrt(tl.sum(difference * difference, axis=0))
    # 2 * atan2(apart, total): exact near 0 and near pi, where acos of a product is not.
    larger = tl.maximum(apart, total)
    half = _atan(tl.minimum(apart, total) / tl.where(larger == 0, 1.0, larger))
    angle = 2.0 * tl.where(apart > total, 1.57079632679489661923 - half, half)
    # Both differ from `end` by a multiple of `start`; the shorter loses fewer digits.
    towards = tl.where(apart < total, difference, both)
    # Opposite vectors leave the plane open: the turn goes through the coordinate axis farthest from the vector.
    start = start / tl.where(length == 0, 1.0, length)
    least = tl.argmin(tl.where(is_number, tl.abs(start), float("inf")), axis=0)
    towards = tl.where(total < 1e-6 * length, tl.where(d == least, 1.0, 0.0), towards)
    towards -= tl.sum(towards * start, axis=0) * start
    sideways_length = tl.sqrt(tl.sum(towards * towards, axis=0))
    sideways = towards / tl.where(sideways_length == 0, 1.0, sideways_length)
    sine, cosine = _sin_cos(t * angle)
    return ((1.0 - t) * norm_a + t * norm_b) * (cosine * start + sine * sideways)


@triton.jit(do_not_specialize=["count", "num_ws"])
def _latent_path_kernel(
    keyframes_ptr,  # [K, num_ws, dim]
    times_ptr,  # [T], float64
    w_avg_ptr,  # [dim]
    psi_ptr,  # [num_ws]
    mix_ptr,  # [num_ws, dim]
    mask_ptr,  # [T, num_ws], uint8
    out_ptr,  # [T, num_ws, dim]
    count,
    num_ws,
    DIM: tl.constexpr,
    INTERP: tl.constexpr,
    LOOPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    index = tl.program_id(0).to(tl.int64)
    slot = tl.program_id(1)
    d = tl.arange(0, BLOCK)
    is_number = d < DIM
    time = tl.load(times_ptr + index)
    if LOOPS:
        time -= tl.floor(time / count) * count
    left = tl.floor(time).to(tl.int32)
    t = (time - left).to(tl.float32)
    if LOOPS:
        left = left % count  # a tiny negative time wraps to `count` itself
        right = (left + 1) % count
    else:
        right = tl.minimum(left + 1, count - 1)
    rows = keyframes_ptr + slot * DIM + d
    stride = num_ws.to(tl.int64) * DIM
    a = tl.load(rows + left * stride, mask=is_number, other=0.0)
    b = tl.load(rows + right * stride, mask=is_number, other=0.0)
    if INTERP == "linear":
        w = a + t * (b - a)
    elif INTERP == "slerp":
        w = _slerp(a, b, t, d, is_number)
    else:
        if LOOPS:
            before = tl.load(rows + (left + count - 1) % count * stride, mask=is_number, other=0.0)
            after = tl.load(rows + (right + 1) % count * stride, mask=is_number, other=0.0)
        else:  # beyond the ends, the line goes straight on
            before = tl.load(rows + tl.maximum(left - 1, 0) * stride, mask=is_number, other=0.0)
            after = tl.load(rows + tl.minimum(right + 1, count - 1) * stride, mask=is_number, other=0.0)
            before = tl.where(left == 0, a + (a - b), before)
            after = tl.where(right == left + 1, tl.where(right == count - 1, b + (b - a), after), b)
        slope_a = 0.5 * (b - before)
        slope_b = 0.5 * (after - a)
        w = a + t * (slope_a + t * (3.0 * (b - a) - 2.0 * slope_a - slope_b + t * (slope_a + slope_b - 2.0 * (b - a))))
    w = tl.where(t == 0, a, w)  # on a keyframe nothing is rounded
    if mask_ptr is not None:
        mix = tl.load(mix_ptr + slot * DIM + d, mask=is_number, other=0.0)
        w = tl.where(tl.load(mask_ptr + index * num_ws + slot) != 0, mix, w)
    if psi_ptr is not None:
        w_avg = tl.load(w_avg_ptr + d, mask=is_number, other=0.0)
        psi = tl.load(psi_ptr + slot)
        w = tl.where(psi == 1.0, w, w_avg + psi * (w - w_avg))
    tl.store(out_ptr + (index * num_ws + slot) * DIM + d, w, mask=is_number)


def latent_path(
    keyframes: Tensor,
    times: Tensor,
    *,
    interp: Interp,
    loop: bool,
    w_avg: Tensor | None,
    psi: Tensor | None,
    mix: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """See `wplus.kernels.latent_path`; all tensors are contiguous, times float64, the rest float32, the mask uint8.

    `interp` is anything but "spline".
    """
    count, num_ws, dim = keyframes.shape
    out = torch.empty((len(times), num_ws, dim), dtype=torch.float32, device=keyframes.device)
    if len(times):
        _latent_path_kernel[(len(times), num_ws)](
            keyframes_ptr=keyframes,
            times_ptr=times,
            w_avg_ptr=w_avg,
            psi_ptr=psi,
            mix_ptr=mix,
            mask_ptr=mask,
            out_ptr=out,
            count=count,
            num_ws=num_ws,
            DIM=dim,
            INTERP=interp,
            LOOPS=loop,
            BLOCK=triton.next_power_of_2(dim),
            num_warps=4,
        )
    return out
