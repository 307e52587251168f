"""Plain convolutional generators: DCGAN."""

from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wplus.config import DCGANConfig


class DCGAN(nn.Module):
    """Transposed convolutions with batch norm and ReLU between them, and tanh at the end; the z is the only latent.

    Source: Radford et al. 2016 (DCGAN), figure 1.
    """

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.in_channels, *config.channels, config.img_channels)
        if config.embed_features:
            self.embed = Embedding(config.c_dim, config.embed_features)
        self.num_layers = len(config.kernels)
        for i in range(self.num_layers):
            conv = nn.ConvTranspose2d(
                widths[i],
                widths[i + 1],
                config.kernels[i],
                stride=config.strides[i],
                padding=config.paddings[i],
                bias=config.biases[i],
            )
            self.add_module(f"conv{i}", conv)
            if config.norms[i]:
                self.add_module(f"norm{i}", BatchNorm(widths[i + 1], config.eps))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Those that `prepare` can leave in float32."""
        return tuple(f"conv{i}" for i in range(self.num_layers))

    def prepare(self, dtype: torch.dtype, *, float32_layers: Collection[str] = ()) -> None:
        """Readies the weights for inference in `dtype`."""
        for name in self.layer_names:
            self.get_submodule(name).to(torch.float32 if name in float32_layers else dtype)

    def synthesize(
        self,
        z: Tensor,
        *,
        noise: Mapping[str, Tensor] | None,  # noqa: ARG002
        dtype: torch.dtype,
        c: Tensor | None = None,
    ) -> Tensor:
        """z `[N, z_dim]` and, if conditional, c `[N, c_dim]` to float32 `[N, img_channels, H, W]` in [-1, 1]."""
        if c is not None:
            z = torch.cat([z, self.embed(c) if self.config.embed_features else c], dim=1)
        x = z.to(dtype)[:, :, None, None]
        for i in range(self.num_layers):
            conv = self.get_submodule(f"conv{i}")
            x = conv(x.to(conv.get_parameter("weight").dtype))
            if self.config.norms[i]:
                x = self.get_submodule(f"norm{i}")(x)
            if i < self.num_layers - 1:
                x = F.relu(x)
        return torch.tanh(x.float())


class Embedding(nn.Module):
    """A vector for each class; labels between classes mix them."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))

    def forward(self, c: Tensor) -> Tensor:
        """`[N, classes]` to `[N, features]`."""
        return c @ self.weight


class BatchNorm(nn.Module):
    """Batch normalisation by the stored statistics."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """`[N, channels, H, W]` to the same shape."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.to(x.dtype)[:, None, None] + shift.to(x.dtype)[:, None, None]
