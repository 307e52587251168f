"""Who takes steps of inversion: NVIDIA's formulation under PyTorch's Adam, our network, and graphs of a step."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import wplus
from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.contestants import Entry, dtype_name, unsupported_reasons
from wplus.benchmarks.projector import Descent
from wplus.checkpoints import Checkpoint
from wplus.config import StyleGAN2Config
from wplus.errors import ParityError, UnsupportedError
from wplus.generator import Generator
from wplus.inversion.adam import Adam
from wplus.inversion.config import DEFAULT_LOSS, InvertConfig
from wplus.inversion.goals import make_goal
from wplus.inversion.graph_objective import open_step
from wplus.inversion.loop import Rows, Task, run_stage
from wplus.inversion.losses import make_loss
from wplus.inversion.objective import GraphSteps, Objective, TorchObjective
from wplus.inversion.schedule import Stage
from wplus.inversion.spaces import Parametrization
from wplus.inversion.statistics import w_statistics

_PRIOR_WEIGHT = 1e-4  # as `invert` has it for pictures

_Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContestant:
    """A contestant that is ready to descend; `close` frees what it holds."""

    entry: Entry
    dtype: torch.dtype
    gradient: Callable[[], _Array]  # of the loss by ws, where the descent starts
    step: Callable[[], object]
    close: Callable[[], None] = lambda: None

    @property
    def label(self) -> str:
        """Name and type: unique within a run."""
        return f"{self.entry.implementation} {dtype_name(self.dtype)}"


def build_step(
    entry: Entry, checkpoint: Checkpoint, start: Tensor, target: Tensor, *, threads: int, bundle: Path
) -> StepContestant:
    """A contestant.

    Args:
        entry: Which one.
        checkpoint: The network.
        start: `[1, num_ws, w_dim]`.
        target: `[1, C, H, W]`.
        threads: Of the CPU.
        bundle: Folder where the bundle with the graph of a step is, or is put, for a runtime.

    Raises:
        UnsupportedError: it cannot take part here.
    """
    if reasons := unsupported_reasons(entry):
        raise UnsupportedError("; ".join(reasons))
    if entry.is_runtime:
        return _graph_step(entry, checkpoint, start, target, threads=threads, bundle=bundle)
    if entry.kind == "nvidia":
        dtype = torch.float32 if entry.precision == "exact" else torch.bfloat16
        assert isinstance(checkpoint.config, StyleGAN2Config)
        baseline = NvidiaFormulation(checkpoint.config, checkpoint.tensors, dtype=dtype)
        descent = Descent(baseline, start, target, make_loss(DEFAULT_LOSS))

        def gradient() -> _Array:
            ws = start.clone().requires_grad_()
            return torch.autograd.grad(descent.loss(ws), ws)[0].numpy()

        return StepContestant(entry=entry, dtype=dtype, gradient=gradient, step=descent)
    G = Generator(checkpoint, device="cpu", backend="torch", precision=entry.precision, threads=threads)
    objective = TorchObjective(G, make_goal(G, target, None, None, 0.0, None))
    return _own_step(entry, G, objective, start.numpy())


def _own_step(
    entry: Entry, G: Generator, objective: Objective, start: _Array, close: Callable[[], None] = lambda: None
) -> StepContestant:
    """What `invert` does at each step, with its loop, its whitened axes and its Adam."""
    config = InvertConfig()
    space = Parametrization(num_ws=G.num_ws, statistics=w_statistics(G))
    variables = {"v": space.coordinates(start)}
    rows = Rows(targets=np.zeros(1, np.int64), variables=variables, optimizer=Adam(variables, config.betas))
    task = Task(
        objective=objective,
        space=space,
        config=config,
        stage=Stage(steps=1, starts=1, space="w+", is_coarse=False, learning_rate=config.learning_rate),
        is_last=False,
        prior_weight=_PRIOR_WEIGHT,
        rows_per_call=1,
        w_std=1.0,
    )

    def step() -> None:
        rows.step = 0  # the only one of its stage, at the full rate
        run_stage(task, rows, after_step=lambda *_: None)

    def closed() -> None:
        close()
        G.close()

    def gradient() -> _Array:
        return objective({"ws": start.copy()}, rows.targets)[1]["ws"]

    return StepContestant(entry=entry, dtype=getattr(torch, G.dtype), gradient=gradient, step=step, close=closed)


def _graph_step(
    entry: Entry, checkpoint: Checkpoint, start: Tensor, target: Tensor, *, threads: int, bundle: Path
) -> StepContestant:
    """A runtime, which runs forward and backward as one graph of a bundle."""
    if not bundle.exists():
        from wplus.export import ExportOptions, export_bundle

        export_bundle(checkpoint, bundle, ExportOptions(inversion=True), threads=threads)
    G = wplus.load(bundle, device="cpu", backend=entry.backend, precision=entry.precision, threads=threads)
    if entry.precision == "fast" and G.dtype == "float32":
        G.close()
        raise UnsupportedError(f"{entry.backend} computes in float32 here, in fast as in exact")
    goal = make_goal(G, target.numpy(), None, None, 0.0, DEFAULT_LOSS)
    try:
        steps = GraphSteps(G, open_step(G), goal, names={"ws"}, c=None)
    except (ParityError, UnsupportedError):
        G.close()
        raise
    return _own_step(entry, G, steps, start.numpy(), close=steps.close)
