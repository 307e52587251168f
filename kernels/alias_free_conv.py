"""StyleGAN3's modulated convolution in plain PyTorch: differentiable, any device, any floating-point type."""

import torch
from torch import Tensor

from wplus.kernels.frozen_conv import conv2d
from wplus.kernels.reference import overwritten

_EPS = 1e-8


def alias_free_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    squared_weight: Tensor | None = None,
    input_gain: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """StyleGAN3's convolution in plain PyTorch; see `wplus.kernels.alias_free_conv2d`."""
    weight, styles, scale = alias_free_modulation(weight, styles, squared_weight=squared_weight, input_gain=input_gain)
    margin = weight.shape[2] - 1
    y = conv2d(x * styles.to(x.dtype)[:, :, None, None], weight.to(x.dtype), padding=(margin, margin))
    shift = y.new_zeros(()) if bias is None else bias.to(y.dtype)[:, None, None]
    return torch.addcmul(shift, y, scale.to(y.dtype)[:, :, None, None], out=overwritten(y, scale, shift))


def alias_free_modulation(
    weight: Tensor, styles: Tensor, *, squared_weight: Tensor | None, input_gain: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The weight and styles of unit size with which one convolves, and input_gain * dcoefs `[N, out_channels]`."""
    if squared_weight is None:
        weight, squared_weight = normalized_weight(weight)
    styles = styles * (styles.square().mean(dim=1, keepdim=True) + _EPS).rsqrt()
    scale = (styles.square() @ squared_weight.T + _EPS).rsqrt()
    return weight, styles, scale if input_gain is None else scale * input_gain


def normalized_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Each output channel of `[O, I, k, k]` scaled to unit norm, and the sum of its squares over the taps, `[O, I]`."""
    weight = weight.to(torch.promote_types(weight.dtype, torch.float32))
    weight = weight * weight.square().sum(dim=(1, 2, 3), keepdim=True).clamp(min=1e-24).rsqrt()
    return weight, weight.square().sum(dim=(2, 3))
