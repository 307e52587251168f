"""A frame as the message that goes to browsers: a short header, then JPEG or WebP."""

import io
import struct
from typing import Final, Literal, get_args

from PIL import Image

from wplus.live.frames import Frame
from wplus.media import Picture, to_rgb

FrameFormat = Literal["jpeg", "webp"]
FORMATS: Final[tuple[FrameFormat, ...]] = get_args(FrameFormat)

# Magic, frame number, when it was due (s of the show), drawn and last changed (s of perf_counter), format.
HEADER: Final = struct.Struct("<4sIdddH")
MAGIC: Final = b"WPLF"

_QUALITY: Final = {"jpeg": 87, "webp": 85}


def encode_frame(frame: Frame, image_format: FrameFormat) -> bytes:
    """The message of a frame. Its JPEG halves the colours' resolution: half the time and bytes, and seldom seen."""
    header = HEADER.pack(
        MAGIC,
        frame.number % 2**32,
        frame.time,
        frame.drawn_at,
        frame.changed_at,
        FORMATS.index(image_format),
    )
    file = io.BytesIO()
    file.write(header)
    _save(frame.picture, image_format, file)
    return file.getvalue()


def _save(picture: Picture, image_format: FrameFormat, file: io.BytesIO) -> None:
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else to_rgb(picture))
    quality = _QUALITY[image_format]
    if image_format == "jpeg":
        image.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    else:
        image.save(file, "WEBP", quality=quality, method=0)
