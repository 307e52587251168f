"""Finding the generator's state dict in what torch.save wrote, and saying what else is there."""

from typing import Any

_WRAPPER = "module."  # of torch.nn.DataParallel


def find_state_dict(content: Any, keys: tuple[str, ...], mark: str) -> tuple[str, dict[str, Any]] | None:
    """The first state dict that has the tensor `mark`: under one of `keys`, or the content itself.

    Returns:
        Where it was found, and the state dict without the prefix that DataParallel adds; None when there is none.
    """
    if not isinstance(content, dict):
        return None
    for key in (*keys, None):
        state = content if key is None else content.get(key)
        if isinstance(state, dict) and all(isinstance(name, str) for name in state):
            plain = {name.removeprefix(_WRAPPER): value for name, value in state.items()}
            if mark in plain:
                return ("the file" if key is None else key), plain
    return None


def describe_entries(content: dict[str, Any], used: str) -> list[str]:
    """One line for each thing in the file, the state dict that is `used` marked so."""
    lines = []
    for key, value in list(content.items())[:12]:
        size = f" with {len(value):,} entries" if isinstance(value, dict) else ""
        lines.append(f"{str(key)[:40]}: {type(value).__name__}{size}{' (used)' if key == used else ''}")
    return lines
