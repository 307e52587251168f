"""The benchmark of walks: to a file, live, and against what is done today; each from end to end.

`python -m wplus.benchmarks.walks --out=benchmarks/results/walks.csv` takes a quarter of an hour on two cores.
"""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import click

import wplus
from wplus.backends import BackendName
from wplus.benchmarks.live_networks import open_fast, read_case
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.report import Report
from wplus.benchmarks.walk_files import measure_files
from wplus.benchmarks.walk_race import measure_race
from wplus.benchmarks.walk_report import tables
from wplus.checkpoints import Checkpoint
from wplus.errors import WplusError
from wplus.generator import Generator
from wplus.threads import usable_cpus

Part = Literal["files", "live", "today"]

_NETWORK, _LARGE = "demo:portraits", "stylegan2-256"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effort:
    """How long is measured."""

    frames: int  # of a file
    rounds: int
    show_frames: int
    shows: int  # of each network
    raced_frames: int  # of a file of the large network
    races: int


_WHOLE = _Effort(frames=900, rounds=9, show_frames=300, shows=3, raced_frames=48, races=7)
_QUICK = _Effort(frames=120, rounds=3, show_frames=60, shows=2, raced_frames=8, races=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalksOptions:
    """What to measure."""

    only: Part | None = None
    quick: bool = False  # fewer frames and rounds
    network: str = _NETWORK
    backend: BackendName = "torch"
    large: str = (
        _LARGE  # a StyleGAN2, by case or file, that is drawn in the fast precision: live, and against today's way
    )


def run_walks(options: WalksOptions) -> Report:
    """Rows of what `options` ask for.

    Raises:
        ParityError: a file does not show its frames, or a way to draw them draws others.
        UnsupportedError: PyAV or the backend is missing, or the large network is no StyleGAN2.
        WplusError: a show failed.
    """
    recorder = Recorder(usable_cpus())
    effort = _QUICK if options.quick else _WHOLE
    if options.only in (None, "files"):
        with _open(options, recorder.threads) as G:
            measure_files(G, recorder, network=options.network, frames=effort.frames, rounds=effort.rounds)
    if options.only != "files":
        large = read_case(options.large)
        if options.only != "today":
            _measure_live(options, recorder, large, effort)
        if options.only != "live":
            measure_race(large, recorder, network=options.large, frames=effort.raced_frames, rounds=effort.races)
    return Report(rows=tuple(recorder.rows), samples=tuple(recorder.samples), notes=tuple(recorder.notes))


def _measure_live(options: WalksOptions, recorder: Recorder, large: Checkpoint, effort: _Effort) -> None:
    from wplus.benchmarks.walk_live import LiveNetwork, measure_live  # needs the extra `live`

    threads = recorder.threads
    networks = [
        LiveNetwork(name=options.network, open=lambda: _open(options, threads)),
        LiveNetwork(name=f"{options.large} fast", open=lambda: open_fast(large, threads)),
    ]
    measure_live(recorder, networks, rounds=effort.shows, frames=effort.show_frames)


def _open(options: WalksOptions, threads: int) -> Generator:
    return wplus.load(options.network, device="cpu", backend=options.backend, threads=threads)


@click.command()
@click.option("--only", type=click.Choice(get_args(Part)), help="Which part to measure.  [default: all]")
@click.option("--quick", is_flag=True, help="Fewer frames and rounds.")
@click.option("--network", default=_NETWORK, show_default=True, help="What is walked through.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="torch", show_default=True)
@click.option("--large", default=_LARGE, show_default=True, help="A StyleGAN2, drawn in the fast precision.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV to write; samples and .md beside it.")
def main(out: Path | None, **options: Any) -> None:
    """Measure walks: frames to a file, frames of a live show, and files against what is done today."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("wplus.benchmarks").setLevel(logging.INFO)
    try:
        report = run_walks(WalksOptions(**options))
    except WplusError as exc:
        raise click.ClickException(str(exc)) from exc
    text = tables(report.rows, report.notes)
    if out is not None:
        report.write(out)
        out.with_suffix(".md").write_text(text, encoding="utf-8")
    click.echo(text, nl=False)


if __name__ == "__main__":
    main()
