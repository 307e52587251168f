"""StyleGAN3's filtered leaky ReLU as graphs hold it: convolutions of phases, for runtimes that plan memory themselves.

A runtime computes a transposed convolution with one filter a channel badly: measured on a CPU, up to 10 times slower in
bfloat16 than in float32, and up to 10 times slower in ONNX Runtime than what stands here. Phases need plain depthwise
convolutions only, into which runtimes fuse the clamp, the leaky ReLU and the sums.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """Rows, or columns: the up-sampled line in phases, and what each phase reads."""

    kernels: list[Tensor]  # one a phase, all of one length, which start at the same sample
    padding: tuple[int, int]  # of the input; negative ones crop
    out: int  # size of the result


def filtered_lrelu(
    x: Tensor,
    fu: Tensor,
    fd: Tensor,
    *,
    up: int,
    down: int,
    padding: tuple[int, int, int, int],
    gain: float,
    slope: float,
    clamp: float | None,
) -> Tensor:
    """Up-samples, applies a leaky ReLU, gain and clamp, and down-samples; see `wplus.kernels.filtered_lrelu`.

    Args:
        x: `[N, C, H, W]`, bias included.
        fu: `[taps]`, at least `up` of them.
        fd: `[taps]` or `[height, width]`, at least `down` of them.
        up: A multiple of `down`.
        down: Integer factor.
        padding: On the left, right, top and bottom of the up-sampled picture.
        gain: Positive factor on the activation.
        slope: Of the leaky ReLU.
        clamp: What is down-sampled is clamped to +-clamp.
    """
    left, right, top, bottom = padding
    taps = (fu.flip(0) * (up * math.sqrt(gain))).to(x.dtype)
    rows = _axis(x.shape[2], taps, up=up, down=down, padding=(top, bottom), down_taps=fd.shape[0])
    columns = _axis(x.shape[3], taps, up=up, down=down, padding=(left, right), down_taps=fd.shape[-1])
    x = F.pad(x, (*columns.padding, *rows.padding))
    lines = [_depthwise(x, kernel[:, None]) for kernel in rows.kernels]
    phases = [[_activate(_depthwise(line, kernel[None]), slope, clamp) for kernel in columns.kernels] for line in lines]
    # What a tap of the down-sampling filter meets depends on its place modulo `down` alone: a picture for each.
    pictures = [
        [_interleave([line[column::down] for line in phases[row::down]]) for column in range(down)]
        for row in range(down)
    ]
    y = _filter(pictures, fd.flip(tuple(range(fd.ndim))).to(x.dtype), down)
    return y[:, :, : rows.out, : columns.out]


def _axis(size: int, taps: Tensor, *, up: int, down: int, padding: tuple[int, int], down_taps: int) -> _Axis:
    before, after = padding
    out = (size * up + before + after - len(taps) + 1 - down_taps) // down + 1
    count = -(-(out - 1 + -(-down_taps // down)) // (up // down))  # samples of a phase
    shifts = [(before - phase) % up for phase in range(up)]
    firsts = [(phase + shift - before) // up for phase, shift in enumerate(shifts)]
    start = min(firsts)
    own = [taps[shift::up] for shift in shifts]
    length = max(first - start + len(part) for first, part in zip(firsts, own, strict=True))
    kernels = [
        F.pad(part, (first - start, length - len(part) - first + start))
        for first, part in zip(firsts, own, strict=True)
    ]
    return _Axis(kernels=kernels, padding=(-start, start + count + length - 1 - size), out=out)


def _activate(x: Tensor, slope: float, clamp: float | None) -> Tensor:
    """Clamp and leaky ReLU; before it, the lower limit is that much lower, and a slope of 0 needs none."""
    if clamp is not None:
        x = x.clamp(-clamp / slope if slope else None, clamp)
    return F.leaky_relu(x, slope)


def _interleave(pictures: list[list[Tensor]]) -> Tensor:
    """One picture of n × n: pixel (n * i + a, n * j + b) is pixel (i, j) of picture (a, b)."""
    side = len(pictures)
    if side == 1:
        return pictures[0][0]
    x = torch.cat([picture for line in pictures for picture in line], dim=1)
    count, channels, height, width = x.shape
    shape = (count, channels // side**2, height * side, width * side)
    if torch.compiler.is_exporting():
        y: Tensor = _Interleaved.apply(x, side, shape) if x.requires_grad else _depth_to_space(x, side, shape)  # type: ignore[no-untyped-call]
        return y
    return x.reshape(count, side, side, -1, height, width).permute(0, 3, 4, 1, 5, 2).reshape(shape)


class _Interleaved(torch.autograd.Function):
    """DepthToSpace of a graph, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, side: int, shape: tuple[int, ...]) -> Tensor:
        ctx.side, ctx.shape = side, x.shape
        return _depth_to_space(x, side, shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        attrs: dict[str, Any] = {"blocksize": ctx.side}
        total: Tensor = torch.onnx.ops.symbolic(
            "SpaceToDepth", (grad,), attrs, dtype=grad.dtype, shape=ctx.shape, version=13
        )
        return total, None, None


def _depth_to_space(x: Tensor, side: int, shape: tuple[int, ...]) -> Tensor:
    attrs: dict[str, Any] = {"blocksize": side, "mode": "DCR"}
    y: Tensor = torch.onnx.ops.symbolic("DepthToSpace", (x,), attrs, dtype=x.dtype, shape=shape, version=13)
    return y


def _filter(pictures: list[list[Tensor]], taps: Tensor, down: int) -> Tensor:
    """The sum of all pictures, each filtered with every `down`-th tap from its own on."""
    if taps.ndim == 2:
        parts = [
            _depthwise(picture, _every(_every(taps, row, down).T, column, down).T)
            for row, line in enumerate(pictures)
            for column, picture in enumerate(line)
        ]
        return _sum(parts)
    own = [_every(taps, place, down) for place in range(down)]
    columns = [
        _sum([_depthwise(line[column], own[row][:, None]) for row, line in enumerate(pictures)])
        for column in range(down)
    ]
    return _sum([_depthwise(column, taps[None]) for column, taps in zip(columns, own, strict=True)])


def _every(taps: Tensor, first: int, step: int) -> Tensor:
    """Every `step`-th row from `first` on, filled up with a zero where others have one more."""
    part = taps[first::step]
    missing = -(-len(taps) // step) - len(part)
    return F.pad(part, (*(0, 0) * (taps.ndim - 1), 0, missing)) if missing else part


def _depthwise(x: Tensor, kernel: Tensor) -> Tensor:
    """Every channel correlated with one kernel."""
    channels = x.shape[1]
    return F.conv2d(x, kernel.expand(channels, 1, *kernel.shape), groups=channels)


def _sum(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
