"""The contestant to beat: StyleGAN3 as NVIDIA formulates it where its CUDA operators do not build, in eager PyTorch.

Every sample gets its own modulated weights and all of them run as one grouped convolution. A filtered leaky ReLU is
bias, zero insertion, padding, depthwise filters, leaky ReLU, gain, clamp, depthwise filters and a stride, each a pass
of its own. Written from the paper's formulas and checked against golden values. Where that formulation leaves a choice,
the faster way is taken: inference mode, weights normalised beforehand, clamps in place, separable filters in two.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wplus.config import StyleGAN3Config
from wplus.config.stylegan3 import LayerPlan

_SQRT2 = math.sqrt(2)
_SLOPE = 0.2


class NvidiaFormulationStyleGAN3:
    """StyleGAN3 in NVIDIA's formulation, contiguous NCHW.

    Args:
        config: The network.
        tensors: Its parameters and buffers under NVIDIA's state-dict names.
        dtype: What everything but the Fourier features is computed in. NVIDIA's own code knows only float32 on the CPU.
        device: Where.
    """

    def __init__(
        self,
        config: StyleGAN3Config,
        tensors: Mapping[str, NDArray[np.float32]],
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        self.config = config
        self.dtype = dtype
        self.tensors = {
            name: torch.from_numpy(np.asarray(value, order="C")).to(device) for name, value in tensors.items()
        }
        for layer in config.layers[:-1]:
            weight = self.tensors[f"synthesis.{layer.name}.weight"]
            scale = weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
            self.tensors[f"synthesis.{layer.name}.weight"] = weight * scale

    @torch.inference_mode()
    def synthesize(self, ws: Tensor, *, transform: Tensor | None = None) -> Tensor:
        """The pictures `[N, C, H, W]`, float32, about [-1, 1], of ws `[N, num_ws, w_dim]`.

        Args:
            transform: `[3, 3]` or `[N, 3, 3]`, in place of the stored one.
        """
        x = self._features(ws[:, 0], transform).to(self.dtype)
        for index, layer in enumerate(self.config.layers, start=1):
            x = self._layer(x, layer, ws[:, index])
        return x.float() * self.config.output_scale

    def _features(self, w: Tensor, transform: Tensor | None) -> Tensor:
        name, first = "synthesis.input", self.config.layers[0]
        t = self._dense(w, f"{name}.affine")
        t = t / t[:, :2].norm(dim=1, keepdim=True)
        rotation, shift = torch.eye(3, device=w.device).repeat(2, len(w), 1, 1)
        rotation[:, 0, 0], rotation[:, 0, 1], rotation[:, 1, 0], rotation[:, 1, 1] = t[:, 0], -t[:, 1], t[:, 1], t[:, 0]
        shift[:, 0, 2], shift[:, 1, 2] = -t[:, 2], -t[:, 3]
        plane = rotation @ shift @ (self.tensors[f"{name}.transform"] if transform is None else transform)
        freqs, phases = self.tensors[f"{name}.freqs"], self.tensors[f"{name}.phases"]
        phases = phases + (freqs @ plane[:, :2, 2:]).squeeze(2)
        freqs = freqs @ plane[:, :2, :2]
        limit = first.in_sampling_rate / 2
        amplitudes = (1 - (freqs.norm(dim=2) - first.in_cutoff) / (limit - first.in_cutoff)).clamp(0, 1)
        half = first.in_size / first.in_sampling_rate / 2
        theta = torch.tensor([[[half, 0, 0], [0, half, 0]]], device=w.device)
        grid = functional.affine_grid(theta, [1, 1, first.in_size, first.in_size], align_corners=False)
        x = (grid.unsqueeze(3) @ freqs.permute(0, 2, 1)[:, None, None]).squeeze(3) + phases[:, None, None]
        x = torch.sin(x * (2 * math.pi)) * amplitudes[:, None, None]
        y: Tensor = x @ (self.tensors[f"{name}.weight"] / math.sqrt(first.in_channels)).t()
        return y.permute(0, 3, 1, 2).contiguous()

    def _layer(self, x: Tensor, layer: LayerPlan, w: Tensor) -> Tensor:
        """Modulated convolution, then filtered leaky ReLU."""
        name = f"synthesis.{layer.name}"
        styles = self._dense(w, f"{name}.affine")
        if layer.is_torgb:
            styles = styles / math.sqrt(layer.in_channels)
        else:
            styles = styles * styles.square().mean(dim=1, keepdim=True).rsqrt()
        gain = self.tensors[f"{name}.magnitude_ema"].rsqrt()
        x = _modulated_conv2d(x, self.tensors[f"{name}.weight"], styles, gain, demodulate=not layer.is_torgb)
        x = x + self.tensors[f"{name}.bias"].to(x.dtype).reshape(-1, 1, 1)
        if layer.is_torgb:
            return self._clamp(x)
        x = _upfirdn2d(x, self.tensors[f"{name}.up_filter"], up=layer.up, padding=layer.padding, gain=layer.up**2)
        x = self._clamp(functional.leaky_relu(x, _SLOPE) * _SQRT2)
        return _upfirdn2d(x, self.tensors[f"{name}.down_filter"], down=layer.down)

    def _dense(self, x: Tensor, name: str) -> Tensor:
        """Fully connected layer with the run-time weight scale of StyleGAN."""
        weight = self.tensors[f"{name}.weight"]
        return torch.addmm(self.tensors[f"{name}.bias"], x, (weight / math.sqrt(weight.shape[1])).t())

    def _clamp(self, x: Tensor) -> Tensor:
        limit = self.config.conv_clamp
        return x if limit is None else x.clamp_(-limit, limit)


def _modulated_conv2d(x: Tensor, weight: Tensor, styles: Tensor, input_gain: Tensor, *, demodulate: bool) -> Tensor:
    """Every sample's own weights in one grouped convolution, `kernel - 1` wider and higher than x."""
    n, _, height, width = x.shape
    out_channels, in_channels, kernel, _ = weight.shape
    weights = weight * styles.reshape(n, 1, in_channels, 1, 1)  # [NOIkk]
    if demodulate:
        weights.mul_((weights.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt())
    weights = weights.mul_(input_gain).to(x.dtype)
    y = functional.conv2d(
        x.reshape(1, n * in_channels, height, width),
        weights.reshape(n * out_channels, in_channels, kernel, kernel),
        padding=kernel - 1,
        groups=n,
    )
    return y.reshape(n, out_channels, *y.shape[2:])


def _upfirdn2d(
    x: Tensor, fir: Tensor, *, up: int = 1, down: int = 1, padding: tuple[int, int] = (0, 0), gain: float = 1
) -> Tensor:
    """Zeros inserted, padded or cropped, filtered in one pass or, separable, in two, every `down`-th sample kept."""
    n, channels, height, width = x.shape
    if up > 1:
        x = functional.pad(x.reshape(n, channels, height, 1, width, 1), (0, up - 1, 0, 0, 0, up - 1))
        x = x.reshape(n, channels, height * up, width * up)
    x = functional.pad(x, (*padding, *padding)) if any(padding) else x
    if fir.ndim == 2:
        x = _depthwise(x, fir * gain)
    else:
        x = _depthwise(x, (fir * math.sqrt(gain)).unsqueeze(0))
        x = _depthwise(x, (fir * math.sqrt(gain)).unsqueeze(1))
    return x[:, :, ::down, ::down]


def _depthwise(x: Tensor, fir: Tensor) -> Tensor:
    """Every channel convolved (hence the flip) with one filter."""
    kernels = fir.to(x.dtype).flip((0, 1)).expand(x.shape[1], 1, *fir.shape)
    return functional.conv2d(x, kernels, groups=x.shape[1])
