"""Frames into something that moves: a video, a GIF, numbered PNGs or a pipe, encoded in the background."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from functools import partial
from itertools import count
from pathlib import Path

from wplus.background import Background
from wplus.media import Picture, encoding_threads
from wplus.media_metadata import Metadata
from wplus.pyav import CONTAINERS
from wplus.video_config import AddFrame, Film, VideoOptions
from wplus.video_container import container
from wplus.video_gif import gif
from wplus.video_png import missing_frames, png_frames, png_frames_one_by_one
from wplus.video_raw import STANDARD_OUTPUT, raw_frames

_WAITING_PIXELS = 16 * 1024 * 1024

__all__ = ["FrameSink", "VideoOptions", "frames_to_write", "open_sink"]


class FrameSink:
    """Takes frames one by one; `open_sink` makes it."""

    def __init__(self, add: AddFrame, background: Background, size: tuple[int, int], numbers: Iterable[int]) -> None:
        self._add = add
        self._background = background
        self._size = size
        self._numbers = iter(numbers)

    def write(self, frame: Picture) -> None:
        """Queues the next frame, uint8 `[H, W, C]`. It is not copied: leave it as it is.

        Raises:
            ArtifactError: an earlier frame could not be written.
        """
        if frame.shape[:2] != self._size:
            raise ValueError(
                f"The frame is {list(frame.shape)}; this video needs [{self._size[0]}, {self._size[1]}, C]."
            )
        self._background.submit(partial(self._add, frame, next(self._numbers)))


@contextmanager
def open_sink(
    path: str | Path,
    *,
    fps: Fraction | float = 60,
    size: tuple[int, int],
    metadata: Metadata | None = None,
    options: VideoOptions | None = None,
    numbers: Sequence[int] | None = None,
) -> Iterator[FrameSink]:
    """A sink for the frames of `path`, which appears when the block ends well; nothing stays behind when it does not.

    - `.mp4`, `.mov`, `.mkv`: H.264 unless `options` name another codec; `.webm`: VP9. 4:2:0 in BT.709, odd sides padded
      by one pixel, unless the codec takes RGB or 4:2:2 alone. With sound, if `options` name some.
    - `.gif`: endless, a palette of 256 colours per frame, at most 50 frames a second.
    - No suffix, a trailing slash, or a folder: `frame0000.png` and so on, in place of the frames that lay there. With
      `options.resume`, each frame appears once it is whole, and stays when the block is interrupted: the next run goes
      on from there, with the `numbers` that `frames_to_write` gives.
    - `-`: the bare RGB bytes of each frame on standard output.

    Frames are encoded as they come, in threads. Alpha is kept in PNGs and laid over black elsewhere.

    Args:
        fps: Frames per second.
        size: Height and width of every frame, in pixels.
        metadata: JSON values that say how the frames were made; `wplus.media_metadata.read_metadata` returns them.
        options: How it is encoded.
        numbers: Of the frames that will come; None: 0, 1, 2 and so on.

    Raises:
        ValueError: another suffix, a rate or size that is not positive, or options that this kind of output cannot
            follow.
        UnsupportedError: PyAV or an encoder is missing.
        ArtifactError: the file cannot be written, the disk is full, the reader of a pipe left, or the sound is damaged.
    """
    options = options or VideoOptions()
    rate = Fraction(fps).limit_denominator(1001)
    if rate <= 0 or min(size) < 1:
        raise ValueError(f"fps is {fps} and the frames are {size[1]}x{size[0]} px; all must be positive.")
    write = _writer(path, options)
    film = Film(path=Path(path), rate=rate, size=size, metadata=metadata, options=options)
    workers = encoding_threads() if _is_folder(path) else 1
    with write(film) as add, Background(workers=workers, depth=_depth(size, workers)) as background:
        yield FrameSink(add, background, size, count() if numbers is None else numbers)


def frames_to_write(path: str | Path, total: int, metadata: Metadata | None, options: VideoOptions) -> Sequence[int]:
    """The numbers of the frames that `path` lacks of `total`: all of them, unless `options.resume` finds some there.

    A frame counts as there if it says just `metadata`. With `options.resume`, other frames are removed from the folder:
    it never holds a mixture.

    Raises:
        ValueError: the output cannot be resumed.
    """
    _writer(path, options)
    if not options.resume:
        return range(total)
    if metadata is None:
        raise ValueError("--resume goes by what each frame says of how it was made: leave out --no-metadata.")
    return missing_frames(Path(path), total, metadata)


def _writer(path: str | Path, options: VideoOptions) -> Callable[[Film], AbstractContextManager[AddFrame]]:
    """What writes such an output, if it can follow the options."""
    suffix = Path(path).suffix.lower()
    if _is_folder(path):
        _refuse(options, "Numbered PNGs are")
        return png_frames_one_by_one if options.resume else png_frames
    if options.resume:
        raise ValueError(f"{path} cannot be resumed; only numbered PNGs can: name a folder (ending in /).")
    if Path(path) == STANDARD_OUTPUT:
        _refuse(options, "Raw frames are")
        return raw_frames
    if suffix == ".gif":
        _refuse(options, "A GIF is")
        return gif
    if suffix in CONTAINERS:
        return container
    raise ValueError(
        f"{path} ends in {suffix}; use .mp4, .gif, or a folder (ending in /) for numbered PNGs. "
        ".mov, .mkv and .webm are known too, and - for raw frames on standard output."
    )


def _depth(size: tuple[int, int], workers: int) -> int:
    """Frames that may wait: enough for a micro-batch that comes at once, and no more than some memory."""
    return max(2 * workers + 2, min(16, _WAITING_PIXELS // (size[0] * size[1])))


def _is_folder(path: str | Path) -> bool:
    target = Path(path)
    has_no_name = str(path).endswith(("/", "\\")) or target.suffix == ""
    return target != STANDARD_OUTPUT and (has_no_name or target.is_dir())


def _refuse(options: VideoOptions, what: str) -> None:
    if given := list(options.encoding):
        raise ValueError(
            f"{what} written without {' and '.join(f'--{name}' for name in given)}; "
            f"{', '.join(CONTAINERS)} take it. Leave it out, or choose one of those."
        )
