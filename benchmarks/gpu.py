"""The one command for whoever has a GPU: `python -m wplus.benchmarks.gpu --out results.csv`.

First every operator and small networks are checked on the device; where one is wrong, nothing is timed. Then operators
and whole networks are timed, as rows of a CSV file with a report beside it. `--dry` goes the same way without a GPU.
"""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import click
import torch

from wplus.benchmarks.contestants import dtype_name
from wplus.benchmarks.gpu_cases import NETWORKS, TINY
from wplus.benchmarks.gpu_checks import Finding, check_operators
from wplus.benchmarks.gpu_contestants import Choice
from wplus.benchmarks.gpu_device import Device, exact_products, find_device, one_thread
from wplus.benchmarks.gpu_networks import NetworkRun, Verdict, check_networks
from wplus.benchmarks.gpu_ops import compile_operators, time_bounds, time_operators
from wplus.benchmarks.gpu_report import markdown
from wplus.benchmarks.gpu_workers import compile_networks
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.report import Report
from wplus.cli.bench import Names
from wplus.cli.options import Numbers
from wplus.errors import ParityError, WplusError
from wplus.files import whole_file

_log = logging.getLogger(__name__)

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_OP_SHARE = 0.2  # of a cell's seconds, that an operator takes
_COMPILE_SHARE = 0.4  # of the time that is left, at most; what is not compiled then is where it is needed
_DRY_BATCHES = (1, 2)

Part = Literal["checks", "ops", "networks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuOptions:
    """What to measure."""

    dry: bool = False  # on the CPU, at tiny sizes, without Triton
    only: Part | None = None  # None: all; what is timed is checked first all the same
    cases: tuple[str, ...] = ()  # empty: all
    dtypes: tuple[str, ...] = tuple(_DTYPES)  # in the order in which they are measured
    batches: tuple[int, ...] = (1, 4, 16)
    seconds: float = 1.5  # that one network in one type at one batch size is timed, at least
    minutes: float = 5.5  # after which nothing is begun any more
    choice: Choice = field(default_factory=Choice)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReport:
    """What was found."""

    report: Report
    text: str  # Markdown
    is_red: bool  # whether a contestant in a big network drew wrong pictures

    def write(self, path: Path) -> None:
        """The CSV, the samples beside it as `.samples.json`, the text as `.md`."""
        self.report.write(path)
        with whole_file(path.with_suffix(".md")) as temporary:
            temporary.write_text(self.text, encoding="utf-8")


def run_gpu(options: GpuOptions) -> GpuReport:
    """Checks, then measures.

    Raises:
        ParityError: an operator or a small network is wrong; nothing was timed.
        UnsupportedError: there is no GPU, and the run is not a dry one.
    """
    deadline = time.monotonic() + 60 * options.minutes
    device = find_device(dry=options.dry)
    with one_thread(), exact_products():
        recorder = Recorder(torch.get_num_threads(), device=device.title)
        checks = _check(recorder, device, [_DTYPES[name] for name in options.dtypes])
        run = NetworkRun(
            recorder=recorder, device=device, choice=options.choice, seconds=options.seconds, deadline=deadline
        )
        if options.only != "checks":
            _measure(options, run)
    report = Report(rows=tuple(recorder.rows), samples=tuple(recorder.samples), notes=tuple(recorder.notes))
    text = markdown(report.rows, report.notes, checks)
    return GpuReport(report=report, text=text, is_red=run.is_red)


def _measure(options: GpuOptions, run: NetworkRun) -> None:
    """One type after the other, so that what comes late is what time may be too short for."""
    recorder, device, deadline = run.recorder, run.device, run.deadline
    names = options.cases or tuple(TINY if options.dry else NETWORKS)
    batches = _DRY_BATCHES if options.dry else options.batches
    seconds = options.seconds * _OP_SHARE
    time_bounds(recorder, device, [_DTYPES[name] for name in options.dtypes], seconds=seconds)
    for dtype in (_DTYPES[name] for name in options.dtypes):
        if options.only != "networks":
            _log.info("gpu: compiling operators in %s", dtype_name(dtype))
            compile_operators(dtype, device, seconds=_COMPILE_SHARE * (deadline - time.monotonic()))
            run.is_red |= not time_operators(recorder, device, dtype, seconds=seconds, deadline=deadline)
        if options.only != "ops":
            _log.info("gpu: compiling networks in %s", dtype_name(dtype))
            left = deadline - time.monotonic()
            compile_networks(names, dtype, batches, device, seconds=_COMPILE_SHARE * left)
            for name in names:
                for batch in batches:
                    run.time_cell(name, dtype, batch)


def _check(recorder: Recorder, device: Device, dtypes: Sequence[torch.dtype]) -> list[str]:
    """Rows of all checks, and a sentence for each kind.

    Raises:
        ParityError: one is red, with all that are.
    """
    _log.info("gpu: checking operators on %s", device.title)
    findings = list(check_operators(device, dtypes))
    _log.info("gpu: checking small networks")
    verdicts = list(check_networks(device, dtypes))
    red = [str(one) for one in findings if one.is_red] + [str(one) for one in verdicts if one.reasons]
    if red:
        raise ParityError("Nothing was timed, because results are wrong here:\n" + "\n".join(f"- {one}" for one in red))
    for finding in findings:
        _add_finding(recorder, finding)
    for verdict in verdicts:
        _add_verdict(recorder, verdict)
    worst = max(findings, key=lambda one: one.error / one.limit if one.limit else 0)
    least = min(verdicts, key=lambda one: one.found.psnr_db)
    return [
        f"{len(findings)} results and gradients of operators agree with float64. Nearest to its limit: {worst}.",
        f"{len(verdicts)} small networks draw what plain PyTorch draws on the CPU. Furthest off: {least}.",
    ]


def _add_finding(recorder: Recorder, finding: Finding) -> None:
    recorder.begin(finding.name, 0)
    metric = "error_backward" if finding.is_gradient else "error_forward"
    recorder.add("wplus triton", finding.dtype, 1, metric, "relative RMS", [finding.error])


def _add_verdict(recorder: Recorder, verdict: Verdict) -> None:
    recorder.begin(f"check {verdict.name}", 0)
    found = verdict.found
    more = {"psnr_db": found.psnr_db, "max_abs": found.max_abs, "uint8_share": found.uint8_share}
    recorder.add(verdict.contestant, verdict.dtype, found.pictures, "max_abs", "-", [found.max_abs or 0.0], **more)


@click.command()
@click.option("--dry", is_flag=True, help="Try the program without a GPU: tiny sizes, plain PyTorch for Triton.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV to write; .md and samples beside it.")
@click.option("--batches", type=Numbers(), default="1,4,16", show_default=True)
@click.option(
    "--dtypes", type=Names(tuple(_DTYPES)), default=",".join(_DTYPES), show_default=True, help="Measured in this order."
)
@click.option("--cases", type=Names(tuple(NETWORKS)), help="Networks, such as stylegan2-256.  [default: all]")
@click.option("--only", type=click.Choice(get_args(Part)), help="After the checks, which part to measure.")
@click.option(
    "--nvlabs", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Checkout of NVIDIA's own code."
)
@click.option("--compile", "compiled", is_flag=True, help="torch.compile takes part; it compiles for minutes.")
@click.option("--tensorrt", is_flag=True, help="TensorRT takes part; it exports and builds for minutes.")
@click.option("--seconds", type=click.FloatRange(min=0), default=1.5, show_default=True, help="For each cell.")
@click.option(
    "--minutes", type=click.FloatRange(min=0), default=5.5, show_default=True, help="Begin nothing after so long."
)
def main(out: Path | None, nvlabs: Path | None, compiled: bool, tensorrt: bool, **options: Any) -> None:
    """Check the GPU's operators, then time them and whole networks.

    The exit code is 1 if something is wrong. Red checks: nothing is timed. A network that draws wrong pictures at its
    real size: it is left out, and the report says so.
    """
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("wplus.benchmarks").setLevel(logging.INFO)
    choice = Choice(compiled=compiled, tensorrt=tensorrt, nvlabs=nvlabs)
    options |= {"cases": options["cases"] or (), "batches": tuple(options["batches"])}
    if options["dry"] and options["cases"]:
        raise click.UsageError("--dry has networks of its own; leave --cases out.")
    try:
        found = run_gpu(GpuOptions(choice=choice, **options))
    except WplusError as exc:
        raise click.ClickException(str(exc)) from exc
    click.echo(found.text, nl=False)
    if out is not None:
        found.write(out)
    if found.is_red:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
