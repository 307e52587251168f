"""How much arithmetic a StyleGAN2 picture takes, counted from its configuration."""

from wplus.config import StyleGAN2Config


def synthesis_flops(config: StyleGAN2Config) -> int:
    """Floating-point operations of one picture from its ws: two a multiply-add.

    Counted is what the network needs, not what an implementation does: convolutions without the zeros between samples,
    4x4 filters likewise, style and output layers. Weight modulation, noise, bias and activation are left out.
    """
    multiply_adds = 0
    in_channels = config.channels[0]
    for index, (resolution, channels) in enumerate(zip(config.resolutions, config.channels, strict=True)):
        pixels = resolution * resolution
        multiply_adds += _convolution(pixels, channels, channels, 3) + config.w_dim * channels
        if index:
            multiply_adds += _convolution(pixels // 4, in_channels, channels, 3) + config.w_dim * in_channels
            multiply_adds += _filter(pixels, channels, polyphase=False)
            if config.architecture == "resnet":
                multiply_adds += _convolution(pixels // 4, in_channels, channels, 1)
                multiply_adds += _filter(pixels, channels, polyphase=True)
        if config.architecture == "skip" or resolution == config.img_resolution:
            multiply_adds += _convolution(pixels, channels, config.img_channels, 1) + config.w_dim * channels
        if config.architecture == "skip" and index:
            multiply_adds += _filter(pixels, config.img_channels, polyphase=True)
        in_channels = channels
    return 2 * multiply_adds


def _convolution(pixels: int, in_channels: int, out_channels: int, kernel: int) -> int:
    return pixels * in_channels * out_channels * kernel * kernel


def _filter(pixels: int, channels: int, *, polyphase: bool) -> int:
    """A 4x4 filter; after zero insertion only a quarter of its taps meet a sample."""
    return pixels * channels * (4 if polyphase else 16)
