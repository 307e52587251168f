"""Recording a show as MP4 that plays up to its last second whatever happens to the disk, the program or the power."""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from wplus.errors import ArtifactError
from wplus.files import make_folder
from wplus.live.frames import Frame
from wplus.live.painting import scaled
from wplus.live.sinks import LatestFrame
from wplus.media import Picture, to_rgb
from wplus.pyav import import_av

_log = logging.getLogger(__name__)

_LONGEST_GAP: Final = 60.0  # seconds without a frame that are filled up; beyond, the recording goes on without them


class FileSink:
    """Writes the newest frames at a constant rate: one that is missing is filled by the one before it.

    The file is a fragmented MP4, a fragment a second: what has been written plays, even after a power cut.

    Args:
        folder: Where files without a folder go; made if it is missing.
        path: The file, `.mp4`; None: `show-<date>.mp4`.
        fps: Frames a second.
        audio: A file with the sound that is heard with it, from its beginning.
        failed: Told why, when the recording fails; it is in `error` too.

    Raises:
        ValueError: the name does not end in .mp4.
        UnsupportedError: PyAV is not installed.
        ArtifactError: the folder cannot be written to, or the file exists.
    """

    def __init__(
        self,
        folder: Path,
        path: Path | None = None,
        *,
        fps: float,
        audio: Path | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        import_av()
        name = path or Path(f"show-{datetime.now(UTC).astimezone():%Y%m%d-%H%M%S}.mp4")
        if name.suffix.lower() != ".mp4":
            raise ValueError(f"{name} ends in {name.suffix!r}; a show is recorded as .mp4.")
        self.path = folder / name
        make_folder(self.path.parent)
        if self.path.exists():
            raise ArtifactError(f"{self.path} exists already. Record to another name.")
        self._rate = Fraction(fps).limit_denominator(1001)
        self._audio = audio
        self._failed = failed
        self._latest = LatestFrame()
        self.error: str | None = None
        self.frames = 0  # in the file
        self._thread = threading.Thread(target=self._run, name="wplus-live-recording", daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is recorded."""
        return self._latest.is_closed

    @property
    def dropped(self) -> int:
        """Frames that the encoder was too slow for."""
        return self._latest.dropped

    def show(self, frame: Frame) -> None:
        """See `Sink.show`."""
        self._latest.show(frame)

    def close(self) -> None:
        """Writes what waits, and ends the file."""
        self._latest.close()
        self._thread.join()

    def _run(self) -> None:
        first = self._latest.take()
        if first is None:
            return
        try:
            with ExitStack() as stack:
                self._record(first, stack)
        except Exception as exc:  # the show goes on, whatever happened
            self.error = f"Recording to {self.path} failed: {exc}. It plays up to that point."
            _log.error("%s", self.error)
            self._latest.close()
            if self._failed is not None:
                self._failed(self.error)

    def _record(self, first: Frame, stack: ExitStack) -> None:
        encoder = _Encoder(self._open(), first.picture, self._rate, self._audio, stack)
        last, offset = first, 0.0
        encoder.add(first.picture)
        self.frames = 1
        while (frame := self._latest.take()) is not None:
            if frame.time - last.time > _LONGEST_GAP:
                offset += frame.time - last.time - 1 / self._rate
            wanted = round((frame.time - first.time - offset) * self._rate) + 1
            for _ in range(self.frames, wanted - 1):  # frames that were not drawn in time
                encoder.add(last.picture)
            if wanted > self.frames:
                encoder.add(frame.picture)
            self.frames, last = max(wanted, self.frames), frame

    def _open(self) -> Any:
        """The file to write to; what is written is on its way to the disk."""
        return self.path.open("xb", buffering=0)


class _Encoder:
    """H.264 in fragments of a second.

    Args:
        file: To write to.
        picture: Of the size of all; others are scaled to it.
        rate: Frames a second.
        audio: The sound.
        stack: Ends the file when it is closed.
    """

    def __init__(self, file: Any, picture: Picture, rate: Fraction, audio: Path | None, stack: ExitStack) -> None:
        av = self._av = import_av()
        stack.callback(file.close)
        fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
        self._container = av.open(file, "w", format="mp4", options=fragments)
        stack.callback(self._container.close)
        self._size = (picture.shape[0], picture.shape[1])
        self._rate = rate
        tags = {"x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"}
        # The show's cores are the network's: a quick preset, whose files are larger.
        options = {"crf": "18", "preset": "veryfast", "g": str(max(1, round(rate))), **tags}
        self._stream = self._container.add_stream("libx264", rate=rate, options=options)
        self._stream.height, self._stream.width = (side + side % 2 for side in self._size)  # 4:2:0 halves both
        self._stream.pix_fmt = "yuv420p"
        self._count = 0
        self._advance: Callable[[Fraction], None] | None = None
        if audio is not None:
            from wplus.video_audio import add_sound

            self._advance = stack.enter_context(add_sound(self._container, audio, ".mp4"))
        stack.callback(self._end)

    def add(self, picture: Picture) -> None:
        """The next frame."""
        rgb = to_rgb(scaled(picture, self._size))
        padding = ((0, self._stream.height - rgb.shape[0]), (0, self._stream.width - rgb.shape[1]), (0, 0))
        if any(after for _, after in padding):
            rgb = np.pad(rgb, padding, mode="edge")
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        self._container.mux(self._stream.encode(frame))
        self._count += 1
        if self._advance is not None:
            self._advance(self._count / self._rate)

    def _end(self) -> None:
        self._container.mux(self._stream.encode())
