"""L-BFGS in numpy, a row a picture, one evaluation a step: so that a search can stop between any two and go on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.inversion.adam import Arrays

_Vector = NDArray[np.float64]

_MEMORY = 30  # pairs of steps and changes of the gradient
_DECREASE, _CURVATURE = 1e-4, 0.9  # of a step that is taken: by how much the loss falls, and its slope flattens
_TRIES = 12  # of one direction, then the memory is thrown away


class Lbfgs:
    """Where each row is, what it remembers of the way there, and the direction along which it looks for the next step.

    A step is taken where the loss falls by its slope's share and the slope flattens (weak Wolfe); a bracket is halved
    or doubled until one is found. Numbers that are none count as a loss that rose.

    Source: Nocedal and Wright 2006, algorithm 7.4; Lewis and Overton 2013, algorithm 2.6 (the search along the line).
    """

    is_scheduled = False  # the length of its steps is its own: only the first of a row follows the rate

    def __init__(self, variables: Mapping[str, NDArray[np.float32]]) -> None:
        rows = len(next(iter(variables.values())))
        self._shapes = {name: value.shape[1:] for name, value in variables.items()}
        size = sum(int(np.prod(shape)) for shape in self._shapes.values())
        self._state: dict[str, NDArray[Any]] = {
            "x": np.zeros((rows, size)),
            "loss": np.zeros(rows),
            "gradient": np.zeros((rows, size)),
            "direction": np.zeros((rows, size)),
            "length": np.zeros(rows),  # of the step that is tried; those below are too short, and too long
            "low": np.zeros(rows),
            "high": np.full(rows, np.inf),
            "tries": np.zeros(rows, np.int64),
            "steps": np.zeros((rows, _MEMORY, size), np.float32),
            "changes": np.zeros((rows, _MEMORY, size), np.float32),
            "count": np.zeros(rows, np.int64),
            "is_begun": np.zeros(rows, np.bool_),
        }

    def step(
        self,
        variables: Arrays,
        losses: NDArray[np.float32],
        gradients: Arrays,
        rate: NDArray[np.float32],
        is_moving: NDArray[np.bool_],
    ) -> None:
        """Moves the variables in place, to the next point to evaluate.

        Args:
            variables: `[R, ...]` each.
            losses: `[R]`, at the variables.
            gradients: Of the same names and shapes.
            rate: `[R]`: root mean square of each row's first change.
            is_moving: `[R]`; other rows stay as they are.
        """
        for row in map(int, np.flatnonzero(is_moving)):
            gradient = self._flat(gradients, row)
            loss = float(losses[row]) if np.isfinite(gradient).all() else np.inf
            following = self._next(row, self._flat(variables, row), loss, gradient, float(rate[row]))
            start = 0
            for name, shape in self._shapes.items():
                size = int(np.prod(shape))
                variables[name][row] = following[start : start + size].reshape(shape)
                start += size

    def forget(self, rows: NDArray[np.bool_]) -> None:
        """Starts those rows anew."""
        self._state["is_begun"][rows] = False
        self._state["count"][rows] = 0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that `restore` needs."""
        return dict(self._state)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `arrays` gave."""
        self._state = {name: np.array(arrays[name]) for name in self._state}

    def _flat(self, arrays: Arrays, row: int) -> _Vector:
        return np.concatenate([arrays[name][row].ravel() for name in self._shapes]).astype(np.float64)

    def _next(self, row: int, x: _Vector, loss: float, gradient: _Vector, rate: float) -> _Vector:
        """The point to evaluate after `x`."""
        state = self._state
        if not state["is_begun"][row]:
            state["is_begun"][row] = True
            self._accept(row, x, loss, gradient, rate)
        else:
            slope = float(state["gradient"][row] @ state["direction"][row])
            length = float(state["length"][row])
            state["tries"][row] += 1
            if not loss <= state["loss"][row] + _DECREASE * length * slope:
                state["high"][row] = length
                self._try_again(row, loss, slope, rate)
            elif gradient @ state["direction"][row] < _CURVATURE * slope and state["tries"][row] < _TRIES:
                state["low"][row] = length
                self._try_again(row, loss, slope, rate)
            else:
                self._remember(row, x - state["x"][row], gradient - state["gradient"][row])
                self._accept(row, x, loss, gradient, rate)
        following: _Vector = state["x"][row] + state["length"][row] * state["direction"][row]
        return following

    def _accept(self, row: int, x: _Vector, loss: float, gradient: _Vector, rate: float) -> None:
        state = self._state
        state["x"][row], state["loss"][row], state["gradient"][row] = x, loss, gradient
        state["length"][row], state["low"][row], state["high"][row], state["tries"][row] = 1, 0, np.inf, 0
        direction = -self._product(row, gradient)
        if not state["count"][row] or direction @ gradient >= 0:
            state["count"][row] = 0
            direction = -gradient * (rate * np.sqrt(x.size) / max(float(np.linalg.norm(gradient)), 1e-30))
        state["direction"][row] = direction

    def _try_again(self, row: int, loss: float, slope: float, rate: float) -> None:
        """Another length: within the bracket, nearer to the minimum of the parabola where there is one."""
        state = self._state
        low, high, length = float(state["low"][row]), float(state["high"][row]), float(state["length"][row])
        if state["tries"][row] >= _TRIES:  # not a direction in which it falls
            state["count"][row] = 0
            self._accept(row, state["x"][row].copy(), state["loss"][row], state["gradient"][row].copy(), rate * 1e-3)
        elif np.isinf(high):
            state["length"][row] = 2 * low
        elif low == 0 and np.isfinite(loss):
            rise = loss - float(state["loss"][row]) - slope * length
            state["length"][row] = np.clip(-slope * length**2 / (2 * max(rise, 1e-30)), 0.1 * high, 0.5 * high)
        else:
            state["length"][row] = (low + high) / 2

    def _remember(self, row: int, step: _Vector, change: _Vector) -> None:
        if step @ change <= 1e-10 * np.linalg.norm(step) * np.linalg.norm(change):
            return
        for name, value in (("steps", step), ("changes", change)):
            memory = self._state[name][row]
            memory[1:] = memory[:-1]
            memory[0] = value
        self._state["count"][row] = min(self._state["count"][row] + 1, _MEMORY)

    def _product(self, row: int, gradient: _Vector) -> _Vector:
        """The inverse of the Hessian, as far as it is remembered, times a vector."""
        count = int(self._state["count"][row])
        steps = self._state["steps"][row, :count].astype(np.float64)
        changes = self._state["changes"][row, :count].astype(np.float64)
        found, parts = gradient.copy(), np.zeros(count)
        overlaps = np.einsum("ij,ij->i", steps, changes)
        for i in range(count):  # the newest first
            parts[i] = steps[i] @ found / overlaps[i]
            found -= parts[i] * changes[i]
        if count:
            found *= overlaps[0] / (changes[0] @ changes[0])
        for i in reversed(range(count)):
            found += (parts[i] - changes[i] @ found / overlaps[i]) * steps[i]
        return found
