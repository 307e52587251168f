from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from wplus.kernels.frozen_conv import conv2d, conv_transpose2d

_Convolve = Callable[[Tensor, Tensor], Tensor]

_CASES: dict[str, tuple[_Convolve, _Convolve, tuple[int, ...]]] = {
    "3x3": (
        lambda x, w: conv2d(x, w, padding=(1, 1)),
        lambda x, w: F.conv2d(x, w, padding=1),
        (5, 4, 3, 3),
    ),
    "wider than the picture's edge": (
        lambda x, w: conv2d(x, w, padding=(2, 2)),
        lambda x, w: F.conv2d(x, w, padding=2),
        (5, 4, 3, 3),
    ),
    "depthwise, another margin a side": (
        lambda x, w: conv2d(x, w, padding=(1, 0), groups=4),
        lambda x, w: F.conv2d(x, w, padding=(1, 0), groups=4),
        (4, 1, 4, 2),
    ),
    "up": (
        lambda x, w: conv_transpose2d(x, w, stride=2),
        lambda x, w: F.conv_transpose2d(x, w, stride=2),
        (4, 5, 3, 3),
    ),
    "depthwise up, cropped": (
        lambda x, w: conv_transpose2d(x, w, stride=2, padding=(1, 2), groups=4),
        lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=(1, 2), groups=4),
        (4, 1, 4, 4),
    ),
}


@pytest.fixture(params=_CASES)
def case(request: pytest.FixtureRequest) -> tuple[_Convolve, _Convolve, Tensor, Tensor]:
    ours, theirs, shape = _CASES[request.param]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 7, 6, generator=generator, dtype=torch.float64)
    return ours, theirs, x, torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_results_and_gradients_are_those_of_pytorch(case: tuple[_Convolve, _Convolve, Tensor, Tensor]) -> None:
    ours, theirs, x, weight = case
    results, gradients, curvatures = [], [], []
    for convolve in (ours, theirs):
        own = x.clone().requires_grad_()
        result = convolve(own, weight)
        (gradient,) = torch.autograd.grad(result.pow(3).sum(), own, create_graph=True)
        (curvature,) = torch.autograd.grad(gradient.square().sum(), own)
        results.append(result)
        gradients.append(gradient)
        curvatures.append(curvature)
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(curvatures[0], curvatures[1])


def test_autograd_keeps_the_weight_alone(case: tuple[_Convolve, _Convolve, Tensor, Tensor]) -> None:
    ours, theirs, x, weight = case
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.data_ptr()) or t, lambda t: t):
        own = x.clone().requires_grad_()
        ours(own, weight)
        assert kept == [weight.data_ptr()]
        theirs(own, weight)
    assert own.data_ptr() in kept  # what this is there to avoid


@pytest.mark.parametrize("convolve", [lambda x, w: conv2d(x, w), lambda x, w: conv_transpose2d(x, w, stride=2)])
def test_a_weight_that_is_trained_gets_its_gradient(convolve: _Convolve) -> None:
    x = torch.ones(1, 4, 5, 5, requires_grad=True)
    weight = torch.ones(4, 4, 3, 3, requires_grad=True)
    convolve(x, weight).sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().min() > 0


def test_what_is_traced_for_export_has_pytorchs_own_operation() -> None:
    class Layer(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return conv2d(x, torch.ones(4, 4, 3, 3))

    x = torch.ones(1, 4, 5, 5, requires_grad=True)
    traced = torch.export.export(Layer(), (x,)).graph
    assert any(node.target is torch.ops.aten.conv2d.default for node in traced.nodes)
