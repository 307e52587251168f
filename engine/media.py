"""Pictures into files: encoding, grids, and a writer that works in the background."""

import io
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wplus.background import Background
from wplus.errors import UnsupportedError
from wplus.files import make_folder, whole_file
from wplus.media_metadata import Metadata, as_exif, as_png_chunk
from wplus.threads import usable_cpus

ImageFormat = Literal["png", "jpg", "webp"]
OutputFormat = Literal["png", "jpg", "webp", "npy", "zip"]
Picture = NDArray[np.uint8]

_Save = Callable[[str, Picture, Metadata | None], None]


def encode_image(picture: Picture, image_format: ImageFormat, metadata: Metadata | None = None) -> bytes:
    """One picture as the bytes of a file: PNG without loss, JPEG at quality 95 without chroma subsampling, WebP at 90.

    Args:
        picture: uint8 `[H, W, C]`; C is 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA).
        metadata: JSON values that say how the picture was made; `wplus.media_metadata.read_metadata` returns them.

    Raises:
        UnsupportedError: JPEG is asked of a picture with alpha.
        ValueError: the picture has another shape or type, or the metadata do not fit into a JPEG or WebP.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or not 1 <= picture.shape[2] <= 4 or 0 in picture.shape:
        raise ValueError(
            f"The picture is {picture.dtype} {list(picture.shape)}; uint8 [H, W, C] with 1 to 4 channels is needed. "
            "G.images gives a batch of such pictures: pass one of them."
        )
    if image_format == "jpg" and picture.shape[2] in (2, 4):
        raise UnsupportedError(
            f"The picture has {picture.shape[2]} channels, and the last is alpha; JPEG holds none. Use png or webp."
        )
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    file = io.BytesIO()
    if image_format == "png":
        # Run lengths (compress_type 3) make natural pictures as small as level 6 does, in a quarter of its time.
        image.save(file, "PNG", compress_level=1, compress_type=3, pnginfo=as_png_chunk(metadata))
    elif image_format == "jpg":
        image.save(file, "JPEG", quality=95, subsampling=0, exif=as_exif(metadata))
    else:
        # Method 2 takes half the time of the default for 1 % more bytes.
        image.save(file, "WEBP", quality=90, method=2, exif=as_exif(metadata))
    return file.getvalue()


def to_rgb(picture: Picture) -> Picture:
    """The picture as uint8 RGB `[H, W, 3]`: gray is repeated, alpha is laid over black."""
    channels = picture.shape[2]
    if channels in (2, 4):
        alpha = picture[:, :, -1:].astype(np.uint16)
        picture = ((picture[:, :, :-1] * alpha + 127) // 255).astype(np.uint8)
    return np.repeat(picture, 3, axis=2) if channels <= 2 else picture


def grid(pictures: Picture, *, columns: int, rows: int) -> Picture:
    """`[N, H, W, C]` as one picture `[rows * H, columns * W, C]`, row by row; cells without a picture are black."""
    count, height, width, channels = pictures.shape
    if columns < 1 or rows < 1 or count > columns * rows:
        raise ValueError(f"{count} pictures do not fit into a grid of {columns}x{rows} (columns x rows).")
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:count] = pictures
    by_row = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return by_row.reshape(rows * height, columns * width, channels)


def encoding_threads() -> int:
    """How many threads encode pictures beside a network that has the other CPUs."""
    return max(1, min(4, usable_cpus() // 2))


class ImageWriter:
    """Writes pictures into a folder from background threads, so that encoding does not stall whoever draws them.

    A context manager. Formats: png, jpg, webp; npy (uint8 `[H, W, C]`, without metadata); zip: PNGs, stored in one
    `images.zip`, which appears when it is whole. At most some pictures wait; then `write` waits too. Errors in a thread
    rise from the next `write` or from the end of the block. When the block fails or is interrupted, the waiting
    pictures are dropped; files that were written before are whole, and stay.

    Raises:
        ArtifactError: the folder or a file cannot be written, or the disk is full.
    """

    def __init__(self, outdir: str | Path, image_format: OutputFormat = "png") -> None:
        if image_format not in get_args(OutputFormat):
            raise ValueError(f"format is {image_format!r}; known: {', '.join(get_args(OutputFormat))}.")
        self._outdir = Path(outdir)
        self._format: OutputFormat = image_format

    def __enter__(self) -> Self:
        make_folder(self._outdir)
        workers = encoding_threads()
        with ExitStack() as stack:
            if self._format == "zip":
                temporary = stack.enter_context(whole_file(self._outdir / "images.zip"))
                self._save: _Save = partial(_save_member, stack.enter_context(zipfile.ZipFile(temporary, "w")))
                workers = 1  # members in the order of writing
            elif self._format == "npy":
                self._save = partial(_save_array, self._outdir)
            else:
                self._save = partial(_save_file, self._outdir, self._format)
            self._background = stack.enter_context(Background(workers=workers, depth=2 * workers + 2))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, exc, traceback)

    def write(self, name: str, picture: Picture, metadata: Metadata | None = None) -> Path:
        """Queues a picture and returns the file that will hold it. `picture` is not copied: leave it as it is.

        Args:
            name: File name without suffix.
        """
        self._background.submit(partial(self._save, name, picture, metadata))
        return self._outdir / ("images.zip" if self._format == "zip" else f"{name}.{self._format}")


def _save_file(folder: Path, image_format: ImageFormat, name: str, picture: Picture, metadata: Metadata | None) -> None:
    with whole_file(folder / f"{name}.{image_format}") as temporary:
        temporary.write_bytes(encode_image(picture, image_format, metadata))


def _save_array(folder: Path, name: str, picture: Picture, _metadata: Metadata | None) -> None:
    file = io.BytesIO()  # numpy's own writing to a full disk says how many items were left, and not why
    np.save(file, picture)
    with whole_file(folder / f"{name}.npy") as temporary:
        temporary.write_bytes(file.getvalue())


def _save_member(archive: zipfile.ZipFile, name: str, picture: Picture, metadata: Metadata | None) -> None:
    member = zipfile.ZipInfo(f"{name}.png")  # dated 1980: the same pictures make the same file
    archive.writestr(member, encode_image(picture, "png", metadata))
