"""Frames as bare bytes on standard output, for a program at the other end of a pipe."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from wplus.errors import ArtifactError
from wplus.media import Picture, to_rgb
from wplus.video_config import AddFrame, Film

_log = logging.getLogger(__name__)

STANDARD_OUTPUT: Final = Path("-")


@contextmanager
def raw_frames(film: Film) -> Iterator[AddFrame]:
    """Takes frames and writes them to standard output: RGB, 8 bits each, row by row, and nothing else.

    Raises:
        ValueError: standard output is a terminal.
        ArtifactError: who reads the pipe has gone, or it cannot be written to.
    """
    if sys.stdout.isatty():
        raise ValueError(
            "Raw frames would go to the terminal. Give them to a program, as in: "
            f"wplus walk ... --output=- | {_reader(film)}"
        )
    sys.stdout.flush()
    descriptor = sys.stdout.fileno()
    _log.info("Raw frames on standard output. FFmpeg reads them with: %s", _reader(film))

    def add(frame: Picture, number: int) -> None:
        rest = memoryview(np.ascontiguousarray(to_rgb(frame))).cast("B")
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except BrokenPipeError as exc:
            raise ArtifactError(f"The program that reads the frames left before frame {number} was written.") from exc
        except OSError as exc:
            raise ArtifactError(f"Frame {number} could not be written: {exc.strerror or exc}.") from exc

    yield add


def _reader(film: Film) -> str:
    height, width = film.size
    return f"ffmpeg -f rawvideo -pixel_format rgb24 -video_size {width}x{height} -framerate {film.rate} -i - walk.mkv"
