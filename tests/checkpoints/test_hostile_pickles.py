"""Pickles made to harm: each is refused, in bounded time and memory, and nothing in it is run."""

import os
import pickle
import struct
import time
import tracemalloc
from pathlib import Path

import pytest

from wplus.checkpoints import read_checkpoint
from wplus.errors import CheckpointError, UnsupportedError

_MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
_LIST_BOMB = b"".join(b"]" + b"(" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(40))


def _argument(value: object) -> bytes:
    """The opcodes of one value, without header and stop."""
    return pickle.dumps(value, 3)[2:-1]


def _storage(numel: int = 4, kind: bytes = b"FloatStorage", raw: bytes = b"\0" * 16, said: int | None = None) -> bytes:
    persistent_id = (
        b"\x80\x02(X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        b"\x8a\x08" + struct.pack("<q", numel) + b"NtQ."
    )
    return _MAGIC + persistent_id + pickle.dumps(["0"], 2) + struct.pack("<q", numel if said is None else said) + raw


def _tensor(size: object, stride: object, offset: object = 0, storage: bytes | None = None) -> bytes:
    """A pickle of one tensor: _rebuild_tensor_v2(_load_from_bytes(storage), offset, size, stride, False, None)."""
    inner = b"ctorch.storage\n_load_from_bytes\n" + _argument((storage or _storage(),)) + b"R"
    rest = _argument(offset) + _argument(size) + _argument(stride)
    return b"\x80\x03ctorch._utils\n_rebuild_tensor_v2\n(" + inner + rest + b"\x89NtR."


def _call(module: str, name: str, *arguments: object) -> bytes:
    return b"\x80\x03c" + f"{module}\n{name}\n".encode() + _argument(arguments) + b"R."


def _build(module: str, name: str, state: object) -> bytes:
    return b"\x80\x03c" + f"{module}\n{name}\n".encode() + _argument(state) + b"b."


_NUMPY = b"cnumpy\ndtype\n" + _argument(("f4", False, True)) + b"R"
_ARRAY = b"\x80\x03cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"

_HOSTILE = {
    "a global outside the list": (_call("os", "system", "touch canary"), "asks for os.system"),
    "eval": (_call("builtins", "eval", "1+1"), "asks for builtins.eval"),
    "a dotted name": (b"\x80\x04\x8c\x06torch.\x8c\x09os.system\x93.", "asks for torch..os.system"),
    "a reduce bomb": (b"\x80\x03K\x01K\x02\x85R.", "it calls a int"),
    "a call of a container": (b"\x80\x03]K\x02\x85R.", "it calls a list"),
    "a call without a tuple": (b"\x80\x03ccollections\nOrderedDict\n]R.", "without a tuple"),
    "BUILD on a function": (_build("torch._utils", "_rebuild_tensor_v2", (None, {"x": 1})), "gives state to a Stub"),
    "BUILD on a class": (
        _build("torch_utils.persistence", "_reconstruct_persistent_obj", {"state": 1}),
        "gives state to a Stub",
    ),
    "BUILD on a tensor": (_tensor((2,), (1,))[:-1] + b"}b.", "state for a Tensor"),
    "a meta without state": (_call("torch_utils.persistence", "_reconstruct_persistent_obj", {}), "without class"),
    "a nested hostile storage": (
        _call("torch.storage", "_load_from_bytes", _MAGIC + b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R."),
        "asks for os.system",
    ),
    "a storage in a storage": (
        _call("torch.storage", "_load_from_bytes", _MAGIC + _call("torch.storage", "_load_from_bytes", b"x")),
        "asks for torch.storage._load_from_bytes",
    ),
    "a storage of another kind": (_tensor((1,), (1,), storage=_storage(kind=b"QInt8Storage")), "torch.QInt8Storage"),
    "a storage that lies about its size": (
        _tensor((1,), (1,), storage=_storage(numel=2**33)),
        "declares 8,589,934,592",
    ),
    "a storage with a negative size": (_tensor((1,), (1,), storage=_storage(numel=-1)), "persistent id"),
    "a storage that contradicts itself": (_tensor((1,), (1,), storage=_storage(said=3)), "declares 4 numbers"),
    "a truncated storage": (_tensor((1,), (1,), storage=_storage(raw=b"\0" * 7)), "holds 1"),
    "a tensor larger than its storage": (_tensor((5,), (1,)), "in a storage of 4 numbers"),
    "a 10 GB shape": (_tensor((50_000, 50_000), (0, 0)), r"shape \(50000, 50000\)"),
    "a negative stride": (_tensor((2,), (-1,)), r"strides \(-1\)"),
    "a stride out of bounds": (_tensor((2,), (4,)), "reaches element 4"),
    "an offset out of bounds": (_tensor((1,), (1,), 5), "reaches element 5"),
    "a negative offset": (_tensor((1,), (1,), -1), "offset -1"),
    "a shape of text": (_tensor(("a",), (1,)), "shape"),
    "a shape of huge numbers": (_tensor((2**200,), (1,)), "shape"),
    "an object array": (b"\x80\x03cnumpy\ndtype\n" + _argument(("O8", False, True)) + b"R.", "numpy array of 'O8'"),
    "an array that lies about its size": (
        _ARRAY + b"(K\x01" + _argument((2**31, 4)) + _NUMPY + b"\x89C\x04aaaatb.",
        "in 4 bytes",
    ),
    "an array of objects": (_ARRAY + b"(K\x01" + _argument((1,)) + _NUMPY + b"\x89]tb.", "array of objects"),
    "nine bytes for a gigabyte": (bytes.fromhex("80044e72ffffff032e"), "pickle without a network"),
    "a memo that was never filled": (b"\x80\x04h\x05.", "recalls object 5"),
    "lists that share lists": (b"\x80\x02]q\x00" + _LIST_BOMB + b".", "share each other"),
    "a cycle": (b"\x80\x02]q\x00h\x00a.", "contains itself"),
    "a cycle through a dict": (b"\x80\x02}q\x00K\x01]q\x01h\x00as.", "contains itself"),
    "deep nesting of lists": (b"\x80\x02" + b"]" * 400 + b"a" * 399 + b".", "nested more than 200 deep"),
    "deep nesting of tuples": (b"\x80\x02)" + b"\x85" * 50_000 + b".", "nested more than 200 deep"),
    "deep nesting of marks": (b"\x80\x02" + b"(" * 9_000 + b"t" * 9_000 + b".", "nested more than 200 deep"),
    "a huge integer": (b"\x80\x02\x8b\x00\x01\x00\x00" + b"\x7f" * 256 + b".", "integer of more than 64 bytes"),
    "a dict with tuples as keys": (b"\x80\x02})K\x01s.", "a tuple as the key"),
    "an unhashable key": (b"\x80\x02}]K\x01s.", "a list as the key"),
    "an opcode of extensions": (b"\x80\x02\x82\x01.", "opcode EXT1"),
    "an instance opcode": (b"\x80\x02(ios\nsystem\n.", "opcode INST"),
    "an external object": (b"\x80\x02K\x01Q.", "objects outside itself"),
    "a million steps": (b"\x80\x02" + b"N0" * 600_000 + b"N.", "more than 1,000,000 steps"),
    "an empty stack": (b"\x80\x020.", "damaged or cut short"),
    "no end": (b"\x80\x04N", "damaged or cut short"),
    "a length beyond the file": (b"\x80\x04\x8d" + b"\xff" * 7 + b"\x0fabc.", "damaged or cut short"),
    "an open list at the end": (b"\x80\x02(N.", "inside an open list"),
}


_BOMBS = [
    "nine bytes for a gigabyte",
    "a 10 GB shape",
    "a storage that lies about its size",
    "an array that lies about its size",
    "lists that share lists",
    "a length beyond the file",
]


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_pickle_is_refused_by_name_and_soon(write, name: str) -> None:
    blob, message = _HOSTILE[name]
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(write(blob))
    assert str(caught.value).startswith("network.pkl: ")
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("name", _BOMBS)
def test_a_bomb_takes_no_memory(write, name: str) -> None:
    path = write(_HOSTILE[name][0])
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * 2**20


def test_nothing_in_a_file_is_run(tmp_path: Path, write, persistent, dump) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'canary'}",)

    with pytest.raises(CheckpointError, match=r"system, which is not on the list"):
        read_checkpoint(write(pickle.dumps({"G_ema": Hostile()})))
    with pytest.raises(UnsupportedError, match="G_ema is a Generator made of nothing"):
        read_checkpoint(write(dump({"G_ema": persistent("Generator")})))  # its source would exit
    assert not (tmp_path / "canary").exists()


def test_a_shared_module_cannot_multiply_itself(write, persistent, dump) -> None:
    module = persistent("Leaf")
    for _ in range(25):
        module = persistent("Branch", {"left": module, "right": module})
    with pytest.raises(CheckpointError, match="share each other"):
        read_checkpoint(write(dump({"G_ema": module})))


def test_one_tensor_cannot_become_many(write, generator, dump) -> None:
    network = generator()
    shared = network.state["_modules"]["synthesis"].state["_modules"]["b8"].state["_modules"]["conv0"].state["_buffers"]
    shared.update({f"copy{i}": shared["noise_const"] for i in range(2000)})
    with pytest.raises(CheckpointError, match="larger than the file itself"):
        read_checkpoint(write(dump({"G_ema": network})))
