"""The repaired interpreter computes as a GPU does, and forgives as little."""

import pytest
import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.errors import InterpreterError
from triton.tools.tensor_descriptor import TensorDescriptor
from triton_tools.interpreter import counting

pytestmark = pytest.mark.interp

_N = 16
_HALVES = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])


@triton.jit
def _dot_kernel(x_ptr, y_ptr, out_ptr, K: tl.constexpr, N: tl.constexpr, PRECISION: tl.constexpr):
    n, k = tl.arange(0, N), tl.arange(0, K)
    x = tl.load(x_ptr + n[:, None] * K + k[None, :])
    y = tl.load(y_ptr + k[:, None] * N + n[None, :])
    product = tl.dot(x, y, input_precision=PRECISION, out_dtype=out_ptr.dtype.element_ty)
    tl.store(out_ptr + n[:, None] * N + n[None, :], product)


@triton.jit
def _batched_dot_kernel(x_ptr, out_ptr, N: tl.constexpr):
    n = tl.arange(0, N)
    offsets = tl.arange(0, 2)[:, None, None] * N * N + n[None, :, None] * N + n[None, None, :]
    x = tl.load(x_ptr + offsets)
    tl.store(out_ptr + offsets, tl.dot(x, tl.permute(x, (0, 2, 1))))


@triton.jit
def _copy_kernel(x_ptr, out_ptr, N: tl.constexpr):
    offsets = tl.arange(0, N)
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets).to(out_ptr.dtype.element_ty))


@triton.jit
def _arithmetic_kernel(x_ptr, y_ptr, out_ptr, N: tl.constexpr):
    offsets = tl.arange(0, N)
    x, y = tl.load(x_ptr + offsets), tl.load(y_ptr + offsets)
    tl.store(out_ptr + offsets, x * y + 1.5)
    tl.store(out_ptr + N + offsets, tl.where(x < y, tl.abs(x), -y))
    tl.store(out_ptr + 2 * N + offsets, tl.maximum(x, y))
    tl.store(out_ptr + 3 * N + offsets, tl.exp(x.to(tl.float32)).to(x.dtype))
    tl.store(out_ptr + 4 * N + offsets, tl.fma(x, y, x))


@triton.jit
def _shapes_kernel(x_ptr, out_ptr, N: tl.constexpr):
    offsets = tl.arange(0, 2 * N * N)
    x = tl.permute(tl.reshape(tl.load(x_ptr + offsets), (2, N, N)), (0, 2, 1))
    first, second = tl.split(tl.permute(x, (1, 2, 0)))
    rows, columns = tl.arange(0, N)[:, None], tl.arange(0, N)[None, :]
    tl.store(out_ptr + rows * N + columns, tl.trans(first))
    tl.store(out_ptr + N * N + rows * N + columns, tl.trans(second))


@triton.jit
def _reductions_kernel(x_ptr, out_ptr, N: tl.constexpr):
    rows = tl.arange(0, N)
    x = tl.load(x_ptr + rows[:, None] * N + rows[None, :])
    tl.store(out_ptr + rows, tl.sum(x, 1))
    tl.store(out_ptr + N + rows, tl.max(x, 1))
    tl.store(out_ptr + 2 * N + rows, tl.min(x, 0))


@triton.jit
def _masked_kernel(x_ptr, out_ptr, length, bound, N: tl.constexpr):
    """A block mask and a comparison of scalars; lanes masked off are stored all the same."""
    offsets = tl.arange(0, N)
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets, mask=(offsets < length) & (length < bound)))


@triton.jit
def _shifted_kernel(x_ptr, out_ptr, load_shift, store_shift, N: tl.constexpr):
    offsets = tl.arange(0, N)
    tl.store(out_ptr + offsets + store_shift, tl.load(x_ptr + offsets + load_shift))


@triton.jit
def _atomic_kernel(out_ptr, index, N: tl.constexpr):
    tl.atomic_add(out_ptr + index + tl.arange(0, N), 1.0)


@triton.jit
def _exchange_kernel(out_ptr, index):
    tl.atomic_cas(out_ptr + index, 0, 1)


@triton.jit
def _row_kernel(x_ptr, out_ptr, row, stride):
    tl.store(out_ptr, tl.load(x_ptr + 0 * (row * stride)))


@triton.jit
def _reciprocal_kernel(x_ptr, out_ptr, N: tl.constexpr):
    offsets = tl.arange(0, N)
    tl.store(out_ptr + offsets, 1.0 / tl.load(x_ptr + offsets))


@triton.jit
def _descriptor_kernel(descriptor, out_ptr, row, N: tl.constexpr):
    rows, columns = tl.arange(0, N)[:, None], tl.arange(0, N)[None, :]
    tl.store(out_ptr + rows * N + columns, descriptor.load([row, 0]))


def _dot(x: Tensor, y: Tensor, *, out_dtype: torch.dtype = torch.float32, precision: str = "ieee") -> Tensor:
    out = torch.empty(x.shape[0], y.shape[1], dtype=out_dtype)
    _dot_kernel[(1,)](x, y, out, K=x.shape[1], N=x.shape[0], PRECISION=precision)
    return out


@_HALVES
def test_halves_are_multiplied_exactly(dtype: torch.dtype) -> None:
    x, y = torch.randn(_N, 64).to(dtype), torch.randn(64, _N).to(dtype)
    torch.testing.assert_close(_dot(x, y).double(), x.double() @ y.double(), rtol=1e-5, atol=1e-5)


@_HALVES
def test_batches_of_halves_are_multiplied_exactly(dtype: torch.dtype) -> None:
    x, out = torch.randn(2, _N, _N).to(dtype), torch.empty(2, _N, _N)
    _batched_dot_kernel[(1,)](x, out, N=_N)
    torch.testing.assert_close(out.double(), x.double() @ x.double().mT, rtol=1e-5, atol=1e-5)


def test_a_float16_product_is_summed_in_float32() -> None:
    out = _dot(torch.ones(_N, 4096).half() * 0.5, torch.ones(4096, _N).half() * 2**-7, out_dtype=torch.float16)
    assert torch.equal(out, torch.full_like(out, 16))
    sevenths = torch.full((_N, 2048), 1 / 7).half()
    out = _dot(sevenths, sevenths.T.contiguous(), out_dtype=torch.float16)
    assert torch.equal(out, (sevenths.double() @ sevenths.T.double()).half())


def test_float32_is_rounded_to_the_nearest_bfloat16() -> None:
    x = torch.cat([torch.randn(61), torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, float("nan")])])
    out = torch.empty(64, dtype=torch.bfloat16)
    _copy_kernel[(1,)](x, out, N=64)
    torch.testing.assert_close(out, x.bfloat16(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.int32], ids=str)
def test_bfloat16_is_cast_to_and_from_other_types(dtype: torch.dtype) -> None:
    x = (torch.randn(_N) * 10).bfloat16()
    there, back = torch.empty(_N, dtype=dtype), torch.empty(_N, dtype=torch.bfloat16)
    _copy_kernel[(1,)](x, there, N=_N)
    _copy_kernel[(1,)](there, back, N=_N)
    assert torch.equal(there, x.to(dtype))
    assert torch.equal(back, there.bfloat16())


def test_bfloat16_arithmetic_rounds_each_result() -> None:
    x, y = torch.randn(_N).bfloat16(), torch.randn(_N).bfloat16()
    out = torch.empty(5, _N, dtype=torch.bfloat16)
    _arithmetic_kernel[(1,)](x, y, out, N=_N)
    expected = [x * y + 1.5, torch.where(x < y, x.abs(), -y), torch.maximum(x, y), x.float().exp().bfloat16()]
    expected.append((x.double() * y.double() + x.double()).bfloat16())
    assert torch.equal(out, torch.stack(expected))


def test_bfloat16_is_transposed_permuted_and_reshaped() -> None:
    x, out = torch.randn(2, _N, _N).bfloat16(), torch.empty(2, _N, _N, dtype=torch.bfloat16)
    _shapes_kernel[(1,)](x, out, N=_N)
    assert torch.equal(out, x)


def test_bfloat16_is_reduced() -> None:
    x, out = torch.randn(_N, _N).bfloat16(), torch.empty(3, _N, dtype=torch.bfloat16)
    _reductions_kernel[(1,)](x, out, N=_N)
    assert torch.equal(out, torch.stack([x.float().sum(1).bfloat16(), x.amax(1), x.amin(0)]))


def test_a_maximum_ignores_nan_as_a_gpus_does() -> None:
    x, out = torch.full((_N, _N), float("nan")), torch.empty(3, _N)
    x[:, 0] = -1
    _reductions_kernel[(1,)](x, out, N=_N)
    assert torch.equal(out[1], torch.full((_N,), -1.0))


def test_tf32_reads_ten_bits_of_the_mantissa() -> None:
    x, one = torch.full((_N, _N), 1 + 2**-10 + 2**-11 + 2**-20), torch.eye(_N)
    assert torch.equal(_dot(x, one, precision="tf32"), torch.full_like(x, 1 + 2**-10))
    assert torch.equal(_dot(x, one, precision="ieee"), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32], ids=str)
def test_lanes_masked_off_are_poisoned(dtype: torch.dtype) -> None:
    x, out = torch.ones(_N, dtype=dtype), torch.zeros(_N, dtype=dtype)
    _masked_kernel[(1,)](x, out, 10, 11, N=_N)
    assert torch.equal(out[:10], x[:10])
    poison = out[10:]
    assert torch.all(poison == torch.iinfo(dtype).max) if dtype == torch.int32 else poison.isnan().all()


@pytest.mark.parametrize("shift", [1, -1, 2**40], ids=["after", "before", "far"])
def test_access_out_of_bounds_is_an_error(shift: int) -> None:
    x, out = torch.ones(_N), torch.zeros(_N)
    with pytest.raises(InterpreterError, match="out-of-bounds load by"):
        _shifted_kernel[(1,)](x, out, shift, 0, N=_N)
    with pytest.raises(InterpreterError, match="out-of-bounds store by"):
        _shifted_kernel[(1,)](x, out, 0, shift, N=_N)
    assert not out.any()


def test_an_atomic_out_of_bounds_is_an_error() -> None:
    out = torch.zeros(_N)
    _atomic_kernel[(1,)](out, 0, N=_N)
    assert torch.equal(out, torch.ones(_N))
    with pytest.raises(
        InterpreterError, match=r"out-of-bounds atomic by 1 lanes: the first is 64 bytes from .* 64 bytes"
    ):
        _atomic_kernel[(1,)](out, 1, N=_N)


def test_an_exchange_out_of_bounds_is_an_error() -> None:
    out = torch.zeros(2, dtype=torch.int32)
    _exchange_kernel[(1,)](out, 1)
    assert out.tolist() == [0, 1]
    with pytest.raises(InterpreterError, match="out-of-bounds atomic"):
        _exchange_kernel[(1,)](out, -1)


def test_a_view_may_reach_all_of_its_storage() -> None:
    x, out = torch.arange(2.0 * _N), torch.empty(_N)
    _shifted_kernel[(1,)](x[_N:], out, -_N, 0, N=_N)
    assert torch.equal(out, x[:_N])


def test_a_descriptor_pads_with_zeros_and_is_not_out_of_bounds() -> None:
    x, out = torch.ones(_N, _N), torch.empty(_N, _N)
    _descriptor_kernel[(1,)](TensorDescriptor.from_tensor(x, [_N, _N]), out, 6, N=_N)
    assert out[:10].all()
    assert not out[10:].any()


def test_an_offset_that_overflows_32_bits_is_an_error() -> None:
    x = torch.ones(1)
    _row_kernel[(1,)](x, torch.empty(1), 2**15, 2**15)
    with pytest.raises(InterpreterError, match="int32 overflow"):
        _row_kernel[(1,)](x, torch.empty(1), 2**16, 2**16)


def test_infinities_are_no_warnings() -> None:
    out = torch.zeros(_N)
    _reciprocal_kernel[(1,)](torch.zeros(_N), out, N=_N)
    assert out.isinf().all()


def test_launches_are_counted() -> None:
    x, out = torch.ones(_N), torch.empty(_N)
    with counting() as outer:
        _masked_kernel[(3,)](x, out, 10, 11, N=_N)
        with counting() as inner:
            _dot(torch.ones(_N, 32).half(), torch.ones(32, _N).half())
    assert (inner.loads, inner.stores, inner.dots) == (2, 1, 1)
    assert (inner.load_bytes, inner.store_bytes, inner.dot_flops) == (2 * 2 * 32 * _N, 4 * _N * _N, 2 * 32 * _N * _N)
    assert (outer.loads, outer.stores, outer.load_bytes) == (5, 4, inner.load_bytes + 3 * 4 * 10)
