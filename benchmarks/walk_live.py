"""What a live walk costs besides its network: each stage of a frame, from latents to a viewer in another process."""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from wplus.benchmarks.live_networks import SleepingGenerator, picture_seconds
from wplus.benchmarks.live_server import Viewer, served
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.timing import excess, summarize
from wplus.benchmarks.walk_report import BARS, BESIDES, PERCENTILES
from wplus.errors import WplusError
from wplus.generator import Generator
from wplus.live.config import LiveConfig
from wplus.live.show import Show
from wplus.live.stats import STAGES
from wplus.paths.description import Keyframe, Walk

_log = logging.getLogger(__name__)

_SEEDS: Final = range(8)
_MOST_FPS: Final = 30.0  # as `wplus live` has it
_USE: Final = 0.8  # of a frame's time that the network may take
_PICTURES: Final = 20  # that say how long the network takes
_PATIENCE: Final = 120.0  # seconds for the first picture
_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

Figures = dict[str, Any]  # as `Show.stats` has them, and what the viewer saw


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveNetwork:
    """What is shown."""

    name: str
    open: Callable[[], Generator]  # called anew by each show


def measure_live(recorder: Recorder, networks: Sequence[LiveNetwork], *, rounds: int, frames: int) -> None:
    """Rows of each network at its own size, and of one that sleeps as long at each size of `BARS`.

    Args:
        networks: Real ones.
        rounds: Shows of each; all are run in turn, every other round in reverse order.
        frames: Of a show at its own rate; its first ones map the keyframes, and should not be many of all.

    Raises:
        WplusError: a show, its server or its viewer failed.
    """
    subjects = [subject for network in networks for subject in _subjects(network)]
    figures: dict[_Subject, list[Figures]] = {subject: [] for subject in subjects}
    for done in range(rounds):
        _log.info("benchmark: live, round %d of %d", done + 1, rounds)
        for subject in subjects if done % 2 == 0 else reversed(subjects):
            figures[subject].append(_show(subject, frames / subject.fps))
    for subject, found in figures.items():
        _record(recorder, subject, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """One show that is measured."""

    name: str
    side: int
    open: Callable[[], Generator]
    label: str
    dtype: torch.dtype
    fps: float
    excess: float  # by which share the network's median lay above its best: large where something else was running


def _subjects(network: LiveNetwork) -> Iterator[_Subject]:
    with network.open() as G:
        samples = picture_seconds(G, _walk(_MOST_FPS), pictures=_PICTURES)
        side, label, dtype = G.img_resolution, f"wplus {G.backend}", _DTYPES[G.dtype]
    seconds = summarize(samples).median
    how: dict[str, Any] = {"fps": min(_MOST_FPS, _USE / seconds), "excess": excess(samples)}
    yield _Subject(name=f"live, {network.name}", side=side, open=network.open, label=label, dtype=dtype, **how)
    for size in BARS:
        yield _Subject(
            name=f"live, asleep for {1e3 * seconds:.1f} ms as {network.name} takes",
            side=size,
            open=partial(SleepingGenerator, size, seconds),
            label="wplus asleep",
            dtype=torch.float32,
            **how,
        )


def _show(subject: _Subject, seconds: float) -> Figures:
    """One show from start to end, with one viewer and a change every second."""
    with tempfile.TemporaryDirectory(prefix="wplus-bench-") as name:
        folder = Path(name)
        show = Show(subject.open, _walk(subject.fps), LiveConfig(record_dir=folder))
        with show:
            if not show.wait(_PATIENCE):
                raise WplusError(f"{subject.name} showed no picture: {show.state()['error']}")
            with served(show, folder) as url, Viewer(url) as viewer:
                _steer(show, seconds)
                figures = show.stats()
                figures["seen"] = viewer.leave()
    if figures["failures"]:
        raise WplusError(f"The renderer of {subject.name} failed {figures['failures']} times; nothing was recorded.")
    return figures


def _steer(show: Show, seconds: float) -> None:
    end, psi = time.perf_counter() + seconds, 0.7
    while (left := end - time.perf_counter()) > 0:
        psi = 1.7 - psi
        show.change({"truncation_psi": psi})
        time.sleep(min(left, 1.0))


def _walk(fps: float) -> Walk:
    return Walk(keyframes=tuple(Keyframe(seed=seed) for seed in _SEEDS), loop=True, fps=fps)


def _record(recorder: Recorder, subject: _Subject, figures: list[Figures]) -> None:
    recorder.begin(subject.name, subject.side)

    def add(name: str, metric: str, unit: str, samples: list[float]) -> None:
        how = {"baseline_excess": subject.excess}
        recorder.add(f"{subject.label}: {name}", subject.dtype, 1, metric, unit, samples, **how)

    for stage in STAGES:
        for percentile in PERCENTILES:
            add(stage, percentile, "ms", [found["stages"][stage][percentile] for found in figures])
    for percentile in PERCENTILES:
        add(BESIDES, percentile, "ms", [_besides(found, percentile) for found in figures])
    for metric in ("response", "latency"):
        known = [found[metric] for found in figures if found[metric]]
        for percentile in PERCENTILES if known else ():
            add(metric, percentile, "ms", [found[percentile] for found in known])
    add("frames", "rate", "frames/s", [found["fps"] for found in figures])
    add("frames wanted", "rate", "frames/s", [found["wanted_fps"] for found in figures])
    add("frames dropped", "count", "", [float(found["dropped"]) for found in figures])


def _besides(figures: Figures, percentile: str) -> float:
    """The sum of the stages' percentiles: no less than the percentile of their sum, as a rule."""
    return float(sum(figures["stages"][stage][percentile] for stage in STAGES if stage != "network"))
