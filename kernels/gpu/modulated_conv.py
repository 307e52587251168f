"""The convolutions of StyleGAN2 and 3 on a GPU, forward and backward: Triton's or the library's, by measurement."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_weight

from wplus.kernels.gpu import tuning
from wplus.kernels.gpu.convolution import Form, convolve, dot_type, tiles
from wplus.kernels.gpu.epilogue import NOTHING, Epilogue
from wplus.kernels.gpu.gradients import epilogue_gradients, scale_gradients
from wplus.kernels.gpu.upfirdn import filter_picture, transposed_padding


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What a convolution is apart from its tensors."""

    padding: int
    up: int = 1
    filter: Tensor | None = None  # [fh, fw], float32, gain included; follows an up-sampling convolution
    filter_padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # left, right, top, bottom
    slope: float | None = None  # of the leaky ReLU
    clamp: float | None = None

    @property
    def form(self) -> Form:
        """The convolution's."""
        return Form(up=self.up) if self.up > 1 else Form(padding=self.padding)


def scaled_conv2d(
    x: Tensor,
    weight: Tensor,
    in_scale: Tensor | None,
    layer: Layer,
    *,
    out_scale: Tensor | None = None,
    noise: Tensor | None = None,
    bias: Tensor | None = None,
    next_scale: Tensor | None = None,
) -> Tensor:
    """`ScaledConv2d` of arguments in any layout; differentiable.

    Args:
        x: `[N, I, H, W]`; one sample stands for all.
        weight: `[O, I, k, k]`.
        in_scale: `[N, I]`.
        layer: The rest of the layer.
        out_scale: `[N, O]`.
        noise: Broadcast to `[N, 1, H, W]` of the result.
        bias: `[O]`.
        next_scale: `[N, O]`.
    """
    if in_scale is not None:
        x = x.expand(len(in_scale), -1, -1, -1)
    if noise is not None:
        noise = noise.reshape(*(1,) * (4 - noise.ndim), *noise.shape)
        kernel, up = weight.shape[2], layer.up
        size = [side * up if up > 1 else layer.form.out_size(side, kernel) for side in x.shape[2:]]
        noise = noise.expand(-1, -1, *size)
    needs_grad = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (x, weight, in_scale, out_scale, noise, bias)
    )
    y: Tensor = ScaledConv2d.apply(
        x.contiguous(memory_format=torch.channels_last),
        _readable(weight.to(x.dtype)),
        *(None if part is None else part.float().contiguous() for part in (in_scale, out_scale, noise, bias)),
        None if next_scale is None or needs_grad else next_scale.float().contiguous(),
        layer,
    )
    return y * next_scale.to(y.dtype)[:, :, None, None] if needs_grad and next_scale is not None else y


def _readable(weight: Tensor) -> Tensor:
    """The weight with neighbouring inputs or outputs side by side, and taps at equal distances."""
    is_even = weight.shape[2] == 1 or weight.stride(2) == weight.shape[3] * weight.stride(3)
    is_readable = is_even and 1 in (weight.stride(0), weight.stride(1))
    return weight if is_readable else weight.contiguous(memory_format=torch.channels_last)


class ScaledConv2d(torch.autograd.Function):
    """y = next_scale * clamp(lrelu(out_scale * filter(conv(x * in_scale, weight)) + noise + bias)).

    Scales are positive where their gradient is asked for; `next_scale` takes no part in gradients.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        in_scale: Tensor | None,
        out_scale: Tensor | None,
        noise: Tensor | None,
        bias: Tensor | None,
        next_scale: Tensor | None,
        layer: Layer,
    ) -> Tensor:
        """x `[N, I, H, W]`, channels last; weight `[O, I, k, k]`; the rest float32 and contiguous, see `Epilogue`."""
        after = Epilogue(noise=noise, bias=bias, slope=layer.slope, clamp=layer.clamp, next_scale=next_scale)
        scaled = _scaled(x, in_scale)
        if layer.filter is None:
            y = _convolve(scaled, weight, replace(after, out_scale=out_scale), layer.form)
        else:
            # Scaled before it is filtered: in float16, what is stored between the two is then of unit size.
            y = _convolve(scaled, weight, Epilogue(out_scale=out_scale), layer.form)
            y = filter_picture(y, layer.filter, padding=layer.filter_padding, epilogue=after)
        ctx.save_for_backward(x, weight, in_scale, out_scale, noise, bias, y)
        ctx.layer = layer
        ctx.is_scaled = next_scale is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Of everything but `next_scale`."""
        assert not ctx.is_scaled, "what is scaled for the next layer has no gradient"
        x, weight, in_scale, out_scale, noise, bias, y = ctx.saved_tensors
        layer: Layer = ctx.layer
        needs_x, needs_weight, needs_in, needs_out, needs_noise, needs_bias, *_ = ctx.needs_input_grad
        epilogue = Epilogue(out_scale=out_scale, noise=noise, bias=bias, slope=layer.slope, clamp=layer.clamp)
        grad = grad.contiguous(memory_format=torch.channels_last)
        found = epilogue_gradients(grad, y, epilogue, needs_noise=needs_noise)
        noise_grad = found.noise
        if noise_grad is not None and noise.shape[0] == 1:
            noise_grad = noise_grad.sum(dim=0, keepdim=True)
        before = found.before
        if layer.filter is not None:
            inner = [layer.form.out_size(size, weight.shape[2]) for size in x.shape[2:]]
            padding = transposed_padding(inner, before.shape[2:], layer.filter.shape, layer.filter_padding)
            before = filter_picture(before, layer.filter.flip(0, 1).contiguous(), padding=padding)
        x_grad, in_grad, weight_grad = None, None, None
        if needs_x or needs_in:
            form = layer.form.transposed(weight.shape[2])
            x_grad = _convolve(before, weight.transpose(0, 1), NOTHING, form)
            if in_scale is not None:
                x_grad, in_grad = scale_gradients(x_grad, x, in_scale)
        if needs_weight:
            weight_grad = _weight_gradient(_scaled(x, in_scale), before, weight, layer.form)
        return (
            x_grad if needs_x else None,
            weight_grad,
            in_grad if needs_in else None,
            found.products / out_scale if needs_out else None,
            noise_grad,
            found.sums.sum(dim=0) if needs_bias else None,
            None,
            None,
        )


def _weight_gradient(x: Tensor, grad: Tensor, weight: Tensor, form: Form) -> Tensor:
    """Left to the library: only tuning a generator asks for it."""
    if form.up == 1:
        y: Tensor = conv2d_weight(x, weight.shape, grad, padding=form.padding)
        return y
    swapped = (weight.shape[1], weight.shape[0], *weight.shape[2:])
    y = conv2d_weight(grad, swapped, x, stride=form.up)
    return y.transpose(0, 1)


def _convolve(x: Tensor, weight: Tensor, epilogue: Epilogue, form: Form) -> Tensor:
    """The convolution by whichever way was measured to be the fastest for this shape."""
    dot = dot_type(x.dtype)
    run = partial(convolve, x, weight, epilogue=epilogue, form=form, dot=dot)
    ways = {tile.name: partial(run, tile=tile) for tile in tiles(x, weight, form)}
    ways["library"] = partial(_library, x, weight, epilogue, form)
    key = (
        str(x.dtype).removeprefix("torch."),
        dot,
        "x".join(map(str, x.shape)),
        "x".join(map(str, weight.shape)),
        form.name,
        "bare" if epilogue.is_empty else "whole",
    )
    return tuning.fastest("convolution " + " ".join(key), ways, device=x.device)


def _library(x: Tensor, weight: Tensor, epilogue: Epilogue, form: Form) -> Tensor:
    """cuDNN, and a pass over its result for the epilogue."""
    if form.up > 1:
        y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=form.up)
    elif form.flips:
        y = F.conv_transpose2d(x, weight.transpose(0, 1), padding=weight.shape[2] - 1 - form.padding)
    else:
        y = F.conv2d(x, weight, stride=form.stride, padding=form.padding)
    if epilogue.is_empty:
        return y
    one = torch.ones(1, 1, device=x.device)
    return filter_picture(y.contiguous(memory_format=torch.channels_last), one, epilogue=epilogue)


def _scaled(x: Tensor, scale: Tensor | None) -> Tensor:
    """x * scale in x's type and layout."""
    return x if scale is None else x * scale.to(x.dtype)[:, :, None, None]
