"""The operators in plain PyTorch: differentiable, any device, any floating-point type.

Results keep the memory format of their input. Intermediates are overwritten only where autograd does not need them;
arguments never are.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from wplus.kernels.frozen_conv import conv2d, conv_transpose2d

Activation = Literal["linear", "lrelu"]
Interp = Literal["linear", "slerp", "catmull-rom", "spline"]

LRELU_SLOPE = 0.2
_DEMODULATION_EPS = 1e-8


def upfirdn2d(
    x: Tensor,
    f: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    flip_filter: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Up-samples by zero insertion, pads, filters and down-samples; see `wplus.kernels.upfirdn2d`."""
    if f.ndim == 1:
        f = f.outer(f)
    kernel = f.to(x.dtype) * gain
    if flip_filter:
        kernel = kernel.flip(0, 1)
    if up == 1:
        return _fir(x, kernel, down, padding)
    y = _up_fir(x, kernel, up, padding)
    return y if down == 1 else y[:, :, ::down, ::down]


def _fir(x: Tensor, kernel: Tensor, down: int, padding: tuple[int, int, int, int]) -> Tensor:
    """Convolution of every channel with one kernel."""
    left, right, top, bottom = padding
    inside = (min(top, bottom), min(left, right))
    if min(inside) < 0:
        inside = (0, 0)
    rest = (left - inside[1], right - inside[1], top - inside[0], bottom - inside[0])
    if any(rest):
        x = F.pad(x, rest)
    channels = x.shape[1]
    weight = kernel.flip(0, 1).expand(channels, 1, *kernel.shape)  # conv2d correlates
    if down != 1:
        return F.conv2d(x, weight, stride=down, padding=inside, groups=channels)
    return conv2d(x, weight, padding=inside, groups=channels)


def _up_fir(x: Tensor, kernel: Tensor, up: int, padding: tuple[int, int, int, int]) -> Tensor:
    """Zero insertion and convolution at once: a transposed convolution is exactly that, without the zeros."""
    height, width = kernel.shape
    left, right, top, bottom = padding
    # It is also the full convolution: fh - 1 rows above and fh - up below those that start inside the picture. What the
    # padding asks for beyond or short of that is added or cropped, evenly cropped margins by the convolution itself.
    left, right, top, bottom = left - width + 1, right - width + up, top - height + 1, bottom - height + up
    crop = (max(0, -max(top, bottom)), max(0, -max(left, right)))
    channels = x.shape[1]
    weight = kernel.expand(channels, 1, height, width)
    y = conv_transpose2d(x, weight, stride=up, padding=crop, groups=channels)
    rest = (left + crop[1], right + crop[1], top + crop[0], bottom + crop[0])
    return F.pad(y, rest) if any(rest) else y


def bias_act(
    x: Tensor, b: Tensor | None = None, *, act: Activation = "linear", gain: float = 1.0, clamp: float | None = None
) -> Tensor:
    """Adds a bias per channel (axis 1), then activation, gain, clamp.

    Args:
        x: `[N, C, ...]`.
        b: `[C]`.
        act: `"linear"`, or `"lrelu"` with slope 0.2.
        gain: Factor on the activation.
        clamp: The result is clamped to +-clamp.
    """
    if b is not None:
        x = x + b.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 2))
    if act == "lrelu":
        x = F.leaky_relu(x, LRELU_SLOPE)
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def filtered_lrelu(
    x: Tensor,
    fu: Tensor,
    fd: Tensor,
    b: Tensor | None = None,
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    gain: float = math.sqrt(2),
    slope: float = LRELU_SLOPE,
    clamp: float | None = None,
) -> Tensor:
    """Bias, up-sampling, leaky ReLU, gain, clamp, down-sampling; see `wplus.kernels.filtered_lrelu`."""
    x = upfirdn2d(bias_act(x, b), fu, up=up, padding=padding, gain=up**2)
    x = bias_act(F.leaky_relu(x, slope), gain=gain, clamp=clamp)
    return upfirdn2d(x, fd, down=down)


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    up: int = 1,
    resample_filter: Tensor | None = None,
    demodulate: bool = True,
    squared_weight: Tensor | None = None,
    noise: Tensor | None = None,
    bias: Tensor | None = None,
    act: Activation = "linear",
    gain: float = 1.0,
    clamp: float | None = None,
    x_is_scaled: bool = False,
    next_styles: Tensor | None = None,
) -> Tensor:
    """StyleGAN2's convolution with everything that follows it; see `wplus.kernels.modulated_conv2d`."""
    weight, styles, scale = modulation(
        weight, styles, dtype=x.dtype, demodulate=demodulate, squared_weight=squared_weight
    )
    own_styles = None if x_is_scaled else styles.to(x.dtype)
    y = _scaled_conv(x, weight.to(x.dtype), own_styles, up, resample_filter)
    # A leaky ReLU lets a positive gain through, so that the gain is applied early, to what is small.
    scale = (torch.ones_like(styles[:1, :1]) if scale is None else scale) * gain
    scale = scale.to(y.dtype)[:, :, None, None]
    if noise is not None:
        shift = (noise * gain).to(y.dtype)
        y = torch.addcmul(shift, y, scale, out=overwritten(y, scale, shift))
    elif demodulate or gain != 1:
        y = torch.mul(y, scale, out=overwritten(y, scale))
    if bias is not None:
        y.add_((bias * gain).to(x.dtype)[:, None, None])
    if act == "lrelu":
        y = F.leaky_relu_(y, LRELU_SLOPE)
    if clamp is not None:
        y = y.clamp(-clamp, clamp)
    return y if next_styles is None else y * scaling_styles(next_styles, y.dtype).to(y.dtype)[:, :, None, None]


def modulation(
    weight: Tensor, styles: Tensor, *, dtype: torch.dtype, demodulate: bool, squared_weight: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The weight, the styles and dcoefs `[N, out_channels]` (None without demodulation) with which one convolves.

    In float16, demodulated weights and styles are first brought to a size at which no sum overflows.
    """
    if not demodulate:
        return weight, styles, None
    if dtype == torch.float16 and squared_weight is None:
        weight = normalized_for_half(weight)
    styles = scaling_styles(styles, dtype)
    if squared_weight is None:
        squared_weight = _single(weight).square().sum(dim=(2, 3))
    return weight, styles, (styles.square() @ squared_weight.T + _DEMODULATION_EPS).rsqrt()


def scaling_styles(styles: Tensor, dtype: torch.dtype) -> Tensor:
    """The styles by which a demodulated convolution scales x: in float16, at most 1; demodulation cancels that."""
    return styles / styles.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) if dtype == torch.float16 else styles


def _single(x: Tensor) -> Tensor:
    """x in float32 at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def torgb(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    bias: Tensor,
    img: Tensor | None = None,
    *,
    resample_filter: Tensor | None = None,
    clamp: float | None = None,
) -> Tensor:
    """Modulated 1x1 convolution to picture channels, added to the running picture; see `wplus.kernels.torgb`."""
    if img is not None:
        assert resample_filter is not None
        img = upfirdn2d(img, resample_filter, up=2, padding=up_padding(resample_filter), gain=4.0)
    y = modulated_conv2d(x, weight, styles, demodulate=False, bias=bias, clamp=clamp)
    y = _single(y)
    return y if img is None else img + y


def up_padding(f: Tensor) -> tuple[int, int, int, int]:
    """Margins with which a filter `[fh, fw]`, centred, gives twice a picture's size."""
    rows, columns = (((taps + 1) // 2, (taps - 2) // 2) for taps in f.shape)
    return (*columns, *rows)


def overwritten(y: Tensor, *others: Tensor) -> Tensor | None:
    """The `out=` of an operation on y, which nobody needs any more: y, or None.

    None where a gradient is asked for, and where a compiler traces: it places results itself, and this would stop it.
    """
    needs_grad = any(tensor.requires_grad for tensor in (y, *others))
    return None if needs_grad or torch.compiler.is_compiling() else y


def _scaled_conv(x: Tensor, weight: Tensor, styles: Tensor | None, up: int, resample_filter: Tensor | None) -> Tensor:
    """conv(x * styles, weight), up-sampled by `up`."""
    is_narrowing = weight.shape[2] == 1 and up == 1 and weight.shape[0] < weight.shape[1]
    if styles is not None and is_narrowing and not (x.requires_grad and torch.compiler.is_compiling()):
        # Few output channels: a product with scaled weights reads x once and writes no scaled copy of it. Not where its
        # gradients are traced for a runtime, which would lay x out anew for them.
        scaled = weight[:, :, 0, 0] * styles[:, None, :]  # [NOI]
        y = x.permute(0, 2, 3, 1) @ scaled.transpose(1, 2)[:, None]  # [NHWO]
        return y.permute(0, 3, 1, 2)
    if styles is not None:
        x = x * styles[:, :, None, None]
    if up == 1:
        return conv2d(x, weight, padding=(weight.shape[2] // 2, weight.shape[3] // 2))
    assert resample_filter is not None
    y = conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return upfirdn2d(y, resample_filter, padding=conv_up_padding(resample_filter, weight.shape[2]), gain=4.0)


def conv_up_padding(f: Tensor, kernel: int) -> tuple[int, int, int, int]:
    """Margins of the filter after a transposed convolution, so that both, centred, give twice the input's size."""
    rows, columns = (
        (kernel // 2 + (taps + 1) // 2 - (kernel - 1), kernel // 2 + (taps - 2) // 2 - (kernel - 2)) for taps in f.shape
    )
    return (*columns, *rows)


def normalized_for_half(weight: Tensor) -> Tensor:
    """Each output channel of `[O, I, k, k]` scaled so that no sum leaves float16's range; demodulation cancels it."""
    weight = _single(weight)
    largest = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    return weight / (largest * math.sqrt(weight[0].numel()))


def to_uint8(img: Tensor, *, columns: int | None = None) -> Tensor:
    """Pictures in [-1, 1] as bytes; see `wplus.kernels.to_uint8`."""
    pixels = (img.float() * 127.5 + 128).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    if columns is None:
        return pixels.contiguous()
    count, height, width, channels = pixels.shape
    rows = -(-count // columns)
    pixels = F.pad(pixels, (0, 0, 0, 0, 0, 0, 0, rows * columns - count))
    grid = pixels.reshape(rows, columns, height, width, channels).transpose(1, 2)
    return grid.reshape(rows * height, columns * width, channels).contiguous()


def latent_path(
    keyframes: Tensor,
    times: Tensor,
    *,
    interp: Interp = "linear",
    loop: bool = False,
    w_avg: Tensor | None = None,
    truncation_psi: Tensor | None = None,
    mix: Tensor | None = None,
    mix_mask: Tensor | None = None,
) -> Tensor:
    """Points on a path through latents, in float64 where the device has it; see `wplus.kernels.latent_path`."""
    dtype = keyframes.dtype
    if keyframes.device.type != "mps":
        keyframes = keyframes.double()
    count = len(keyframes)
    moments = times.to(keyframes.dtype)
    if loop:
        moments = moments.remainder(count)
    left = moments.floor().long()
    t = (moments - left).to(keyframes.dtype)[:, None, None]
    left = left % count  # a tiny negative time wraps to `count` itself
    right = (left + 1) % count if loop else (left + 1).clamp(max=count - 1)
    a, b = keyframes[left], keyframes[right]
    if interp == "linear":
        w = torch.lerp(a, b, t)
    elif interp == "slerp":
        w = _slerp(a, b, t)
    elif interp == "catmull-rom":
        slopes = _catmull_rom_slopes(keyframes, loop)
        w = _hermite(a, b, slopes[left], slopes[right], t)
    else:
        bends = _natural_bends(keyframes, loop)
        s = 1 - t
        w = torch.lerp(a, b, t) + ((s**3 - s) * bends[left] + (t**3 - t) * bends[right]) / 6
    w = torch.where(t == 0, a, w)  # on a keyframe nothing is rounded
    if mix is not None and mix_mask is not None:
        w = torch.where(mix_mask[:, :, None], mix.to(w.dtype), w)
    if w_avg is not None and truncation_psi is not None:
        psi = truncation_psi[None, :, None]
        w = torch.where(psi == 1, w, w_avg + psi * (w - w_avg))
    return w.to(dtype)


def _slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Along the last axis, the direction goes by the arc and the norm linearly."""
    norm_a, norm_b = (torch.linalg.vector_norm(x, dim=-1, keepdim=True) for x in (a, b))
    unit_a, unit_b = (x / torch.where(norm == 0, 1, norm) for x, norm in ((a, norm_a), (b, norm_b)))
    start = torch.where(norm_a == 0, unit_b, unit_a)  # a zero vector takes the other's direction
    end = torch.where(norm_b == 0, unit_a, unit_b)
    total, apart = (torch.linalg.vector_norm(x, dim=-1, keepdim=True) for x in (start + end, end - start))
    angle = 2 * torch.atan2(apart, total)  # exact near 0 and near pi, where acos of a product is not
    # Both differ from `end` by a multiple of `start`; the shorter loses fewer digits.
    towards = torch.where(apart < total, end - start, end + start)
    # Opposite vectors leave the plane open: the turn goes through the coordinate axis farthest from the vector.
    least = F.one_hot(start.abs().argmin(dim=-1), start.shape[-1]).to(start.dtype)
    towards = torch.where(total < 1e-6, least, towards)
    towards = towards - (towards * start).sum(dim=-1, keepdim=True) * start
    length = torch.linalg.vector_norm(towards, dim=-1, keepdim=True)
    sideways = towards / torch.where(length == 0, 1, length)
    return torch.lerp(norm_a, norm_b, t) * (torch.cos(t * angle) * start + torch.sin(t * angle) * sideways)


def _catmull_rom_slopes(points: Tensor, loop: bool) -> Tensor:
    """Half the way from the point before to the point after; beyond the ends, the line goes straight on."""
    after, before = points.roll(-1, 0), points.roll(1, 0)
    if not loop and len(points) > 1:
        after = torch.cat([after[:-1], 2 * points[-1:] - points[-2:-1]])
        before = torch.cat([2 * points[:1] - points[1:2], before[1:]])
    return (after - before) / 2


def _hermite(a: Tensor, b: Tensor, slope_a: Tensor, slope_b: Tensor, t: Tensor) -> Tensor:
    """The cubic from a to b with the given slopes at its ends."""
    step = b - a
    return a + t * (slope_a + t * (3 * step - 2 * slope_a - slope_b + t * (slope_a + slope_b - 2 * step)))


def _natural_bends(points: Tensor, loop: bool) -> Tensor:
    """Second derivatives M of M[i-1] + 4 M[i] + M[i+1] = 6 (y[i-1] - 2 y[i] + y[i+1]): cyclic, or 0 at both ends."""
    count = len(points)
    eye = torch.eye(count, dtype=points.dtype, device=points.device)
    neighbours = eye.roll(1, 0) + eye.roll(-1, 0)
    right_side = 6 * torch.tensordot(neighbours - 2 * eye, points, dims=1)
    matrix = neighbours + 4 * eye
    if not loop:
        inner = torch.ones(count, 1, dtype=points.dtype, device=points.device)
        inner[[0, -1]] = 0
        matrix = torch.where(inner == 1, matrix, eye)
        right_side = right_side * inner[:, :, None]
    bends: Tensor = torch.linalg.solve(matrix, right_side.flatten(1))
    return bends.reshape(points.shape)
