"""One step of inversion as a module that can be exported: loss and gradients, forward and backward traced."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from wplus.bundle import GRADIENT, LOSS_FACTORS
from wplus.export.spec import Plan
from wplus.inversion.losses import Loss

_aten = torch.ops.aten


class Step(nn.Module):
    """A network with the face of the graph of one step, loss and gradients, which autograd computes.

    Args:
        network: One of `wplus.networks`, frozen, prepared for float32.
        plan: What goes in and comes out; the gradients are those of the inputs that they are named after.
        losses: Of a picture, its target and the weight of each pixel, `[N]` each; their factors are an input.
        has_noise: Whether noise maps are among the inputs, or there is none; else the stored ones are taken.
    """

    def __init__(self, network: nn.Module, plan: Plan, losses: Sequence[Loss], *, has_noise: bool) -> None:
        super().__init__()
        self.network: Any = network
        self.plan, self.losses, self.has_noise = plan, losses, has_noise

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Loss `[N]` and the gradients of its sum, in the order of the plan's outputs."""
        given = dict(zip((port.name for port in self.plan.inputs), inputs, strict=True))
        wanted = [port.name.removeprefix(GRADIENT) for port in self.plan.outputs[1:]]
        given |= {name: given[name].detach().requires_grad_() for name in wanted}
        leaves = [given[name] for name in wanted]
        target, weight, factors = (given.pop(name) for name in ("target", "weight", LOSS_FACTORS))
        latents = given.pop("ws") if "ws" in given else given.pop("z")
        extra = {name: given.pop(name) for name in ("c", "transform") if name in given}
        noise = given if self.has_noise else None
        with torch.enable_grad():
            img = self.network.synthesize(latents, noise=noise, dtype=torch.float32, **extra)
            loss = (torch.stack([loss(img, target, weight) for loss in self.losses], dim=1) * factors).sum(dim=1)
            return loss.detach(), *torch.autograd.grad(loss.sum(), leaves)


def joint_graph(step: Step) -> fx.GraphModule:
    """Forward and backward of a step as operations without autograd, and constants computed from constants.

    Raises:
        Whatever the network or PyTorch raises where it cannot be traced.
    """
    with _as_exported():
        trace = make_fx(step, decomposition_table=_RULES, tracing_mode="symbolic", _allow_non_fake_inputs=True)
        module = trace(*_with_free_batch(step.plan.examples()))
    _fold_constants(module)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def _with_free_batch(examples: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of the same shapes without values, whose first axis may have any length; all others are fixed."""
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    return [
        mode.from_tensor(
            example,
            symbolic_context=StatelessSymbolicContext(
                dynamic_sizes=[DimDynamic.DUCK, *[DimDynamic.STATIC] * (example.ndim - 1)]
            ),
        )
        for example in examples
    ]


@contextmanager
def _as_exported() -> Iterator[None]:
    """The networks take the ways that they take while PyTorch's exporter traces them."""
    state: Any = torch.compiler
    before = state._is_compiling_flag, state._is_exporting_flag
    state._is_compiling_flag = state._is_exporting_flag = True
    try:
        yield
    finally:
        state._is_compiling_flag, state._is_exporting_flag = before


def _fold_constants(module: fx.GraphModule) -> None:
    """Computes what depends on constants alone, for each reader by itself: no two operations share a result."""
    values: dict[fx.Node, Tensor] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            values[node] = getattr(module, node.target)
        elif node.op == "call_function" and node.all_input_nodes and all(n in values for n in node.all_input_nodes):
            args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
            with torch.no_grad():
                values[node] = node.target(*args, **kwargs)
    count = 0
    for node in list(module.graph.nodes):
        if node in values:
            continue
        for source in node.all_input_nodes:
            if source not in values or source.op == "get_attr":
                continue
            name = f"constant{count}"
            count += 1
            module.register_buffer(name, values[source].detach().clone(memory_format=torch.contiguous_format))
            with module.graph.inserting_before(node):
                new = module.graph.get_attr(name)
            new.meta = dict(source.meta)
            node.replace_input_with(source, new)


def _convolution_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,  # noqa: ARG001
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],  # noqa: ARG001
    groups: int,
    output_mask: Sequence[bool],
) -> tuple[Tensor | None, None, None]:
    """The gradient of the input as a convolution with a constant weight; weights ask for none."""
    assert not any(output_mask[1:])
    if not output_mask[0]:
        return None, None, None
    assert all(step == 1 for step in dilation)
    if transposed:
        return F.conv2d(grad, weight, stride=tuple(stride), padding=tuple(padding), groups=groups), None, None
    turned = [size - 1 - pad for size, pad in zip(weight.shape[2:], padding, strict=True)]
    if all(step == 1 for step in stride) and min(turned) >= 0:
        return F.conv2d(grad, _swapped(weight, groups).flip(2, 3), padding=turned, groups=groups), None, None
    rest = [
        size - ((out - 1) * step - 2 * pad + kernel)
        for size, out, step, pad, kernel in zip(
            x.shape[2:], grad.shape[2:], stride, padding, weight.shape[2:], strict=True
        )
    ]
    gradient = F.conv_transpose2d(
        grad, weight, stride=tuple(stride), padding=tuple(padding), output_padding=rest, groups=groups
    )
    return gradient, None, None


def _swapped(weight: Tensor, groups: int) -> Tensor:
    """`[O, I / groups, h, w]` with inputs and outputs of each group exchanged, `[I, O / groups, h, w]`."""
    out, own, *taps = weight.shape
    return weight.reshape(groups, out // groups, own, *taps).transpose(1, 2).reshape(groups * own, -1, *taps)


def _leaky_relu_backward(grad: Tensor, x: Tensor, slope: float, self_is_result: bool) -> Tensor:  # noqa: ARG001
    return torch.where(x > 0, grad, grad * slope)


def _avg_pool2d_backward(
    grad: Tensor,
    x: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,  # noqa: ARG001
    divisor_override: int | None,
) -> Tensor:
    """That of a mean over 2x2 pixels, the only one that is taken."""
    assert list(kernel) == list(stride or kernel) == [2, 2]
    assert not any((*padding, ceil_mode, divisor_override))
    count, channels, height, width = grad.shape
    spread = (grad * 0.25)[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2)
    spread = spread.reshape(count, channels, 2 * height, 2 * width)
    rest = [x.shape[axis] - spread.shape[axis] for axis in (3, 2)]
    return F.pad(spread, (0, rest[0], 0, rest[1])) if any(rest) else spread


def _select_backward(grad: Tensor, sizes: Sequence[int], dim: int, index: int) -> Tensor:
    dim, size = dim % len(sizes), sizes[dim]
    index %= size
    return F.pad(grad.unsqueeze(dim), (*(0, 0) * (len(sizes) - 1 - dim), index, size - 1 - index))


def _slice_backward(grad: Tensor, sizes: Sequence[int], dim: int, start: int, end: int, step: int) -> Any:
    if step != 1:
        return NotImplemented  # which leaves it to PyTorch
    dim, size = dim % len(sizes), sizes[dim]
    start, end = (min(max(place + size if place < 0 else place, 0), size) for place in (start, end))
    if (start, end) == (0, size):
        return grad
    return F.pad(grad, (*(0, 0) * (len(sizes) - 1 - dim), start, size - end))


_RULES: dict[Any, Callable[..., Any]] = {
    _aten.convolution_backward.default: _convolution_backward,
    _aten.leaky_relu_backward.default: _leaky_relu_backward,
    _aten.avg_pool2d_backward.default: _avg_pool2d_backward,
    _aten.select_backward.default: _select_backward,
    _aten.slice_backward.default: _slice_backward,
}
