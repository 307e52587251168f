"""Convolutions of which autograd keeps the weight alone, where the weight asks for no gradient.

PyTorch's own keep their input as well, which only the weight's gradient needs: in an inversion, a feature map a layer.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def conv2d(x: Tensor, weight: Tensor, *, padding: tuple[int, int] = (0, 0), groups: int = 1) -> Tensor:
    """`torch.nn.functional.conv2d` of stride 1."""
    if not _is_frozen(x, weight):
        return F.conv2d(x, weight, padding=padding, groups=groups)
    y: Tensor = _FrozenConv.apply(x, weight, 1, padding, groups, False)  # type: ignore[no-untyped-call]
    return y


def conv_transpose2d(
    x: Tensor, weight: Tensor, *, stride: int, padding: tuple[int, int] = (0, 0), groups: int = 1
) -> Tensor:
    """`torch.nn.functional.conv_transpose2d`."""
    if not _is_frozen(x, weight):
        return F.conv_transpose2d(x, weight, stride=stride, padding=padding, groups=groups)
    y: Tensor = _FrozenConv.apply(x, weight, stride, padding, groups, True)  # type: ignore[no-untyped-call]
    return y


def _is_frozen(x: Tensor, weight: Tensor) -> bool:
    """Whether it matters; a compiler, and an exporter, see PyTorch's own, and choose themselves what they keep."""
    is_followed = torch.is_grad_enabled() and x.requires_grad
    return is_followed and not weight.requires_grad and not torch.compiler.is_compiling()


class _FrozenConv(torch.autograd.Function):
    """Each of the two is the other's adjoint, with the same weight."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: tuple[int, int], groups: int, is_transposed: bool
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.options = {"stride": stride, "padding": padding, "groups": groups}
        ctx.is_transposed = is_transposed
        convolve = F.conv_transpose2d if is_transposed else F.conv2d
        return convolve(x, weight, **ctx.options)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        convolve = F.conv2d if ctx.is_transposed else F.conv_transpose2d
        return convolve(gradients[0], weight, **ctx.options), None, None, None, None, None
