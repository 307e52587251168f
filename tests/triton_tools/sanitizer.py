"""What a GPU would not forgive, made to fail in Triton's CPU interpreter (private classes, for triton 3.7.1).

- Lanes that a load masks off without `other=` hold anything on a GPU and 0 in the stock interpreter: here NaN, or the
  largest integer.
- Every active lane of a load, store or atomic must lie in the storage of a tensor that was handed to the launch.
- Integer arithmetic of 32 bits that overflows is an error (`debug` of the interpreter's own options).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from triton.runtime import interpreter
from triton.runtime.interpreter import TensorHandle
from triton.tools.tensor_descriptor import TensorDescriptor

from triton_tools.repairs import InputPrecision, RepairedBuilder, is_bf16

Addresses = NDArray[np.uint64]
Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Counts:
    """What launches did: block operations, bytes of their active lanes, and 2·M·N·K of each dot.

    An atomic operation counts as a load and a store.
    """

    loads: int = 0
    stores: int = 0
    load_bytes: int = 0
    store_bytes: int = 0
    dots: int = 0
    dot_flops: int = 0


_open_counts: list[Counts] = []
_storages: list[tuple[int, int]] = []  # first address and the one after the last, of the running launch


@contextmanager
def counting() -> Iterator[Counts]:
    """Counts of the launches inside."""
    counts = Counts()
    _open_counts.append(counts)
    try:
        yield counts
    finally:
        _open_counts.remove(counts)


def _count_loads(num_bytes: int) -> None:
    for counts in _open_counts:
        counts.loads += 1
        counts.load_bytes += num_bytes


def _count_stores(num_bytes: int) -> None:
    for counts in _open_counts:
        counts.stores += 1
        counts.store_bytes += num_bytes


def _count_dot(flops: int) -> None:
    for counts in _open_counts:
        counts.dots += 1
        counts.dot_flops += flops


def _element_bytes(pointers: TensorHandle) -> int:
    return max(1, pointers.get_element_ty().primitive_bitwidth // 8)


def _active(pointers: TensorHandle, mask: TensorHandle | Mask | None) -> Addresses:
    """Addresses of the lanes that are not masked off, in one row."""
    if mask is None:
        return pointers.data.ravel()
    return pointers.data[np.broadcast_to(np.asarray(mask.data), pointers.data.shape)]


def _check_bounds(addresses: Addresses, element_bytes: int, what: str) -> None:
    if not addresses.size:
        return
    inside = np.zeros(addresses.shape, dtype=bool)
    for first, end in _storages:
        if end - first >= element_bytes:
            inside |= (addresses >= np.uint64(first)) & (addresses <= np.uint64(end - element_bytes))
    if inside.all():
        return
    address = int(addresses[~inside][0])
    nearest = min(_storages, default=(0, 0), key=lambda storage: min(abs(address - edge) for edge in storage))
    raise IndexError(
        f"out-of-bounds {what} by {np.count_nonzero(~inside)} lanes: the first is {address - nearest[0]} bytes from "
        f"the start of the nearest tensor's storage, which has {nearest[1] - nearest[0]} bytes"
    )


def _poison(pointers: TensorHandle) -> TensorHandle:
    """A block of what nobody should read: NaN, or the largest integer."""
    dtype = pointers.get_element_ty()
    poison = TensorHandle(np.empty(pointers.data.shape, dtype=interpreter._get_np_dtype(dtype)), dtype)
    if is_bf16(poison):
        poison.data.fill(0x7FC0)
    elif poison.data.dtype.kind == "f":
        poison.data.fill(np.nan)
    else:
        poison.data.fill(True if poison.data.dtype == bool else np.iinfo(poison.data.dtype).max)
    return poison


class SanitizedBuilder(RepairedBuilder):
    """The interpreter's access to memory."""

    def create_masked_load(
        self,
        ptrs: TensorHandle,
        mask: TensorHandle | Mask,
        other: TensorHandle | None,
        cache_modifier: object,
        eviction_policy: object,
        is_volatile: bool,
    ) -> TensorHandle:
        addresses = _active(ptrs, mask)
        _check_bounds(addresses, _element_bytes(ptrs), "load")
        _count_loads(addresses.size * _element_bytes(ptrs))
        other = _poison(ptrs) if other is None else other
        return super().create_masked_load(ptrs, mask, other, cache_modifier, eviction_policy, is_volatile)

    def create_masked_store(
        self,
        ptrs: TensorHandle,
        value: TensorHandle,
        mask: TensorHandle | Mask,
        cache_modifier: object,
        eviction_policy: object,
    ) -> None:
        addresses = _active(ptrs, mask)
        _check_bounds(addresses, _element_bytes(ptrs), "store")
        _count_stores(addresses.size * _element_bytes(ptrs))
        super().create_masked_store(ptrs, value, mask, cache_modifier, eviction_policy)

    # The names are Triton's, which calls it by position.
    def create_atomic_rmw(
        self,
        rmwOp: object,
        ptr: TensorHandle,
        val: TensorHandle,
        mask: TensorHandle,
        sem: object,
        scope: object,
    ) -> TensorHandle:
        if is_bf16(val):
            raise NotImplementedError("atomics on bfloat16 are not interpreted: accumulate in float32")
        self._check_atomic(_active(ptr, mask), _element_bytes(ptr))
        return super().create_atomic_rmw(rmwOp, ptr, val, mask, sem, scope)

    def create_atomic_cas(
        self, ptr: TensorHandle, cmp: TensorHandle, val: TensorHandle, sem: object, scope: object
    ) -> TensorHandle:
        self._check_atomic(_active(ptr, None), _element_bytes(ptr))
        return super().create_atomic_cas(ptr, cmp, val, sem, scope)

    def _check_atomic(self, addresses: Addresses, element_bytes: int) -> None:
        _check_bounds(addresses, element_bytes, "atomic")
        _count_loads(addresses.size * element_bytes)
        _count_stores(addresses.size * element_bytes)

    def create_dot(
        self,
        a: TensorHandle,
        b: TensorHandle,
        d: TensorHandle,
        input_precision: InputPrecision,
        max_num_imprecise_acc: int,
    ) -> TensorHandle:
        _count_dot(2 * a.data.shape[-1] * d.data.size)
        return super().create_dot(a, b, d, input_precision, max_num_imprecise_acc)


def _storages_of(argument: object) -> Iterator[tuple[int, int]]:
    """First address and the one after the last, of each tensor in an argument of a kernel."""
    if isinstance(argument, tuple):
        for part in argument:
            yield from _storages_of(part)
    elif isinstance(argument, TensorDescriptor):
        yield from _storages_of(argument.base)
    elif isinstance(argument, torch.Tensor):
        storage = argument.untyped_storage()
        yield storage.data_ptr(), storage.data_ptr() + storage.nbytes()


class CheckedExecutor(interpreter.GridExecutor):
    """A launch that knows its tensors' storages, and like a GPU computes infinities and NaN without a warning."""

    def __call__(self, *args_dev: object, **kwargs: object) -> None:
        try:
            with np.errstate(all="ignore"):
                super().__call__(*args_dev, **kwargs)
        finally:
            _storages.clear()

    def _init_args_hst(
        self, args_dev: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[list[object], dict[str, object]]:
        args, named = super()._init_args_hst(args_dev, kwargs)
        _storages[:] = [storage for arg in (*args, *named.values()) for storage in _storages_of(arg)]
        return args, named
