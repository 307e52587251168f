"""What running the command line gives, for the tests of its verbs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a command printed, logs included in `err`, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


def without_hint(text: str) -> str:
    """What was said but for the line about `wplus prepare`, which every network gets that was not prepared."""
    return "".join(line for line in text.splitlines(keepends=True) if "another runtime is faster here" not in line)


def interrupted_at(step: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """A long job, interrupted after a step as by Ctrl-C."""

    def run(*args: Any, on_step: Callable[[Any], None], **options: Any) -> Any:
        def stop(report: Any) -> None:
            on_step(report)
            if report.step == step:
                raise KeyboardInterrupt

        return function(*args, on_step=stop, **options)

    return run
