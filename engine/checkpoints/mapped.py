"""A file's bytes, mapped rather than read."""

import mmap
from pathlib import Path


def map_file(path: Path) -> memoryview:
    """The bytes of a file that is not empty; pages are read when they are looked at, and none is written."""
    with path.open("rb") as stream:
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
