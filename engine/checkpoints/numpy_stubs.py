"""Stand-ins for the numpy globals in a pickle, under the module names of numpy 1 and 2. Object arrays are refused."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.pickle_machine import Budget, Globals, Inert, Stub, refuse, shown

_DTYPES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})


class DType(Inert):
    """A numpy dtype of plain numbers."""

    __slots__ = ("name", "order")

    def __init__(self, name: Any, *_: object) -> None:
        if not isinstance(name, str) or name.lstrip("<>|=") not in _DTYPES:
            refuse(f"a numpy array of {shown(name)}; only plain numbers are read")
        self.name = name.lstrip("<>|=")
        self.order = ">" if name.startswith(">") else "<"

    def build(self, state: object) -> None:
        """Takes the byte order from numpy's (version, order, ...)."""
        if not isinstance(state, tuple) or len(state) < 2:
            refuse("a numpy dtype with a state that numpy does not write")
        self.order = ">" if state[1] == ">" else "<"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype."""
        return np.dtype(self.order + self.name)


class Array(Inert):
    """A numpy array; `value` is a view of the file's bytes."""

    __slots__ = ("value",)

    def __init__(self, value: NDArray[Any] | None = None) -> None:
        self.value = value

    def build(self, state: object) -> None:
        """Takes numpy's (version, shape, dtype, is_fortran, bytes)."""
        if not isinstance(state, tuple) or len(state) != 5:
            refuse("a numpy array with a state that numpy does not write")
        _, shape, dtype, is_fortran, raw = state
        self.value = _to_array(raw, dtype, shape, "F" if is_fortran else "C")


def numpy_stubs(budget: Budget) -> Globals:
    """The numpy globals that NVIDIA's pickles name, and the helper that protocol 2 keeps bytes with."""

    def encode(text: Any, encoding: Any) -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            refuse("text that is encoded in a way that pickle does not use for bytes")
        budget.spend(size=len(text))
        return text.encode("latin1")

    array_class = Stub("numpy.ndarray", _refuse_call)

    def reconstruct(kind: Any, *_: object) -> Array:
        if kind is not array_class:
            refuse("a numpy array of a class of its own")
        return Array()

    table = {
        ("numpy", "dtype"): Stub("numpy.dtype", DType, is_class=True),
        ("numpy", "ndarray"): array_class,
        ("_codecs", "encode"): Stub("_codecs.encode", encode),
    }
    for package in ("numpy.core", "numpy._core"):
        for module, name, make in (
            ("multiarray", "scalar", _scalar),
            ("multiarray", "_reconstruct", reconstruct),
            ("numeric", "_frombuffer", _from_buffer),
        ):
            table[(f"{package}.{module}", name)] = Stub(f"{package}.{module}.{name}", make)
    return table


def _refuse_call(*_: object) -> None:
    refuse("it makes a numpy array out of nothing")


def _to_array(raw: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if isinstance(raw, str):  # protocol 2 of Python 2
        raw = raw.encode("latin1")
    if not isinstance(raw, (bytes, bytearray, memoryview)) or not isinstance(dtype, DType):
        refuse("a numpy array of objects")
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and 0 <= n < 2**40 for n in shape):
        refuse("a numpy array with a shape that is none")
    if math.prod(shape) * dtype.dtype.itemsize != len(raw):
        refuse(f"a numpy array of shape {shown(shape)} in {len(raw):,} bytes")
    return np.frombuffer(raw, dtype.dtype).reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: Any, raw: Any = b"") -> Any:
    """A numpy scalar as the Python number it is."""
    return _to_array(raw, dtype, (), "C").item()


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: Any) -> Array:
    return Array(_to_array(raw, dtype, shape, order))
