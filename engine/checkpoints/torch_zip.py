"""Files that torch.save wrote: measured and scanned first, then read by torch.load with weights_only."""

import argparse
import pickletools
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.mapped import map_file
from wplus.checkpoints.pickle_machine import MAX_OPCODES
from wplus.checkpoints.safe_pickle import Reader
from wplus.errors import CheckpointError, UnsupportedError

_SAFE_GLOBALS = threading.Lock()  # torch's list of them is one for the whole process
_MAX_ENTRIES = 100_000
_MAX_EXPANSION = 4  # torch stores uncompressed; a file that somebody zipped again shrinks a little
_MAX_PICKLE = 2**26  # bytes of the index of a zip; real ones take some kilobytes
_LEGACY_PICKLES = 5
_DTYPES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_GLOBALS = {
    *(f"torch {dtype}Storage" for dtype in _DTYPES),
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch Size",
    "torch device",
    "collections OrderedDict",
    "argparse Namespace",  # the command line that rosinality's train.py keeps: attributes and no code
}


def load_torch_file(path: Path) -> Any:
    """What torch.save wrote, as tensors on the CPU in plain containers.

    Raises:
        CheckpointError: the file is damaged, expands beyond its size, or names something that weights do not need.
        UnsupportedError: torch is not installed.
    """
    data = map_file(path)
    is_zip = bytes(data[:2]) == b"PK"
    if is_zip:
        _check_globals(Reader(memoryview(_read_index(path))), pickles=1)
    else:
        _check_globals(Reader(data), pickles=_LEGACY_PICKLES)
    try:
        import torch
    except ImportError as exc:
        raise UnsupportedError("Reading a .pt file needs torch: pip install 'wplus[torch]'.") from exc
    try:
        with _SAFE_GLOBALS, torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except Exception as exc:  # on a damaged file torch raises anything, AttributeError and AssertionError included
        raise CheckpointError(f"The torch file is damaged or cut short: {_reason(exc)}") from exc


def _reason(exc: Exception) -> str:
    """torch's error in one line, without its advice to load the file with the protection off."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()] or [type(exc).__name__]
    return next((line for line in lines if "WeightsUnpickler error" in line), lines[0])[:200]


def to_float32(name: str, value: Any, *, file_bytes: int) -> NDArray[np.float32]:
    """A C-contiguous float32 copy of a torch tensor.

    Raises:
        CheckpointError: it is no dense tensor, or a view that repeats itself beyond the size of its file.
    """
    import torch

    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        raise CheckpointError(f"{name} is a {type(value).__name__}; a dense tensor is needed.")
    if value.numel() > file_bytes:
        raise CheckpointError(f"{name} is {list(value.shape)}: more numbers than its file has bytes.")
    array: NDArray[np.float32] = value.detach().to(torch.float32).numpy()
    return np.array(array, order="C")


def _read_index(path: Path) -> bytes:
    """The pickle in torch's zip, from a zip whose entries a file of its size can hold."""
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, size)
            return archive.read(_find_index(entries))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, OSError) as exc:
        raise CheckpointError(f"The zip is damaged or cut short: {exc}.") from exc


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > _MAX_ENTRIES:
        raise CheckpointError(f"The zip has {len(entries):,} entries; a torch file has at most some thousand.")
    total = sum(entry.file_size for entry in entries)
    stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    if total > size * (1 if stored else _MAX_EXPANSION):
        raise CheckpointError(f"The zip's entries add up to {total:,} bytes; a file of {size:,} bytes holds no such.")


def _find_index(entries: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    found = [entry for entry in entries if entry.filename.rpartition("/")[2] == "data.pkl"]
    if len(found) != 1:
        names = ", ".join(entry.filename[:40] for entry in entries[:4]) or "nothing"
        raise CheckpointError(f"It is a zip, but no file of torch.save: it holds {names}.")
    if found[0].file_size > _MAX_PICKLE:
        raise CheckpointError(f"The zip's data.pkl has {found[0].file_size:,} bytes; real ones take some kilobytes.")
    return found[0]


def _check_globals(reader: Reader, *, pickles: int) -> None:
    """Refuses pickles that name anything but tensors and containers; torch's own list is longer than weights need."""
    for name in _globals(reader, pickles):
        if name not in _GLOBALS:
            raise CheckpointError(
                f"The torch file asks for {name[:160].replace(' ', '.')}, which is not on the list of what weights "
                "need. Nothing of the file was run. If you trust it, load it with the code that wrote it and save the "
                "generator's state dict."
            )


def _globals(reader: Reader, pickles: int) -> Iterator[str]:
    steps = 0
    try:
        for _ in range(pickles):
            for opcode, argument, _position in pickletools.genops(reader):  # type: ignore[arg-type]
                steps += 1
                if steps > MAX_OPCODES:
                    raise CheckpointError(f"The torch file takes more than {MAX_OPCODES:,} steps to read.")
                if opcode.name == "PROTO" and argument != 2:
                    raise CheckpointError(f"The torch file has pickle protocol {argument}; torch.save writes 2.")
                if opcode.name == "GLOBAL":
                    yield str(argument)
                elif opcode.name in ("STACK_GLOBAL", "INST"):
                    raise CheckpointError(f"The torch file uses the opcode {opcode.name}, which torch.save never does.")
    except (ValueError, IndexError, OverflowError) as exc:
        raise CheckpointError(f"The torch file is damaged or cut short: {exc}.") from exc
