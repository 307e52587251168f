"""`wplus bench`: the benchmark table against eager PyTorch."""

import json
from pathlib import Path
from typing import Any, get_args

import click

from wplus.backends import BackendName, Precision
from wplus.cli.options import Numbers


@click.command()
@click.argument("network", required=False)
@click.option("--batch", "batches", type=Numbers(), help="Batch sizes such as 1,2,4,8.  [default: each case's own]")
@click.option(
    "--backend", "backends", type=click.Choice(get_args(BackendName)), multiple=True, help="May be given several times."
)
@click.option("--precision", type=click.Choice(get_args(Precision)), default="exact", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: the CPUs it may use]")
@click.option("--compile", "compiled", is_flag=True, help="torch.compile takes part; it compiles for minutes.")
@click.option("--sampling-memory", is_flag=True, help="Also the peak of sampling 10,000 pictures against 100.")
@click.option("--quick", is_flag=True, help="Fewer cases and rounds, neither loading times nor memory.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV to write; raw samples beside it.")
@click.option(
    "--compare", "old", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV of an older run."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(network: str | None, old: Path | None, as_json: bool, out: Path | None, **options: Any) -> None:
    """Measure speed against eager PyTorch.

    NETWORK, by default each of the built-in cases, is compared with NVIDIA's formulation of it. With --compare, the
    exit code is 1 if something got worse than in an older run.
    """
    from wplus.benchmarks.compare import compare
    from wplus.benchmarks.run import BenchOptions, run_bench

    report = run_bench(
        BenchOptions(
            network=network,
            batches=tuple(options["batches"] or ()),
            backends=options["backends"] or ("torch",),
            precision=options["precision"],
            threads=options["threads"],
            compiled=options["compiled"],
            sampling_memory=options["sampling_memory"],
            quick=options["quick"],
            out=None if out is None else str(out),
        )
    )
    verdict = None if old is None else compare(old, report.rows)
    if as_json:
        extra = {} if verdict is None else {"regressions": list(verdict.regressions)}
        click.echo(json.dumps(report.to_json() | extra, indent=1))
    else:
        click.echo(report.text + ("" if verdict is None else f"\n{verdict.text}"), nl=False)
    if verdict is not None and verdict.is_worse:
        raise click.exceptions.Exit(1)
