"""StyleGAN3's modulated convolution in plain PyTorch: differentiable, any device, any floating-point type."""

import torch
import torch.nn.functional as F
from torch import Tensor

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
    """Demodulated convolution over every place where the kernel touches the picture, in the constant-weight form.

    y = input_gain * dcoefs * conv(x * styles, weight) + bias, with dcoefs = rsqrt(sum((weight * styles)^2)), so that
    neither the weight's scale nor that of a sample's styles matters. Both are brought to unit size first, which keeps
    sums inside float16's range. NVIDIA scales the styles over the batch; here, no sample knows of another.

    Args:
        x: `[N, in_channels, H, W]`.
        weight: `[out_channels, in_channels, k, k]`, k odd.
        styles: `[N, in_channels]`, float32.
        squared_weight: What `normalized_weight` returned along with `weight`, if that is where it comes from.
        input_gain: A single number, float32.
        bias: `[out_channels]`.

    Returns:
        `[N, out_channels, H + k - 1, W + k - 1]` in x's type.

    Source: Karras et al. 2021 (StyleGAN3), section 3.2 and appendix C; Karras et al. 2020 (StyleGAN2), eq. 1 and 3.
    """
    if squared_weight is None:
        weight, squared_weight = normalized_weight(weight)
    styles = styles * (styles.square().mean(dim=1, keepdim=True) + _EPS).rsqrt()
    scale = (styles.square() @ squared_weight.T + _EPS).rsqrt()  # [NO]
    if input_gain is not None:
        scale = scale * input_gain
    y = F.conv2d(x * styles.to(x.dtype)[:, :, None, None], weight.to(x.dtype), padding=weight.shape[2] - 1)
    shift = y.new_zeros(()) if bias is None else bias.to(y.dtype)[:, None, None]
    return torch.addcmul(shift, y, scale.to(y.dtype)[:, :, None, None], out=overwritten(y, scale, shift))


def normalized_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Each output channel of `[O, I, k, k]` scaled to unit norm, and the sum of its squares over the taps, `[O, I]`."""
    weight = weight.to(torch.promote_types(weight.dtype, torch.float32))
    weight = weight * weight.square().sum(dim=(1, 2, 3), keepdim=True).clamp(min=1e-24).rsqrt()
    return weight, weight.square().sum(dim=(2, 3))
