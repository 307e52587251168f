"""Frames into a GIF: endless, and a palette of 256 colours a frame."""

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Final

from PIL import GifImagePlugin, Image

from wplus.files import whole_file
from wplus.media import Picture, to_rgb
from wplus.media_metadata import Metadata, as_comment
from wplus.video_config import AddFrame, Film

_log = logging.getLogger(__name__)

_MIN_DELAY: Final = 2  # hundredths of a second; browsers slow anything faster down to ten frames a second


@contextmanager
def gif(film: Film) -> Iterator[AddFrame]:
    """Takes the frames of a GIF, which appears when the block ends well."""
    rate = _possible_rate(film)
    with whole_file(film.path) as temporary, temporary.open("wb") as file:
        file.write(_header(film.size, film.metadata))

        def add(frame: Picture, number: int) -> None:
            # Delays are whole hundredths of a second. Each frame ends at the nearest: the rate holds on average.
            delay = round((number + 1) * 100 / rate) - round(number * 100 / rate)
            parts = GifImagePlugin.getdata(_indexed(frame), duration=10 * delay, include_color_table=True)
            file.writelines(parts)
            parts.clear()  # Pillow holds it in a cycle, until the collector comes by

        yield add
        file.write(b";")


def _possible_rate(film: Film) -> Fraction:
    fastest = Fraction(100, _MIN_DELAY)
    if film.rate > fastest:
        _log.warning(
            "GIF holds at most %g frames a second: %s will play at %g instead of %g. MP4 holds any rate.",
            *(float(fastest), film.path, float(fastest), float(film.rate)),
        )
    return min(film.rate, fastest)


def _indexed(frame: Picture) -> Image.Image:
    if frame.shape[2] == 1:
        return Image.fromarray(frame[:, :, 0]).convert("P")  # 256 grays: exact
    # The octree is within 2 dB of the median cut and fifty times as fast. Dither would flicker from frame to frame.
    image = Image.fromarray(to_rgb(frame))
    return image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def _header(size: tuple[int, int], metadata: Metadata | None) -> bytes:
    """Signature, screen without a palette, endless repetition, comment (GIF89a, sections 17, 18, 24 and 26)."""
    header = b"GIF89a" + struct.pack("<HHBBB", size[1], size[0], 0, 0, 0)
    header += b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", 0) + b"\x00"
    if metadata is not None:
        text = as_comment(metadata).encode("ascii")
        blocks = [text[start : start + 255] for start in range(0, len(text), 255)]
        header += b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00"
    return header
