"""One group of targets from start to end: its stages, and what it takes to go on after an interruption."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.inversion.adam import Arrays
from wplus.inversion.config import InvertConfig
from wplus.inversion.loop import Rows, Task, run_stage
from wplus.inversion.objective import Objective
from wplus.inversion.optimizers import make_optimizer
from wplus.inversion.schedule import Stage
from wplus.inversion.spaces import Parametrization

_Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step of a group of targets."""

    targets: tuple[int, ...]
    step: int  # of all that a target takes, from 1
    num_steps: int
    loss: float  # the best so far of this stage, of the targets' mean


@dataclass(slots=True, kw_only=True, eq=False)
class Trace:
    """What happened to each target of a group: by step."""

    losses: list[_Array] = field(default_factory=list)  # [B] each: of the leading row
    ws: list[_Array] = field(default_factory=list)  # its latents, where they are kept
    stages: list[str] = field(default_factory=list)  # of each step
    seconds: list[float] = field(default_factory=list)  # since the group's start, at each step


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """What is common to all groups."""

    config: InvertConfig
    identity: str  # of the generator and of what it is to be like: a state belongs to no other
    space: Parametrization
    stages: list[Stage]
    objective: Callable[[bool, bool], Objective]  # on small pictures or on whole ones; of the search or of the end
    starts: Callable[[int, int], Arrays]  # (target, how many) to variables [starts, ...]
    prior_weight: float
    rows_per_call: int
    w_std: float
    keeps_path: bool  # whether the latents of each step are kept

    def run(
        self,
        targets: NDArray[np.int64],
        *,
        state: "State | None" = None,
        after_step: Callable[["State", StepReport], None] | None = None,
    ) -> "State":
        """Takes a group through all stages.

        Args:
            targets: `[B]`.
            state: Where an interrupted run of the same group was.
            after_step: Called after each step; what it raises rises from here, with `state` whole.
        """
        state = state or self.begin(targets)
        started = time.monotonic() - (state.trace.seconds[-1] if state.trace.seconds else 0.0)
        total = sum(stage.steps for stage in self.stages)
        while True:
            stage = self.stages[state.stage]
            is_last = state.stage == len(self.stages) - 1
            task = self._task(stage, len(state.rows.targets), is_last=is_last)
            before = sum(other.steps for other in self.stages[: state.stage])

            def record(rows: Rows, losses: _Array, stage: Stage = stage, before: int = before) -> None:
                self._record(state, stage, rows, losses, time.monotonic() - started)
                if after_step is not None:
                    mean = float(state.trace.losses[-1].mean())
                    done = before + rows.step
                    after_step(state, StepReport(targets=tuple(targets), step=done, num_steps=total, loss=mean))

            run_stage(task, state.rows, after_step=record)
            if is_last:
                return state
            state.rows = self._promote(state.rows, stage, self.stages[state.stage + 1])
            state.stage += 1

    def begin(self, targets: NDArray[np.int64]) -> "State":
        """The first stage's rows."""
        count = self.stages[0].starts
        own = [self.starts(int(target), count) for target in targets]
        variables = {name: np.concatenate([part[name] for part in own]) for name in own[0]}
        return State(rows=self._rows(np.repeat(targets, count), variables), trace=Trace())

    def result(self, state: "State") -> Arrays:
        """Each target's best latents so far, `[B, ...]`."""
        starts = self.stages[state.stage].starts
        lead = _leaders(state.rows.best_loss, starts, 1)
        is_seen = np.isfinite(state.rows.best_loss[lead])
        best = {}
        for name, value in state.rows.best.items():
            fallback = state.rows.safe[name][lead]
            best[name] = np.where(is_seen.reshape(-1, *[1] * (value.ndim - 1)), value[lead], fallback)
        return self.space.latents(best)

    def _task(self, stage: Stage, count: int, *, is_last: bool) -> Task:
        return Task(
            objective=self.objective(stage.is_coarse, is_last),
            space=self.space,
            config=self.config,
            stage=stage,
            is_last=is_last,
            prior_weight=self.prior_weight,
            rows_per_call=max(size for size in range(1, self.rows_per_call + 1) if count % size == 0),
            w_std=self.w_std,
        )

    def _rows(self, targets: NDArray[np.int64], variables: Arrays) -> Rows:
        return Rows(targets=targets, variables=variables, optimizer=make_optimizer(self.config, variables))

    def _promote(self, rows: Rows, stage: Stage, following: Stage) -> Rows:
        """The best rows of each target, in the next stage's space."""
        kept = _leaders(rows.best_loss, stage.starts, following.starts)
        variables = {name: value[kept] for name, value in rows.best.items()}
        if stage.space == "w" and following.space == "w+":
            variables["v"] = np.repeat(variables["v"], self.space.num_ws, axis=1)
        return self._rows(rows.targets[kept], variables)

    def _record(self, state: "State", stage: Stage, rows: Rows, losses: _Array, seconds: float) -> None:
        lead = _leaders(losses, stage.starts, 1)
        trace = state.trace
        trace.losses.append(losses[lead])
        trace.stages.append(f"{stage.space}{', small pictures' if stage.is_coarse else ''}")
        trace.seconds.append(seconds)
        if self.keeps_path:
            variables = {name: value[lead] for name, value in rows.variables.items() if name in ("v", "z")}
            trace.ws.append(next(iter(self.space.latents(variables).values())))


@dataclass(slots=True, kw_only=True, eq=False)
class State:
    """Where a group is."""

    rows: Rows
    trace: Trace
    stage: int = 0


def _leaders(losses: _Array, starts: int, count: int) -> NDArray[np.int64]:
    """The `count` rows of least loss of each target, whose `starts` rows follow one another."""
    order = np.argsort(np.nan_to_num(losses, nan=np.inf).reshape(-1, starts), axis=1, kind="stable")[:, :count]
    return (order + np.arange(len(order))[:, None] * starts).reshape(-1)


def state_arrays(state: State) -> dict[str, Any]:
    """A state as arrays that `np.savez` takes."""
    rows, trace = state.rows, state.trace
    found: dict[str, Any] = {
        "stage": np.int64(state.stage),
        "step": np.int64(rows.step),
        "targets": rows.targets,
        "slowed": rows.slowed,
        "is_done": rows.is_done,
        "waited": rows.waited,
        "best_loss": rows.best_loss,
        "losses": np.asarray(trace.losses, np.float32),
        "stages": np.asarray(trace.stages),
        "seconds": np.asarray(trace.seconds),
    }
    groups = (rows.variables, rows.best, rows.safe, rows.optimizer.arrays())
    for kind, group in zip(_GROUPS, groups, strict=True):
        found |= {f"{kind}:{name}": value for name, value in group.items()}
    return found | {f"path:{i}": value for i, value in enumerate(trace.ws)}


def state_of(arrays: dict[str, Any], config: InvertConfig) -> State:
    """The state that `state_arrays` wrote.

    Raises:
        KeyError: something is missing.
    """
    groups: dict[str, dict[str, Any]] = {
        kind: {name.split(":", 1)[1]: value for name, value in arrays.items() if name.startswith(f"{kind}:")}
        for kind in _GROUPS
    }
    optimizer = make_optimizer(config, groups["variables"])
    optimizer.restore(groups["optimizer"])
    rows = Rows(targets=arrays["targets"], variables=groups["variables"], optimizer=optimizer, step=int(arrays["step"]))
    rows.best, rows.safe = groups["best"], groups["safe"]
    rows.slowed, rows.is_done, rows.waited = arrays["slowed"], arrays["is_done"], arrays["waited"]
    rows.best_loss = arrays["best_loss"]
    path = [arrays[f"path:{i}"] for i in range(sum(name.startswith("path:") for name in arrays))]
    trace = Trace(
        losses=list(arrays["losses"]), ws=path, stages=arrays["stages"].tolist(), seconds=arrays["seconds"].tolist()
    )
    return State(rows=rows, trace=trace, stage=int(arrays["stage"]))


_GROUPS = ("variables", "best", "safe", "optimizer")
