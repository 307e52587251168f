"""The benchmark of inversion: a step's time and memory, a race to a loss, and how well pictures are found again.

`python -m wplus.benchmarks.inversion --out=benchmarks/results/inversion.csv` takes some hours on two cores.
"""

import logging
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import click
import torch

import wplus
from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.cases import CASES, Case, read_network
from wplus.benchmarks.inversion_quality import QUALITY, measure_quality
from wplus.benchmarks.inversion_race import NVIDIA_STEPS, Race, run_race
from wplus.benchmarks.inversion_report import draw_races, tables
from wplus.benchmarks.inversion_steps import time_steps
from wplus.benchmarks.projector import Projector
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.report import Report
from wplus.config import StyleGAN2Config
from wplus.errors import WplusError
from wplus.threads import usable_cpus

Part = Literal["steps", "race", "quality", "measurements"]

_NETWORK = "demo:portraits"
_STEPS = (
    replace(CASES["stylegan2-256"], rounds=15, seconds=120.0),
    replace(CASES["stylegan2-1024"], rounds=7, seconds=240.0),
)
_RACE_PICTURES, _QUALITY_PICTURES, _MEASURED_PICTURES, _QUICK_PICTURES = 8, 32, 8, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class InversionOptions:
    """What to measure."""

    only: Part | None = None
    quick: bool = False  # two pictures each, one network's steps, no memory
    pictures: int | None = None  # of each kind; None: 32 for quality, else 8
    network: str = _NETWORK  # of the race and of quality; a StyleGAN2 of square pictures in colours
    steps: tuple[Case, ...] = _STEPS  # the networks whose steps are timed
    nvidia_steps: int = NVIDIA_STEPS
    fast_steps: int | None = None  # None: as the preset has them, as is the next
    quality_steps: int | None = None


def run_inversion(options: InversionOptions) -> tuple[Report, dict[str, list[Race]]]:
    """Rows and races of what `options` ask for.

    Raises:
        ParityError: a gradient or a procedure is not what it is compared as.
    """
    threads = usable_cpus()
    recorder = Recorder(threads)
    races: dict[str, list[Race]] = {}
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        if options.only in (None, "steps"):
            _steps(options, recorder, threads)
        if options.only in (None, "race"):
            races = _race(options, recorder, threads)
        if options.only in (None, "quality"):
            _quality(options, recorder, threads, usual=_QUALITY_PICTURES, is_measured=False)
        if options.only in (None, "measurements"):
            _quality(options, recorder, threads, usual=_MEASURED_PICTURES, is_measured=True)
    finally:
        torch.set_num_threads(before)
    return Report(rows=tuple(recorder.rows), samples=tuple(recorder.samples), notes=tuple(recorder.notes)), races


def _steps(options: InversionOptions, recorder: Recorder, threads: int) -> None:
    chosen = options.steps[:1] if options.quick else options.steps
    with tempfile.TemporaryDirectory(prefix="wplus-bench-") as folder:
        for case in chosen:
            time_steps(case, recorder, threads=threads, folder=Path(folder), with_memory=not options.quick)


def _race(options: InversionOptions, recorder: Recorder, threads: int) -> dict[str, list[Race]]:
    checkpoint, config = read_network(options.network)
    assert isinstance(config, StyleGAN2Config)
    projector = Projector(NvidiaFormulation(config, checkpoint.tensors))
    count = _count(options, _RACE_PICTURES)
    with _load(options.network, threads) as G:
        return run_race(
            G,
            projector,
            recorder,
            network=options.network,
            count=count,
            steps=options.nvidia_steps,
            fast_steps=options.fast_steps,
        )


def _quality(options: InversionOptions, recorder: Recorder, threads: int, *, usual: int, is_measured: bool) -> None:
    cases = [case for case in QUALITY if bool(case.operator) == is_measured]
    count = _count(options, usual)
    with _load(options.network, threads) as G:
        measure_quality(G, recorder, network=options.network, count=count, steps=options.quality_steps, cases=cases)


def _load(network: str, threads: int) -> wplus.Generator:
    return wplus.load(network, device="cpu", backend="torch", threads=threads)


def _count(options: InversionOptions, usual: int) -> int:
    return options.pictures or (_QUICK_PICTURES if options.quick else usual)


@click.command()
@click.option("--only", type=click.Choice(get_args(Part)), help="Which part to measure.  [default: all]")
@click.option("--quick", is_flag=True, help="Two pictures each, steps of 256 px alone, no memory.")
@click.option("--pictures", type=click.IntRange(min=1), help="Of each kind.  [default: 32 for quality, else 8]")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV to write; samples, .md and .svg beside it."
)
def main(out: Path | None, **options: Any) -> None:
    """Measure inversion: a step's time and memory, a race to a loss, and the quality of what is found."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("wplus.benchmarks").setLevel(logging.INFO)
    try:
        report, races = run_inversion(InversionOptions(**options))
    except WplusError as exc:
        raise click.ClickException(str(exc)) from exc
    text = tables(report.rows, report.notes)
    if out is not None:
        report.write(out)
        out.with_suffix(".md").write_text(text, encoding="utf-8")
        if races:
            draw_races(out.with_suffix(".svg"), races)
    click.echo(text, nl=False)


if __name__ == "__main__":
    main()
