"""Finding the generator's state dict in what torch.save wrote."""

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
