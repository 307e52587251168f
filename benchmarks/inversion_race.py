"""Who reaches a loss first: the preset "fast", or NVIDIA's procedure in NVIDIA's formulation of the network.

The loss to reach is what that procedure reaches after its 1000 steps, of the same target, in W, with the stored noise
maps. Losses are those of the data alone, by one function, whatever holds latents back while they are looked for, and
they are evaluated afterwards, outside of the time. The procedure's trajectory is that of our preset "nvidia", which is
checked against an independent implementation first; its time is a step's of that implementation, times 1000, and what
it spends on the mean and the spread of w is left out in its favour. Our own times are the clock's, with everything that
`invert` does before its first step.
"""

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wplus.benchmarks.inversion_pictures import Origin, make_pictures
from wplus.benchmarks.projector import Projector
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.rows import NO_DIFFERENCE
from wplus.benchmarks.timing import excess, spread, summarize
from wplus.errors import ParityError
from wplus.generator import Generator
from wplus.inversion.config import DEFAULT_LOSS, Preset
from wplus.inversion.goals import make_goal
from wplus.inversion.losses import make_loss
from wplus.inversion.objective import TorchObjective
from wplus.inversion.run import invert
from wplus.timing import alternate

NVIDIA_STEPS = 1000
ORIGINS: tuple[Origin, ...] = ("own", "rendered")

_FIRST_SEED = 7000
_THINNED = 10  # of NVIDIA's steps, every so many are evaluated
_CHECKED_STEPS, _MOST_DIFFERENCE = 12, 1e-3  # of the two implementations' losses, relative
_TIMED_STEPS = 5  # before and after each picture
_PROCEDURE, _SEED = "nvidia's projector, nvidia-formulation eager", 303
_log = logging.getLogger(__name__)

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """Losses of the data alone after some steps, and the seconds at which each was reached."""

    seconds: _Floats
    losses: _Floats

    def seconds_to(self, loss: float) -> float | None:
        """When it was reached first; None if it was not."""
        reached = np.flatnonzero(self.losses <= loss)
        return float(self.seconds[reached[0]]) if len(reached) else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Race:
    """One picture's."""

    target_loss: float
    nvidia: Trajectory  # in NVIDIA's formulation
    same: Trajectory  # the same procedure as the preset "nvidia"
    fast: Trajectory

    @property
    def fast_seconds(self) -> float:
        """To the loss; where it ends above it, NVIDIA's whole run is added, which somebody would then have to make."""
        reached = self.fast.seconds_to(self.target_loss)
        return float(self.fast.seconds[-1] + self.nvidia.seconds[-1]) if reached is None else reached


def run_race(
    G: Generator,
    projector: Projector,
    recorder: Recorder,
    *,
    network: str,
    count: int,
    steps: int = NVIDIA_STEPS,
    fast_steps: int | None = None,
) -> dict[str, list[Race]]:
    """The rows of `count` pictures of each origin, and their races by the origin.

    Args:
        G: The generator, with the network in PyTorch.
        projector: NVIDIA's, of the same network.
        recorder: Takes the rows.
        network: Its name in the rows.
        count: Of pictures.
        steps: Of NVIDIA's procedure.
        fast_steps: Of the preset; None: as it has them.

    Raises:
        ParityError: the preset "nvidia" does not follow NVIDIA's procedure; nothing was timed.
    """
    check_procedure(G, projector)
    races: dict[str, list[Race]] = {}
    for origin in ORIGINS:
        pictures = make_pictures(G, origin, range(_FIRST_SEED, _FIRST_SEED + count))
        first, again, found = list[float](), list[float](), list[Race]()
        for i in range(count):
            _log.info("inversion: race, %s picture %d", origin, i)
            found.append(_race(G, projector, pictures[i : i + 1], steps, fast_steps, first, again))
        races[origin] = found
        recorder.begin(f"{network}, race, {origin} pictures", G.img_resolution)
        _record(recorder, found, first, again)
    return races


def check_procedure(G: Generator, projector: Projector) -> None:
    """Compares the preset "nvidia" with the independent implementation of what it claims to be.

    Raises:
        ParityError: their losses differ by more than rounding.
    """
    target = make_pictures(G, "own", [_FIRST_SEED])
    own = invert(G, target, preset="nvidia", optimizes_noise=False, steps=_CHECKED_STEPS, seed=_SEED)
    run = projector.run(torch.from_numpy(target), make_loss(DEFAULT_LOSS), steps=_CHECKED_STEPS, seed=_SEED)
    theirs, ours = np.array(list(run)), np.array(own.history[0]["loss"])
    worst = float(np.abs(ours / theirs - 1).max())
    if not worst <= _MOST_DIFFERENCE:
        raise ParityError(
            f"The preset nvidia's losses differ from NVIDIA's procedure's by {worst:.1e} within {_CHECKED_STEPS} "
            f"steps; at most {_MOST_DIFFERENCE:.0e} is rounding. Nothing was timed: the presets are in "
            "wplus.inversion.config."
        )


def follow(G: Generator, target: NDArray[np.float32], preset: Preset, *, every: int = 1, **changes: Any) -> Trajectory:
    """Inverts one picture by a preset in W; the clock starts with the call, and evaluates losses after it."""
    stamps: list[float] = []
    start = time.perf_counter()
    found = invert(
        G,
        target,
        preset=preset,
        space="w",
        optimizes_noise=False,
        patience=0,
        keeps_path=True,
        on_step=lambda _: stamps.append(time.perf_counter() - start),
        **changes,
    )
    chosen = np.unique(np.append(np.arange(0, len(stamps), every), len(stamps) - 1))
    judge = TorchObjective(G, make_goal(G, target, None, None, 0.0, None))
    path = found.paths[0]
    losses = [judge.losses({"ws": path[step : step + 1]}, np.zeros(1, np.int64)) for step in chosen]
    return Trajectory(seconds=np.array(stamps)[chosen], losses=np.concatenate(losses).astype(np.float64))


def _race(
    G: Generator,
    projector: Projector,
    target: NDArray[np.float32],
    steps: int,
    fast_steps: int | None,
    first: list[float],
    again: list[float],
) -> Race:
    """One picture; seconds of NVIDIA's step are added to `first` and `again`, half of them before and half after."""
    own_first, own_again = list[float](), list[float]()
    _time_steps(projector, target, own_first, own_again)
    fast = follow(G, target, "fast", steps=fast_steps)
    same = follow(G, target, "nvidia", every=_THINNED, steps=steps, seed=_SEED)
    _time_steps(projector, target, own_first, own_again)
    first += own_first
    again += own_again
    step = summarize([*own_first, *own_again]).median
    places = np.unique(np.append(np.arange(0, steps, _THINNED), steps - 1))
    nvidia = Trajectory(seconds=(places + 1) * step, losses=same.losses)
    return Race(target_loss=float(same.losses[-1]), nvidia=nvidia, same=same, fast=fast)


def _time_steps(projector: Projector, target: NDArray[np.float32], first: list[float], again: list[float]) -> None:
    loss = make_loss(DEFAULT_LOSS)
    runs = {name: projector.run(torch.from_numpy(target), loss, steps=1000, seed=_SEED) for name in ("one", "other")}
    for run in runs.values():
        next(run)  # warm
    samples = alternate({name: partial(next, run) for name, run in runs.items()}, max_rounds=_TIMED_STEPS)
    first += samples["one"]
    again += samples["other"]


def _record(recorder: Recorder, races: list[Race], first: list[float], again: list[float]) -> None:
    noise = spread(first, again)
    columns = {"spread": noise, "baseline_excess": excess([*first, *again])}
    theirs = [float(race.nvidia.seconds[-1]) for race in races]
    times = {
        _PROCEDURE: theirs,
        "wplus preset nvidia": [float(race.same.seconds[-1]) for race in races],
        "wplus preset fast": [race.fast_seconds for race in races],
    }
    for name, seconds in times.items():
        ratio = summarize([slow / own for slow, own in zip(theirs, seconds, strict=True)]).median
        note = "reference" if name == _PROCEDURE else NO_DIFFERENCE if abs(ratio - 1) <= noise else ""
        more: dict[str, Any] = {"ratio": ratio, "ratio_note": note} | columns
        recorder.add(name, torch.float32, 1, "seconds_to_loss", "s", seconds, **more)
    reached = [float(race.fast.seconds_to(race.target_loss) is not None) for race in races]
    recorder.add("wplus preset fast", torch.float32, 1, "reached", "pictures", [sum(reached)])
    setup = [float(race.fast.seconds[0]) for race in races]
    recorder.add("wplus preset fast", torch.float32, 1, "first_step", "s", setup)
    for name, losses in (
        (_PROCEDURE, [race.target_loss for race in races]),
        ("wplus preset fast", [float(race.fast.losses[-1]) for race in races]),
    ):
        recorder.add(name, torch.float32, 1, "last_loss", "-", losses)
