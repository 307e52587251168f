"""Which encoder of FFmpeg's makes a video, in which pixel format, and how good unless told otherwise."""

from dataclasses import dataclass
from typing import Any, Final

from wplus.errors import UnsupportedError
from wplus.pyav import import_av
from wplus.video_config import VideoOptions

# What a codec's everyday name means, the best first. Any other name is an encoder's own.
_ENCODERS: Final = {
    "h264": ("libx264", "libopenh264"),
    "h265": ("libx265",),
    "hevc": ("libx265",),
    "vp8": ("libvpx",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1", "libaom-av1"),
    "prores": ("prores_ks",),
}
_DEFAULTS: Final = {".mp4": "h264", ".mov": "h264", ".mkv": "h264", ".webm": "vp9"}  # by the container

# Quality that is hard to tell from the frames, at a speed that does not hold up a network.
_OPTIONS: Final[dict[str, dict[str, str]]] = {
    "libx264": {"crf": "18", "preset": "fast"},  # 0.03 dB below the default medium, 3 % larger, in 0.7 of its time
    "libx265": {"crf": "20", "x265-params": "log-level=error"},
    "libvpx": {"crf": "10", "cpu-used": "4"},
    "libvpx-vp9": {"crf": "24", "cpu-used": "4", "row-mt": "1"},
    "libsvtav1": {"crf": "24", "preset": "8"},
    "libaom-av1": {"crf": "24", "cpu-used": "6", "row-mt": "1"},
    "prores_ks": {"profile": "hq", "vendor": "apl0"},
}
# Others get the second of the 31 steps that many of FFmpeg's own encoders know; 118 is its unit.
_FIXED_QUALITY: Final = {"flags": "+qscale", "global_quality": str(2 * 118)}

# The first that an encoder takes. 4:2:0 in 8 bits is what players know best; without loss, colours stay RGB.
_LOSSY_FORMATS: Final = ("yuv420p", "yuv422p10le", "yuv422p", "yuv444p")
_LOSSLESS_FORMATS: Final = ("rgb24", "gbrp", "bgr0", "bgr24")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """An encoder and what it is told."""

    encoder: str
    pixel_format: str
    options: dict[str, str]
    tag: str | None = None  # by which a container calls it, where players want another name than FFmpeg's


def choose_coding(suffix: str, options: VideoOptions) -> Coding:
    """The encoder for a container, by its suffix, and for what the user asks for.

    Raises:
        ValueError: there is no such codec.
        UnsupportedError: PyAV is missing, or was built without the encoder.
    """
    wanted = options.codec or _DEFAULTS[suffix]
    codec = _find(wanted)
    return Coding(
        encoder=codec.name,
        pixel_format=_pixel_format(codec),
        options=_how_good(codec, options),
        tag="hvc1" if codec.canonical_name == "hevc" and suffix in (".mp4", ".mov") else None,  # for Apple's players
    )


def is_rgb(pixel_format: str) -> bool:
    """Whether a pixel format holds RGB, and not luma and chroma."""
    return bool(import_av().VideoFormat(pixel_format).is_rgb)


def padded_size(size: tuple[int, int], pixel_format: str) -> tuple[int, int]:
    """Height and width of frames in that format: even where it stores one chroma for two pixels."""
    form = import_av().VideoFormat(pixel_format)
    units = (1, 1) if form.is_rgb else (3 - form.chroma_height(2), 3 - form.chroma_width(2))
    height, width = (side + side % unit for side, unit in zip(size, units, strict=True))
    return height, width


def _find(name: str) -> Any:
    """PyAV's codec of that name."""
    av = import_av()
    for encoder in _ENCODERS.get(name, (name,)):
        try:
            codec = av.Codec(encoder, "w")
        except ValueError:  # PyAV's UnknownCodecError; also of a decoder's name
            continue
        if codec.type == "video":
            return codec
        raise ValueError(f"codec is {name!r}, which is for {codec.type}; {_KNOWN}")
    if name in _ENCODERS:
        raise UnsupportedError(
            f"This PyAV ({av.__version__}) was built without {' and '.join(_ENCODERS[name])}, which makes {name}. "
            "PyAV's own wheels have it: pip install --force-reinstall 'wplus[video]'. Or choose another --codec."
        )
    raise ValueError(f"codec is {name!r}, which this PyAV ({av.__version__}) does not know; {_KNOWN}")


_KNOWN: Final = f"use {', '.join(_ENCODERS)}, ffv1, or the name of another video encoder of FFmpeg's."


def _pixel_format(codec: Any) -> str:
    offered = [form.name for form in codec.video_formats or ()]
    is_lossless = codec.lossless and not codec.lossy
    wished = _LOSSLESS_FORMATS if is_lossless else _LOSSY_FORMATS
    if not offered:
        return wished[0]
    if offered[0].startswith("yuvj"):  # MJPEG: luma of the full range is its own, and the rest an extension
        return str(offered[0])
    return next((name for name in wished if name in offered), str(offered[0]))


def _how_good(codec: Any, options: VideoOptions) -> dict[str, str]:
    usual = dict(_OPTIONS.get(codec.name, {} if codec.lossless and not codec.lossy else _FIXED_QUALITY))
    if options.crf is not None:
        usual = {name: value for name, value in usual.items() if name not in _FIXED_QUALITY}
        return usual | {"crf": f"{options.crf:g}"}
    if options.bitrate is not None:
        usual = {name: value for name, value in usual.items() if name not in ("crf", *_FIXED_QUALITY)}
        return usual | {"b": str(options.bitrate)}
    return usual
