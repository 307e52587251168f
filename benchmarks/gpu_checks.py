"""Whether every operator computes on this device what its plain twin does in float64, forward and backward.

Sizes are small and ugly. Of a convolution's ways, chosen by measurement elsewhere, each shape takes another.
Gradients through a leaky ReLU are compared on the branches that the tested forward pass took; filtered leaky ReLUs in
half precision are given inputs away from their kinks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import Any

import torch
from torch import Tensor

from wplus.backends.graphs import first_line
from wplus.benchmarks.gpu_device import Device, exact_products
from wplus.benchmarks.gpu_workers import one_way_each, spread
from wplus.kernels import alias_free_conv2d, filtered_lrelu, latent_path, modulated_conv2d, to_uint8, torgb, upfirdn2d

LIMITS = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}  # relative RMS: STYLE.md, section 7
_OWN_ERROR, _OWN_SLACK = 2.0, 1e-6  # or so many times what plain PyTorch is off in that type, and a little
_BACKWARD = 2.0  # gradients add up what the forward pass rounded
_LARGEST = 20.0  # times limit * RMS: for any one number

Operator = Callable[..., Tensor]  # tensors and impl= to the result


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """An operator and what it is given: a picture, which is rounded to the tested type, and float32 tensors."""

    name: str
    operator: Operator
    tensors: tuple[Tensor, ...]
    needs_grad: tuple[int, ...] = ()
    twin: Operator | None = None  # (y, *tensors) to the result on the branches that y took


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How far an operator is from float64, relative RMS, and how far it may be."""

    name: str
    dtype: torch.dtype
    is_gradient: bool
    error: float
    limit: float
    largest: float  # of all numbers, as a multiple of limit * RMS

    @property
    def is_red(self) -> bool:
        """Whether it is wrong; a NaN is."""
        return not (self.error <= self.limit and self.largest <= _LARGEST)

    def __str__(self) -> str:
        what = "gradients" if self.is_gradient else "result"
        return (
            f"{self.name}, {str(self.dtype).removeprefix('torch.')}, {what}: relative RMS error {self.error:.1e} "
            f"(at most {self.limit:.1e}), largest {self.largest:.1f} times that (at most {_LARGEST:.0f})"
        )


def check_operators(device: Device, dtypes: Sequence[torch.dtype]) -> Iterator[Finding]:
    """Every operator in every type; pictures as bytes and paths through latents know but one."""
    jobs: list[tuple[Any, ...]] = [
        (device, dtype, index) for dtype in dtypes for index in range(len(list(_checks(dtype))))
    ]
    for findings in spread(_run_check, [*jobs, (device, torch.float32, None)], device):
        yield from findings


def _run_check(device: Device, dtype: torch.dtype, index: int | None) -> list[Finding]:
    """The check of that place in the list; of none, those of latents and bytes."""
    with exact_products(), one_way_each():
        if index is None:
            return [*_findings(_path(), dtype, device), _bytes(device)]
        check = list(_checks(dtype))[index]
        try:
            return list(_findings(check, dtype, device))
        except Exception as exc:  # of a kernel or a compiler
            name = f"{check.name} failed ({type(exc).__name__}: {first_line(exc)})"
            return [Finding(name=name, dtype=dtype, is_gradient=False, error=nan, limit=0.0, largest=nan)]


def _findings(check: Check, dtype: torch.dtype, device: Device) -> Iterator[Finding]:
    """Of the result, and where there are gradients, of the worst of them."""
    rounded = [tensor.to(dtype) if index == 0 else tensor for index, tensor in enumerate(check.tensors)]
    plain = partial(check.operator, impl="reference")
    y, grads = _run(partial(check.operator, impl=device.fast), rounded, check.needs_grad, device.name)
    eager, eager_grads = _run(plain, rounded, check.needs_grad, device.name)
    doubles = [tensor.double() for tensor in rounded]
    expected, expected_grads = _run(plain, doubles, check.needs_grad, "cpu", dtype)
    yield _finding(check, dtype, [(y, expected, eager)], is_gradient=False)
    if not check.needs_grad:
        return
    if check.twin is not None:
        eager_grads = _run(partial(check.twin, y.to(device.name)), rounded, check.needs_grad, device.name, dtype)[1]
        expected_grads = _run(partial(check.twin, y), doubles, check.needs_grad, "cpu", dtype)[1]
    yield _finding(check, dtype, list(zip(grads, expected_grads, eager_grads, strict=True)), is_gradient=True)


def _run(
    function: Operator,
    tensors: Sequence[Tensor],
    needs_grad: Sequence[int],
    device: str,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """The result and the gradients, back on the CPU; what comes from behind is rounded to `dtype`, or the result's."""
    own = [tensor.detach().clone().to(device) for tensor in tensors]
    own = [tensor.requires_grad_(i in needs_grad) for i, tensor in enumerate(own)]
    y = function(*own)
    if not needs_grad:
        return y.cpu(), []
    grad = _cotangent(y.shape, dtype or y.dtype).to(y)
    grads = torch.autograd.grad(y, [own[i] for i in needs_grad], grad)
    return y.detach().cpu(), [one.cpu() for one in grads]


def _cotangent(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)


def _finding(
    check: Check, dtype: torch.dtype, triples: Sequence[tuple[Tensor, Tensor, Tensor]], *, is_gradient: bool
) -> Finding:
    """The worst of several (found, reference, plain PyTorch)."""
    findings = []
    for found, reference, eager in triples:
        limit = max(LIMITS[dtype], _OWN_ERROR * _error(eager, reference) + _OWN_SLACK)
        limit *= _BACKWARD if is_gradient else 1
        scale = max(float(reference.square().mean().sqrt()), 1e-30)
        largest = float((found.double() - reference).abs().max()) / (limit * scale)
        error = _error(found, reference)
        findings.append(
            Finding(
                name=check.name, dtype=dtype, is_gradient=is_gradient, error=error, limit=limit, largest=largest
            )
        )  # fmt: skip
    red = [finding for finding in findings if finding.is_red]
    return red[0] if red else max(findings, key=lambda finding: finding.error / finding.limit)


def _error(found: Tensor, reference: Tensor) -> float:
    scale = reference.square().mean().sqrt().clamp(min=1e-30)
    return float((found.double() - reference).square().mean().sqrt() / scale)


def _checks(dtype: torch.dtype) -> Iterator[Check]:
    random = _Random()
    for size in ((2, 63, 17, 7, 9), (3, 70, 130, 8, 6), (1, 511, 64, 16, 16)):
        for up in (1, 2):
            yield from _modulated(random, dtype, size, up)
        for kernel in (1, 3):
            yield _alias_free(random, size, kernel)
    yield from _torgbs(random)
    for up, down in ((1, 1), (2, 1), (1, 2)):
        operator = partial(_upfirdn, up=up, down=down)
        yield Check(
            name=f"upfirdn2d up {up} down {down}", operator=operator, tensors=(random(2, 33, 13, 17),), needs_grad=(0,)
        )
    for up, down in ((2, 2), (4, 2)):
        for is_radial in (False, True):
            yield _filtered(random, dtype, up, down, is_radial=is_radial)


class _Random:
    """Normal numbers, the same each time."""

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(0)

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._generator)

    def positive(self, *shape: int) -> Tensor:
        """From 0.5 to 1.5."""
        return torch.rand(shape, generator=self._generator) + 0.5


def _fir(like: Tensor) -> Tensor:
    """Not symmetric: a flipped filter would show."""
    taps = torch.tensor([1.0, 3.0, 2.0, 1.0], dtype=torch.promote_types(torch.float32, like.dtype), device=like.device)
    return taps.outer(taps) / taps.sum() ** 2


def _modulated(random: _Random, dtype: torch.dtype, size: tuple[int, ...], up: int) -> Iterator[Check]:
    """With a clamp; in half precision its gradients without one, where what was rounded to the clamp has no branch."""
    count, inputs, outputs, height, width = size

    def layer(x: Tensor, weight: Tensor, styles: Tensor, noise: Tensor, bias: Tensor, **how: Any) -> Tensor:
        fir = _fir(x) if up == 2 else None
        return modulated_conv2d(x, weight, styles, up=up, resample_filter=fir, noise=noise, bias=bias, gain=1.5, **how)

    def on_branches_of(y: Tensor, *tensors: Tensor) -> Tensor:
        linear = layer(*tensors, impl="reference")
        return linear * torch.where(y > 0, 1.0, 0.2) * (y.abs() < (2 if dtype == torch.float32 else torch.inf))

    name = f"modulated_conv2d {inputs} to {outputs} up {up}, {count}x{height}x{width}"
    tensors = (
        random(count, inputs, height, width),
        random(outputs, inputs, 3, 3),
        random.positive(count, inputs),
        random(count, 1, height * up, width * up),
        random(outputs),
    )
    clamped, free = partial(layer, act="lrelu", clamp=2.0), partial(layer, act="lrelu")
    every = tuple(range(len(tensors)))
    if dtype == torch.float32:
        yield Check(name=name, operator=clamped, tensors=tensors, needs_grad=every, twin=on_branches_of)
    else:
        yield Check(name=f"{name}, clamped", operator=clamped, tensors=tensors)
        yield Check(name=name, operator=free, tensors=tensors, needs_grad=every, twin=on_branches_of)


def _alias_free(random: _Random, size: tuple[int, ...], kernel: int) -> Check:
    count, inputs, outputs, height, width = size

    def layer(x: Tensor, weight: Tensor, styles: Tensor, bias: Tensor, **how: Any) -> Tensor:
        return alias_free_conv2d(x, weight, styles, bias=bias, **how)

    return Check(
        name=f"alias_free_conv2d {inputs} to {outputs} kernel {kernel}, {count}x{height}x{width}",
        operator=layer,
        tensors=(
            random(count, inputs, height, width),
            random(outputs, inputs, kernel, kernel),
            random.positive(count, inputs),
            random(outputs),
        ),
        needs_grad=(0, 1, 2, 3),
    )


def _torgbs(random: _Random) -> Iterator[Check]:
    """In one pass, and with gradients, which takes several."""

    def layer(x: Tensor, weight: Tensor, styles: Tensor, bias: Tensor, img: Tensor, **how: Any) -> Tensor:
        return torgb(x, weight, styles, bias, img, resample_filter=_fir(weight), **how)

    tensors = (random(2, 70, 14, 18), random(3, 70, 1, 1), random(2, 70), random(3), random(2, 3, 7, 9))
    yield Check(name="torgb", operator=partial(layer, clamp=15.0), tensors=tensors)
    yield Check(name="torgb with gradients", operator=layer, tensors=tensors, needs_grad=(0, 1, 2, 3, 4))


def _upfirdn(x: Tensor, *, up: int, down: int, impl: Any) -> Tensor:
    return upfirdn2d(x, _fir(x), up=up, down=down, padding=(2, 1, 3, -1), gain=1.5, impl=impl)


def _filtered(random: _Random, dtype: torch.dtype, up: int, down: int, *, is_radial: bool) -> Check:
    fu, fd = (random.positive(taps) / taps for taps in (6 * up, 6 * down))
    if is_radial:
        fd = fd.outer(fd) + 0.5 * fd.flip(0).outer(fd) + 0.1 * torch.eye(len(fd)) / len(fd)
    is_single = dtype == torch.float32
    padding = (3 * up + 5, 3 * up + 4, 2, 3 * up + 9) if is_single else (9, 9, 9, 9)
    x, bias = random(2, 5, 26, 19), random(5)
    if not is_single:  # positive filters keep the sign of a channel
        signs = torch.tensor([1.0, -1, -1, 1, -1])
        x, bias = (x.abs() + 0.5) * signs[:, None, None], (bias.abs() + 0.1) * signs

    def layer(x: Tensor, b: Tensor, *, impl: Any) -> Tensor:
        up_filter, down_filter = (f.to(b.device, b.dtype) for f in (fu, fd))
        clamp = 0.3 if is_single else None
        return filtered_lrelu(x, up_filter, down_filter, b, up=up, down=down, padding=padding, clamp=clamp, impl=impl)

    name = f"filtered_lrelu up {up} down {down}{' radial' if is_radial else ''}"
    return Check(name=name, operator=layer, tensors=(x, bias), needs_grad=(0, 1))


def _path() -> Check:
    random = _Random()
    times = torch.linspace(-3, 9, 37, dtype=torch.float64)

    def path(frames: Tensor, w_avg: Tensor, *, impl: Any) -> Tensor:
        psi = torch.tensor([1.0, 0.7, -0.2]).to(w_avg)
        options: dict[str, Any] = {"loop": True, "w_avg": w_avg, "truncation_psi": psi, "impl": impl}
        moments = times.to(frames.device)
        kinds: tuple[Any, ...] = ("linear", "slerp", "catmull-rom")
        return torch.stack([latent_path(frames, moments, interp=kind, **options) for kind in kinds])

    return Check(name="latent_path", operator=path, tensors=(random(5, 3, 37), random(37)))


def _bytes(device: Device) -> Finding:
    """The share of wrong ones, of which there must be none."""
    img = _Random()(5, 3, 7, 6)
    wrong = 0.0
    for columns in (None, 2):
        expected = to_uint8(img, columns=columns, impl="reference")
        found = to_uint8(img.to(device.name), columns=columns, impl=device.fast).cpu()
        wrong += float((found != expected).double().mean())
    return Finding(name="to_uint8", dtype=torch.float32, is_gradient=False, error=wrong, limit=0.0, largest=0.0)
