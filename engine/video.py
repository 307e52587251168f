"""Frames into a file that moves: MP4, GIF, or a folder of numbered PNGs, encoded in the background."""

import logging
import re
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from PIL import GifImagePlugin, Image

from wplus.background import Background
from wplus.errors import ArtifactError
from wplus.files import make_folder, whole_file
from wplus.media import Picture, encode_image, to_rgb
from wplus.media_metadata import Metadata, as_comment
from wplus.pyav import import_av

_log = logging.getLogger(__name__)

_Add = Callable[[Picture], None]
_GIF_MIN_DELAY: Final = 2  # hundredths of a second; browsers slow anything faster down to ten frames a second


class FrameSink:
    """Takes frames one by one; `open_sink` makes it."""

    def __init__(self, add: _Add, background: Background, size: tuple[int, int]) -> None:
        self._add = add
        self._background = background
        self._size = size

    def write(self, frame: Picture) -> None:
        """Queues the next frame, uint8 `[H, W, C]`. It is not copied: leave it as it is.

        Raises:
            ArtifactError: an earlier frame could not be written.
        """
        if frame.shape[:2] != self._size:
            raise ValueError(
                f"The frame is {list(frame.shape)}; this video needs [{self._size[0]}, {self._size[1]}, C]."
            )
        self._background.submit(partial(self._add, frame))


@contextmanager
def open_sink(
    path: str | Path, *, fps: Fraction | float = 60, size: tuple[int, int], metadata: Metadata | None = None
) -> Iterator[FrameSink]:
    """A sink for the frames of `path`, which appears when the block ends well; nothing stays behind when it does not.

    `.mp4`: H.264, 4:2:0, odd sides padded by one pixel. `.gif`: endless, a palette of 256 colours per frame, at most 50
    frames a second. No suffix, a trailing slash, or a folder: `frame0000.png` and so on, in place of the frames that
    lay there. Frames are encoded as they come, in a thread. Alpha is kept in PNGs and laid over black elsewhere.

    Args:
        fps: Frames per second.
        size: Height and width of every frame, in pixels.
        metadata: JSON values that say how the frames were made; `wplus.media_metadata.read_metadata` returns them.

    Raises:
        ValueError: another suffix, or a rate or size that is not positive.
        UnsupportedError: MP4 without PyAV.
        ArtifactError: the file cannot be written, or the disk is full.
    """
    rate = Fraction(fps).limit_denominator(1001)
    if rate <= 0 or min(size) < 1:
        raise ValueError(f"fps is {fps} and the frames are {size[1]}x{size[0]} px; all must be positive.")
    with _encoder(path, rate, size, metadata) as add, Background() as background:
        yield FrameSink(add, background, size)


def _encoder(
    path: str | Path, rate: Fraction, size: tuple[int, int], metadata: Metadata | None
) -> AbstractContextManager[_Add]:
    target = Path(path)
    if str(path).endswith(("/", "\\")) or target.suffix == "" or target.is_dir():
        return _png_frames(target, metadata)
    if target.suffix.lower() == ".gif":
        return _gif(target, rate, size, metadata)
    if target.suffix.lower() == ".mp4":
        return _mp4(target, rate, size, metadata)
    raise ValueError(f"{path} ends in {target.suffix}; use .mp4, .gif, or a folder (ending in /) for numbered PNGs.")


@contextmanager
def _mp4(path: Path, rate: Fraction, size: tuple[int, int], metadata: Metadata | None) -> Iterator[_Add]:
    av = import_av()
    height, width = (side + side % 2 for side in size)  # 4:2:0 halves both
    with whole_file(path) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4", options={"movflags": "faststart"}) as container:
                if metadata is not None:
                    container.metadata["comment"] = as_comment(metadata)
                # Players take untagged video for BT.709 when it is large and BT.601 when it is small: so say which.
                tags = {"x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"}
                stream = container.add_stream("libx264", rate=rate, options={"crf": "18", **tags})
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"

                def add(frame: Picture) -> None:
                    padding = ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0))
                    rgb = np.ascontiguousarray(np.pad(to_rgb(frame), padding, mode="edge"))
                    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                    picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
                    container.mux(stream.encode(picture))

                yield add
                container.mux(stream.encode())
        except av.FFmpegError as exc:
            raise ArtifactError(f"{path} could not be encoded: {exc}. Nothing of it was left behind.") from exc


@contextmanager
def _gif(path: Path, rate: Fraction, size: tuple[int, int], metadata: Metadata | None) -> Iterator[_Add]:
    fastest = Fraction(100, _GIF_MIN_DELAY)
    if rate > fastest:
        _log.warning(
            "GIF holds at most %g frames a second: %s will play at %g instead of %g. MP4 holds any rate.",
            *(float(fastest), path, float(fastest), float(rate)),
        )
        rate = fastest
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(_gif_header(size, metadata))
        count = 0

        def add(frame: Picture) -> None:
            nonlocal count
            # Delays are whole hundredths of a second. Each frame ends at the nearest: the rate holds on average.
            delay = round((count + 1) * 100 / rate) - round(count * 100 / rate)
            count += 1
            parts = GifImagePlugin.getdata(_indexed(frame), duration=10 * delay, include_color_table=True)
            file.writelines(parts)
            parts.clear()  # Pillow holds it in a cycle, until the collector comes by

        yield add
        file.write(b";")


def _indexed(frame: Picture) -> Image.Image:
    if frame.shape[2] == 1:
        return Image.fromarray(frame[:, :, 0]).convert("P")  # 256 grays: exact
    # The octree is within 2 dB of the median cut and fifty times as fast. Dither would flicker from frame to frame.
    image = Image.fromarray(to_rgb(frame))
    return image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def _gif_header(size: tuple[int, int], metadata: Metadata | None) -> bytes:
    """Signature, screen without a palette, endless repetition, comment (GIF89a, sections 17, 18, 24 and 26)."""
    header = b"GIF89a" + struct.pack("<HHBBB", size[1], size[0], 0, 0, 0)
    header += b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", 0) + b"\x00"
    if metadata is not None:
        text = as_comment(metadata).encode("ascii")
        blocks = [text[start : start + 255] for start in range(0, len(text), 255)]
        header += b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00"
    return header


@contextmanager
def _png_frames(folder: Path, metadata: Metadata | None) -> Iterator[_Add]:
    existed = folder.exists()
    make_folder(folder)
    try:
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".frames-"))
        try:
            count = 0

            def add(frame: Picture) -> None:
                nonlocal count
                (temporary / f"frame{count:04d}.png").write_bytes(encode_image(frame, "png", metadata))
                count += 1

            yield add
            _replace_frames(folder, temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except BaseException as exc:
        if not existed:
            folder.rmdir()
        if isinstance(exc, OSError):
            raise ArtifactError(f"Frames could not be written to {folder}: {exc.strerror or exc}.") from exc
        raise


def _replace_frames(folder: Path, temporary: Path) -> None:
    """Moves the new frames into the folder, and removes those of an earlier, longer video."""
    for old in folder.iterdir():
        if re.fullmatch(r"frame\d{4,}\.png", old.name):
            old.unlink()
    for new in sorted(temporary.iterdir()):
        new.rename(folder / new.name)
