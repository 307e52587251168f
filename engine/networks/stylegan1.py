"""StyleGAN1: mapping and synthesis, at full resolution.

Progressive growing leaves a stack of layers of which only the last resolution's output is drawn. Layers, styles and
noise maps are numbered alike, from 0. Source: Karras et al. 2019 (StyleGAN), figure 1 and section 2.
"""

import math
from collections.abc import Mapping as MappingType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wplus.config import StyleGAN1Config
from wplus.kernels import bias_act
from wplus.kernels.frozen_conv import conv2d, conv_transpose2d
from wplus.kernels.reference import overwritten
from wplus.networks.mapping import FullyConnected, StyleNetwork, TypedLayer, normalize_2nd_moment

Noise = MappingType[str, Tensor]

_NORM_EPS = 1e-8


class Mapping(nn.Module):
    """z and label to w; the label's row joins z before both are normalised together."""

    w_avg: Tensor

    def __init__(self, config: StyleGAN1Config) -> None:
        super().__init__()
        hidden = config.mapping_features or config.w_dim
        self.num_layers = config.num_mapping_layers
        inputs = config.z_dim * (2 if config.c_dim else 1)
        widths = [inputs, *[hidden] * (self.num_layers - 1), config.w_dim]
        if config.c_dim:
            self.embed = nn.Linear(config.c_dim, config.z_dim, bias=False)
        for i in range(self.num_layers):
            layer = FullyConnected(widths[i], widths[i + 1], lr_multiplier=config.lr_multiplier)
            layer.weight_gain *= math.sqrt(2)  # the gain acts on the weight alone, not on the bias
            self.add_module(f"fc{i}", layer)
        self.register_buffer("w_avg", torch.empty(config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None) -> Tensor:
        """z `[N, z_dim]` and, in a conditional network, c `[N, c_dim]` to w `[N, w_dim]`."""
        x = normalize_2nd_moment(z if c is None else torch.cat([z, self.embed(c)], dim=1))
        for i in range(self.num_layers):
            x = bias_act(self.get_submodule(f"fc{i}")(x), act="lrelu")
        return x


class SynthesisLayer(TypedLayer):
    """3x3 convolution, noise, bias, leaky ReLU, AdaIN; layer 0 has no convolution."""

    def __init__(self, config: StyleGAN1Config, index: int) -> None:
        super().__init__()
        resolution, out_channels = config.resolutions[index // 2], config.channels[index // 2]
        self.is_first = index == 0
        self.up = 2 if index % 2 == 0 and not self.is_first else 1
        self.is_flipped = config.fused_resolution is None or resolution < config.fused_resolution
        self.is_prepared = False
        if not self.is_first:
            in_channels = config.channels[(index - 1) // 2]
            self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
            self.weight_gain = math.sqrt(2 / (in_channels * 9))
        self.bias = nn.Parameter(torch.empty(out_channels))
        if config.use_noise:
            self.noise_weight = nn.Parameter(torch.empty(out_channels))
        self.style = FullyConnected(config.w_dim, 2 * out_channels)

    def prepare(self, dtype: torch.dtype) -> None:
        """Puts the weight as the convolution reads it, scaled, in the place of the stored one."""
        super().prepare(dtype)
        if not self.is_first:
            kernel = self._kernel().to(dtype, memory_format=torch.channels_last)
            self.weight = nn.Parameter(kernel, requires_grad=False)
            self.is_prepared = True

    def forward(self, held: list[Tensor], w: Tensor, noise: Tensor | None) -> Tensor:
        """x `[N, in_channels, H, W]` and w `[N, w_dim]` to `[N, out_channels, H * up, W * up]`.

        Args:
            held: x alone; it is taken out, so that each step's input is free before the next one's output is made.
            w: `[N, w_dim]`.
            noise: `[N, 1, H * up, W * up]`, or None for none.
        """
        x = self._convolve(self.typed(held.pop()))
        x = self._add_bias(x)
        return self._finish(x, w, noise)

    def _convolve(self, x: Tensor) -> Tensor:
        if self.is_first:
            return x
        kernel = self._kernel().to(x.dtype)
        if self.up == 2:
            return conv_transpose2d(x, kernel, stride=2, padding=(1, 1))
        return conv2d(x, kernel, padding=(1, 1))

    def _add_bias(self, x: Tensor) -> Tensor:
        """Bias on what `_convolve` gave; first the blur, where that was up-sampled."""
        bias = self.bias.to(x.dtype)
        return blur(x, bias) if self.up == 2 else x.add_(bias[:, None, None])

    def _finish(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Noise, leaky ReLU and AdaIN with w `[N, w_dim]`; x is overwritten."""
        if noise is not None:
            x = x.addcmul_(noise.to(x.dtype), self.noise_weight.to(x.dtype)[:, None, None])
        scale, shift = self.style(w).chunk(2, dim=1)
        return adain(F.leaky_relu_(x, 0.2), scale + 1, shift)

    def _kernel(self) -> Tensor:
        """The scaled weight: [OIkk], or [IOkk] of the transposed convolution that up-samples."""
        if self.is_prepared:
            return self.weight
        if self.up == 1:
            return self.weight * self.weight_gain
        # Doubling every pixel, then 3x3, is one transposed convolution: the kernel flipped, each tap on 2x2 places.
        # From `fused_resolution` up the original does that itself, and without the flip.
        taps = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=self.weight.dtype)
        taps = (taps.flip(0) if self.is_flipped else taps).to(self.weight.device)
        spread = torch.kron(taps, taps).t() * self.weight_gain  # [16, 9]
        kernel = spread @ self.weight.permute(1, 2, 3, 0).flatten(1, 2)  # [I, 16, O]
        return kernel.reshape(len(kernel), 4, 4, -1).permute(0, 3, 1, 2)


def blur(x: Tensor, bias: Tensor) -> Tensor:
    """Every channel of `[N, C, H, W]` filtered with [1, 2, 1] in both directions, then bias `[C]`."""
    taps = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    channels = x.shape[1]
    return F.conv2d(x, taps.outer(taps).expand(channels, 1, 3, 3), bias, padding=1, groups=channels)


def adain(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Each feature map brought to mean 0 and variance 1, then to mean `shift` and deviation `scale`.

    Where no gradient is asked for, x is overwritten.

    Args:
        x: `[N, C, H, W]`.
        scale: `[N, C]`, float32.
        shift: `[N, C]`, float32.

    Source: Karras et al. 2019 (StyleGAN), eq. 1.
    """
    # Means in two passes: `var_mean` is many times as slow with channels last, and `group_norm` there subtracts the
    # squares of large numbers.
    exact = torch.promote_types(x.dtype, torch.float32)
    mean = x.mean(dim=(2, 3), keepdim=True, dtype=exact).to(x.dtype)
    centred = torch.sub(x, mean, out=overwritten(x, scale))
    squares = (centred.to(exact) if x.dtype == torch.float16 else centred).square()  # 256 squared is too much for it
    variance = squares.mean(dim=(2, 3), dtype=exact)
    scale = scale * (variance + _NORM_EPS).rsqrt()
    shift, scale = (values.to(x.dtype)[:, :, None, None] for values in (shift, scale))
    return torch.addcmul(shift, centred, scale, out=overwritten(centred, scale))


class ToRGB(TypedLayer):
    """1x1 convolution to picture channels."""

    def __init__(self, in_channels: int, img_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(img_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        """x `[N, in_channels, H, W]` to float32 `[N, img_channels, H, W]`."""
        x = self.typed(x)
        return F.conv2d(x, (self.weight * self.weight_gain).to(x.dtype), self.bias.to(x.dtype)).float()


class Synthesis(nn.Module):
    """ws to picture."""

    def __init__(self, config: StyleGAN1Config) -> None:
        super().__init__()
        self.use_noise = config.use_noise
        self.num_layers = config.num_ws
        self.const = nn.Parameter(torch.empty(config.channels[0], 4, 4))
        for index in range(self.num_layers):
            self.add_module(f"layer{index}", SynthesisLayer(config, index))
            if config.use_noise:
                resolution = config.resolutions[index // 2]
                self.register_buffer(f"noise{index}", torch.empty(resolution, resolution))
        self.torgb = ToRGB(config.channels[-1], config.img_channels)

    def forward(self, ws: Tensor, *, noise: Noise | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
        """ws `[N, num_ws, w_dim]` to float32 `[N, img_channels, H, W]`.

        Args:
            noise: Maps by name; a layer without one adds no noise, None stands for the stored constants.
            dtype: Type of the feature maps. Styles and the statistics of AdaIN stay float32.
        """
        const = self.const.to(dtype).expand(ws.shape[0], *self.const.shape)
        held = [const.clone(memory_format=torch.channels_last)]
        for index in range(self.num_layers):
            held.append(self.get_submodule(f"layer{index}")(held, ws[:, index], self._noise(index, noise, ws.shape[0])))
        img: Tensor = self.torgb(held.pop())
        return img

    def _noise(self, index: int, noise: Noise | None, count: int) -> Tensor | None:
        name = f"noise{index}"
        if not self.use_noise:
            return None
        # A map a sample: a runtime would multiply a lone one by the channels' weights beforehand, and store the result.
        return self.get_buffer(name).expand(count, 1, -1, -1) if noise is None else noise.get(name)


class StyleGAN1(StyleNetwork):
    """A StyleGAN1 generator."""

    def __init__(self, config: StyleGAN1Config) -> None:
        super().__init__(config, Mapping(config), Synthesis(config))

    def synthesize(self, ws: Tensor, *, noise: Noise | None, dtype: torch.dtype) -> Tensor:
        """ws `[N, num_ws, w_dim]` to img; see `Synthesis.forward`."""
        img: Tensor = self.synthesis(ws, noise=noise, dtype=dtype)
        return img
