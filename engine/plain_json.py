"""JSON and its values that nobody vouches for."""

from typing import NoReturn


def no_constant(name: str) -> NoReturn:
    """For `json.loads(parse_constant=)`: NaN and the infinities are refused.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is no JSON")


def short(value: object, most: int = 60) -> str:
    """A value as text that neither fills nor steers the terminal."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= most else f"{text[:most]}..."
