"""The contestant to beat: StyleGAN2 as NVIDIA formulates it where its CUDA operators do not build, in eager PyTorch.

Every sample gets its own modulated and demodulated weights and all of them run as one grouped convolution, up-sampling
is a transposed convolution followed by a 4x4 filter, and noise, bias, leaky ReLU, gain and clamp are separate passes.
Written from the papers' formulas and checked against golden values. Where that formulation leaves a choice, the faster
way is taken: inference mode, weights laid out beforehand, noise and clamps in place, padding inside the filter.
"""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wplus.config import StyleGAN2Config

NoiseMode = Literal["const", "none"]

_SQRT2 = math.sqrt(2)
_SLOPE = 0.2


class NvidiaFormulation:
    """StyleGAN2 in NVIDIA's formulation, contiguous NCHW.

    Args:
        config: The network.
        tensors: Its parameters and buffers under NVIDIA's state-dict names.
        dtype: What everything is computed in. NVIDIA's own code knows only float32 on the CPU.
        device: Where.
    """

    def __init__(
        self,
        config: StyleGAN2Config,
        tensors: Mapping[str, NDArray[np.float32]],
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        self.config = config
        self.dtype = dtype
        self.tensors = {
            name: torch.from_numpy(np.ascontiguousarray(value)).to(device, dtype) for name, value in tensors.items()
        }
        for resolution in config.resolutions[1:]:
            name = f"synthesis.b{resolution}.conv0.weight"
            self.tensors[name] = self.tensors[name].transpose(0, 1).contiguous()  # [IOkk], as conv_transpose2d wants it

    @torch.inference_mode()
    def map(
        self, z: Tensor, c: Tensor | None = None, *, truncation_psi: float = 1, truncation_cutoff: int | None = None
    ) -> Tensor:
        """The ws `[N, num_ws, w_dim]` of z `[N, z_dim]` and labels c `[N, c_dim]`."""
        x = _normalize(z.to(self.dtype))
        if self.config.c_dim > 0:
            assert c is not None
            x = torch.cat([x, _normalize(self._dense(c.to(self.dtype), "mapping.embed"))], dim=1)
        for index in range(self.config.num_mapping_layers):
            y = self._dense(x, f"mapping.fc{index}", lr_multiplier=self.config.lr_multiplier)
            x = functional.leaky_relu(y, _SLOPE) * _SQRT2
        ws = x.unsqueeze(1).repeat(1, self.config.num_ws, 1)
        if truncation_psi != 1:
            cutoff = self.config.num_ws if truncation_cutoff is None else truncation_cutoff
            ws[:, :cutoff] = self.tensors["mapping.w_avg"].lerp(ws[:, :cutoff], truncation_psi)
        return ws.float()

    @torch.inference_mode()
    def synthesize(self, ws: Tensor, *, noise_mode: NoiseMode = "const") -> Tensor:
        """The pictures `[N, C, H, W]`, float32, about [-1, 1], of ws `[N, num_ws, w_dim]`."""
        return self.synthesize_with_gradients(ws, noise_mode=noise_mode)

    def synthesize_with_gradients(self, ws: Tensor, *, noise_mode: NoiseMode = "const") -> Tensor:
        """As `synthesize`; what asks for a gradient gets it, and weights are then multiplied out of place."""
        ws = ws.to(self.dtype)
        x = self.tensors["synthesis.b4.const"].repeat(len(ws), 1, 1, 1)
        x = self._layer(x, "synthesis.b4.conv1", ws[:, 0], noise_mode)
        img = self._to_rgb(x, None, "synthesis.b4", ws[:, 1])
        for index, resolution in enumerate(self.config.resolutions[1:]):
            block = f"synthesis.b{resolution}"
            x = self._block(x, block, ws[:, 2 * index + 1], ws[:, 2 * index + 2], noise_mode)
            img = self._to_rgb(x, img, block, ws[:, 2 * index + 3])
        assert img is not None
        return img.float()

    def _block(self, x: Tensor, block: str, w0: Tensor, w1: Tensor, noise_mode: NoiseMode) -> Tensor:
        """Two convolutions, the first of which doubles the resolution; `resnet` adds a shortcut around them."""
        if self.config.architecture != "resnet":
            x = self._layer(x, f"{block}.conv0", w0, noise_mode, up=True)
            return self._layer(x, f"{block}.conv1", w1, noise_mode)
        weight = self.tensors[f"{block}.skip.weight"]
        shortcut = functional.conv2d(x, weight / math.sqrt(weight.shape[1]))
        shortcut = _upsample(shortcut, self.tensors[f"{block}.skip.resample_filter"]).mul_(math.sqrt(0.5))
        x = self._layer(x, f"{block}.conv0", w0, noise_mode, up=True)
        return shortcut.add_(self._layer(x, f"{block}.conv1", w1, noise_mode, gain=math.sqrt(0.5)))

    def _layer(
        self, x: Tensor, name: str, w: Tensor, noise_mode: NoiseMode, *, up: bool = False, gain: float = 1
    ) -> Tensor:
        """Modulated convolution, noise, bias, leaky ReLU, gain, clamp."""
        weight = self.tensors[f"{name}.weight"]
        styles = self._dense(w, f"{name}.affine")
        if up:
            x = _modulated_conv_transpose2d(x, weight, styles)
            x = _filter(x, self.tensors[f"{name}.resample_filter"] * 4, padding=1)
        else:
            x = _modulated_conv2d(x, weight, styles, demodulate=True)
        if self.config.use_noise and noise_mode == "const":
            x.add_(self.tensors[f"{name}.noise_const"] * self.tensors[f"{name}.noise_strength"])
        x = x + self.tensors[f"{name}.bias"].reshape(-1, 1, 1)
        x = functional.leaky_relu(x, _SLOPE)
        return self._clamp(x * (_SQRT2 * gain), gain)

    def _to_rgb(self, x: Tensor, img: Tensor | None, block: str, w: Tensor) -> Tensor | None:
        """The picture so far, doubled, plus this block's part; `orig` and `resnet` have one such layer, at the end."""
        if img is not None:
            img = _upsample(img, self.tensors[f"{block}.resample_filter"])
        weight = self.tensors.get(f"{block}.torgb.weight")
        if weight is None:
            return img
        styles = self._dense(w, f"{block}.torgb.affine") / math.sqrt(weight.shape[1])
        y = _modulated_conv2d(x, weight, styles, demodulate=False)
        y = self._clamp(y + self.tensors[f"{block}.torgb.bias"].reshape(-1, 1, 1), 1)
        return y if img is None else img.add_(y)

    def _dense(self, x: Tensor, name: str, *, lr_multiplier: float = 1) -> Tensor:
        """Fully connected layer with the run-time weight scale of StyleGAN."""
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        return torch.addmm(bias * lr_multiplier, x, (weight * (lr_multiplier / math.sqrt(weight.shape[1]))).t())

    def _clamp(self, x: Tensor, gain: float) -> Tensor:
        limit = self.config.conv_clamp
        return x if limit is None else x.clamp_(-limit * gain, limit * gain)


def _normalize(x: Tensor) -> Tensor:
    """Each row scaled to a mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def _modulated_conv2d(x: Tensor, weight: Tensor, styles: Tensor, *, demodulate: bool) -> Tensor:
    """Every sample's own weights (Karras et al. 2020, eq. 1 and 3) in one grouped convolution."""
    n, _, height, width = x.shape
    out_channels, in_channels, kernel, _ = weight.shape
    weights = weight * styles.reshape(n, 1, in_channels, 1, 1)  # [NOIkk]
    if demodulate:
        weights = _times(weights, (weights.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt())
    y = functional.conv2d(
        x.reshape(1, n * in_channels, height, width),
        weights.reshape(n * out_channels, in_channels, kernel, kernel),
        padding=kernel // 2,
        groups=n,
    )
    return y.reshape(n, out_channels, height, width)


def _modulated_conv_transpose2d(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    """As `_modulated_conv2d`, transposed with stride 2: `[N, O, 2H + 1, 2W + 1]`; `weight` is [IOkk]."""
    n, _, height, width = x.shape
    in_channels, out_channels, kernel, _ = weight.shape
    weights = weight * styles.reshape(n, in_channels, 1, 1, 1)  # [NIOkk]
    weights = _times(weights, (weights.square().sum(dim=(1, 3, 4), keepdim=True) + 1e-8).rsqrt())
    y = functional.conv_transpose2d(
        x.reshape(1, n * in_channels, height, width),
        weights.reshape(n * in_channels, out_channels, kernel, kernel),
        stride=2,
        groups=n,
    )
    return y.reshape(n, out_channels, *y.shape[2:])


def _times(x: Tensor, factor: Tensor) -> Tensor:
    """In place, unless a gradient needs x as it was."""
    return x * factor if x.requires_grad else x.mul_(factor)


def _filter(x: Tensor, fir: Tensor, *, padding: int) -> Tensor:
    """Every channel convolved (hence the flip) with one 2-D filter, as a depthwise convolution."""
    channels = x.shape[1]
    kernels = fir.flip((0, 1)).expand(channels, 1, *fir.shape)
    return functional.conv2d(x, kernels, padding=padding, groups=channels)


def _upsample(img: Tensor, fir: Tensor) -> Tensor:
    """Twice the resolution: zeros inserted, edges padded by 2 before and 1 behind, filtered with gain 4."""
    n, channels, height, width = img.shape
    spread = img.new_zeros(n, channels, 2 * height + 3, 2 * width + 3)
    spread[:, :, 2:-1:2, 2:-1:2] = img
    return _filter(spread, fir * 4, padding=0)
