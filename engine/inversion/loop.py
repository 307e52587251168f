"""The loop of one stage: losses and gradients, what holds back, a step of Adam, and the best that was seen."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wplus.inversion.adam import Arrays
from wplus.inversion.config import InvertConfig
from wplus.inversion.objective import Objective
from wplus.inversion.optimizers import Optimizer
from wplus.inversion.regularizers import roughness, spread, squares, whitened
from wplus.inversion.schedule import Stage, rate_at
from wplus.inversion.spaces import NOISE, Parametrization

_log = logging.getLogger(__name__)

_Array = NDArray[np.float32]
_Penalty = Callable[[_Array], tuple[_Array, _Array]]  # rows to values [R] and their gradients

_IMPROVEMENT = 1e-3  # relative: what counts as one for patience
_SLOWEST = 2.0**-10  # rates are halved at a step that gives no number; a row so slow is left where it is
_NOISE_FADES = 0.75  # part of the steps over which the random shift of w fades


@dataclass(slots=True, kw_only=True, eq=False)
class Rows:
    """Where some starts of some targets are: all that a stage needs to go on from a step."""

    targets: NDArray[np.int64]  # [R]
    variables: Arrays
    optimizer: Optimizer
    step: int = 0
    slowed: _Array = field(init=False)  # [R], factors of the rate
    is_done: NDArray[np.bool_] = field(init=False)  # [R]
    waited: NDArray[np.int64] = field(init=False)  # [R], steps since an improvement
    best_loss: _Array = field(init=False)  # [R], with what holds back
    best: Arrays = field(init=False)
    safe: Arrays = field(init=False)  # where the last step was taken from that gave numbers

    def __post_init__(self) -> None:
        count = len(self.targets)
        self.slowed = np.ones(count, np.float32)
        self.is_done = np.zeros(count, np.bool_)
        self.waited = np.zeros(count, np.int64)
        self.best_loss = np.full(count, np.inf, np.float32)
        self.best = {name: value.copy() for name, value in self.variables.items()}
        self.safe = {name: value.copy() for name, value in self.variables.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """What a stage works on, whatever the rows."""

    objective: Objective
    space: Parametrization
    config: InvertConfig
    stage: Stage
    is_last: bool  # then losses are those that are asked for, and patience counts: rates of earlier stages still fall
    prior_weight: float
    rows_per_call: int
    w_std: float  # of the random shift's unit


def run_stage(task: Task, rows: Rows, *, after_step: Callable[[Rows, _Array], None]) -> None:
    """Takes the stage's steps, from `rows.step` on.

    Args:
        task: What to do.
        rows: Changed in place; `rows.best` is the result.
        after_step: Called with the rows and the losses `[R]` of the step.
    """
    config = task.config
    while rows.step < task.stage.steps and not rows.is_done.all():
        shift = _shift(task, rows)
        losses, gradients = _evaluate(task, rows, shift)
        is_finite = _recover(rows, losses, gradients)
        if shift is None:
            _remember(rows, losses, is_finite)
        if config.stops_at is not None and (task.is_last or config.losses[0] == config.losses[1]):
            rows.is_done |= rows.best_loss <= config.stops_at
        is_early = rows.optimizer.is_scheduled and rows.step < task.stage.steps * (1 - config.rampdown)
        if not task.is_last or is_early:
            rows.waited[:] = 0  # improvements come when the rate falls
        elif config.patience:
            rows.is_done |= rows.waited >= config.patience
        is_scheduled = rows.optimizer.is_scheduled
        rate = task.stage.learning_rate * (rate_at(rows.step, task.stage.steps, config) if is_scheduled else 1)
        is_moving = is_finite & ~rows.is_done
        rows.optimizer.step(rows.variables, losses, gradients, rows.slowed * np.float32(rate), is_moving)
        for name in rows.variables:
            if name.startswith(NOISE):
                rows.variables[name][:] = whitened(rows.variables[name])
        rows.step += 1
        after_step(rows, losses)
    if not np.isfinite(rows.best_loss).all():  # every step was shifted, or gave no number
        lost = ~np.isfinite(rows.best_loss)
        for name, value in rows.safe.items():
            rows.best[name][lost] = value[lost]


def _evaluate(task: Task, rows: Rows, shift: _Array | None) -> tuple[_Array, Arrays]:
    """Losses `[R]` and gradients by the variables, both with what holds back."""
    variables = rows.variables if shift is None else rows.variables | {"v": rows.variables["v"] + shift}
    latents = task.space.latents(variables)
    size = task.rows_per_call
    parts = [
        task.objective({name: value[i : i + size] for name, value in latents.items()}, rows.targets[i : i + size])
        for i in range(0, len(rows.targets), size)
    ]
    losses = np.concatenate([part for part, _ in parts])
    by_latents = {name: np.concatenate([part[name] for _, part in parts]) for name in latents}
    gradients = task.space.pull(by_latents, variables)
    for name, value in rows.variables.items():
        for weight, penalty in _penalties(task, name):
            held, gradient = penalty(value)
            losses = losses + np.float32(weight) * held
            gradients[name] = gradients[name] + np.float32(weight) * gradient
    return losses, gradients


def _penalties(task: Task, name: str) -> list[tuple[float, _Penalty]]:
    found: list[tuple[float, _Penalty]]
    if name.startswith(NOISE):
        found = [(task.config.noise_weight, roughness)]
    elif name == "v":
        found = [(task.prior_weight, squares)]
        if task.stage.space == "w+":
            found.append((task.config.spread_weight, spread))
    else:
        found = [(task.prior_weight, squares)] if name == "z" else []
    return [(weight, penalty) for weight, penalty in found if weight]


def _shift(task: Task, rows: Rows) -> _Array | None:
    """The random shift of this step, or None; the same for every target, so that none depends on its company."""
    fade = max(0.0, 1 - rows.step / task.stage.steps / _NOISE_FADES)
    if not task.config.w_noise or not fade or "v" not in rows.variables:
        return None
    random = np.random.Generator(np.random.Philox(key=[task.config.seed, rows.step]))
    starts = task.stage.starts
    own = random.standard_normal((starts, *rows.variables["v"].shape[1:]), dtype=np.float32)
    shift: _Array = np.tile(own, (len(rows.targets) // starts, 1, 1)) * np.float32(
        task.config.w_noise * task.w_std * fade**2
    )
    return shift


def _recover(rows: Rows, losses: _Array, gradients: Arrays) -> NDArray[np.bool_]:
    """Which rows have numbers; the others go back to where they had, and on at half the rate."""
    is_finite = np.isfinite(losses)
    for value in gradients.values():
        is_finite &= np.isfinite(value).reshape(len(value), -1).all(axis=1)
    lost = ~is_finite & ~rows.is_done
    for name, value in rows.variables.items():
        value[lost] = rows.safe[name][lost]
        rows.safe[name][is_finite] = value[is_finite]
    if lost.any():
        rows.slowed[lost] /= 2
        rows.optimizer.forget(lost)
        rows.is_done |= rows.slowed < _SLOWEST
        _log.warning("%d of %d losses are no numbers; stepped back, at half the rate.", lost.sum(), len(lost))
    return is_finite


def _remember(rows: Rows, losses: _Array, is_finite: NDArray[np.bool_]) -> None:
    is_open = is_finite & ~rows.is_done
    rows.waited = np.where(losses < rows.best_loss * (1 - _IMPROVEMENT), 0, rows.waited + 1)
    better = is_open & (losses < rows.best_loss)
    rows.best_loss[better] = losses[better]
    for name, value in rows.variables.items():
        rows.best[name][better] = value[better]
