"""Frames into a container of FFmpeg's, by PyAV: MP4, QuickTime, Matroska and WebM, with sound if there is some."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from typing import Any, Final

import numpy as np

from wplus.errors import ArtifactError, UnsupportedError
from wplus.files import whole_file
from wplus.media import Picture, to_rgb
from wplus.media_metadata import as_comment
from wplus.pyav import CONTAINERS, import_av
from wplus.threads import usable_cpus
from wplus.video_audio import add_sound
from wplus.video_codecs import Coding, choose_coding, is_rgb, padded_size
from wplus.video_config import AddFrame, Film

_BT709: Final = 1  # as primaries, transfer and matrix alike
_LIMITED, _FULL = 1, 2  # ranges of luma


@contextmanager
def container(film: Film) -> Iterator[AddFrame]:
    """Takes the frames of a video, which appears when the block ends well.

    Raises:
        ValueError: the codec is unknown, or does not go into this container, or has no constant quality.
        UnsupportedError: PyAV or an encoder is missing, or the encoder takes no frames of this size or rate.
        ArtifactError: the file cannot be written, the disk is full, or the sound cannot be read.
    """
    av = import_av()
    coding = choose_coding(film.path.suffix.lower(), film.options)
    with whole_file(film.path) as temporary:
        try:
            with write_container(str(temporary), film, coding) as add:
                yield add
        except av.FFmpegError as exc:
            raise ArtifactError(f"{film.path} could not be encoded: {exc}. Nothing of it was left behind.") from exc


@contextmanager
def write_container(target: str, film: Film, coding: Coding) -> Iterator[AddFrame]:
    """Takes frames and encodes them to the file `target`, whatever its name; PyAV's errors rise as they are."""
    av = import_av()
    suffix = film.path.suffix.lower()
    layout = {"movflags": "faststart"} if suffix in (".mp4", ".mov") else {}
    with ExitStack() as stack:
        output = stack.enter_context(av.open(target, "w", format=CONTAINERS[suffix], options=layout))
        if film.metadata is not None:
            output.metadata["comment"] = as_comment(film.metadata)
        stream = _add_pictures(output, film, coding)
        sound = stack.enter_context(add_sound(output, film.options.audio, suffix)) if film.options.audio else None
        _start(output, stream, film, coding)
        convert = _Converter(film, coding)

        def add(frame: Picture, number: int) -> None:
            picture = convert(frame)
            picture.pts, picture.time_base = number, 1 / film.rate
            output.mux(stream.encode(picture))
            if sound is not None:
                sound(Fraction(number + 1) / film.rate)

        yield add
        output.mux(stream.encode(None))


class _Converter:
    """Turns frames into an encoder's pixel format; colours are BT.709's."""

    def __init__(self, film: Film, coding: Coding) -> None:
        av = import_av()
        height, width = padded_size(film.size, coding.pixel_format)
        self._padding = ((0, height - film.size[0]), (0, width - film.size[1]), (0, 0))
        self._make = av.VideoFrame.from_ndarray
        self._reformatter = av.video.reformatter.VideoReformatter()  # it keeps its tables from frame to frame
        self._options = {"format": coding.pixel_format, "threads": 1}
        if not is_rgb(coding.pixel_format):
            self._options |= {"dst_colorspace": "ITU709", "dst_color_range": _range_of(coding)}

    def __call__(self, frame: Picture) -> Any:
        rgb = to_rgb(frame)
        if any(after for _, after in self._padding):
            rgb = np.pad(rgb, self._padding, mode="edge")
        picture = self._make(np.ascontiguousarray(rgb), format="rgb24")
        return self._reformatter.reformat(picture, **self._options)


def _add_pictures(output: Any, film: Film, coding: Coding) -> Any:
    try:
        stream = output.add_stream(coding.encoder, rate=film.rate, options=coding.options)
    except ValueError as exc:
        raise ValueError(
            f"{coding.encoder} does not go into {film.path.suffix}. Matroska takes nearly any codec: "
            f"--output={film.path.stem}.mkv."
        ) from exc
    stream.height, stream.width = padded_size(film.size, coding.pixel_format)
    stream.pix_fmt = coding.pixel_format
    context = stream.codec_context
    if not is_rgb(coding.pixel_format):
        # Players take untagged video for BT.709 when it is large and BT.601 when it is small: so say which.
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _range_of(coding)
    if coding.tag is not None:
        context.codec_tag = coding.tag
    # Whole frames to each thread: slices make larger files, and one thread would hold up half of a network's.
    context.thread_type, context.thread_count = "AUTO", usable_cpus()
    return stream


def _start(output: Any, stream: Any, film: Film, coding: Coding) -> None:
    """Opens the encoder and writes the container's head, so that what cannot work says so before a frame is drawn."""
    av = import_av()
    try:
        # In a thread of its own: for root, SVT-AV1 turns the one that opens it into a real-time thread, for good.
        with ThreadPoolExecutor(1) as opener:
            opener.submit(output.start_encoding).result()
    except (av.FFmpegError, OSError) as exc:
        if stream.codec_context.is_open:
            raise
        height, width = film.size
        raise UnsupportedError(
            f"The encoder {coding.encoder} does not start on {width}x{height} px at {float(film.rate):g} frames a "
            f"second: {exc}. Choose another --codec."
        ) from exc
    if "crf" in stream.codec_context.options:  # the encoder left it
        raise ValueError(f"The encoder {coding.encoder} has no constant quality (crf). Use --bitrate, or neither.")


def _range_of(coding: Coding) -> int:
    return _FULL if coding.pixel_format.startswith("yuvj") else _LIMITED
