"""The runner: correctness first, then alternating timings, then what else a network costs, as rows."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from wplus.backends import BackendName, Precision
from wplus.benchmarks.cases import Case, choose_cases
from wplus.benchmarks.ceilings import plain_products
from wplus.benchmarks.cell import Cell, time_cell
from wplus.benchmarks.contestants import (
    Contestant,
    Entry,
    build,
    build_runtime,
    entries,
    installed_runtimes,
    unsupported_reasons,
)
from wplus.benchmarks.costs import record_costs
from wplus.benchmarks.processes import SamplingTask, peak_mib
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.report import Report
from wplus.benchmarks.subject import Subject
from wplus.checkpoints import read_checkpoint
from wplus.errors import ParityError, UnsupportedError
from wplus.threads import usable_cpus

_log = logging.getLogger(__name__)

_SAMPLING_NETWORK = "demo:portraits"
_SAMPLING_COUNTS = (100, 10_000)
_COMPILED = "TORCHINDUCTOR_CACHE_DIR"  # where torch.compile finds what it compiled in another run


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What to measure. Everything left alone takes half an hour on two cores."""

    network: str | None = None  # a case's name, what `wplus.load` takes, a bundle; None: the registered cases
    against: str | None = None  # the checkpoint that the bundle `network` was made from
    cases: tuple[str, ...] = ()  # names; empty: all
    batches: tuple[int, ...] = ()  # empty: each case's own
    backends: tuple[BackendName, ...] = ()  # empty: torch, and what is installed that draws bundles
    precisions: tuple[Precision, ...] = ("exact", "fast")
    threads: int | None = None  # None: the CPUs that this process may use
    compiled: bool = False  # torch.compile takes part, which compiles for minutes
    quick: bool = False  # fewer cases, batches and rounds; nothing beside drawing, and no export that nobody asked for
    sampling_memory: bool = False  # peak of sampling 10,000 demo pictures against 100: minutes
    bundles: str | None = None  # folder where exported bundles stay and are found again; None: none stays
    out: str | None = None  # CSV file to write; raw samples go beside it as JSON


def run_bench(options: BenchOptions) -> Report:
    """Measures what `options` ask for, and writes the files if `out` is given.

    Raises:
        ArtifactError: a bundle is damaged, or `against` is another network.
        ParityError: a contestant's pictures are wrong; nothing of its case was timed.
        ValueError: a case is unknown, or a batch or the number of threads is not positive.
        UnsupportedError: the network is of a family that the baseline does not know, or nothing can draw it.
    """
    chosen = choose_cases(options.network, options.cases, options.batches, quick=options.quick)
    if options.threads is not None and options.threads < 1:
        raise ValueError(f"threads is {options.threads}; it must be 1 or more.")
    threads = options.threads or usable_cpus()
    with _threads(threads), _folder() as folder, _fresh_compilations(folder / "compiled"):
        recorder = Recorder(threads)
        for case in chosen:
            bundles = None if options.bundles is None else Path(options.bundles)
            subject = Subject(case, folder=folder, bundles=bundles, against=options.against, threads=threads)
            _run_case(case, subject, options, recorder, threads)
        if options.sampling_memory:
            _record_sampling_memory(recorder, threads)
    report = Report(rows=tuple(recorder.rows), samples=tuple(recorder.samples), notes=tuple(recorder.notes))
    if options.out:
        report.write(options.out)
    return report


def _run_case(case: Case, subject: Subject, options: BenchOptions, recorder: Recorder, threads: int) -> None:
    recorder.begin(case.name, subject.config.img_resolution)
    with ExitStack() as stack:
        contestants = list(_contestants(options, subject, recorder, stack, threads))
        if not contestants:
            raise UnsupportedError(f"Nothing can draw {case.name} here. {' '.join(recorder.notes)}")
        latents = subject.latents(max(case.batches), contestants[0].entry)
        dtypes = tuple(dict.fromkeys(contestant.dtype for contestant in contestants))
        products = [{dtype: plain_products(dtype) for dtype in dtypes}]
        cells: list[Cell] = []
        for batch in case.batches:
            _log.info("benchmark: %s, batch %d", case.name, batch)
            family, rounds, seconds = subject.config.family, case.rounds, case.seconds
            cells.append(time_cell(contestants, latents[:batch], family=family, rounds=rounds, seconds=seconds))
        products.append({dtype: plain_products(dtype) for dtype in dtypes})
        ceilings = recorder.add_products(products)
        for cell in cells:
            recorder.add_cell(cell, contestants, subject.flops, ceilings)
        recorder.add_throughput(cells, contestants)
    if not options.quick:
        _log.info("benchmark: %s, what else it costs", case.name)
        record_costs(case, subject, contestants, recorder, threads)


def _contestants(
    options: BenchOptions, subject: Subject, recorder: Recorder, stack: ExitStack, threads: int
) -> Iterator[Contestant]:
    """The contestants that can take part, closed with `stack`; why others cannot is noted."""
    without_export = options.quick and not subject.has_bundle
    backends = options.backends or ("torch", *(() if without_export else installed_runtimes()))
    if subject.checkpoint is None:
        if "torch" in options.backends:
            recorder.note("torch did not take part: it draws a checkpoint. Name the bundle's: --against=NETWORK.")
        recorder.note("There is no baseline: a bundle is compared with its checkpoint's where --against names that.")
    for entry in entries(backends, options.precisions, compiled=options.compiled):
        if not entry.is_runtime and subject.checkpoint is None:
            continue
        try:
            contestant = _build(entry, subject, threads)
        except (ParityError, UnsupportedError) as exc:
            recorder.note(
                f"{entry.implementation} did not take part in {entry.precision}: {exc}".removesuffix(".") + "."
            )
            continue
        stack.callback(contestant.close)
        yield contestant


def _build(entry: Entry, subject: Subject, threads: int) -> Contestant:
    if reasons := unsupported_reasons(entry):
        raise UnsupportedError("; ".join(reasons))
    if entry.is_runtime:
        return build_runtime(entry, subject.bundle(), threads=threads)
    assert subject.checkpoint is not None
    return build(entry, subject.checkpoint, threads=threads)


def _record_sampling_memory(recorder: Recorder, threads: int) -> None:
    """Peak memory of `G.sample` over few and over many seeds."""
    resolution = read_checkpoint(_SAMPLING_NETWORK).config.img_resolution
    for count in _SAMPLING_COUNTS:
        _log.info("benchmark: memory of sampling %d pictures", count)
        recorder.begin(f"{_SAMPLING_NETWORK}, {count} seeds", resolution)
        samples = [peak_mib(SamplingTask(network=_SAMPLING_NETWORK, count=count, threads=threads))]
        recorder.add("wplus torch", torch.float32, 1, "peak_memory", "MiB", samples)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wplus-bench-") as folder:
        yield Path(folder)


@contextmanager
def _fresh_compilations(folder: Path) -> Iterator[None]:
    """torch.compile compiles everything anew, so that the time which it takes is seen."""
    before = os.environ.get(_COMPILED)
    os.environ[_COMPILED] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_COMPILED]
        else:
            os.environ[_COMPILED] = before


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
