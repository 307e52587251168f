"""The sound that goes with a video: as it is where the container takes it, else encoded anew."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final

from wplus.errors import ArtifactError
from wplus.pyav import import_av

_log = logging.getLogger(__name__)

_PCM: Final = ("pcm_s16le", "pcm_s24le", "pcm_f32le")
# What each container's players know, by its name in FFmpeg, which alone would allow more: packets stay as they are.
_COPIED: Final = {
    ".mp4": ("aac", "mp3", "ac3"),
    ".mov": ("aac", "mp3"),
    ".mkv": ("aac", "mp3", "ac3", "opus", "vorbis"),
    ".webm": ("opus", "vorbis"),
}
# Without loss it is encoded in the same way again: a packet may last a tenth of a second, too long to cut by.
_KEPT: Final = {".mp4": ("alac",), ".mov": ("alac", *_PCM), ".mkv": ("alac", "flac", *_PCM), ".webm": ()}
_ENCODERS: Final = {".mp4": "aac", ".mov": "aac", ".mkv": "aac", ".webm": "libopus"}
_BITRATES: Final = {"aac": 256_000, "libopus": 192_000}  # bits a second
_USUAL_RATE: Final = 48_000  # samples a second; every encoder here takes it, and Opus little else

Advance = Callable[[Fraction], None]


@contextmanager
def add_sound(output: Any, path: Path, suffix: str) -> Iterator[Advance]:
    """Adds a stream with the sound of `path` to a container of PyAV's that has not started.

    What comes out is called with the seconds up to which there are pictures, and writes the sound as far.

    Raises:
        ArtifactError: the file is missing or damaged, or holds no sound.
    """
    with _open(path) as source:
        heard = source.streams.audio[0]
        is_copied = heard.codec_context.codec.canonical_name in _COPIED[suffix]
        sound: _Copied | _Encoded = (_Copied if is_copied else _Encoded)(output, source, path, suffix)
        yield sound.advance
        sound.finish()
        if sound.ended is not None:
            _log.info("%s ends after %.1f s, before the pictures do: the rest is silent.", path, float(sound.ended))


class _Copied:
    """Packets as they are; the last one begins before the pictures end."""

    def __init__(self, output: Any, source: Any, path: Path, _suffix: str) -> None:
        heard = source.streams.audio[0]
        self._output = output
        self._stream = output.add_stream_from_template(heard)
        self._start = heard.start_time or 0  # what an encoder's delay adds, and every player takes off
        packets = _reading(source.demux(heard), path)
        self._packets = (packet for packet in packets if packet.pts is not None)
        self._next = next(self._packets, None)
        self._end = Fraction(0)
        self.ended: Fraction | None = None  # in seconds, where the sound is shorter than the pictures

    def advance(self, until: Fraction) -> None:
        """Writes the packets that begin before then, in seconds."""
        while self._next is not None and self._since_start(self._next) < until:
            packet = self._next
            self._end = self._since_start(packet) + (packet.duration or 0) * packet.time_base
            packet.pts -= self._start
            packet.dts = packet.pts
            packet.stream = self._stream
            self._output.mux(packet)
            self._next = next(self._packets, None)
        self.ended = self._end if self._next is None and self._end < until else None

    def finish(self) -> None:
        """All is written."""

    def _since_start(self, packet: Any) -> Fraction:
        return Fraction((packet.pts - self._start) * packet.time_base)


class _Encoded:
    """Samples, decoded and encoded again; the last is the last before the pictures end."""

    def __init__(self, output: Any, source: Any, path: Path, suffix: str) -> None:
        av = import_av()
        heard = source.streams.audio[0]
        own, name = heard.codec_context, heard.codec_context.codec.canonical_name
        encoder = av.Codec(name if name in _KEPT[suffix] else _ENCODERS[suffix], "w")
        rates, formats = encoder.audio_rates, [form.name for form in encoder.audio_formats or ()]
        self._rate: int = own.sample_rate if not rates or own.sample_rate in rates else _USUAL_RATE
        self._output = output
        self._stream = output.add_stream(encoder.name, rate=self._rate)
        context = self._stream.codec_context
        context.layout = "mono" if own.layout.nb_channels == 1 else "stereo"
        if own.format.name in formats:
            context.format = own.format.name  # 24 bits stay as many
        if encoder.name in _BITRATES:
            context.bit_rate = _BITRATES[encoder.name]
        self._resampler = av.AudioResampler(context.format, context.layout, self._rate)
        decoded = _reading(source.decode(heard), path)
        self._frames = (part for frame in chain(decoded, [None]) for part in self._resampler.resample(frame))
        self._waiting = av.AudioFifo()
        self._written = 0
        self.ended: Fraction | None = None  # in seconds, where the sound is shorter than the pictures

    def advance(self, until: Fraction) -> None:
        """Encodes the samples before then, in seconds."""
        needed = round(until * self._rate) - self._written
        while self._waiting.samples < needed and (frame := next(self._frames, None)) is not None:
            frame.pts = None  # they are counted here
            self._waiting.write(frame)
        part = self._waiting.read(needed, partial=True) if needed > 0 else None
        if part is not None:
            part.pts, part.time_base = self._written, Fraction(1, self._rate)
            self._written += part.samples
            self._output.mux(self._stream.encode(part))
        self.ended = Fraction(self._written, self._rate) if self._written < round(until * self._rate) else None

    def finish(self) -> None:
        """Encodes what the encoder still holds."""
        self._output.mux(self._stream.encode(None))


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    av = import_av()
    try:
        source = av.open(str(path))
    except (av.FFmpegError, OSError) as exc:
        raise ArtifactError(f"The sound {path} cannot be read: {exc}.") from exc
    with source:
        if not source.streams.audio:
            raise ArtifactError(f"{path} holds no sound. Give a file such as .wav, .mp3, .flac, .ogg or .m4a.")
        yield source


def _reading(items: Iterator[Any], path: Path) -> Iterator[Any]:
    """The packets or frames of a sound, whose errors are not those of the video that is being written."""
    try:
        yield from items
    except import_av().FFmpegError as exc:
        raise ArtifactError(f"The sound {path} cannot be read: {exc}.") from exc
