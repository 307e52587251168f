"""The contestant to beat: StyleGAN1's own formulation in eager PyTorch.

Up-sampling doubles every pixel before a 3x3 convolution, from the fused resolution up it is a transposed convolution;
blur, noise, bias, leaky ReLU, instance norm and style are passes of their own. Written from the paper's formulas and
checked against golden values. Where that formulation leaves a choice, the faster way is taken: inference mode, weights
scaled and laid out beforehand, passes in place.
"""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from wplus.config import StyleGAN1Config

NoiseMode = Literal["const", "none"]

_SLOPE = 0.2
_EPS = 1e-8


class OriginalStyleGAN1:
    """StyleGAN1 in the original's formulation, on the CPU, contiguous NCHW.

    Args:
        config: The network.
        tensors: Its tensors under our names.
        dtype: What everything is computed in. The original knows only float32.
    """

    def __init__(
        self,
        config: StyleGAN1Config,
        tensors: Mapping[str, NDArray[np.float32]],
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config = config
        self.dtype = dtype
        self.tensors = {name: torch.from_numpy(np.asarray(value, order="C")) for name, value in tensors.items()}
        for index in range(1, config.num_ws):
            name = f"synthesis.layer{index}.weight"
            weight = self.tensors[name] * math.sqrt(2 / (9 * self.tensors[name].shape[1]))
            self.tensors[name] = _spread(weight) if self._is_fused(index) else weight
        self.tensors = {name: value.to(dtype) for name, value in self.tensors.items()}
        taps = torch.tensor([1.0, 2.0, 1.0], dtype=dtype)
        self.blur = taps.outer(taps) / 16

    @torch.inference_mode()
    def synthesize(self, ws: Tensor, *, noise_mode: NoiseMode = "const") -> Tensor:
        """The pictures `[N, C, H, W]`, float32, about [-1, 1], of ws `[N, num_ws, w_dim]`."""
        ws = ws.to(self.dtype)
        x = self.tensors["synthesis.const"].repeat(len(ws), 1, 1, 1)
        for index in range(self.config.num_ws):
            if index:
                x = self._convolve(x, index)
            x = self._epilogue(x, index, ws[:, index], noise_mode)
        weight, bias = self.tensors["synthesis.torgb.weight"], self.tensors["synthesis.torgb.bias"]
        return functional.conv2d(x, weight / math.sqrt(weight.shape[1])).add_(bias[:, None, None]).float()

    def _is_fused(self, index: int) -> bool:
        least, resolution = self.config.fused_resolution, self.config.resolutions[index // 2]
        return index % 2 == 0 and least is not None and resolution >= least

    def _convolve(self, x: Tensor, index: int) -> Tensor:
        """3x3 convolution; every second one doubles the resolution and is followed by the blur."""
        weight = self.tensors[f"synthesis.layer{index}.weight"]
        if index % 2:
            return functional.conv2d(x, weight, padding=1)
        if self._is_fused(index):
            x = functional.conv_transpose2d(x, weight, stride=2, padding=1)
        else:
            x = functional.conv2d(functional.interpolate(x, scale_factor=2, mode="nearest"), weight, padding=1)
        channels = x.shape[1]
        return functional.conv2d(x, self.blur.expand(channels, 1, 3, 3), padding=1, groups=channels)

    def _epilogue(self, x: Tensor, index: int, w: Tensor, noise_mode: NoiseMode) -> Tensor:
        """Noise, bias, leaky ReLU, instance norm, style."""
        name = f"synthesis.layer{index}"
        if self.config.use_noise and noise_mode == "const":
            noise = self.tensors[f"synthesis.noise{index}"]
            x.addcmul_(noise, self.tensors[f"{name}.noise_weight"][:, None, None])
        x.add_(self.tensors[f"{name}.bias"][:, None, None])
        x = functional.leaky_relu_(x, _SLOPE)
        x.sub_(x.mean(dim=(2, 3), keepdim=True))
        x.mul_((x.square().mean(dim=(2, 3), keepdim=True) + _EPS).rsqrt())
        weight, bias = self.tensors[f"{name}.style.weight"], self.tensors[f"{name}.style.bias"]
        style = torch.addmm(bias, w, weight.t() / math.sqrt(weight.shape[1]))
        scale, shift = style.reshape(len(w), 2, -1, 1, 1).unbind(1)
        return x.mul_(scale + 1).add_(shift)


def _spread(weight: Tensor) -> Tensor:
    """[OIkk] of 3x3 to [IOkk] of 4x4, each tap on four places: what doubling every pixel amounts to."""
    out = weight.new_zeros(weight.shape[1], weight.shape[0], 4, 4)
    for row in (0, 1):
        for column in (0, 1):
            out[:, :, row : row + 3, column : column + 3] += weight.transpose(0, 1)
    return out
