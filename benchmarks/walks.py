"""The benchmark of walks: rendering to a file, from end to end.

`python -m wplus.benchmarks.walks --out=benchmarks/results/walks.csv` takes some minutes on two cores.
"""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import click

import wplus
from wplus.backends import BackendName
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.report import Report
from wplus.benchmarks.walk_files import measure_files
from wplus.benchmarks.walk_report import tables
from wplus.errors import WplusError
from wplus.threads import usable_cpus

Part = Literal["files"]

_NETWORK = "demo:portraits"
_FRAMES, _ROUNDS = 900, 9
_QUICK_FRAMES, _QUICK_ROUNDS = 120, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WalksOptions:
    """What to measure."""

    only: Part | None = None
    quick: bool = False  # fewer frames and rounds
    network: str = _NETWORK
    backend: BackendName = "torch"


def run_walks(options: WalksOptions) -> Report:
    """Rows of what `options` ask for.

    Raises:
        ParityError: a file does not show its frames.
        UnsupportedError: PyAV or the backend is missing.
    """
    threads = usable_cpus()
    recorder = Recorder(threads)
    frames, rounds = (_QUICK_FRAMES, _QUICK_ROUNDS) if options.quick else (_FRAMES, _ROUNDS)
    with wplus.load(options.network, device="cpu", backend=options.backend, threads=threads) as G:
        if options.only in (None, "files"):
            measure_files(G, recorder, network=options.network, frames=frames, rounds=rounds)
    return Report(rows=tuple(recorder.rows), samples=tuple(recorder.samples), notes=tuple(recorder.notes))


@click.command()
@click.option("--only", type=click.Choice(get_args(Part)), help="Which part to measure.  [default: all]")
@click.option("--quick", is_flag=True, help="Fewer frames and rounds.")
@click.option("--network", default=_NETWORK, show_default=True, help="What is walked through.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="torch", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV to write; samples and .md beside it.")
def main(out: Path | None, **options: Any) -> None:
    """Measure walks: frames to a file."""
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
