"""PyAV, or the sentence that says how to get it, and the containers that it is used for."""

from typing import Any, Final

from wplus.errors import UnsupportedError

CONTAINERS: Final = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}  # FFmpeg's names by suffix


def import_av() -> Any:
    """The module `av`.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        import av
    except ImportError as exc:
        raise UnsupportedError(
            "MP4, MOV, MKV and WebM need PyAV, which is not installed. Run: pip install 'wplus[video]'. "
            "GIF, PNG frames and raw frames do without it."
        ) from exc
    return av
