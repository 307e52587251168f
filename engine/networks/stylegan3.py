"""StyleGAN3-T and StyleGAN3-R: Fourier features and alias-free synthesis.

Module and tensor names are those of NVIDIA's state dicts. Source: Karras et al. 2021 (StyleGAN3), figure 4.
"""

import math
from collections.abc import Mapping as MappingType

import torch
from torch import Tensor, nn

from wplus.config import StyleGAN3Config
from wplus.config.stylegan3 import LayerPlan
from wplus.kernels import alias_free_conv2d, filtered_lrelu, modulated_conv2d, normalized_weight
from wplus.networks.mapping import FullyConnected, Mapping, StyleNetwork, TypedLayer


class SynthesisInput(nn.Module):
    """Fourier features on a plane that w turns and shifts, and then the user."""

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        first = config.layers[0]
        self.channels, self.size = first.in_channels, first.in_size
        self.sampling_rate, self.bandwidth = first.in_sampling_rate, first.in_cutoff
        self.weight = nn.Parameter(torch.empty(self.channels, self.channels))
        self.affine = FullyConnected(config.w_dim, 4)
        self.register_buffer("transform", torch.empty(3, 3))
        self.register_buffer("freqs", torch.empty(self.channels, 2))
        self.register_buffer("phases", torch.empty(self.channels))

    def forward(self, w: Tensor, transform: Tensor | None) -> Tensor:
        """w `[N, w_dim]` to `[N, channels, size, size]`, channels last."""
        plane = self._learned(w) @ (self.transform if transform is None else transform)  # [N33]
        phases = self.phases + plane[:, None, :2, 2] @ self.freqs.T  # [N1C]
        freqs = self.freqs @ plane[:, :2, :2]  # [NC2]
        # Frequencies that the rotated and scaled plane brings near the sampling limit fade out.
        excess = (freqs.norm(dim=2) - self.bandwidth) / (self.sampling_rate / 2 - self.bandwidth)
        amplitudes = (1 - excess).clamp(0, 1)[:, None]
        x = torch.sin((self._grid(w) @ freqs.mT + phases) * (2 * math.pi)) * amplitudes  # [NPC]
        y: Tensor = x @ (self.weight.T / math.sqrt(self.channels))
        return y.reshape(-1, self.size, self.size, self.channels).permute(0, 3, 1, 2)

    def _learned(self, w: Tensor) -> Tensor:
        """What w asks for: a rotation after a shift, `[N, 3, 3]`."""
        t = self.affine(w)
        cos, sin, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        rotation = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1)
        shift = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1)
        return torch.bmm(rotation.reshape(-1, 3, 3), shift.reshape(-1, 3, 3))

    def _grid(self, like: Tensor) -> Tensor:
        """The samples' places (x, y), row by row, `[size * size, 2]`; the picture spans -0.5 to 0.5."""
        line = torch.arange(self.size, dtype=like.dtype, device=like.device)
        line = (line - (self.size - 1) / 2) / self.sampling_rate
        y, x = torch.meshgrid(line, line, indexing="ij")
        return torch.stack([x.flatten(), y.flatten()], dim=1)


class SynthesisLayer(TypedLayer):
    """Modulated convolution, bias, and a leaky ReLU at a higher sampling rate; in torgb, no filters and no ReLU."""

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None
    squared_weight: Tensor | None

    def __init__(self, config: StyleGAN3Config, plan: LayerPlan) -> None:
        super().__init__()
        kernel = plan.conv_kernel
        self.plan, self.conv_clamp = plan, config.conv_clamp
        self.affine = FullyConnected(config.w_dim, plan.in_channels)
        self.weight = nn.Parameter(torch.empty(plan.out_channels, plan.in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(plan.out_channels))
        self.register_buffer("magnitude_ema", torch.empty(()))
        self.register_buffer("up_filter", torch.empty(plan.up_taps) if plan.up > 1 else None)
        down_shape = (plan.down_taps,) * (2 if plan.is_radial else 1)
        self.register_buffer("down_filter", torch.empty(down_shape) if plan.down > 1 else None)
        self.register_buffer("squared_weight", None, persistent=False)

    def prepare(self, dtype: torch.dtype) -> None:
        """Lays the weight out as the convolution reads it, and stores what depends on it alone."""
        super().prepare(dtype)
        if not self.plan.is_torgb:
            weight, self.squared_weight = normalized_weight(self.weight)
            self.weight.data = weight.to(dtype, memory_format=torch.channels_last)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x `[N, in_channels, in_size, in_size]` and w `[N, w_dim]` to `[N, out_channels, out_size, out_size]`."""
        x = self.typed(x)
        styles, input_gain = self.affine(w), self.magnitude_ema.rsqrt()
        if self.plan.is_torgb:
            styles = styles * (input_gain / math.sqrt(self.plan.in_channels))
            clamp = self.conv_clamp
            return modulated_conv2d(
                x, self.weight, styles, demodulate=False, bias=self.bias, clamp=clamp, impl=self.impl
            )
        y = alias_free_conv2d(
            x,
            self.weight,
            styles,
            squared_weight=self.squared_weight,
            input_gain=input_gain,
            bias=self.bias,
            impl=self.impl,
        )
        return filtered_lrelu(
            y,
            self.up_filter,
            self.down_filter,
            up=self.plan.up,
            down=self.plan.down,
            padding=self.plan.padding * 2,
            clamp=self.conv_clamp,
            impl=self.impl,
        )


class Synthesis(nn.Module):
    """ws to picture."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        self.layer_names = tuple(plan.name for plan in config.layers)
        self.output_scale = config.output_scale
        self.input = SynthesisInput(config)
        for plan in config.layers:
            self.add_module(plan.name, SynthesisLayer(config, plan))

    def forward(self, ws: Tensor, *, transform: Tensor | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
        """ws `[N, num_ws, w_dim]` to float32 `[N, img_channels, H, W]`.

        Args:
            transform: `[N, 3, 3]` or `[3, 3]`, already inverted, in place of the stored one.
            dtype: Type of the feature maps. Styles, demodulation and Fourier features stay float32.
        """
        x = self.input(ws[:, 0], transform).to(dtype)
        for index, name in enumerate(self.layer_names, start=1):
            x = self.get_submodule(name)(x, ws[:, index])
        img: Tensor = x.float() * self.output_scale
        return img


class StyleGAN3(StyleNetwork):
    """A StyleGAN3 generator."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__(config, Mapping(config), Synthesis(config))

    def synthesize(
        self,
        ws: Tensor,
        *,
        noise: MappingType[str, Tensor] | None = None,
        transform: Tensor | None = None,
        dtype: torch.dtype,
    ) -> Tensor:
        """ws `[N, num_ws, w_dim]` to img; see `Synthesis.forward`. The family has no noise, so `noise` is empty."""
        assert not noise
        img: Tensor = self.synthesis(ws, transform=transform, dtype=dtype)
        return img
