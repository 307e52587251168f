"""Raw frames to a pipe: RGB bytes, frame after frame, for programs that read pictures from a pipe."""

import os
import select
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from wplus.errors import ArtifactError
from wplus.live.frames import Frame
from wplus.live.sinks import LatestFrame
from wplus.media import to_rgb

_PATIENCE: Final = 0.1  # seconds between two looks at whether somebody reads, or the show has ended


class PipeSink:
    """Writes each frame as `H * W * 3` bytes, RGB, row by row: whole frames only, the newest that the reader takes.

    Frames carry no time: a reader that needs it takes its own clock (`ffmpeg -use_wallclock_as_timestamps 1
    -f rawvideo -pixel_format rgb24 -video_size 256x256 -i PIPE`). While nobody reads, frames are dropped.

    Args:
        pipe: A named pipe (`mkfifo`), or the descriptor of an open one.
        ended: Called when the reader of a descriptor has gone.

    Raises:
        ArtifactError: there is no such pipe.
    """

    def __init__(self, pipe: Path | int, *, ended: Callable[[], None] | None = None) -> None:
        self._pipe = pipe
        if isinstance(pipe, Path) and not _is_pipe(pipe):
            raise ArtifactError(f"{pipe} is no named pipe. Make one: mkfifo {pipe}")
        self._ended = ended
        self._latest = LatestFrame()
        self.written = 0
        self._thread = threading.Thread(target=self._run, name="wplus-live-pipe", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames that the reader was too slow for."""
        return self._latest.dropped

    def show(self, frame: Frame) -> None:
        """See `Sink.show`."""
        self._latest.show(frame)

    def close(self) -> None:
        """Ends, in the middle of a frame if nobody reads."""
        self._latest.close()
        self._thread.join()

    def _run(self) -> None:
        while not self._latest.is_closed:
            descriptor = self._opened()
            if descriptor is None:
                continue
            try:
                self._copy(descriptor)
            except BrokenPipeError:  # the reader has gone; of a named pipe another may come
                if isinstance(self._pipe, int):
                    self._latest.close()
                    if self._ended is not None:
                        self._ended()
            finally:
                if isinstance(self._pipe, Path):
                    os.close(descriptor)

    def _opened(self) -> int | None:
        """The pipe, once somebody reads it; None: not yet."""
        if isinstance(self._pipe, int):
            os.set_blocking(self._pipe, False)
            return self._pipe
        try:
            return os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads
            threading.Event().wait(_PATIENCE)
            return None

    def _copy(self, descriptor: int) -> None:
        while (frame := self._latest.take()) is not None:
            data = memoryview(np.ascontiguousarray(to_rgb(frame.picture))).cast("B")
            while data and not self._latest.is_closed:
                if select.select([], [descriptor], [], _PATIENCE)[1]:
                    data = data[os.write(descriptor, data) :]
            self.written += not data


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False
