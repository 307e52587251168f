"""The runner: correctness first, then alternating timings, loading times and peak memory, as rows."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from wplus.backends import BackendName, Precision
from wplus.benchmarks.cases import Case, choose_cases, read_network
from wplus.benchmarks.cell import Cell, time_cell
from wplus.benchmarks.contestants import Contestant, build, entries, unsupported_reasons
from wplus.benchmarks.families import family_of
from wplus.benchmarks.loading import time_loading
from wplus.benchmarks.memory import SamplingTask, SynthesisTask, peak_mib
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.report import Report
from wplus.benchmarks.timing import matrix_products
from wplus.checkpoints import Checkpoint
from wplus.config import StyleConfig
from wplus.latents import seeds_to_z
from wplus.networks import build_network
from wplus.threads import usable_cpus

_log = logging.getLogger(__name__)

_TRUNCATION_PSI = 0.7
_SAMPLING_NETWORK = "demo:portraits"
_SAMPLING_COUNTS = (100, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What to measure. Everything left alone takes under three minutes on two cores."""

    network: str | None = None  # a case's name, or what `wplus.load` takes; None: the registered cases
    cases: tuple[str, ...] = ()  # names; empty: all
    batches: tuple[int, ...] = ()  # empty: each case's own
    backends: tuple[BackendName, ...] = ("torch",)
    precision: Precision = "exact"
    threads: int | None = None  # None: the CPUs that this process may use
    compiled: bool = False  # torch.compile takes part, which compiles for minutes
    quick: bool = False  # fewer cases, batches and rounds; neither loading nor memory
    sampling_memory: bool = False  # peak of sampling 10,000 demo pictures against 100: minutes
    out: str | None = None  # CSV file to write; raw samples go beside it as JSON


def run_bench(options: BenchOptions) -> Report:
    """Measures what `options` ask for, and writes the files if `out` is given.

    Raises:
        ParityError: a contestant's pictures are wrong; nothing of its case was timed.
        ValueError: a case is unknown, or a batch or the number of threads is not positive.
        UnsupportedError: the network is of a family that the baseline does not know.
    """
    chosen = choose_cases(options.network, options.cases, options.batches, quick=options.quick)
    if options.threads is not None and options.threads < 1:
        raise ValueError(f"threads is {options.threads}; it must be 1 or more.")
    threads = options.threads or usable_cpus()
    with _threads(threads):
        recorder = Recorder(threads)
        for case in chosen:
            _run_case(case, options, recorder, threads)
        if options.sampling_memory:
            _record_sampling_memory(recorder, threads)
    report = Report(rows=tuple(recorder.rows), samples=tuple(recorder.samples), notes=tuple(recorder.notes))
    if options.out:
        report.write(options.out)
    return report


def _run_case(case: Case, options: BenchOptions, recorder: Recorder, threads: int) -> None:
    checkpoint, config = read_network(case.network)
    recorder.begin(case.name, config.img_resolution)
    latents = _fixed_ws(config, checkpoint, max(case.batches))
    with ExitStack() as stack:
        contestants = list(_contestants(options, checkpoint, recorder, stack, threads))
        dtypes = tuple(dict.fromkeys(contestant.dtype for contestant in contestants))
        products = [{dtype: matrix_products(dtype) for dtype in dtypes}]
        cells: list[Cell] = []
        for batch in case.batches:
            _log.info("benchmark: %s, batch %d", case.name, batch)
            cells.append(time_cell(contestants, latents[:batch], rounds=case.rounds, seconds=case.seconds))
        products.append({dtype: matrix_products(dtype) for dtype in dtypes})
        ceilings = recorder.add_products(products)
        for cell in cells:
            recorder.add_cell(cell, contestants, family_of(config).flops(config), ceilings)
        recorder.add_throughput(cells, contestants)
    if not options.quick:
        _record_loading(checkpoint, recorder, threads)
        _record_peaks(case, contestants, recorder, threads)


def _contestants(
    options: BenchOptions, checkpoint: Checkpoint, recorder: Recorder, stack: ExitStack, threads: int
) -> Iterator[Contestant]:
    """The contestants that can take part, closed with `stack`; why others cannot is noted."""
    for entry in entries(options.backends, options.precision, compiled=options.compiled):
        if reasons := unsupported_reasons(entry):
            recorder.note(f"{entry.implementation} did not take part: {'; '.join(reasons)}.")
            continue
        contestant = build(entry, checkpoint, threads=threads)
        stack.callback(contestant.close)
        yield contestant


def _fixed_ws(config: StyleConfig, checkpoint: Checkpoint, count: int) -> Tensor:
    """The ws `[count, num_ws, w_dim]` of seeds 0, 1, ..., of the first class where there are classes."""
    z = torch.from_numpy(seeds_to_z(range(count), config.z_dim))
    c = torch.eye(config.c_dim)[:1].expand(count, -1) if config.c_dim else None
    psi, cutoff = torch.full((count,), _TRUNCATION_PSI), torch.full((count,), config.num_ws)
    with torch.inference_mode():
        ws: Tensor = cast(Any, build_network(checkpoint)).map(z, c, psi, cutoff)
    return ws.clone()


def _record_loading(checkpoint: Checkpoint, recorder: Recorder, threads: int) -> None:
    for suffix, samples in time_loading(checkpoint, threads=threads).items():
        recorder.add("wplus.load", torch.float32, 1, f"load_{suffix}", "s", samples)


def _record_peaks(case: Case, contestants: list[Contestant], recorder: Recorder, threads: int) -> None:
    batch = max(case.batches)
    for contestant in contestants:
        task = SynthesisTask(network=case.network, entry=contestant.entry, batch=batch, threads=threads)
        name, samples = contestant.entry.implementation, [peak_mib(task)]
        recorder.add(name, contestant.dtype, batch, "peak_memory", "MiB", samples)


def _record_sampling_memory(recorder: Recorder, threads: int) -> None:
    """Peak memory of `G.sample` over few and over many seeds."""
    _, config = read_network(_SAMPLING_NETWORK)
    for count in _SAMPLING_COUNTS:
        _log.info("benchmark: memory of sampling %d pictures", count)
        recorder.begin(f"{_SAMPLING_NETWORK}, {count} seeds", config.img_resolution)
        samples = [peak_mib(SamplingTask(network=_SAMPLING_NETWORK, count=count, threads=threads))]
        recorder.add("wplus torch", torch.float32, 1, "peak_memory", "MiB", samples)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
