"""How much arithmetic a picture takes, counted from its network's configuration."""

import math

from wplus.config import StyleGAN1Config, StyleGAN2Config, StyleGAN3Config


def stylegan1_flops(config: StyleGAN1Config) -> int:
    """As `stylegan2_flops`: up-sampling layers count as 4x4 transposed convolutions, AdaIN is left out."""
    multiply_adds = 0
    in_channels = config.channels[0]
    for index, (resolution, channels) in enumerate(zip(config.resolutions, config.channels, strict=True)):
        pixels = resolution * resolution
        multiply_adds += _convolution(pixels, channels, channels, 3) + 2 * config.w_dim * 2 * channels
        if index:
            multiply_adds += _convolution(pixels // 4, in_channels, channels, 4) + pixels * channels * 9
        in_channels = channels
    return 2 * (multiply_adds + _convolution(config.img_resolution**2, in_channels, config.img_channels, 1))


def stylegan2_flops(config: StyleGAN2Config) -> int:
    """Floating-point operations of one picture from its ws: two a multiply-add.

    Counted is what the network needs, not what an implementation does: convolutions without the zeros between samples,
    4x4 filters likewise, style and output layers. Weight modulation, noise, bias and activation are left out.
    """
    multiply_adds = 0
    in_channels = config.channels[0]
    for index, channels in enumerate(config.channels):
        pixels = math.prod(config.block_shape(index))
        multiply_adds += _convolution(pixels, channels, channels, 3) + config.w_dim * channels
        if index:
            multiply_adds += _convolution(pixels // 4, in_channels, channels, 3) + config.w_dim * in_channels
            multiply_adds += _filter(pixels, channels, polyphase=False)
            if config.architecture == "resnet":
                multiply_adds += _convolution(pixels // 4, in_channels, channels, 1)
                multiply_adds += _filter(pixels, channels, polyphase=True)
        if config.architecture == "skip" or index == len(config.channels) - 1:
            multiply_adds += _convolution(pixels, channels, config.img_channels, 1) + config.w_dim * channels
        if config.architecture == "skip" and index:
            multiply_adds += _filter(pixels, config.img_channels, polyphase=True)
        in_channels = channels
    return 2 * multiply_adds


def stylegan3_flops(config: StyleGAN3Config) -> int:
    """As `stylegan2_flops`: filters without the zeros between samples and without results that are then dropped."""
    first = config.layers[0]
    multiply_adds = first.in_size**2 * first.in_channels * (first.in_channels + 2)
    for layer in config.layers:
        side = layer.in_size + layer.conv_kernel - 1
        multiply_adds += _convolution(side**2, layer.in_channels, layer.out_channels, layer.conv_kernel)
        multiply_adds += config.w_dim * layer.in_channels
        if not layer.is_torgb:
            inner = (layer.out_size - 1) * layer.down + layer.down_taps
            up = inner * (layer.in_size + inner) * layer.up_taps // layer.up
            rows = layer.out_size * layer.down_taps
            down = rows**2 if layer.is_radial else rows * (inner + layer.out_size)
            multiply_adds += layer.out_channels * (up + down)
    return 2 * multiply_adds


def _convolution(pixels: int, in_channels: int, out_channels: int, kernel: int) -> int:
    return pixels * in_channels * out_channels * kernel * kernel


def _filter(pixels: int, channels: int, *, polyphase: bool) -> int:
    """A 4x4 filter; after zero insertion only a quarter of its taps meet a sample."""
    return pixels * channels * (4 if polyphase else 16)
