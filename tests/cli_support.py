"""What running the command line gives, for the tests of its verbs."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What a command printed, logs included in `err`, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]
