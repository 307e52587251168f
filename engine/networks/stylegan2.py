"""StyleGAN2: mapping and synthesis, for the architectures skip, orig and resnet.

Module and tensor names are those of NVIDIA's state dicts. Source: Karras et al. 2020 (StyleGAN2), figure 2 and 7.
"""

import math
from collections.abc import Mapping as MappingType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wplus.config import StyleGAN2Config
from wplus.kernels import modulated_conv2d, normalized_for_half, torgb, upfirdn2d
from wplus.networks.mapping import FullyConnected, Mapping, StyleNetwork, TypedLayer

Noise = MappingType[str, Tensor]


class SynthesisLayer(TypedLayer):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU; at twice the resolution if `up` is 2."""

    noise_const: Tensor
    resample_filter: Tensor | None
    squared_weight: Tensor | None

    def __init__(self, config: StyleGAN2Config, index: int, name: str, *, in_channels: int, up: int) -> None:
        super().__init__()
        out_channels = config.channels[index]
        self.noise_name = f"b{config.resolutions[index]}.{name}.noise_const"
        self.up = up
        self.conv_clamp = config.conv_clamp
        self.affine = FullyConnected(config.w_dim, in_channels)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.register_buffer("resample_filter", torch.empty(4, 4) if up == 2 else None)
        if config.use_noise:
            self.register_buffer("noise_const", torch.empty(config.block_shape(index)))
            self.noise_strength = nn.Parameter(torch.empty(()))
        self.use_noise = config.use_noise
        self.register_buffer("squared_weight", None, persistent=False)

    def prepare(self, dtype: torch.dtype) -> None:
        """Lays the weight out as the convolution reads it, and stores what depends on it alone."""
        super().prepare(dtype)
        weight = normalized_for_half(self.weight) if dtype == torch.float16 else self.weight
        self.squared_weight = weight.square().sum(dim=(2, 3))
        weight = weight.transpose(0, 1) if self.up == 2 else weight
        weight = weight.to(dtype, memory_format=torch.channels_last)
        self.weight.data = weight.transpose(0, 1) if self.up == 2 else weight

    def forward(
        self,
        x: Tensor,
        styles: Tensor,
        noise: Noise | None,
        *,
        gain: float = 1.0,
        x_is_scaled: bool = False,
        next_styles: Tensor | None = None,
    ) -> Tensor:
        """x `[N, in_channels, H, W]` to `[N, out_channels, H * up, W * up]`; see `modulated_conv2d`."""
        own = self._noise(noise)
        return modulated_conv2d(
            self.typed(x),
            self.weight,
            styles,
            up=self.up,
            resample_filter=self.resample_filter,
            squared_weight=self.squared_weight,
            noise=None if own is None else own * self.noise_strength,
            bias=self.bias,
            act="lrelu",
            gain=math.sqrt(2) * gain,
            clamp=None if self.conv_clamp is None else self.conv_clamp * gain,
            x_is_scaled=x_is_scaled,
            next_styles=next_styles,
            impl=self.impl,
        )

    def _noise(self, noise: Noise | None) -> Tensor | None:
        if not self.use_noise:
            return None
        return self.noise_const if noise is None else noise.get(self.noise_name)


class ToRGB(TypedLayer):
    """Modulated 1x1 convolution to picture channels, without demodulation."""

    def __init__(self, config: StyleGAN2Config, in_channels: int) -> None:
        super().__init__()
        self.conv_clamp = config.conv_clamp
        self.affine = FullyConnected(config.w_dim, in_channels)
        self.weight = nn.Parameter(torch.empty(config.img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(config.img_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor, img: Tensor | None, resample_filter: Tensor | None) -> Tensor:
        """x `[N, in_channels, H, W]` to float32 `[N, img_channels, H, W]`, added to img of half the size."""
        return torgb(
            self.typed(x),
            self.weight,
            self.affine(w) * self.weight_gain,
            self.bias,
            img,
            resample_filter=resample_filter,
            clamp=self.conv_clamp,
            impl=self.impl,
        )


class Skip(TypedLayer):
    """The residual branch of `resnet`: 1x1 convolution, up-sampled by 2."""

    resample_filter: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 1, 1))
        self.register_buffer("resample_filter", torch.empty(4, 4))
        self.weight_gain = math.sqrt(0.5 / in_channels)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in_channels, H, W]` to `[N, out_channels, 2 * H, 2 * W]`."""
        x = self.typed(x)
        y = F.conv2d(x, (self.weight * self.weight_gain).to(x.dtype))
        return upfirdn2d(y, self.resample_filter, up=2, padding=(2, 1, 2, 1), gain=4.0, impl=self.impl)


class SynthesisBlock(nn.Module):
    """The layers of one resolution."""

    resample_filter: Tensor

    def __init__(self, config: StyleGAN2Config, index: int) -> None:
        super().__init__()
        out_channels = config.channels[index]
        self.is_first, self.is_last = index == 0, index == len(config.channels) - 1
        self.is_residual = config.architecture == "resnet" and not self.is_first
        self.has_torgb = config.architecture == "skip" or self.is_last
        if self.is_first:
            self.const = nn.Parameter(torch.empty(out_channels, *config.const_shape))
        else:
            self.conv0 = SynthesisLayer(config, index, "conv0", in_channels=config.channels[index - 1], up=2)
            if config.architecture == "skip":
                self.register_buffer("resample_filter", torch.empty(4, 4))
        self.conv1 = SynthesisLayer(config, index, "conv1", in_channels=out_channels, up=1)
        if self.has_torgb:
            self.torgb = ToRGB(config, out_channels)
        if self.is_residual:
            self.skip = Skip(config.channels[index - 1], out_channels)

    def forward(self, x: Tensor, img: Tensor | None, ws: Tensor, noise: Noise | None) -> tuple[Tensor, Tensor | None]:
        """x and the running picture, both at this block's resolution; ws `[N, 2 or 3, w_dim]` are its own."""
        if self.is_first:
            x = self.conv1(x, self.conv1.affine(ws[:, 0]), noise)
        else:
            branch = self.skip(x) if self.is_residual else None
            styles = self.conv1.affine(ws[:, 1])
            is_shared = self.conv0.dtype == self.conv1.dtype  # in float16, styles are scaled as the type needs it
            x = self.conv0(x, self.conv0.affine(ws[:, 0]), noise, next_styles=styles if is_shared else None)
            gain = math.sqrt(0.5) if self.is_residual else 1.0
            x = self.conv1(x, styles, noise, gain=gain, x_is_scaled=is_shared)
            x = x if branch is None else x + branch
        if self.has_torgb:
            img = self.torgb(x, ws[:, -1], img, None if img is None else self.resample_filter)
        return x, img


class Synthesis(nn.Module):
    """ws to picture."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.resolutions = config.resolutions
        for index, resolution in enumerate(config.resolutions):
            self.add_module(f"b{resolution}", SynthesisBlock(config, index))

    def forward(
        self,
        ws: Tensor,
        *,
        noise: Noise | None = None,
        dtype: torch.dtype = torch.float32,
        resolution: int | None = None,
    ) -> Tensor:
        """ws `[N, num_ws, w_dim]` to float32 `[N, img_channels, H, W]`.

        Args:
            noise: Maps by name; a layer without one adds no noise, None stands for the stored constants.
            dtype: Type of the feature maps. Styles, demodulation and the running picture stay float32.
            resolution: Of the block to stop after, in the architecture skip; None: the last.
        """
        img: Tensor | None = None
        const = self.get_submodule("b4").get_parameter("const")
        x = const.to(dtype)[None]  # the first layer's styles give it a sample each
        for index, block in enumerate(self.resolutions):
            # A block's torgb uses the slot that the next block's first convolution uses too.
            own = ws[:, :2] if index == 0 else ws[:, 2 * index - 1 : 2 * index + 2]
            x, img = self.get_submodule(f"b{block}")(x, img, own, noise)
            if block == resolution:
                break
        assert img is not None
        return img


class StyleGAN2(StyleNetwork):
    """A StyleGAN2 generator."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__(config, Mapping(config), Synthesis(config))

    def synthesize(
        self, ws: Tensor, *, noise: Noise | None, dtype: torch.dtype, resolution: int | None = None
    ) -> Tensor:
        """ws `[N, num_ws, w_dim]` to img; see `Synthesis.forward`."""
        img: Tensor = self.synthesis(ws, noise=noise, dtype=dtype, resolution=resolution)
        return img
