"""Reading and writing networks: one module a file format, recognised by content; nothing in a file is ever run."""

from pathlib import Path
from typing import Protocol

from wplus.checkpoints import dcgan, genforce, native, nvidia, rosinality, tensorflow
from wplus.checkpoints.checkpoint import Checkpoint, Provenance, Tensors
from wplus.checkpoints.explain import explain
from wplus.checkpoints.fingerprint import fingerprint
from wplus.checkpoints.finite import check_finite
from wplus.checkpoints.native import write_checkpoint
from wplus.checkpoints.open_source import open_source
from wplus.checkpoints.source import SourceFile
from wplus.errors import CheckpointError, UnsupportedError

__all__ = ["Checkpoint", "Provenance", "Tensors", "fingerprint", "read_checkpoint", "write_checkpoint"]


class _Reader(Protocol):
    """What a module of a file format offers."""

    def recognises(self, file: SourceFile) -> bool: ...
    def read(self, file: SourceFile) -> Checkpoint: ...


_READERS: tuple[_Reader, ...] = (native, nvidia, tensorflow, rosinality, genforce, dcgan)


def read_checkpoint(source: str | Path, *, sha256: str | None = None) -> Checkpoint:
    """The generator in a file, with its tensors checked to be finite.

    Args:
        source: A file, an https URL (kept in the user's cache), or "demo:portraits".
        sha256: The file's digest, 64 hex digits. Another file is refused before anything of it is read.

    Raises:
        CheckpointError: the file is missing, damaged, hostile, or holds no generator.
        UnsupportedError: the file is understood, but its network has a part or option that wplus does not draw.
    """
    file = open_source(source, sha256=sha256)
    try:
        for reader in _READERS:
            if reader.recognises(file):
                checkpoint = reader.read(file)
                check_finite(checkpoint.tensors)
                return checkpoint
        raise CheckpointError(explain(file))
    except (CheckpointError, UnsupportedError) as exc:
        raise type(exc)(f"{file.name}: {exc}") from exc
