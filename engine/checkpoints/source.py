"""A checkpoint file before anybody knows what it is: its name, its first bytes, and its contents read once."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from wplus.checkpoints.checkpoint import Provenance
from wplus.checkpoints.mapped import map_file
from wplus.checkpoints.nvidia_pickle import load_pickle
from wplus.checkpoints.pickle_machine import Budget
from wplus.checkpoints.torch_zip import load_torch_file
from wplus.errors import CheckpointError

Kind = Literal["pickle", "torch", "safetensors", "other"]

_HEAD = 4096
_TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # first pickle of torch.save before 1.6
_ZIP = b"PK\x03\x04"


class SourceFile:
    """One file on disk.

    `name` is what users and provenance are shown: the file's name without its folder, or the URL without its query.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        try:
            with path.open("rb") as stream:
                self.head = stream.read(_HEAD)
            self.size = path.stat().st_size
        except OSError as exc:
            raise CheckpointError(f"{path} could not be read: {exc.strerror or exc}.") from exc

    @cached_property
    def kind(self) -> Kind:
        """What the first bytes say, whatever the suffix."""
        if self.head.startswith((_ZIP, _TORCH_LEGACY)):
            return "torch"
        if self.head[:1] == b"\x80" and self.head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
            return "pickle"
        if self.head[8:9] == b"{" and int.from_bytes(self.head[:8], "little") < 2**32:
            return "safetensors"
        return "other"

    @cached_property
    def data(self) -> memoryview:
        """The bytes, mapped rather than read."""
        return map_file(self.path)

    @cached_property
    def sha256(self) -> str:
        """Of the whole file, 64 hex digits."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def pickle(self) -> tuple[Any, Budget]:
        """The contents of a pickle as data, and what the file may still cost."""
        return load_pickle(self.data)

    @cached_property
    def torch(self) -> Any:
        """The contents of a file that torch.save wrote."""
        return load_torch_file(self.path)

    def provenance(self, form: str, licence: str = "unknown") -> Provenance:
        """Where a network read from this file came from."""
        return Provenance(source=self.name, sha256=self.sha256, format=form, licence=licence)
