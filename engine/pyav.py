"""PyAV, or the sentence that says how to get it."""

from typing import Any

from wplus.errors import UnsupportedError


def import_av() -> Any:
    """The module `av`.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        import av
    except ImportError as exc:
        raise UnsupportedError(
            "MP4 needs PyAV, which is not installed. Run: pip install 'wplus[video]'. GIF and PNG frames do without it."
        ) from exc
    return av
