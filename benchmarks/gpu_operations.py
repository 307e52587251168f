"""The operators that are timed on a GPU, with arguments of the shapes that real networks give them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from wplus.benchmarks.gpu_cases import NETWORKS, TINY
from wplus.benchmarks.gpu_device import Device
from wplus.benchmarks.layers import Layer, layers_of
from wplus.benchmarks.random_stylegan3 import lowpass, radial_lowpass
from wplus.config import StyleGAN2Config, StyleGAN3Config
from wplus.config.stylegan3 import LayerPlan
from wplus.kernels import alias_free_conv2d, filtered_lrelu, latent_path, modulated_conv2d, to_uint8, torgb, upfirdn2d

_BATCH = 4
_LAYERS = {  # those timed of each network, by name, or by place where names depend on sizes
    "stylegan2-1024": (
        "b64.conv0",
        "b64.conv1",
        "b256.conv0",
        "b256.conv1",
        "b1024.conv0",
        "b1024.conv1",
        "b1024.torgb",
    ),
    "stylegan3-t-512": (3, 8, 11),
    "stylegan3-r-512": (3, 8, 11),
    "stylegan2-16": ("b8.conv0", "b8.conv1", "b8.torgb"),
    "stylegan3-t-16": (3,),
    "stylegan3-r-16": (3,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operator with its arguments, on the device."""

    network: str
    name: str
    resolution: int  # pixels of a side of the result
    batch: int
    run: Callable[..., Tensor]  # tensors and impl=
    tensors: tuple[Tensor, ...]
    needs_grad: tuple[int, ...] = ()


def operations(dtype: torch.dtype, device: Device) -> Iterator[Callable[[], Operation]]:
    """What makes them, so that only one at a time takes memory."""
    for name, config in (TINY if device.is_dry else NETWORKS).items():
        for chosen in _LAYERS.get(name, ()):
            if isinstance(config, StyleGAN2Config):
                layer = next(layer for layer in layers_of(config) if layer.name == chosen)
                make = _torgb if layer.name.endswith("torgb") else _modulated
                yield partial(make, name, layer, dtype, device)
            else:
                plan = config.layers[int(chosen)]
                yield partial(_alias_free, name, plan, dtype, device)
                yield partial(_filtered, name, plan, config, dtype, device)
    side = 16 if device.is_dry else 1024
    yield partial(_upfirdn, side, dtype, device)
    yield partial(_bytes, side, dtype, device)
    if dtype == torch.float32:
        yield partial(_path, 8 if device.is_dry else 512, device)


def _random(device: Device, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    x = torch.randn(shape, dtype=dtype, device=device.name)
    return x.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else x


def _fir(device: Device) -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=device.name)
    return taps.outer(taps) / 64


def _modulated(network: str, layer: Layer, dtype: torch.dtype, device: Device) -> Operation:
    fir = _fir(device) if layer.up == 2 else None
    noise = _random(device, *layer.out_shape)
    weight = _random(device, layer.out_channels, layer.in_channels, 3, 3, dtype=dtype)
    if dtype == torch.float16:  # as a network that was prepared for it holds it
        weight /= (9 * layer.in_channels) ** 0.5 * 4
    if layer.up == 2:
        weight = weight.transpose(0, 1).contiguous(memory_format=torch.channels_last).transpose(0, 1)
    squares = weight.float().square().sum(dim=(2, 3))

    def run(x: Tensor, styles: Tensor, bias: Tensor, *, impl: Any) -> Tensor:
        return modulated_conv2d(
            x,
            weight,
            styles,
            up=layer.up,
            resample_filter=fir,
            squared_weight=squares,
            noise=noise,
            bias=bias,
            act="lrelu",
            gain=2**0.5,
            impl=impl,
        )

    return Operation(
        network=network,
        name=f"modulated_conv2d {layer.name}",
        resolution=layer.out_shape[0],
        batch=_BATCH,
        run=run,
        tensors=(
            _random(device, _BATCH, layer.in_channels, *layer.in_shape, dtype=dtype),
            torch.rand(_BATCH, layer.in_channels, device=device.name) + 0.5,
            _random(device, layer.out_channels),
        ),
        needs_grad=(0, 1),
    )


def _torgb(network: str, layer: Layer, dtype: torch.dtype, device: Device) -> Operation:
    height, width = layer.in_shape
    fir = _fir(device)

    def run(x: Tensor, weight: Tensor, styles: Tensor, bias: Tensor, img: Tensor, *, impl: Any) -> Tensor:
        return torgb(x, weight, styles, bias, img, resample_filter=fir, impl=impl)

    return Operation(
        network=network,
        name=f"torgb {layer.name}",
        resolution=height,
        batch=_BATCH,
        run=run,
        tensors=(
            _random(device, _BATCH, layer.in_channels, height, width, dtype=dtype),
            _random(device, layer.out_channels, layer.in_channels, 1, 1),
            _random(device, _BATCH, layer.in_channels) / layer.in_channels**0.5,
            _random(device, layer.out_channels),
            _random(device, _BATCH, layer.out_channels, height // 2, width // 2),
        ),
    )


def _alias_free(network: str, plan: LayerPlan, dtype: torch.dtype, device: Device) -> Operation:
    weight = _random(device, plan.out_channels, plan.in_channels, plan.conv_kernel, plan.conv_kernel)
    weight = functional.normalize(weight.flatten(1)).reshape(weight.shape)
    squares = weight.square().sum(dim=(2, 3))
    weight = weight.to(dtype, memory_format=torch.channels_last)

    def run(x: Tensor, styles: Tensor, bias: Tensor, *, impl: Any) -> Tensor:
        return alias_free_conv2d(x, weight, styles, squared_weight=squares, bias=bias, impl=impl)

    return Operation(
        network=network,
        name=f"alias_free_conv2d {plan.name}",
        resolution=plan.in_size + plan.conv_kernel - 1,
        batch=_BATCH,
        run=run,
        tensors=(
            _random(device, _BATCH, plan.in_channels, plan.in_size, plan.in_size, dtype=dtype),
            torch.rand(_BATCH, plan.in_channels, device=device.name) + 0.5,
            _random(device, plan.out_channels),
        ),
    )


def _filtered(network: str, plan: LayerPlan, config: StyleGAN3Config, dtype: torch.dtype, device: Device) -> Operation:
    side = plan.in_size + plan.conv_kernel - 1
    rate = plan.in_sampling_rate * plan.up
    design = radial_lowpass if plan.is_radial else lowpass
    up = lowpass(plan.up_taps, plan.in_cutoff, 2 * plan.in_half_width, rate) if plan.up > 1 else None
    down = design(plan.down_taps, plan.out_cutoff, 2 * plan.out_half_width, rate) if plan.down > 1 else None
    fu, fd = (None if taps is None else torch.from_numpy(taps).to(device.name) for taps in (up, down))

    def run(x: Tensor, *, impl: Any) -> Tensor:
        options: dict[str, Any] = {"up": plan.up, "down": plan.down, "padding": plan.padding * 2}
        return filtered_lrelu(x, fu, fd, clamp=config.conv_clamp, impl=impl, **options)

    return Operation(
        network=network,
        name=f"filtered_lrelu {plan.name}",
        resolution=plan.out_size,
        batch=_BATCH,
        run=run,
        tensors=(_random(device, _BATCH, plan.out_channels, side, side, dtype=dtype),),
        needs_grad=(0,),
    )


def _upfirdn(side: int, dtype: torch.dtype, device: Device) -> Operation:
    """The filter behind StyleGAN2's last transposed convolution."""
    fir = _fir(device)

    def run(x: Tensor, *, impl: Any) -> Tensor:
        return upfirdn2d(x, fir, padding=(1, 1, 1, 1), gain=4.0, impl=impl)

    return Operation(
        network="stylegan2",
        name="upfirdn2d",
        resolution=side,
        batch=_BATCH,
        run=run,
        tensors=(_random(device, _BATCH, 8 if device.is_dry else 32, side + 1, side + 1, dtype=dtype),),
        needs_grad=(0,),
    )


def _bytes(side: int, dtype: torch.dtype, device: Device) -> Operation:
    return Operation(
        network="any",
        name="to_uint8",
        resolution=side,
        batch=_BATCH,
        run=to_uint8,
        tensors=(_random(device, _BATCH, 3, side, side, dtype=dtype),),
    )


def _path(w_dim: int, device: Device) -> Operation:
    """A clip of 256 frames."""
    times = torch.linspace(0, 8, 256, dtype=torch.float64, device=device.name)

    def run(frames: Tensor, w_avg: Tensor, psi: Tensor, *, impl: Any) -> Tensor:
        options: dict[str, Any] = {"interp": "slerp", "loop": True, "w_avg": w_avg, "truncation_psi": psi}
        return latent_path(frames, times, impl=impl, **options)

    tensors = (_random(device, 8, 18, w_dim), _random(device, w_dim), torch.full((18,), 0.7, device=device.name))
    return Operation(network="any", name="latent_path slerp", resolution=0, batch=256, run=run, tensors=tensors)
