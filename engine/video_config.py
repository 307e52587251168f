"""What a video is to be: the part that a user chooses, and all that the writer of one format is given."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wplus.media import Picture
from wplus.media_metadata import Metadata

AddFrame = Callable[[Picture, int], None]  # the frame, uint8 [H, W, C], and its number


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoOptions:
    """How frames are encoded and what goes with them; what is left alone is chosen by the output's suffix."""

    codec: str | None = None  # "h264", "hevc", "vp9", "av1", "prores", "ffv1", or any encoder's name in FFmpeg
    crf: float | None = None  # constant quality, in the codec's own scale: lower is better and larger
    bitrate: int | None = None  # bits a second, in place of a constant quality
    audio: Path | None = None  # file whose first sound goes with the pictures, cut where they end
    resume: bool = False  # numbered PNGs: keep the frames that are there and say that they were made just so

    def __post_init__(self) -> None:
        if self.crf is not None and not 0 <= self.crf <= 255:
            raise ValueError(f"crf is {self.crf}; it must lie from 0 (best) to what the codec takes, 51 or 63.")
        if self.bitrate is not None and self.bitrate < 1000:
            raise ValueError(f"bitrate is {self.bitrate}; it is in bits a second: 8000000 is usual for 1024x1024 px.")
        if self.crf is not None and self.bitrate is not None:
            raise ValueError("Both crf and bitrate are given; one says how good the video is, the other how large.")

    @property
    def encoding(self) -> dict[str, object]:
        """What only a container of FFmpeg's can follow, by option, as far as it is given."""
        values = {"codec": self.codec, "crf": self.crf, "bitrate": self.bitrate, "audio": self.audio}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A video that has been checked."""

    path: Path
    rate: Fraction  # frames a second
    size: tuple[int, int]  # height and width of every frame, in pixels
    metadata: Metadata | None
    options: VideoOptions
