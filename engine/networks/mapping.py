"""What the StyleGANs share: the mapping network z -> w, truncation, and the frame of a generator with W."""

import math
from collections.abc import Collection

import torch
from torch import Tensor, nn

from wplus.config import StyleConfig
from wplus.kernels import bias_act
from wplus.kernels.dispatch import Impl


class FullyConnected(nn.Module):
    """A linear layer whose stored weights are of unit variance and scaled when used (equalised learning rate)."""

    def __init__(self, in_features: int, out_features: int, *, act: str = "linear", lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.is_activated = act == "lrelu"
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in_features]` to `[N, out_features]`."""
        # The gain acts inside the product: a scaled copy of the weight would cost more than the product itself.
        y = torch.addmm(self.bias * self.bias_gain, x, self.weight.t(), alpha=self.weight_gain)
        return bias_act(y, act="lrelu", gain=math.sqrt(2)) if self.is_activated else y


def normalize_2nd_moment(x: Tensor) -> Tensor:
    """Each row scaled to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class Mapping(nn.Module):
    """z and label to w.

    Source: Karras et al. 2019 (StyleGAN), section 2; label embedding: Karras et al. 2020 (ADA).
    """

    w_avg: Tensor

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        embed = config.embed_features or config.w_dim
        hidden = config.mapping_features or config.w_dim
        self.num_layers = config.num_mapping_layers
        widths = [config.z_dim + (embed if config.c_dim else 0), *[hidden] * (self.num_layers - 1), config.w_dim]
        if config.c_dim:
            self.embed = FullyConnected(config.c_dim, embed)
        for i in range(self.num_layers):
            layer = FullyConnected(widths[i], widths[i + 1], act="lrelu", lr_multiplier=config.lr_multiplier)
            self.add_module(f"fc{i}", layer)
        self.register_buffer("w_avg", torch.empty(config.w_dim))

    def forward(self, z: Tensor, c: Tensor | None) -> Tensor:
        """z `[N, z_dim]` and, in a conditional network, c `[N, c_dim]` to w `[N, w_dim]`."""
        x = normalize_2nd_moment(z)
        if c is not None:
            x = torch.cat([x, normalize_2nd_moment(self.embed(c))], dim=1)
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        return x


def truncate(ws: Tensor, w_avg: Tensor, psi: Tensor, cutoff: Tensor) -> Tensor:
    """ws `[N, num_ws, w_dim]` drawn toward w_avg: `w_avg.lerp(w, psi)` on the first `cutoff` slots of each sample.

    Args:
        psi: `[N]`; 1 changes nothing.
        cutoff: `[N]`, integers.

    Source: Karras et al. 2019 (StyleGAN), appendix B.
    """
    truncated = torch.lerp(w_avg.expand_as(ws), ws, psi.to(ws.dtype)[:, None, None])
    slots = torch.arange(ws.shape[1], device=ws.device)
    return torch.where((slots < cutoff[:, None])[:, :, None], truncated, ws)


class TypedLayer(nn.Module):
    """A layer of a synthesis, which computes in a type of its own, whatever the layer before it gives."""

    dtype: torch.dtype | None = None  # of feature maps; None: that of the input
    impl: Impl = "auto"  # of its operators

    def prepare(self, dtype: torch.dtype) -> None:
        """Readies the layer for inference with feature maps of `dtype`."""
        self.dtype = dtype

    def typed(self, x: Tensor) -> Tensor:
        """x in the layer's type."""
        return x if self.dtype is None else x.to(self.dtype)


class StyleNetwork(nn.Module):
    """A generator with W: a mapping that holds `w_avg`, and a synthesis whose layers have `prepare`."""

    def __init__(self, config: StyleConfig, mapping: nn.Module, synthesis: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.synthesis = synthesis
        self.mapping = mapping

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Those that `prepare` can leave in float32."""
        return tuple(name for name, layer in self.named_modules() if isinstance(layer, TypedLayer))

    def prepare(self, dtype: torch.dtype, *, float32_layers: Collection[str] = (), impl: Impl = "auto") -> None:
        """Readies the weights for inference with feature maps of `dtype`; they cannot be trained in it afterwards.

        Args:
            dtype: Of feature maps.
            float32_layers: Names of those whose feature maps stay float32.
            impl: How the layers' operators run; see `wplus.kernels.ops`.
        """
        for name in self.layer_names:
            layer = self.get_submodule(name)
            assert isinstance(layer, TypedLayer)
            layer.prepare(torch.float32 if name in float32_layers else dtype)
            layer.impl = impl

    def map(self, z: Tensor, c: Tensor | None, psi: Tensor, cutoff: Tensor) -> Tensor:
        """z `[N, z_dim]` (and c `[N, c_dim]`) to ws `[N, num_ws, w_dim]`, truncated per sample."""
        w = self.mapping(z, c)
        ws = w[:, None].expand(-1, self.config.num_ws, -1)
        return truncate(ws, self.mapping.get_buffer("w_avg"), psi, cutoff)
