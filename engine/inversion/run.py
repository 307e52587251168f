"""`wplus.invert`: latents whose pictures are like the targets, or measure as they do."""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.errors import UnsupportedError
from wplus.inputs import one_hot
from wplus.inversion.checkpoint import Checkpoints
from wplus.inversion.config import InvertConfig, Preset, make_config
from wplus.inversion.goals import Goal, MeasurementGoal, PictureGoal, make_goal
from wplus.inversion.objective import GraphSteps, Objective, TorchObjective
from wplus.inversion.schedule import stages_of
from wplus.inversion.search import Search, State, StepReport
from wplus.inversion.spaces import NOISE, Parametrization
from wplus.inversion.starting import starts_of
from wplus.inversion.starts import coarse_resolution
from wplus.inversion.statistics import WStatistics, w_statistics
from wplus.latents import Latents
from wplus.sampling import default_micro_batch

if TYPE_CHECKING:
    from wplus.generator import Generator
    from wplus.inversion.graph_objective import GraphObjective
    from wplus.inversion.operators import Operator

_log = logging.getLogger(__name__)

_Array = NDArray[np.float32]

_PICTURE_PRIOR = 1e-6  # of pictures: enough to hold what nothing else does, too little to cost a tenth of a dB
_MISFIT = 4e-3  # mean squared difference of pixels, 30 dB, that a generator is taken to leave of a picture of its kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inversion:
    """What was found for some targets."""

    latents: Latents  # with the noise maps and the transform, where they were optimised
    images: NDArray[np.uint8]  # [N, H, W, C]
    losses: _Array  # [N], of the data alone
    history: list[dict[str, Any]]  # one a target: "loss", "stage", "seconds" by step
    paths: list[_Array]  # one a target: its leading latents by step, where they were asked for
    is_interrupted: bool  # by Ctrl-C: the best so far; targets that were not begun are left out
    config: InvertConfig
    loss: str  # what the losses are: the loss's name, or the data term's
    search_loss: str  # likewise, of the stages before the last


def invert(
    G: "Generator",
    targets: Any,
    *,
    weights: _Array | None = None,
    operator: "Operator | None" = None,
    sigma: float = 0.0,
    space: str | None = None,
    steps: int | None = None,
    loss: str | None = None,
    preset: Preset = "default",
    seed: int | None = None,
    init: Latents | _Array | None = None,
    class_index: int | None = None,
    batch: int | None = None,
    checkpoint: str | Path | None = None,
    keeps_path: bool = False,
    on_step: Callable[[StepReport], None] | None = None,
    **changes: Any,
) -> Inversion:
    """Finds latents: argmin over w of the distance between A(G(w)) and the targets, and what holds w to its kind.

    Each target's result is the same to the last bit whatever other targets are given, for the same `batch`, versions,
    device and threads. Ctrl-C ends it early with the best so far.

    Args:
        G: The generator: a checkpoint's, in PyTorch, or a bundle's that was exported with --inversion.
        targets: Pictures float `[N, C, H, W]` in [-1, 1] (numpy or torch), or uint8 `[N, H, W, C]`; with an
            operator, measurements `[N, ...]`.
        weights: `[N, 1, H, W]` or `[1, 1, H, W]` of at least 0: how much each pixel counts.
        operator: What the targets are measured by; None: the targets are the pictures themselves.
        sigma: Standard deviation of the measurements' noise, in their unit; 0: none.
        space: "z", "w", "w+"; None: as the preset says.
        steps: Of one target, over all stages.
        loss: See `wplus.inversion.losses.make_loss`.
        preset: "default", "fast" or "nvidia"; see `wplus.inversion.config`.
        seed: Of the random starts.
        init: Latents to start from, one a target or one for all, in place of random ones.
        class_index: Class of a conditional network.
        batch: Targets at a time; None: 1 on a CPU, 4 elsewhere.
        checkpoint: File in which the state is kept every half minute, and from which an interrupted run goes on.
        keeps_path: Keep the latents of each step.
        on_step: Called after each step.
        changes: Other fields of `InvertConfig`.

    Raises:
        LatentMismatchError: `init` belongs to another generator.
        UnsupportedError: the network has no gradients, or lacks the space, noise or transform asked for.
        ValueError: a target, a weight or an option does not fit.
    """
    config = make_config(preset, space=space, num_steps=steps, loss=loss, seed=seed, **changes)
    config = _fitting(G, config)
    label = _label(G, class_index)
    goal = make_goal(G, targets, weights, operator, sigma, config.loss)
    size = batch or (1 if G.device == "cpu" else 4)
    search = _search(G, goal, config, label, init, size, keeps_path)
    states, is_interrupted = _run_groups(search, goal.count, size, checkpoint, on_step)
    return _collect(G, search, goal, states, label, is_interrupted, config)


def _run_groups(
    search: Search,
    count: int,
    size: int,
    checkpoint: str | Path | None,
    on_step: Callable[[StepReport], None] | None,
) -> tuple[list[tuple[State, int]], bool]:
    """Each group's state at its end, with the number of its targets; and whether Ctrl-C came before the last."""
    kept = Checkpoints(None if checkpoint is None else Path(checkpoint), search)
    finished: list[tuple[State, int]] = []
    for number, (targets, own) in enumerate(_groups(count, size)):
        state = kept.finished(number) or kept.begun(number) or search.begin(targets)

        def after_step(state: State, report: StepReport, number: int = number) -> None:
            kept.keep(number, state)
            if on_step is not None:
                on_step(report)

        try:
            if not kept.has_finished(number):
                state = search.run(targets, state=state, after_step=after_step)
        except KeyboardInterrupt:
            kept.keep(number, state, at_once=True)
            return [*finished, (state, own)], True
        kept.finish(number, state)
        finished.append((state, own))
    return finished, False


def _groups(count: int, size: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Targets `[size]` at a time, and how many of them are not padding."""
    for start in range(0, count, size):
        targets = np.arange(start, min(start + size, count))
        padding = np.repeat(targets[-1:], size - len(targets))
        yield np.concatenate([targets, padding]), len(targets)


def _search(
    G: "Generator",
    goal: Goal,
    config: InvertConfig,
    label: _Array | None,
    init: Latents | _Array | None,
    size: int,
    keeps_path: bool,
) -> Search:
    coarse = coarse_resolution(G, label) if goal.is_scalable and config.starts > 1 and init is None else None
    statistics = w_statistics(G, label) if G.has_w and config.space != "z" else None
    space = Parametrization(
        num_ws=G.num_ws if G.has_w else 1,
        statistics=statistics if config.is_whitened else None,
        anchor=G.w_avg if config.anchors_transform else None,
    )
    stages = stages_of(config, has_coarse=coarse is not None, is_given=init is not None)

    search_goal = goal.compared_by(config.losses[0]) if isinstance(goal, PictureGoal) else goal

    @cache
    def step() -> "GraphObjective":
        from wplus.inversion.graph_objective import open_step

        return open_step(G)

    @cache
    def objective(is_coarse: bool, is_last: bool) -> Objective:
        own = goal if is_last else search_goal
        if G.bundle is not None:
            names = {"z" if config.space == "z" else "ws"} | ({"transform"} if config.optimizes_transform else set())
            names |= {f"{NOISE}{name}" for name in G.noise_constants} if config.optimizes_noise else set()
            return GraphSteps(G, step(), own, names=names, c=label)
        return TorchObjective(G, own, c=label, resolution=coarse if is_coarse else None)

    return Search(
        config=config,
        identity=f"{G.fingerprint} {goal.digest()}",
        space=space,
        stages=stages,
        objective=objective,
        starts=starts_of(G, goal, config, label, init, space, statistics, coarse),
        prior_weight=_prior_weight(goal, config, statistics),
        rows_per_call=max(size, default_micro_batch(G.config)),
        w_std=1.0 if config.is_whitened or statistics is None else statistics.std,
        keeps_path=keeps_path,
    )


def _fitting(G: "Generator", config: InvertConfig) -> InvertConfig:
    """The configuration, where this network can follow it.

    Raises:
        UnsupportedError: it cannot.
    """
    if not G.has_w and config.space != "z":
        if config.space == "w":
            raise UnsupportedError(f"{G.name} ({G.family}) has no W space; space='z' is what it has.")
        config = replace(config, space="z")
    if config.optimizes_noise and not G.has_noise:
        _log.info("%s has no noise maps to optimise.", G.name)
        config = replace(config, optimizes_noise=False)
    if (config.optimizes_transform or config.anchors_transform) and not G.has_transform:
        what = "optimise" if config.optimizes_transform else "anchor"
        raise UnsupportedError(f"{G.name} ({G.family}) has no transform to {what}; StyleGAN3 has.")
    return config


def _label(G: "Generator", class_index: int | None) -> _Array | None:
    if not G.c_dim:
        if class_index is not None:
            raise ValueError(f"class_index is {class_index}; {G.name} is unconditional.")
        return None
    if class_index is None:
        raise ValueError(f"{G.name} is conditional: say which of its {G.c_dim} classes (class_index, --class).")
    return one_hot(class_index, G.c_dim)


def _prior_weight(goal: Goal, config: InvertConfig, statistics: WStatistics | None) -> float:
    """What the squared distance to w_avg counts, if nobody says: little against a picture; against measurements what
    makes the sum the negative logarithm of the posterior density, per measurement, with the noise that is said, or with
    what the generator itself leaves as noise."""
    if config.prior_weight is not None:
        return config.prior_weight
    if isinstance(goal, MeasurementGoal) and statistics is not None:
        each = len(statistics.mean) / math.prod(goal.y.shape[1:])
        return each / 2 if goal.sigma > 0 else each * _MISFIT  # as `data_loss` counts residuals
    return _PICTURE_PRIOR


def _collect(
    G: "Generator",
    search: Search,
    goal: Goal,
    states: list[tuple[State, int]],
    label: _Array | None,
    is_interrupted: bool,
    config: InvertConfig,
) -> Inversion:
    """The groups' results as one."""
    parts = []
    history: list[dict[str, Any]] = []
    paths: list[_Array] = []
    for state, own in states:
        parts.append({name: value[:own] for name, value in search.result(state).items()})
        trace = state.trace
        for i in range(own):
            losses = [float(step[i]) for step in trace.losses]
            history.append({"loss": losses, "stage": list(trace.stages), "seconds": list(trace.seconds)})
            paths.append(np.stack([step[i] for step in trace.ws]) if trace.ws else np.zeros((0,), np.float32))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    is_z = "z" in found
    search_loss, loss = config.losses if isinstance(goal, PictureGoal) else ("data term", "data term")
    count = len(next(iter(found.values())))
    latents = Latents(
        values=found["z"] if is_z else found["ws"],
        space="z" if is_z else "w+",
        generator=G.fingerprint,
        noise={name.removeprefix(NOISE): value for name, value in found.items() if name.startswith(NOISE)},
        transform=found.get("transform"),
    )
    judge = search.objective(False, True)
    final = [
        judge.losses({name: value[i : i + 1] for name, value in found.items()}, np.array([i])) for i in range(count)
    ]
    judge.close()
    return Inversion(
        latents=latents,
        images=draw_found(G, latents, label),
        losses=np.concatenate(final),
        history=history,
        paths=paths,
        is_interrupted=is_interrupted,
        config=config,
        loss=loss,
        search_loss=search_loss,
    )


def draw_found(G: "Generator", latents: Latents, label: _Array | None) -> NDArray[np.uint8]:
    """Pictures of what was found, uint8 `[N, H, W, C]`, each drawn alone."""
    rows = []
    for i in range(len(latents)):
        noise = {name: value[i : i + 1] for name, value in latents.noise.items()} or None
        options: dict[str, Any] = {} if latents.transform is None else {"transform": latents.transform[i]}
        drawn = latents.values[i : i + 1]
        if latents.space == "z" and G.has_w:
            drawn = G.map(drawn, label)
        elif latents.space == "z":
            options["c"] = label
        rows.append(G.images(drawn, noise=noise, **options))
    return np.concatenate(rows)
