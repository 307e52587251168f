"""Frames a second of a walk's video, from seeds to a closed file: ours against what users do today."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch

from wplus.backends import BackendName
from wplus.backends.eager import cpu_has_bfloat16
from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.contestants import BASELINE, Entry, dtype_name
from wplus.benchmarks.live_networks import open_fast
from wplus.benchmarks.recorder import Recorder, ratio_columns
from wplus.benchmarks.timing import excess, spread
from wplus.benchmarks.walk_files import Run, run_rounds
from wplus.benchmarks.walk_today import BITRATE, film_today, pictures_today
from wplus.checkpoints import Checkpoint
from wplus.config import StyleGAN2Config
from wplus.errors import ParityError, UnsupportedError
from wplus.generator import Generator
from wplus.media import Picture
from wplus.video import VideoOptions
from wplus.walk import WalkConfig, walk
from wplus.walk import frames as walk_frames

_SEEDS: Final = [0, 1, 2, 3]
_FPS, _PSI = 60, 0.7
_COMPARED: Final = 4  # frames
_LEAST_PSNR: Final = 30.0  # decibels of a frame against today's in float32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filmer:
    """A way to make the video."""

    entry: Entry
    dtype: torch.dtype
    film: Callable[[Path], object]
    pictures: Callable[[], Iterator[Picture]]  # what it films

    @property
    def label(self) -> str:
        """Name and type: unique within a run."""
        return f"{self.entry.implementation} {dtype_name(self.dtype)}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seconds:
    """Of each filmer, round by round; of the first once more."""

    samples: dict[str, list[float]]
    again: list[float] = field(default_factory=list)

    @property
    def spread(self) -> float:
        return spread(next(iter(self.samples.values())), self.again)


def measure_race(checkpoint: Checkpoint, recorder: Recorder, *, network: str, frames: int, rounds: int) -> None:
    """A row for each way, in each type: the frames a second of the whole file.

    Raises:
        ParityError: a way draws other pictures than today's; nothing was timed.
        UnsupportedError: the network is no StyleGAN2, or PyAV is missing.
    """
    config = checkpoint.config
    if not isinstance(config, StyleGAN2Config):
        raise UnsupportedError(f"{network} is a {config.family}; what is done today is known of StyleGAN2.")
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="wplus-bench-") as folder:
        filmers = [*_today(checkpoint, config, frames), *_ours(checkpoint, recorder.threads, frames, stack)]
        likeness = _check(filmers)
        file = Path(folder, "walk.mp4")
        runs: dict[str, Run] = {filmer.label: _filming(filmer, file) for filmer in filmers}
        for run in runs.values():
            run()  # warm
        costs, again = run_rounds(runs, rounds)
    seconds = _Seconds(
        samples={label: [cost.wall for cost in series] for label, series in costs.items()},
        again=[cost.wall for cost in again],
    )
    recorder.begin(f"video, {network}", config.img_resolution)
    for filmer in filmers:
        series = seconds.samples[filmer.label]
        columns: dict[str, Any] = ratio_columns(seconds, filmer, filmers)
        columns |= {"spread": seconds.spread, "baseline_excess": excess(seconds.samples[filmers[0].label])}
        columns["psnr_db"] = likeness[filmer.label]
        rates = [frames / second for second in series]
        recorder.add(filmer.entry.implementation, filmer.dtype, 1, "rate", "frames/s", rates, **columns)


def _filming(filmer: Filmer, file: Path) -> Run:
    return lambda: filmer.film(file)


def _today(checkpoint: Checkpoint, config: StyleGAN2Config, frames: int) -> Iterator[Filmer]:
    for precision, dtype in (("exact", torch.float32), ("fast", torch.bfloat16)):
        if precision == "fast" and not cpu_has_bfloat16():
            continue
        yield _one_of_today(NvidiaFormulation(config, checkpoint.tensors, dtype=dtype), frames)


def _one_of_today(network: NvidiaFormulation, frames: int) -> Filmer:
    exact = network.dtype == torch.float32
    return Filmer(
        entry=BASELINE if exact else Entry(kind="nvidia", precision="fast"),
        dtype=network.dtype,
        film=lambda file: film_today(network, _SEEDS, file, frames=frames, fps=_FPS, truncation_psi=_PSI),
        pictures=lambda: pictures_today(network, _SEEDS, frames=frames, truncation_psi=_PSI),
    )


def _ours(checkpoint: Checkpoint, threads: int, frames: int, stack: ExitStack) -> Iterator[Filmer]:
    exact = stack.enter_context(open_fast(checkpoint, threads, exact=True))
    yield _one_of_ours(exact, frames)
    if cpu_has_bfloat16():
        yield _one_of_ours(stack.enter_context(open_fast(checkpoint, threads)), frames)


def _one_of_ours(G: Generator, frames: int) -> Filmer:
    config = WalkConfig(interp="linear", loop=True, frames=frames, fps=_FPS, truncation_psi=_PSI)
    video = VideoOptions(bitrate=BITRATE)
    return Filmer(
        entry=Entry(
            kind="wplus", backend=cast(BackendName, G.backend), precision="exact" if G.dtype == "float32" else "fast"
        ),
        dtype=getattr(torch, G.dtype),
        film=lambda file: walk(G, _SEEDS, output=file, config=config, video=video),
        pictures=lambda: walk_frames(G, _SEEDS, config),
    )


def _check(filmers: list[Filmer]) -> dict[str, float]:
    """PSNR of each filmer's first frames against the first filmer's, in decibels; that one's own is infinite."""
    shown = {filmer.label: np.stack(list(islice(filmer.pictures(), _COMPARED))) for filmer in filmers}
    wanted = shown[filmers[0].label].astype(np.float64)
    likeness = {}
    for label, pictures in shown.items():
        error = np.mean((pictures - wanted) ** 2)
        likeness[label] = float(10 * np.log10(255**2 / error)) if error else float("inf")
        if likeness[label] < _LEAST_PSNR:
            raise ParityError(
                f"{label} draws pictures that are {likeness[label]:.1f} dB from today's; nothing was timed."
            )
    return likeness
