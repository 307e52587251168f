"""Frames in shared memory, for bridges to Spout, Syphon, NDI and other programs on this machine.

The block begins with a header of 64 bytes, little-endian, and the picture follows it, uint8 `[H, W, C]`, row by row:

| offset | type | what |
|---|---|---|
| 0 | 4 bytes | `WPLS` |
| 4 | uint32 | version of this layout, 1 |
| 8 | uint64 | sequence: odd while a frame is being written, 2 more after each |
| 16 | uint32 | width, 0 before the first frame |
| 20 | uint32 | height |
| 24 | uint32 | channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA |
| 28 | uint32 | 1 when the show has ended |
| 32 | uint64 | number of the frame in the show |
| 40 | float64 | when it was due, seconds since the show began |
| 48 | float64 | when it was drawn, by the clock of `time.perf_counter` |
| 56 | 8 bytes | 0 |

A reader reads the sequence, copies, and reads it again: if both are the same even number, the copy is whole; if not, it
copies again. `read_frame` does so in Python.
"""

import struct
import threading
from multiprocessing.shared_memory import SharedMemory
from typing import Final

import numpy as np

from wplus.errors import ArtifactError
from wplus.live.frames import Frame
from wplus.live.sinks import LatestFrame
from wplus.media import Picture

HEADER: Final = 64
_VERSION: Final = 1
_SEQUENCE: Final = struct.Struct("<Q")
_FACTS: Final = struct.Struct("<IIIIQdd")
_TRIES: Final = 1000


class SharedMemorySink:
    """Writes the newest frame into a block of shared memory that it makes, and removes when it is closed.

    Args:
        name: Of the block, by which others open it.
        size: Bytes of the largest picture; larger ones are dropped.

    Raises:
        ArtifactError: a block of that name exists, or there is no room for it.
    """

    def __init__(self, name: str, *, size: int) -> None:
        try:
            self._memory = SharedMemory(name, create=True, size=HEADER + size)
        except FileExistsError as exc:
            raise ArtifactError(f"The shared memory {name} exists already. Name another, or end who uses it.") from exc
        except OSError as exc:
            raise ArtifactError(f"The shared memory {name} cannot be made: {exc.strerror or exc}.") from exc
        self._size = size
        self._sequence = 0
        self._latest = LatestFrame()
        self.too_large = 0
        block = self._memory.buf
        block[:HEADER] = bytes(HEADER)
        block[4:8] = struct.pack("<I", _VERSION)
        block[:4] = b"WPLS"
        self._thread = threading.Thread(target=self._run, name="wplus-live-memory", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames that were not written."""
        return self._latest.dropped + self.too_large

    def show(self, frame: Frame) -> None:
        """See `Sink.show`."""
        self._latest.show(frame)

    def close(self) -> None:
        """Says that the show has ended, and removes the block; readers that have it open keep it."""
        self._latest.close()
        self._thread.join()
        struct.pack_into("<I", self._memory.buf, 28, 1)
        self._memory.close()
        self._memory.unlink()

    def _run(self) -> None:
        while (frame := self._latest.take()) is not None:
            if frame.picture.nbytes > self._size:
                self.too_large += 1
            else:
                self._write(frame)

    def _write(self, frame: Frame) -> None:
        block = self._memory.buf
        height, width, channels = frame.picture.shape
        self._step()
        _FACTS.pack_into(block, 16, width, height, channels, 0, frame.number, frame.time, frame.drawn_at)
        target = np.frombuffer(block, np.uint8, frame.picture.nbytes, HEADER)
        target[:] = frame.picture.reshape(-1)
        del target  # a view that is left over would keep the block from being closed
        self._step()

    def _step(self) -> None:
        self._sequence += 1
        _SEQUENCE.pack_into(self._memory.buf, 8, self._sequence)


def read_frame(memory: SharedMemory) -> tuple[int, Picture] | None:
    """The number and the picture of the newest frame in a block; None before the first.

    Raises:
        ArtifactError: the block is none of ours, or its writer has died in the middle of a frame.
    """
    block = memory.buf
    if bytes(block[:8]) != b"WPLS" + struct.pack("<I", _VERSION):
        raise ArtifactError(f"The shared memory {memory.name} holds no frames of this version of wplus.")
    for _ in range(_TRIES):
        before = _SEQUENCE.unpack_from(block, 8)[0]
        width, height, channels, _, number, _, _ = _FACTS.unpack_from(block, 16)
        size = height * width * channels
        if before == 0:
            return None
        if before % 2 == 0 and HEADER + size <= len(block):
            picture = np.frombuffer(bytes(block[HEADER : HEADER + size]), np.uint8).reshape(height, width, channels)
            if _SEQUENCE.unpack_from(block, 8)[0] == before:
                return number, picture
    raise ArtifactError(
        f"The shared memory {memory.name} is being written all the time; its writer seems to have died."
    )
