"""Refuses weights with NaN or infinity in them."""

import numpy as np

from wplus.checkpoints.checkpoint import Tensors
from wplus.errors import CheckpointError


def check_finite(tensors: Tensors) -> None:
    """Raises `CheckpointError` naming the first tensor that is not finite: such a network draws nothing."""
    for name, tensor in tensors.items():
        bad = tensor.size - int(np.count_nonzero(np.isfinite(tensor)))
        if bad:
            raise CheckpointError(
                f"{name} holds NaN or infinity in {bad:,} of {tensor.size:,} places: the training diverged or the file "
                "is damaged. An earlier snapshot is needed."
            )
