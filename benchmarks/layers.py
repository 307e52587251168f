"""The layers of a StyleGAN2 or StyleGAN3 network: shapes, arithmetic, and the fewest bytes that each has to move."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from wplus.config import StyleGAN2Config, StyleGAN3Config

_FLOAT32 = 4  # bytes
_FIR = 4  # taps of StyleGAN2's filters, in each direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer. Counts of numbers: those of a sample come once a sample, those of the layer once a batch.

    What is counted is what comes in and goes out: nothing that a layer writes for itself and reads again.
    """

    name: str  # in the synthesis: "b64.conv0", "L3_52_512"
    in_channels: int
    out_channels: int
    in_shape: tuple[int, int]  # height and width
    out_shape: tuple[int, int]
    kernel: int
    up: int = 1
    multiply_adds: int  # of a sample
    in_features: int  # numbers of a sample, in the type of feature maps
    out_features: int
    weights: int  # numbers of the layer, in the type of feature maps
    singles: int = 0  # numbers of a sample in float32: w, pictures
    shared_singles: int = 0  # numbers of the layer in float32: affine, bias, noise
    is_input_shared: bool = False  # whether one input serves the whole batch

    def flops(self, batch: int) -> int:
        """Floating-point operations: two a multiply-add."""
        return 2 * batch * self.multiply_adds

    def moved_bytes(self, batch: int, itemsize: int) -> int:
        """Each input read once, each output written once, weights once.

        Args:
            itemsize: Bytes of a number in a feature map.
        """
        inputs = self.in_features * (1 if self.is_input_shared else batch)
        halves = inputs + batch * self.out_features + self.weights
        return itemsize * halves + _FLOAT32 * (batch * self.singles + self.shared_singles)


def layers_of(config: StyleGAN2Config | StyleGAN3Config) -> tuple[Layer, ...]:
    """All layers of the synthesis, in order."""
    found = _stylegan2(config) if isinstance(config, StyleGAN2Config) else _stylegan3(config)
    return tuple(found)


def _stylegan2(config: StyleGAN2Config) -> Iterator[Layer]:
    last = len(config.channels) - 1
    for index, (resolution, channels) in enumerate(zip(config.resolutions, config.channels, strict=True)):
        name, shape = f"b{resolution}", config.block_shape(index)
        before = config.channels[index - 1] if index else channels
        half = (shape[0] // 2, shape[1] // 2)
        if index:
            yield _convolution(config, f"{name}.conv0", before, channels, half, shape)
        yield _convolution(config, f"{name}.conv1", channels, channels, shape, shape, is_first=not index)
        if index and config.architecture == "resnet":
            yield _skip(f"{name}.skip", before, channels, half, shape)
        if config.architecture == "skip" or index == last:
            yield _torgb(config, f"{name}.torgb", channels, shape, adds=bool(index) and config.architecture == "skip")


def _convolution(
    config: StyleGAN2Config,
    name: str,
    in_channels: int,
    out_channels: int,
    in_shape: tuple[int, int],
    out_shape: tuple[int, int],
    *,
    is_first: bool = False,
) -> Layer:
    """Modulated convolution, filter where it up-samples, noise, bias, activation."""
    inputs, outputs = math.prod(in_shape), math.prod(out_shape)
    up = out_shape[0] // in_shape[0]
    multiply_adds = inputs * in_channels * out_channels * 9 + config.w_dim * in_channels
    if up == 2:
        multiply_adds += outputs * out_channels * _FIR**2
    return Layer(
        name=name,
        in_channels=in_channels,
        out_channels=out_channels,
        in_shape=in_shape,
        out_shape=out_shape,
        kernel=3,
        up=up,
        multiply_adds=multiply_adds,
        in_features=inputs * in_channels,
        out_features=outputs * out_channels,
        weights=in_channels * out_channels * 9,
        singles=config.w_dim,
        shared_singles=_affine(config, in_channels) + out_channels + (outputs if config.use_noise else 0),
        is_input_shared=is_first,
    )


def _torgb(config: StyleGAN2Config, name: str, channels: int, shape: tuple[int, int], *, adds: bool) -> Layer:
    """1x1 convolution, added to the running picture, which is up-sampled."""
    pixels, colours = math.prod(shape), config.img_channels
    multiply_adds = pixels * channels * colours + config.w_dim * channels
    if adds:
        multiply_adds += pixels * colours * (_FIR // 2) ** 2
    return Layer(
        name=name,
        in_channels=channels,
        out_channels=colours,
        in_shape=shape,
        out_shape=shape,
        kernel=1,
        multiply_adds=multiply_adds,
        in_features=pixels * channels,
        out_features=0,
        weights=channels * colours,
        singles=config.w_dim + pixels * colours + (pixels // 4 * colours if adds else 0),
        shared_singles=_affine(config, channels) + colours,
    )


def _skip(
    name: str, in_channels: int, out_channels: int, in_shape: tuple[int, int], out_shape: tuple[int, int]
) -> Layer:
    inputs, outputs = math.prod(in_shape), math.prod(out_shape)
    return Layer(
        name=name,
        in_channels=in_channels,
        out_channels=out_channels,
        in_shape=in_shape,
        out_shape=out_shape,
        kernel=1,
        up=2,
        multiply_adds=inputs * in_channels * out_channels + outputs * out_channels * (_FIR // 2) ** 2,
        in_features=inputs * in_channels,
        out_features=outputs * out_channels,
        weights=in_channels * out_channels,
    )


def _stylegan3(config: StyleGAN3Config) -> Iterator[Layer]:
    """Each with its filtered leaky ReLU: what lies between the two is not counted."""
    first = config.layers[0]
    shape = (first.in_size, first.in_size)
    yield Layer(
        name="input",
        in_channels=first.in_channels,
        out_channels=first.in_channels,
        in_shape=shape,
        out_shape=shape,
        kernel=1,
        multiply_adds=math.prod(shape) * first.in_channels * (first.in_channels + 2),
        in_features=0,
        out_features=math.prod(shape) * first.in_channels,
        weights=0,
        singles=config.w_dim,
        shared_singles=first.in_channels * (first.in_channels + 3) + _affine(config, 4),
    )
    for plan in config.layers:
        inputs, outputs = plan.in_size**2, plan.out_size**2
        side = plan.in_size + plan.conv_kernel - 1
        multiply_adds = side**2 * plan.in_channels * plan.out_channels * plan.conv_kernel**2
        multiply_adds += config.w_dim * plan.in_channels
        if not plan.is_torgb:
            inner = (plan.out_size - 1) * plan.down + plan.down_taps
            rows = plan.out_size * plan.down_taps
            multiply_adds += plan.out_channels * inner * (plan.in_size + inner) * plan.up_taps // plan.up
            multiply_adds += plan.out_channels * (rows**2 if plan.is_radial else rows * (inner + plan.out_size))
        yield Layer(
            name=plan.name,
            in_channels=plan.in_channels,
            out_channels=plan.out_channels,
            in_shape=(plan.in_size, plan.in_size),
            out_shape=(plan.out_size, plan.out_size),
            kernel=plan.conv_kernel,
            up=plan.up,
            multiply_adds=multiply_adds,
            in_features=inputs * plan.in_channels,
            out_features=0 if plan.is_torgb else outputs * plan.out_channels,
            weights=plan.in_channels * plan.out_channels * plan.conv_kernel**2,
            singles=config.w_dim + (outputs * plan.out_channels if plan.is_torgb else 0),
            shared_singles=_affine(config, plan.in_channels) + plan.out_channels,
        )


def _affine(config: StyleGAN2Config | StyleGAN3Config, out: int) -> int:
    return (config.w_dim + 1) * out
