"""Arrays on their way into a graph and out of it, in numpy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Array
from wplus.errors import UnsupportedError


def to_numpy(array: Array, *, runtime: str) -> NDArray[Any]:
    """A numpy array or torch tensor as numpy's.

    Raises:
        UnsupportedError: a gradient is asked for, which only torch computes.
    """
    if getattr(array, "requires_grad", False):
        raise UnsupportedError(
            f"An input asks for a gradient, and {runtime} computes none. Pass it detached, or use the torch network: "
            "wplus.load of the checkpoint with backend='torch', or wplus.wrap of the module."
        )
    return array if isinstance(array, np.ndarray) else np.asarray(array.cpu())


def to_bytes(img: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pixels of a picture in [-1, 1]: `[N, C, H, W]` to uint8 `[N, H, W, C]`, rounded down after x * 127.5 + 128."""
    levels = img * np.float32(127.5)
    levels += np.float32(128)
    # What casting cuts off above zero is what rounding down does.
    levels = np.clip(levels, 0, 255, out=levels).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))
