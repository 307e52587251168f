"""A test of the tests: kernels with a bug put in on purpose, each of which the checks notice."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from triton.runtime.errors import InterpreterError
from triton_tools.comparing import assert_agrees, assert_close

from wplus.kernels import filtered_lrelu, latent_path, modulated_conv2d, to_uint8, torgb, upfirdn2d

pytestmark = pytest.mark.interp

_F = torch.tensor([[1.0, 3.0, 2.0], [0.5, 1.0, 4.0], [2.0, 1.0, 0.25]])


def _convolution(up: int = 1, size: tuple[int, ...] = (2, 35, 18, 5, 6)) -> None:
    count, inputs, outputs, height, width = size
    tensors = [
        torch.randn(count, inputs, height, width),
        torch.randn(outputs, inputs, 3, 3),
        torch.rand(count, inputs) + 0.5,
        torch.randn(count, 1, height * up, width * up),
        torch.randn(outputs),
    ]

    def op(x: Any, weight: Any, styles: Any, noise: Any, bias: Any, *, impl: Any) -> Any:
        f = _F.to(styles) if up == 2 else None
        options: dict[str, Any] = {"noise": noise, "bias": bias, "act": "lrelu", "clamp": 2.0, "impl": impl}
        return modulated_conv2d(x, weight, styles, up=up, resample_filter=f, **options)

    assert_agrees(op, tensors, dtype="float32", needs_grad=range(5))


def _filter() -> None:
    def op(x: Any, *, impl: Any) -> Any:
        return upfirdn2d(x, _F.to(torch.promote_types(x.dtype, _F.dtype)), up=2, padding=(2, 1, 0, 3), impl=impl)

    assert_agrees(op, [torch.randn(2, 3, 7, 9)], dtype="float32", needs_grad=[0])


def _activation() -> None:
    fu, fd = torch.rand(12, dtype=torch.float64), torch.rand(12, dtype=torch.float64)
    op = partial(filtered_lrelu, up=2, down=2, padding=(9, 9, 9, 9), clamp=8.0)
    tensors = [torch.randn(1, 5, 45, 6), torch.randn(5)]
    assert_agrees(lambda x, b, impl: op(x, fu, fd, b, impl=impl), tensors, dtype="float32", needs_grad=[0, 1])


def _torgb() -> None:
    tensors = [torch.randn(2, 35, 6, 8), torch.randn(3, 35, 1, 1), torch.randn(2, 35), torch.randn(3)]
    with torch.no_grad():
        assert_agrees(
            lambda x, w, s, b, img, impl: torgb(x, w, s, b, img, resample_filter=_F.to(s), clamp=9.0, impl=impl),
            [*tensors, torch.randn(2, 3, 3, 4)],
            dtype="float32",
        )


def _path(interp: Any) -> None:
    frames, times = torch.randn(4, 2, 37), torch.linspace(-4, 8, 25, dtype=torch.float64)
    options: dict[str, Any] = {"interp": interp, "loop": True}
    expected = latent_path(frames.double(), times, impl="reference", **options)
    assert_close(latent_path(frames, times, impl="triton", **options), expected, 2e-6)


def _pixels() -> None:
    img = torch.randn(3, 3, 5, 6) * 2
    assert torch.equal(to_uint8(img, columns=2, impl="triton"), to_uint8(img, columns=2, impl="reference"))


# Module, what stands there, what is put in its place, the check that has to notice.
_MUTANTS: list[tuple[str, str, str, Callable[[], None]]] = [
    ("convolution", "mask=is_inside[:, None] & is_in[None, :]", "mask=is_inside[:, None]", _convolution),
    ("convolution", "is_pixel & (y >= 0) & (y < in_height)", "is_pixel & (y < in_height)", _convolution),
    (
        "convolution",
        "blocks_k: tl.constexpr = (C_IN + BLOCK_K - 1) // BLOCK_K",
        "blocks_k: tl.constexpr = C_IN // BLOCK_K",
        _convolution,
    ),  # the last tile
    ("convolution", "w_tap = KERNEL * KERNEL - 1 - w_tap", "w_tap = w_tap", _convolution),  # backward only
    (
        "convolution",
        "taps_x = (KERNEL - phase_x + UP - 1) // UP",
        "taps_x = (KERNEL + UP - 1) // UP",
        partial(_convolution, 2),
    ),
    ("convolution", "stride_w_in=weight.stride(1)", "stride_w_in=weight.stride(0)", _convolution),
    ("epilogue", "noise_ptr + n.to(tl.int64) * stride_noise_n + place", "noise_ptr + place", _convolution),
    ("epilogue", "tl.where(acc > 0, acc, acc * slope)", "tl.where(acc > 1, acc, acc * slope)", _convolution),
    ("epilogue", "per_sample = n[:, None] * CHANNELS + o[None, :]", "per_sample = o[None, :]", _convolution),
    ("gradients", "y = tl.where(y > 0, y, y / slope)", "y = y", _convolution),
    ("gradients", "grad = tl.where((y < limit) & (y > -limit), grad, 0.0)", "grad = grad", _convolution),
    ("gradients", "is_pixel = place < pixels", "is_pixel = place >= 0", _convolution),
    ("upfirdn", "first_x = ((-column) % UP + UP) % UP", "first_x = ((-row) % UP + UP) % UP", _filter),
    ("upfirdn", "(size[i] - 1) * up", "size[i] * up", _filter),  # the gradient's margin
    ("filtered_lrelu", "tl.where(is_inside, x + bias[:, None, None], 0.0)", "(x + bias[:, None, None])", _activation),
    (
        "filtered_lrelu",
        "return (places + taps - 2) // factor + 2",
        "return (places + taps - 2) // factor - 1",
        _activation,
    ),
    ("filtered_lrelu", "mask=(tap >= 0) & (tap < TAPS), other=0.0", "mask=(tap >= 0) & (tap < TAPS)", _activation),
    ("torgb", "mask=mask, other=0.0)  # [MK]", "mask=mask)  # [MK]", _torgb),
    ("torgb", "(TAPS_X + 1) // 2", "TAPS_X // 2", _torgb),
    ("latent_path", "right = (left + 1) % count", "right = left + 1", partial(_path, "linear")),
    ("latent_path", "slope_b = 0.5 * (after - a)", "slope_b = 0.5 * (after - b)", partial(_path, "catmull-rom")),
    ("latent_path", "mask=is_number, other=0.0)\n    b =", "mask=is_number)\n    b =", partial(_path, "slerp")),
    ("pixels", "mask=is_inside & (n < count)", "mask=is_inside", _pixels),
]


@pytest.mark.parametrize(
    ("module", "old", "new", "check"), _MUTANTS, ids=[f"{m[0]}-{i}" for i, m in enumerate(_MUTANTS)]
)
def test_a_bug_is_noticed(
    module: str, old: str, new: str, check: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = importlib.import_module(f"wplus.kernels.gpu.{module}")
    assert original.__file__ is not None
    source = Path(original.__file__).read_text(encoding="utf-8")
    assert old in source, "the kernel was changed, and this mutant with it has to be"
    mutant = _load(tmp_path / f"{module}_mutant.py", source.replace(old, new))
    _put_in_place(original, mutant, monkeypatch)
    with pytest.raises((AssertionError, InterpreterError, RuntimeError)):  # autograd checks shapes itself
        check()


def _load(path: Path, source: str) -> Any:
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def _put_in_place(original: Any, mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a function of the original is known by name, the mutant's is known instead."""
    for user in ("modulated_conv", "torgb", "filtered_lrelu", "upfirdn", "latent_path", "pixels"):
        importlib.import_module(f"wplus.kernels.gpu.{user}")  # or it would take the mutant's for good, later
    own = {
        name: value
        for name, value in vars(original).items()
        if callable(value) and getattr(getattr(value, "fn", value), "__module__", None) == original.__name__
    }
    users = [module for name, module in list(sys.modules.items()) if name.startswith("wplus.kernels.gpu.")]
    for user in [*users, mutant]:
        for name, value in own.items():
            if getattr(user, name, None) is value:
                monkeypatch.setattr(user, name, getattr(mutant, name))
    monkeypatch.delitem(sys.modules, mutant.__name__)


@pytest.mark.parametrize("check", {mutant[3]: None for mutant in _MUTANTS} | {partial(_path, "slerp"): None})
def test_the_checks_pass_without_a_bug(check: Callable[[], None]) -> None:
    check()
