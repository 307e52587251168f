"""The operators in plain PyTorch: differentiable, any device, any floating-point type.

Results keep the memory format of their input. Intermediates are overwritten only where autograd does not need them;
arguments never are.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Activation = Literal["linear", "lrelu"]

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
    """Up-samples by zero insertion, pads, filters and down-samples; never multiplies by an inserted zero.

    Args:
        x: `[N, C, H, W]`.
        f: FIR filter `[fh, fw]`, or `[taps]` for a separable one.
        up: Integer factor.
        down: Integer factor.
        padding: Pixels added to the up-sampled picture on the left, right, top and bottom; negative ones crop.
        flip_filter: False convolves, True correlates.
        gain: Factor on the result.

    Returns:
        `[N, C, (H * up + top + bottom - fh) // down + 1, (W * up + left + right - fw) // down + 1]`.

    Source: Karras et al. 2020 (StyleGAN2), appendix B.
    """
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
    return F.conv2d(x, weight, stride=down, padding=inside, groups=channels)


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
    y = F.conv_transpose2d(x, weight, stride=up, padding=crop, groups=channels)
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
    """Bias, up-sampling, leaky ReLU, gain, clamp, down-sampling: the plain twin of `kernels/filtered_lrelu.py`.

    Source: Karras et al. 2021 (StyleGAN3), section 3.2.
    """
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
) -> Tensor:
    """StyleGAN2's convolution with everything that follows it, in the constant-weight form.

    y = clamp(gain * act(dcoefs * up(conv(x * styles, weight)) + noise + bias)): the input is scaled by the styles, one
    convolution serves the whole batch, the output is scaled by dcoefs = rsqrt(sum((weight * styles)^2) + 1e-8).

    Args:
        x: `[N, in_channels, H, W]`.
        weight: `[out_channels, in_channels, k, k]`, k odd.
        styles: `[N, in_channels]`, float32.
        up: 1 or 2; 2 is a transposed convolution followed by `resample_filter` with gain 4.
        resample_filter: `[fh, fw]`, needed when `up` is 2.
        demodulate: Whether to normalise every output channel.
        squared_weight: `[out_channels, in_channels]`, the sum of weight^2 over the taps, if it is known already; of a
            float16 weight, that of what `normalized_for_half` gave, which the weight then is.
        noise: Broadcast to `[N, 1, H * up, W * up]`, strength included.
        bias: `[out_channels]`.
        act: `"linear"`, or `"lrelu"` with slope 0.2.
        gain: Positive factor on the activation.
        clamp: The result is clamped to +-clamp.

    Returns:
        `[N, out_channels, H * up, W * up]` in x's type.

    Source: Karras et al. 2020 (StyleGAN2), eq. 1 and 3; half-precision normalisation: Karras et al. 2020 (ADA).
    """
    if demodulate and x.dtype == torch.float16:
        weight = normalized_for_half(weight) if squared_weight is None else weight
        styles = styles / styles.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)  # demodulation cancels it
    y = _scaled_conv(x, weight.to(x.dtype), styles.to(x.dtype), up, resample_filter)
    # A leaky ReLU lets a positive gain through, so that the gain is applied early, to what is small.
    scale = torch.full_like(styles[:1, :1], gain)
    if demodulate:
        if squared_weight is None:
            squared_weight = weight.float().square().sum(dim=(2, 3))
        scale = (styles.square() @ squared_weight.T + _DEMODULATION_EPS).rsqrt() * gain  # [NO]
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
    return y if clamp is None else y.clamp(-clamp, clamp)


def overwritten(y: Tensor, *others: Tensor) -> Tensor | None:
    """The `out=` of an operation on y, which nobody needs any more: y, or None.

    None where a gradient is asked for, and where a compiler traces: it places results itself, and this would stop it.
    """
    needs_grad = any(tensor.requires_grad for tensor in (y, *others))
    return None if needs_grad or torch.compiler.is_compiling() else y


def _scaled_conv(x: Tensor, weight: Tensor, styles: Tensor, up: int, resample_filter: Tensor | None) -> Tensor:
    """conv(x * styles, weight), up-sampled by `up`."""
    if weight.shape[2] == 1 and up == 1 and weight.shape[0] < weight.shape[1]:
        # Few output channels: a product with scaled weights reads x once and writes no scaled copy of it.
        scaled = weight[:, :, 0, 0] * styles[:, None, :]  # [NOI]
        y = x.permute(0, 2, 3, 1) @ scaled.transpose(1, 2)[:, None]  # [NHWO]
        return y.permute(0, 3, 1, 2)
    x = x * styles[:, :, None, None]
    if up == 1:
        return F.conv2d(x, weight, padding=weight.shape[2] // 2)
    if resample_filter is None:
        raise ValueError("up is 2, which needs a resample_filter; none was given")
    y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    rows, columns = (_up_padding(taps, weight.shape[2]) for taps in resample_filter.shape)
    return upfirdn2d(y, resample_filter, padding=(*columns, *rows), gain=4.0)


def _up_padding(taps: int, kernel: int) -> tuple[int, int]:
    """Margins before and after, so that filter and kernel, both centred, give twice the input's size."""
    return kernel // 2 + (taps + 1) // 2 - (kernel - 1), kernel // 2 + (taps - 2) // 2 - (kernel - 2)


def normalized_for_half(weight: Tensor) -> Tensor:
    """Each output channel of `[O, I, k, k]` scaled so that no sum leaves float16's range; demodulation cancels it."""
    weight = weight.float()
    largest = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    return weight / (largest * math.sqrt(weight[0].numel()))


def to_uint8(img: Tensor) -> Tensor:
    """Pixels of a picture in [-1, 1]: `[N, C, H, W]` to uint8 `[N, H, W, C]`, rounded down after x * 127.5 + 128."""
    return (img.float() * 127.5 + 128).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
