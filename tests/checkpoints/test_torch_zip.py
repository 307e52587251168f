"""Zips that claim to be torch files are measured before torch opens them."""

import zipfile
from pathlib import Path

import pytest

from wplus.checkpoints.torch_zip import load_torch_file
from wplus.errors import CheckpointError


def _zip(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "bomb.pt", {"a/data.pkl": b"\x80\x02}.", "a/data/0": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="add up to 10,000,004 bytes"):
        load_torch_file(path)


def test_entries_that_overlap_are_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.pt", {"a/data.pkl": b"\x80\x02}.", "a/data/0": bytes(1000)})
    content = path.read_bytes()
    size = (1000).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (10**8).to_bytes(4, "little")))
    with pytest.raises(CheckpointError, match=r"add up to 100,000,004 bytes"):
        load_torch_file(path)


def test_a_cut_zip_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.pt", {"a/data.pkl": b"\x80\x02}.", "a/data/0": bytes(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        load_torch_file(path)


def test_a_pickle_of_another_protocol_is_refused(tmp_path: Path) -> None:
    named = b"\x8c\x02os\x8c\x06system\x93."
    for pickle, message in ((b"\x80\x04" + named, "pickle protocol 4"), (b"\x80\x02" + named, "opcode STACK_GLOBAL")):
        with pytest.raises(CheckpointError, match=message):
            load_torch_file(_zip(tmp_path / "a.pt", {"a/data.pkl": pickle}))
