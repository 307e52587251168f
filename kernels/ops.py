"""The operators of networks: arguments checked, and the implementation chosen. Their maths is in `reference.py`.

Every operator takes `impl`: "auto" runs Triton's kernels where they can run and plain PyTorch elsewhere, "reference" is
plain PyTorch, and "triton" raises a ValueError with the reasons where it cannot run. Wrong shapes, types, devices and
factors raise a ValueError before anything runs.
"""

import math

import torch
from torch import Tensor

from wplus.kernels import checks, phase_graph, piecewise, reference
from wplus.kernels.alias_free_conv import alias_free_conv2d as plain_alias_free_conv2d
from wplus.kernels.alias_free_conv import alias_free_modulation
from wplus.kernels.dispatch import Impl, unsupported_reasons, uses_triton
from wplus.kernels.reference import LRELU_SLOPE, Activation


def upfirdn2d(
    x: Tensor,
    f: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    flip_filter: bool = False,
    gain: float = 1.0,
    impl: Impl = "auto",
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
        impl: See the module.

    Returns:
        `[N, C, (H * up + top + bottom - fh) // down + 1, (W * up + left + right - fw) // down + 1]` in x's type.

    Raises:
        ValueError: shapes, devices or factors are wrong, the filter is larger than the picture, or `impl` cannot run.

    Source: Karras et al. 2020 (StyleGAN2), appendix B.
    """
    checks.picture(x)
    checks.same_device(x, f=f)
    checks.finite(gain=gain)
    checks.filtering(x, f, f, up=up, down=down, padding=padding)
    reasons = unsupported_reasons(x) + checks.without_gradient(f=f)
    if not reasons:
        from wplus.kernels.gpu import upfirdn as kernel

        reasons = kernel.unsupported_reasons(f, up=up, padding=padding)
    if not uses_triton(impl, "upfirdn2d", reasons):
        return reference.upfirdn2d(x, f, up=up, down=down, padding=padding, flip_filter=flip_filter, gain=gain)
    taps = _taps(f.flip(tuple(range(f.ndim))) if flip_filter else f, gain)
    y: Tensor = kernel.UpFirDn2d.apply(_channels_last(x), taps, up, down, padding)  # type: ignore[no-untyped-call]
    return y


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
    impl: Impl = "auto",
) -> Tensor:
    """StyleGAN2's convolution with everything that follows it, in the constant-weight form.

    y = clamp(gain * act(dcoefs * up(conv(x * styles, weight)) + noise + bias)): the input is scaled by the styles, one
    convolution serves the whole batch, the output is scaled by dcoefs = rsqrt(sum((weight * styles)^2) + 1e-8).

    Args:
        x: `[N, in_channels, H, W]`, or `[1, in_channels, H, W]` for all samples.
        weight: `[out_channels, in_channels, k, k]`, k odd.
        styles: `[N, in_channels]`, float32.
        up: 1 or 2; 2 is a transposed convolution followed by `resample_filter` with gain 4.
        resample_filter: `[fh, fw]`, needed when `up` is 2.
        demodulate: Whether to normalise every output channel.
        squared_weight: `[out_channels, in_channels]`, the sum of weight^2 over the taps, if it is known already; of a
            float16 x, that of what `normalized_for_half` gave, which the weight then is.
        noise: Broadcast to `[N, 1, H * up, W * up]`, strength included.
        bias: `[out_channels]`.
        act: `"linear"`, or `"lrelu"` with slope 0.2.
        gain: Positive factor on the activation.
        clamp: The result is clamped to +-clamp.
        x_is_scaled: Whether the convolution before gave x as `next_styles` asks.
        next_styles: `[N, out_channels]`; those of the demodulated convolution that alone reads the result, which is
            scaled by them.
        impl: See the module.

    Returns:
        `[N, out_channels, H * up, W * up]` in x's type.

    Raises:
        ValueError: shapes, devices or factors are wrong, or `impl` cannot run.

    Source: Karras et al. 2020 (StyleGAN2), eq. 1 and 3; half-precision normalisation: Karras et al. 2020 (ADA).
    """
    checks.picture(x)
    checks.convolution(x, weight, styles, bias)
    checks.same_device(x, weight=weight, styles=styles, noise=noise, bias=bias, next_styles=next_styles)
    checks.up_sampling(up, resample_filter)
    checks.activation(act, gain, clamp)
    reasons = unsupported_reasons(x) + checks.without_gradient(resample_filter=resample_filter)
    if not uses_triton(impl, "modulated_conv2d", reasons):
        return reference.modulated_conv2d(
            x,
            weight,
            styles,
            up=up,
            resample_filter=resample_filter,
            demodulate=demodulate,
            squared_weight=squared_weight,
            noise=noise,
            bias=bias,
            act=act,
            gain=gain,
            clamp=clamp,
            x_is_scaled=x_is_scaled,
            next_styles=next_styles,
        )
    from wplus.kernels.gpu.modulated_conv import Layer, scaled_conv2d

    weight, styles, scale = reference.modulation(
        weight, styles, dtype=x.dtype, demodulate=demodulate, squared_weight=squared_weight
    )
    if scale is None and gain != 1:
        scale = styles.new_ones(len(styles), len(weight))
    kernel = weight.shape[2]
    layer = Layer(
        padding=kernel // 2,
        up=up,
        filter=None if resample_filter is None or up == 1 else _taps(resample_filter, 4.0),
        filter_padding=(0, 0, 0, 0) if resample_filter is None else reference.conv_up_padding(resample_filter, kernel),
        slope=LRELU_SLOPE if act == "lrelu" else None,
        clamp=clamp,
    )
    # A leaky ReLU lets a positive gain through, so that the gain is applied early, to what is small.
    return scaled_conv2d(
        x,
        weight,
        None if x_is_scaled else styles,
        layer,
        out_scale=None if scale is None else scale * gain,
        noise=None if noise is None else noise * gain,
        bias=None if bias is None else bias * gain,
        next_scale=None if next_styles is None else reference.scaling_styles(next_styles, x.dtype),
    )


def alias_free_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    squared_weight: Tensor | None = None,
    input_gain: Tensor | None = None,
    bias: Tensor | None = None,
    impl: Impl = "auto",
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
        input_gain: A single positive number, float32.
        bias: `[out_channels]`.
        impl: See the module.

    Returns:
        `[N, out_channels, H + k - 1, W + k - 1]` in x's type.

    Raises:
        ValueError: shapes or devices are wrong, or `impl` cannot run.

    Source: Karras et al. 2021 (StyleGAN3), section 3.2 and appendix C; Karras et al. 2020 (StyleGAN2), eq. 1 and 3.
    """
    checks.picture(x)
    checks.convolution(x, weight, styles, bias)
    checks.same_device(x, weight=weight, styles=styles, bias=bias)
    if not uses_triton(impl, "alias_free_conv2d", unsupported_reasons(x)):
        return plain_alias_free_conv2d(
            x, weight, styles, squared_weight=squared_weight, input_gain=input_gain, bias=bias
        )
    from wplus.kernels.gpu.modulated_conv import Layer, scaled_conv2d

    weight, styles, scale = alias_free_modulation(weight, styles, squared_weight=squared_weight, input_gain=input_gain)
    return scaled_conv2d(x, weight, styles, Layer(padding=weight.shape[2] - 1), out_scale=scale, bias=bias)


def torgb(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    bias: Tensor,
    img: Tensor | None = None,
    *,
    resample_filter: Tensor | None = None,
    clamp: float | None = None,
    impl: Impl = "auto",
) -> Tensor:
    """Features to picture channels, added to the running picture, which is up-sampled by 2.

    Args:
        x: `[N, in_channels, H, W]`.
        weight: `[img_channels, in_channels, 1, 1]`.
        styles: `[N, in_channels]`, float32; there is no demodulation.
        bias: `[img_channels]`.
        img: The picture so far, float32 `[N, img_channels, H / 2, W / 2]`.
        resample_filter: `[fh, fw]`, needed with `img`, and used with gain 4.
        clamp: What is added is clamped to +-clamp.
        impl: See the module. Where gradients are asked for, Triton takes several passes instead of one.

    Returns:
        `[N, img_channels, H, W]`, float32.

    Raises:
        ValueError: shapes, devices or factors are wrong, or `impl` cannot run.

    Source: Karras et al. 2020 (StyleGAN2), figure 7.
    """
    checks.picture(x)
    checks.convolution(x, weight, styles, bias)
    checks.running_picture(x, weight, img, resample_filter)
    checks.same_device(x, weight=weight, styles=styles, bias=bias, img=img)
    checks.activation("linear", 1.0, clamp)
    reasons = unsupported_reasons(x)
    if not uses_triton(impl, "torgb", reasons):
        return reference.torgb(x, weight, styles, bias, img, resample_filter=resample_filter, clamp=clamp)
    needs_grad = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (x, weight, styles, bias, img)
    )
    if needs_grad or len(weight) > 4:
        y = modulated_conv2d(x, weight, styles, demodulate=False, bias=bias, clamp=clamp, impl=impl).float()
        if img is None:
            return y
        assert resample_filter is not None
        padding = reference.up_padding(resample_filter)
        return y + upfirdn2d(img, resample_filter, up=2, padding=padding, gain=4.0, impl=impl)
    from wplus.kernels.gpu import torgb as kernel

    return kernel.torgb(
        _channels_last(x),
        weight.to(x.dtype).contiguous(),
        styles.float().contiguous(),
        bias.float().contiguous(),
        None if img is None else _channels_last(img.float()),
        None if resample_filter is None or img is None else _taps(resample_filter, 4.0),
        padding=(0, 0, 0, 0) if resample_filter is None else reference.up_padding(resample_filter),
        clamp=clamp,
    )


def filtered_lrelu(
    x: Tensor,
    fu: Tensor | None = None,
    fd: Tensor | None = None,
    b: Tensor | None = None,
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    gain: float = math.sqrt(2),
    slope: float = LRELU_SLOPE,
    clamp: float | None = None,
    impl: Impl = "auto",
) -> Tensor:
    """Adds a bias, up-samples, applies a leaky ReLU, gain and clamp, and down-samples.

    What lies between is computed again in the backward pass, and not kept. There are no second derivatives.

    Args:
        x: `[N, C, H, W]`.
        fu: FIR filter `[taps]` for both directions, applied with gain `up` in each. None: `[1]`.
        fd: FIR filter `[taps]` for both directions, or `[height, width]`. None: `[1]`.
        b: `[C]`.
        up: Integer factor.
        down: Integer factor. On the CPU, if it neither divides `up` nor is divided by it, the slow plain twin runs.
        padding: Pixels added to the up-sampled picture on the left, right, top and bottom; negative ones crop.
        gain: Positive factor on the activation.
        slope: Of the leaky ReLU, from 0 to 1.
        clamp: What is down-sampled is clamped to +-clamp.
        impl: See the module. "auto" works piece by piece where Triton does not run.

    Returns:
        `[N, C, (H * up + top + bottom - (taps of fu - 1) - taps of fd) // down + 1, ...]` in x's type, channels last.

    Raises:
        ValueError: shapes, devices or factors are wrong, filters and padding leave nothing of the picture, or `impl`
            cannot run.

    Source: Karras et al. 2021 (StyleGAN3), section 3.2.
    """
    fu, fd = (x.new_ones(1) if f is None else f for f in (fu, fd))
    checks.picture(x)
    checks.same_device(x, fu=fu, fd=fd, b=b)
    checks.filtering(x, fu, fd, up=up, down=down, padding=padding)
    checks.activation("lrelu", gain, clamp, slope=slope)
    reasons = unsupported_reasons(x) + checks.without_gradient(fu=fu, fd=fd)
    if not reasons:
        from wplus.kernels.gpu import filtered_lrelu as kernel

        reasons = kernel.unsupported_reasons(fu, fd, up=up, down=down)
    if uses_triton(impl, "filtered_lrelu", reasons):
        return kernel.filtered_lrelu(
            _channels_last(x), fu, fd, b, up=up, down=down, padding=padding, gain=gain, slope=slope, clamp=clamp
        )
    is_odd = (up % down and down % up) or min(*fu.shape, *fd.shape) < up
    is_exporting = torch.compiler.is_exporting()  # a graph is to hold nothing of how we cut the picture
    if impl == "reference" or is_odd or (is_exporting and up % down):
        return reference.filtered_lrelu(
            x, fu, fd, b, up=up, down=down, padding=padding, gain=gain, slope=slope, clamp=clamp
        )
    form = phase_graph if is_exporting else piecewise
    x = x if b is None else x + b.to(x.dtype)[:, None, None]
    y: Tensor = form.filtered_lrelu(x, fu, fd, up=up, down=down, padding=padding, gain=gain, slope=slope, clamp=clamp)
    return y


def _taps(f: Tensor, gain: float) -> Tensor:
    """The filter `[fh, fw]` in float32, gain included."""
    return ((f.outer(f) if f.ndim == 1 else f).float() * gain).contiguous()


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
