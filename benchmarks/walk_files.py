"""How near the rendering of a walk to a file comes to what its slowest stage, or all CPUs, allow."""

import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.timing import excess, spread
from wplus.errors import ParityError
from wplus.generator import Generator
from wplus.media import Picture, to_rgb
from wplus.paths.drawing import Moment, draw_moments
from wplus.paths.path import UNTOUCHED
from wplus.paths.path import Path as WalkPath
from wplus.pyav import import_av
from wplus.video import open_sink
from wplus.walk import WalkConfig, frame_positions, walk

_log = logging.getLogger(__name__)

_SEEDS = list(range(6))
_LEAST_PSNR = 20.0  # decibels of a decoded frame; random networks draw what is hard to encode
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

Run = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of one run: on the clock, and of all CPUs together."""

    wall: float
    cpu: float


def measure_files(
    G: Generator, recorder: Recorder, *, network: str, frames: int, rounds: int, suffix: str = ".mp4"
) -> None:
    """Rows of one network and kind of file: the network alone, the encoder alone, and the walk from end to end.

    The bound is 1 / max(network's wall time, (network's + encoder's CPU time) / CPUs), of the same round.

    Raises:
        ParityError: the file does not show the walk's frames; nothing was timed.
    """
    config = WalkConfig(frames=frames, loop=True, interp="spline")
    moments = _moments(G, config)
    drawn = list(draw_moments(G, moments))
    with tempfile.TemporaryDirectory(prefix="wplus-bench-") as folder:
        file = Path(folder, f"walk{suffix}")
        runs: dict[str, Run] = {
            "network alone": lambda: sum(1 for _ in draw_moments(G, moments)),
            "encoder alone": lambda: _encode(drawn, file, config),
            "wplus walk": lambda: walk(G, _SEEDS, output=file, config=config),
        }
        runs["wplus walk"]()
        _check(file, drawn)
        runs["encoder alone"]()
        costs, again = _rounds(runs, rounds)
    recorder.begin(f"file {suffix}, {network}", G.img_resolution)
    _record(G, recorder, costs, again, frames)


def bound(network: Cost, encoder: Cost, cpus: int) -> float:
    """The seconds that no arrangement of the two on so many CPUs can beat."""
    return max(network.wall, (network.cpu + encoder.cpu) / cpus)


def _moments(G: Generator, config: WalkConfig) -> list[Moment]:
    path = WalkPath(G, config.description(_SEEDS))
    positions = frame_positions(path, frames=config.frames)
    return [moments[0] for moments in path.along((float(position), UNTOUCHED) for position in positions)]


def _encode(drawn: list[Picture], file: Path, config: WalkConfig) -> None:
    with open_sink(file, fps=config.fps, size=drawn[0].shape[:2], metadata={}) as sink:
        for frame in drawn:
            sink.write(frame)


def _check(file: Path, drawn: list[Picture]) -> None:
    with import_av().open(str(file)) as container:
        shown = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    if len(shown) != len(drawn):
        raise ParityError(f"{file.name} shows {len(shown)} frames of {len(drawn)}; nothing was timed.")
    for number, (seen, frame) in enumerate(zip(shown, drawn, strict=True)):
        error = np.mean((seen.astype(np.float64) - to_rgb(frame)) ** 2)
        psnr = float(10 * np.log10(255**2 / max(error, 1e-9)))
        if psnr < _LEAST_PSNR:
            raise ParityError(f"Frame {number} of {file.name} is {psnr:.1f} dB from its picture; nothing was timed.")


def _rounds(runs: dict[str, Run], rounds: int) -> tuple[dict[str, list[Cost]], list[Cost]]:
    """Every run once a round, and the first of them once more; every other round in reverse order."""
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    again: list[Cost] = []
    first = next(iter(runs))
    for done in range(rounds):
        _log.info("benchmark: round %d of %d", done + 1, rounds)
        order = [*((name, costs[name]) for name in runs), (first, again)]
        for name, kept in order if done % 2 == 0 else reversed(order):
            kept.append(_timed(runs[name]))
    return costs, again


def _timed(run: Run) -> Cost:
    time.sleep(0.05)  # threads of the run before may still spin
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Cost(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def _record(G: Generator, recorder: Recorder, costs: dict[str, list[Cost]], again: list[Cost], frames: int) -> None:
    network, encoder, whole = costs.values()
    walls = [cost.wall for cost in network]
    columns = {"spread": spread(walls, [cost.wall for cost in again]), "baseline_excess": excess(walls)}
    dtype = _DTYPES[G.dtype]

    def add(name: str, metric: str, unit: str, samples: list[float]) -> None:
        recorder.add(f"{name}, {G.backend}", dtype, G.micro_batch, metric, unit, samples, **columns)

    for name, series in costs.items():
        add(name, "frame", "ms", [1e3 * cost.wall / frames for cost in series])
        add(name, "frame_cpu", "ms", [1e3 * cost.cpu / frames for cost in series])
    cpus = min(G.threads, os.cpu_count() or 1)
    bounds = [bound(one, two, cpus) for one, two in zip(network, encoder, strict=True)]
    add("bound", "frame", "ms", [1e3 * seconds / frames for seconds in bounds])
    shares = [100 * seconds / cost.wall for seconds, cost in zip(bounds, whole, strict=True)]
    add("wplus walk", "share_of_bound", "%", shares)
