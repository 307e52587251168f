"""`wplus bench`: the benchmark table against eager PyTorch."""

import json
from pathlib import Path
from typing import Any, get_args

import click

from wplus.backends import BackendName, Precision
from wplus.cli.options import Numbers, UserPath

_BACKENDS = get_args(BackendName)[1:]  # not "auto": one is measured by its name


class Names(click.ParamType[tuple[str, ...]]):
    """`a,b`: some of the known names."""

    name = "names"

    def __init__(self, known: tuple[str, ...]) -> None:
        self._known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names, each once; an unknown one is a usage error."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(part.strip() for part in str(value).split(",")))
        if unknown := [name for name in names if name not in self._known]:
            self.fail(f"{unknown[0]!r} is unknown; known: {', '.join(self._known)}.", param, ctx)
        return names


@click.command()
@click.argument("network", required=False)
@click.option("--against", help="Checkpoint that the bundle NETWORK was made from, for a baseline.")
@click.option("--batch", "batches", type=Numbers(), help="Batch sizes such as 1,2,4,8.  [default: each case's own]")
@click.option(
    "--backend", "backends", type=Names(_BACKENDS), help="Such as torch,openvino.  [default: all that are installed]"
)
@click.option("--precision", "precisions", type=Names(get_args(Precision)), default="exact,fast", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: the CPUs it may use]")
@click.option("--compile", "compiled", is_flag=True, help="torch.compile takes part; it compiles for minutes.")
@click.option("--sampling-memory", is_flag=True, help="Also the peak of sampling 10,000 pictures against 100.")
@click.option("--quick", is_flag=True, help="Fewer cases and rounds, no other costs, no export unless --backend asks.")
@click.option("--bundles", type=UserPath(), help="Folder where exported bundles stay and are found again.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV to write; raw samples beside it.")
@click.option(
    "--compare", "old", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV of an older run."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(old: Path | None, as_json: bool, out: Path | None, **options: Any) -> None:
    """Measure speed against eager PyTorch.

    NETWORK, by default each of the built-in cases, is compared with NVIDIA's formulation of it. Runtimes draw a bundle,
    exported for them. NETWORK may be a bundle: then its runtimes are compared with one another, or with the checkpoint
    that --against names. With --compare, the exit code is 1 if something got worse than in an older run.
    """
    from wplus.benchmarks.compare import compare
    from wplus.benchmarks.run import BenchOptions, run_bench

    options |= {"batches": tuple(options["batches"] or ()), "backends": options["backends"] or ()}
    options |= {
        name: None if value is None else str(value) for name, value in (("out", out), ("bundles", options["bundles"]))
    }
    report = run_bench(BenchOptions(**options))
    verdict = None if old is None else compare(old, report.rows)
    if as_json:
        extra = {} if verdict is None else {"regressions": list(verdict.regressions)}
        click.echo(json.dumps(report.to_json() | extra, indent=1))
    else:
        click.echo(report.text + ("" if verdict is None else f"\n{verdict.text}"), nl=False)
    if verdict is not None and verdict.is_worse:
        raise click.exceptions.Exit(1)
