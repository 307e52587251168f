"""An operator in Triton against its plain twin in float64, on the same rounded inputs: forward and gradients."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Relative RMS errors, and the largest error as a multiple of limit * RMS: STYLE.md, section 7. Gradients add up what
# the forward pass rounded, so that they get twice as much; tf32 has float16's mantissa.
LIMITS = {"float32": 2e-6, "tf32": 1e-3, "float16": 1e-3, "bfloat16": 8e-3}
_LARGEST = 20.0
DTYPES = ("float32", "float16", "bfloat16")

Operator = Callable[..., Tensor]  # tensors, and impl=


def rms_error(y: Tensor, reference: Tensor) -> float:
    """rms(y - reference) / rms(reference); NaN if y has one."""
    difference = y.double() - reference
    scale = reference.square().mean().sqrt()
    return float(difference.square().mean().sqrt() / scale) if scale else float(difference.abs().max())


def assert_close(y: Tensor, reference: Tensor, limit: float, what: str = "the result") -> None:
    """Within the limit, and no value far beyond it.

    Raises:
        AssertionError: with the figures.
    """
    assert y.shape == reference.shape, f"{what} is {list(y.shape)}, not {list(reference.shape)}"
    error = rms_error(y, reference)
    assert error <= limit, f"{what} has a relative RMS error of {error:.2e}, more than {limit:.0e}"
    largest = float((y.double() - reference).abs().max())
    allowed = _LARGEST * limit * max(float(reference.square().mean().sqrt()), 1e-30)
    assert largest <= allowed, f"{what} is off by {largest:.2e} somewhere, more than {allowed:.0e}"


def assert_agrees(
    operator: Operator,
    tensors: Sequence[Tensor],
    *,
    dtype: str,
    needs_grad: Sequence[int] = (),
    exact: Sequence[int] = (),
    backward_twin: Operator | None = None,
) -> Tensor:
    """`operator(*tensors, impl="triton")` against impl="reference" in float64; returns the former.

    Args:
        operator: Called with the tensors and `impl`.
        tensors: The first is the picture, in float32; it is rounded to `dtype`, what else there is stays float32.
        dtype: A key of `LIMITS`; "tf32" is for the caller to switch on.
        needs_grad: Which tensors' gradients are compared.
        exact: Which other tensors are rounded to `dtype` too (weights that have no float32 original).
        backward_twin: `(y, *tensors)` to the reference result with the branches that y took, where the operator has
            kinks: in half precision a few signs flip there.
    """
    kind = torch.float32 if dtype == "tf32" else getattr(torch, dtype)
    own = [t.to(kind) if i == 0 or i in exact else t.clone() for i, t in enumerate(tensors)]
    own = [t.requires_grad_(i in needs_grad) for i, t in enumerate(own)]
    twins = [t.detach().double().requires_grad_(i in needs_grad) for i, t in enumerate(own)]
    y = operator(*own, impl="triton")
    reference = operator(*twins, impl="reference")
    assert_close(y.detach(), reference.detach(), LIMITS[dtype])
    if needs_grad:
        grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
        found = torch.autograd.grad(y, [own[i] for i in needs_grad], grad)
        if backward_twin is not None:
            reference = backward_twin(y.detach(), *twins)
        expected = torch.autograd.grad(reference, [twins[i] for i in needs_grad], grad.double())
        for index, one, other in zip(needs_grad, found, expected, strict=True):
            assert_close(one, other, 2 * LIMITS[dtype], f"the gradient of argument {index}")
    return y.detach()
