"""What follows the gradients: Adam, or L-BFGS."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wplus.inversion.adam import Adam, Arrays
from wplus.inversion.config import InvertConfig
from wplus.inversion.lbfgs import Lbfgs


class Optimizer(Protocol):
    """Rows of variables on their way down."""

    is_scheduled: bool  # whether the rate, which rises and falls, is the length of its steps

    def step(
        self,
        variables: Arrays,
        losses: NDArray[np.float32],
        gradients: Arrays,
        rate: NDArray[np.float32],
        is_moving: NDArray[np.bool_],
    ) -> None:
        """Moves the variables in place; see `Adam` and `Lbfgs`."""
        ...

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Starts those rows anew."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that `restore` needs."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `arrays` gave."""
        ...


def make_optimizer(config: InvertConfig, variables: Arrays) -> Optimizer:
    """The one that the configuration names, at the start of its way."""
    return Lbfgs(variables) if config.optimizer == "lbfgs" else Adam(variables, config.betas)
