"""Adam in numpy, a row a picture: inversion runs where there is no PyTorch, and pictures do not share their steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.float32]]

_EPS = 1e-8


class Adam:
    """Moments of named variables `[R, ...]`, and the step that follows from them.

    Source: Kingma and Ba 2015 (Adam), algorithm 1.
    """

    is_scheduled = True  # its steps are as long as the rate says

    def __init__(self, variables: Mapping[str, NDArray[np.float32]], betas: tuple[float, float]) -> None:
        self.betas = betas
        self.first = {name: np.zeros_like(value) for name, value in variables.items()}
        self.second = {name: np.zeros_like(value) for name, value in variables.items()}
        self.taken = np.zeros(len(next(iter(variables.values()))), np.int64)  # steps of each row

    def step(
        self,
        variables: Arrays,
        losses: NDArray[np.float32],  # noqa: ARG002 (another optimiser needs them)
        gradients: Arrays,
        rate: NDArray[np.float32],
        is_moving: NDArray[np.bool_],
    ) -> None:
        """Moves the variables in place.

        Args:
            variables: `[R, ...]` each.
            losses: `[R]`; only the gradients count here.
            gradients: Of the same names and shapes.
            rate: `[R]`.
            is_moving: `[R]`; other rows stay as they are, moments included.
        """
        self.taken += is_moving
        taken = np.maximum(self.taken, 1)
        corrections = [(1 - beta**taken).astype(np.float32) for beta in self.betas]
        for name, value in variables.items():
            first, second = self.first[name], self.second[name]
            for row in np.flatnonzero(is_moving):
                g = gradients[name][row]
                first[row] += (1 - self.betas[0]) * (g - first[row])
                second[row] += (1 - self.betas[1]) * (g * g - second[row])
                change = first[row] / corrections[0][row] / (np.sqrt(second[row] / corrections[1][row]) + _EPS)
                value[row] -= rate[row] * change

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Starts those rows anew."""
        self.taken[rows] = 0
        for moments in (self.first, self.second):
            for value in moments.values():
                value[rows] = 0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that `restore` needs."""
        groups = (("first", self.first), ("second", self.second))
        moments = {f"{kind}:{name}": value for kind, group in groups for name, value in group.items()}
        return {"taken": self.taken} | moments

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `arrays` gave."""
        self.taken = np.array(arrays["taken"])
        self.first = {name: np.array(arrays[f"first:{name}"]) for name in self.first}
        self.second = {name: np.array(arrays[f"second:{name}"]) for name in self.second}
