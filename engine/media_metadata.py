"""What pictures and videos say about how they were made: JSON in the place that each format has for it."""

import json
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import GifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from wplus.errors import ArtifactError
from wplus.pyav import CONTAINERS, import_av

Metadata = Mapping[str, Any]

_PREFIX = "wplus "  # opens our text in fields that any program may use
_PNG_KEY = "wplus"
_EXIF_DESCRIPTION = 0x010E
_EXIF_LIMIT = 65_000  # bytes; a JPEG segment holds 65,533
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    ".png": PngImagePlugin.PngImageFile,
    ".jpg": JpegImagePlugin.JpegImageFile,
    ".jpeg": JpegImagePlugin.JpegImageFile,
    ".webp": WebPImagePlugin.WebPImageFile,
    ".gif": GifImagePlugin.GifImageFile,
}
# What Image.open itself takes for a damaged file; it is not used because it refuses grids above 180 megapixels.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    TypeError,
    KeyError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


def as_comment(metadata: Metadata) -> str:
    """The metadata as one line of ASCII, for the comment of a GIF or video."""
    return _PREFIX + json.dumps(dict(metadata))


def as_png_chunk(metadata: Metadata | None) -> PngImagePlugin.PngInfo:
    """The metadata as a PNG text chunk."""
    chunks = PngImagePlugin.PngInfo()
    if metadata is not None:
        chunks.add_text(_PNG_KEY, json.dumps(dict(metadata)))
    return chunks


def as_exif(metadata: Metadata | None) -> Image.Exif:
    """The metadata as the EXIF description of a JPEG or WebP.

    Raises:
        ValueError: they are too long for it.
    """
    exif = Image.Exif()
    if metadata is not None:
        text = as_comment(metadata)
        if len(text) > _EXIF_LIMIT:
            raise ValueError(
                f"The metadata are {len(text)} bytes long; JPEG and WebP hold {_EXIF_LIMIT} of ours. "
                "Use png, or write no metadata (--no-metadata)."
            )
        exif[_EXIF_DESCRIPTION] = text
    return exif


def read_metadata(path: str | Path) -> dict[str, Any] | None:
    """What a picture (png, jpg, webp, gif) or video (mp4, mov, mkv, webm) of ours says of itself; None if nothing.

    Raises:
        ArtifactError: the file is missing or damaged, or is none of these.
        UnsupportedError: it is a video and PyAV is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS and suffix not in _READERS:
        known = ", ".join([*_READERS, *CONTAINERS])
        raise ArtifactError(f"{path} is no picture or video of ours; {known} can be read.")
    try:
        return _parse(_video_comment(path) if suffix in CONTAINERS else _picture_text(_READERS[suffix], path))
    except DAMAGED as exc:
        raise ArtifactError(f"{path} cannot be read: {exc}.") from exc


def _picture_text(reader: type[ImageFile.ImageFile], path: Path) -> object:
    # Pillow warns of damage, and reads what it can: that is enough.
    with warnings.catch_warnings(action="ignore"), reader(path) as image:
        if reader is PngImagePlugin.PngImageFile:
            chunk = image.info.get(_PNG_KEY)
            return None if chunk is None else f"{_PREFIX}{chunk}"
        if reader is GifImagePlugin.GifImageFile:
            return image.info.get("comment")
        return image.getexif().get(_EXIF_DESCRIPTION)


def _video_comment(path: Path) -> object:
    av = import_av()
    try:
        with av.open(str(path)) as container:
            # Matroska's tags are read in capitals.
            return next((text for key, text in container.metadata.items() if key.lower() == "comment"), None)
    except av.FFmpegError as exc:
        raise ValueError(str(exc)) from exc


def _parse(text: object) -> dict[str, Any] | None:
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    if not isinstance(text, str) or not text.startswith(_PREFIX):
        return None
    try:
        metadata = json.loads(text.removeprefix(_PREFIX))
    except (ValueError, RecursionError):
        return None
    return metadata if isinstance(metadata, dict) else None
