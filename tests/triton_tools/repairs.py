"""Triton's CPU interpreter with the arithmetic of a GPU: subclasses of its private classes, for triton 3.7.1.

The stock interpreter keeps bfloat16 as 16-bit integers and computes with those integers, rounds float32 to bfloat16
towards zero, takes tf32 for float32, gives a comparison the type of its operands, and has no bfloat16 constants.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import triton.language as tl
from numpy.typing import NDArray
from triton._C.libtriton import ir
from triton.runtime import interpreter
from triton.runtime.interpreter import TensorHandle

from triton_tools.number_formats import bf16_to_float32, float32_to_bf16, float32_to_tf32

Array = NDArray[np.generic]
Reduction = Callable[..., Array]
_COMPARISONS = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)


class InputPrecision(Protocol):
    """Triton's enumeration, which is compiled."""

    name: str


def is_bf16(handle: TensorHandle) -> bool:
    return handle.dtype.scalar == tl.bfloat16


def _widen(handle: TensorHandle) -> TensorHandle:
    """The handle itself, or if it holds bfloat16, one of the same values in float32."""
    return TensorHandle(bf16_to_float32(handle.data), tl.float32) if is_bf16(handle) else handle


def _narrow(result: TensorHandle, operand: TensorHandle) -> TensorHandle:
    """A result computed in float32, rounded to bfloat16 where the operand was."""
    return TensorHandle(float32_to_bf16(result.data), tl.bfloat16) if is_bf16(operand) else result


class RepairedBuilder(interpreter.InterpreterBuilder):
    """The interpreter's operations on blocks: those in which Triton's language allows bfloat16."""

    def get_bf16(self, value: float) -> TensorHandle:
        return TensorHandle(float32_to_bf16(np.array([value], dtype=np.float32)), tl.bfloat16)

    def binary_op(self, lhs: TensorHandle, rhs: TensorHandle, op: Callable[[Array, Array], Array]) -> TensorHandle:
        result = super().binary_op(_widen(lhs), _widen(rhs), op)
        if op in _COMPARISONS:
            return TensorHandle(result.data.astype(bool), tl.int1)
        return _narrow(result, lhs)

    def create_fma(self, x: TensorHandle, y: TensorHandle, z: TensorHandle) -> TensorHandle:
        """Rounded once, as the instruction does it: the product of two float32 numbers is exact in float64."""
        a, b, c = _widen(x), _widen(y), _widen(z)
        if c.data.dtype != np.float32:
            return super().create_fma(a, b, c)
        exact = a.data.astype(np.float64) * b.data + c.data
        return _narrow(TensorHandle(exact.astype(np.float32), tl.float32), z)

    def cast_impl(self, src: TensorHandle, dst_type: tl.dtype) -> TensorHandle:
        """Every cast between two of Triton's types, bfloat16 by way of float32."""
        if is_bf16(src) == (dst_type.scalar == tl.bfloat16):
            return super().cast_impl(src, dst_type)
        if is_bf16(src):
            return super().cast_impl(_widen(src), dst_type)
        return TensorHandle(float32_to_bf16(src.data.astype(np.float32)), tl.bfloat16)

    def create_dot(
        self,
        a: TensorHandle,
        b: TensorHandle,
        d: TensorHandle,
        input_precision: InputPrecision,
        max_num_imprecise_acc: int,
    ) -> TensorHandle:
        """`a @ b + d` of 2 or 3 dimensions: exact products of halves, summed in float32, rounded to d's type."""
        if not all(handle.dtype.scalar in (tl.bfloat16, tl.float16, tl.float32) for handle in (a, b)):
            return super().create_dot(a, b, d, input_precision, max_num_imprecise_acc)
        left, right = (_widen(handle).data.astype(np.float32) for handle in (a, b))
        if a.dtype.scalar == tl.float32 and input_precision == ir.INPUT_PRECISION.TF32:
            left, right = float32_to_tf32(left), float32_to_tf32(right)
        total = np.matmul(left, right) + d.data.astype(np.float32)
        return TensorHandle(total.astype(d.data.dtype), d.dtype.scalar)


class RepairedReduce(interpreter.ReduceOps):
    """tl.sum, tl.max and tl.min: bfloat16 is summed in float32 and rounded once, and a maximum ignores NaN quietly.

    On a chip, tl.sum of bfloat16 rounds every partial sum: kernels should cast to float32 first.
    """

    def sum(self, input: tl.tensor) -> tl.tensor:  # noqa: A002 - Triton's name
        total = np.sum(_widen(input.handle).data, axis=self.axis, keepdims=self.keep_dims)
        return self._result(total, input)

    def min_max(
        self,
        input: tl.tensor,  # noqa: A002
        val_reduce_op: Reduction,
        idx_reduce_op: Reduction | None = None,
    ) -> tl.tensor | tuple[tl.tensor, tl.tensor]:
        if idx_reduce_op is not None:
            return super().min_max(input, val_reduce_op, idx_reduce_op)
        reduction = {np.nanmax: np.fmax, np.nanmin: np.fmin}[val_reduce_op].reduce
        return self._result(reduction(_widen(input.handle).data, axis=self.axis, keepdims=self.keep_dims), input)

    def _result(self, values: Array, source: tl.tensor) -> tl.tensor:
        return self.to_tensor(float32_to_bf16(values) if is_bf16(source.handle) else values, source.dtype)
