"""Stand-ins for the torch globals in a pickle: storages are views of the file's bytes, tensors views of storages."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.pickle_machine import Budget, Globals, Inert, Stub, refuse, shown
from wplus.checkpoints.safe_pickle import Reader, run_pickle

_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of torch.save's legacy stream
_PROTOCOL = 1001
_MAX_DIMENSIONS = 8

_DTYPES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "<u2",  # the upper half of a float32
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}


class Storage(Inert):
    """A flat run of numbers in the file."""

    __slots__ = ("kind", "values")

    def __init__(self, kind: str, values: NDArray[Any]) -> None:
        self.kind = kind
        self.values = values


class Tensor(Inert):
    """A view of a storage; `to_float32` makes an array of our own."""

    __slots__ = ("kind", "view")

    def __init__(self, kind: str, view: NDArray[Any]) -> None:
        self.kind = kind
        self.view = view

    def to_float32(self) -> NDArray[np.float32]:
        """A C-contiguous float32 copy: the file's bytes are unaligned, and may change under us."""
        if self.kind == "torch.BFloat16Storage":
            return (self.view.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes Inf, which is refused with its name
            return np.array(self.view, dtype=np.float32, order="C")


@dataclass(frozen=True, slots=True)
class _StorageId:
    kind: str
    key: str
    count: int
    window: tuple[int, int] | None


def torch_stubs(budget: Budget) -> Globals:
    """The torch globals that NVIDIA's pickles name."""

    def load_from_bytes(data: Any) -> Storage:
        return _read_storage(data, budget)

    return {
        ("torch.storage", "_load_from_bytes"): Stub("torch.storage._load_from_bytes", load_from_bytes),
        ("torch._utils", "_rebuild_tensor_v2"): Stub("torch._utils._rebuild_tensor_v2", _rebuild_tensor),
        ("torch._utils", "_rebuild_parameter"): Stub("torch._utils._rebuild_parameter", _rebuild_parameter),
    }


def _refuse_call(*_: object) -> None:
    refuse("it makes a storage out of nothing")


_STORAGE_CLASSES: Globals = {tuple(name.split(".")): Stub(name, _refuse_call) for name in _DTYPES}  # type: ignore[misc]


def _read_storage(data: Any, budget: Budget) -> Storage:
    """Parses what `torch.save(storage)` wrote in its legacy form: five pickles, a count, raw little-endian numbers."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        refuse(f"a storage made from a {type(data).__name__}")
    reader = Reader(memoryview(data))

    def load() -> Any:
        return run_pickle(reader, stubs=_STORAGE_CLASSES, budget=budget, persistent=_parse_id)

    if load() != _MAGIC or load() != _PROTOCOL:
        refuse("a storage that torch.save did not write")
    system = load()
    if isinstance(system, dict) and system.get("little_endian") is False:
        refuse("a storage of a big-endian machine")
    identity = load()
    if not isinstance(identity, _StorageId) or load() != [identity.key]:
        refuse("a storage whose parts disagree")
    return _view(identity, reader)


def _parse_id(pid: object) -> _StorageId:
    """Checks ('storage', class, key, location, numel, view or None); the location tag says nothing that we need."""
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
        refuse("a storage with a persistent id that torch does not write")
    _, kind, key, _location, count, *rest = pid
    if not isinstance(kind, Stub) or not isinstance(key, str) or not _is_size(count):
        refuse("a storage with a persistent id that torch does not write")
    window = rest[0] if rest else None
    if window is None:
        return _StorageId(kind.name, key, count, None)
    if not isinstance(window, tuple) or len(window) != 3 or not _is_size(window[1]) or not _is_size(window[2]):
        refuse("a storage with a window that torch does not write")
    return _StorageId(kind.name, key, count, (window[1], window[2]))


def _view(identity: _StorageId, reader: Reader) -> Storage:
    """The numbers behind a storage's pickles."""
    dtype = np.dtype(_DTYPES[identity.kind])
    count = int.from_bytes(reader.read(8), "little", signed=True)
    raw = reader.data[reader.position :]
    if count != identity.count or count * dtype.itemsize > len(raw):
        refuse(f"a storage that declares {identity.count:,} numbers and holds {len(raw) // dtype.itemsize:,}")
    values = np.frombuffer(raw, dtype, count) if count else np.empty(0, dtype)
    if identity.window is not None:
        start, size = identity.window
        values = values[start : start + size]
        if len(values) != size:
            refuse("a storage whose window lies outside it")
    return Storage(identity.kind, values)


def _rebuild_parameter(data: Any, *_: object) -> Tensor:
    if not isinstance(data, Tensor):
        refuse(f"a parameter made from a {type(data).__name__}")
    return data


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> Tensor:
    """A tensor, once every element of it is proved to lie in its storage."""
    if not isinstance(storage, Storage):
        refuse(f"a tensor made from a {type(storage).__name__}")
    if not isinstance(size, tuple) or not isinstance(stride, tuple) or len(size) != len(stride):
        refuse("a tensor whose shape and strides do not match")
    if len(size) > _MAX_DIMENSIONS or not all(_is_size(n) for n in (offset, *size, *stride)):
        refuse(f"a tensor with shape {shown(size)}, strides {shown(stride)} and offset {shown(offset)}")
    if not all(size):
        return Tensor(storage.kind, np.empty(0, storage.values.dtype).reshape(size))
    count, last = 1, offset
    for n, step in zip(size, stride, strict=True):
        count *= n
        last += (n - 1) * step
    available = len(storage.values)
    if count > available:
        refuse(f"a tensor of shape {shown(size)} in a storage of {available:,} numbers")
    if last >= available:
        refuse(f"a tensor that reaches element {last:,} of a storage of {available:,} numbers")
    steps = [step * storage.values.itemsize for step in stride]
    return Tensor(storage.kind, np.lib.stride_tricks.as_strided(storage.values[offset:], size, steps, writeable=False))


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40
