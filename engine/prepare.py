"""`prepare`: everything that may take long, done ahead: exporting, certifying, building, measuring, choosing."""

import logging
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from wplus.backends import BackendName, Precision
from wplus.backends.choice import is_certified
from wplus.bundle import Bundle, is_bundle
from wplus.checkpoints import Checkpoint, read_checkpoint
from wplus.errors import ParityError, UnsupportedError
from wplus.exports import export_to, exported
from wplus.files import make_folder
from wplus.generator import Generator
from wplus.latents import seeds_to_z
from wplus.loading import checked_bundle, load
from wplus.machine import machine, versions
from wplus.plan import PLAN_FILE, Choice, Measurement, Plan, manifest_sha256, write_plan
from wplus.threads import usable_cpus
from wplus.timing import alternate

_log = logging.getLogger(__name__)

_MAX_ROUNDS = 9
_SECONDS = 4.0  # for one batch size, all runtimes together; slow networks take three rounds all the same
_WORTH_IT = 0.95  # another micro-batch than the usual one must take less than this share of its time


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """What is measured, and where the bundle is to lie."""

    precisions: tuple[Precision, ...] = ("exact", "fast")
    batches: tuple[int, ...] = ()  # empty: 1, and the usual micro-batch
    device: str = "auto"
    threads: int | None = None
    outdir: Path | None = None  # None: the cache
    sha256: str | None = None  # what the source's file must have, or a bundle's manifest.json

    def __post_init__(self) -> None:
        for batch in self.batches:
            if batch < 1:
                raise ValueError(f"A batch of {batch} is to be measured; it must be at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contestant:
    """A generator that runs, and how long it took to load."""

    backend: BackendName  # as a user asks for it: one name may have several runtimes behind it
    generator: Generator
    load_s: float


def prepare(source: str | Path, options: PrepareOptions) -> tuple[Bundle, Plan]:
    """Exports a network where that is needed, measures every runtime that draws it rightly, and writes the plan.

    Args:
        source: A network as `wplus.load` takes it, or a bundle.
        options: What is wanted.

    Returns:
        The bundle, and its plan.

    Raises:
        CheckpointError, ArtifactError: the source cannot be read.
        ParityError: no runtime draws what the network draws.
        UnsupportedError: nothing that is installed runs the bundle.
        ValueError: a folder is named for what is a bundle already.
    """
    if is_bundle(Path(source).expanduser()):
        if options.outdir is not None:
            raise ValueError(f"{source} is a bundle and is measured where it lies. Leave outdir (--outdir) out.")
        bundle = checked_bundle(source, options.sha256)
        make_folder(bundle.folder)  # before anything is measured: the plan is to go there
        return bundle, _measure(bundle, None, options)
    checkpoint = read_checkpoint(source, sha256=options.sha256)
    bundle = exported(checkpoint) if options.outdir is None else export_to(checkpoint, options.outdir)
    return bundle, _measure(bundle, checkpoint, options)


def _measure(bundle: Bundle, checkpoint: Checkpoint | None, options: PrepareOptions) -> Plan:
    threads = options.threads or usable_cpus()
    if bundle.manifest.precision != "fp32" and "fast" in options.precisions:
        options = replace(options, precisions=("fast",))  # the graph serves no other wish
    left_out: list[str] = []
    measurements: list[Measurement] = []
    with ExitStack() as stack:
        running = list(_contestants(bundle, checkpoint, options, threads, stack, left_out))
        if not running:
            raise UnsupportedError(f"Nothing here runs {bundle.folder}. {' '.join(left_out)}")
        usual = running[-1].generator.micro_batch
        for batch in sorted(set(options.batches or (1, usual))):
            _log.info("Measuring %d runtimes with batches of %d ...", len(running), batch)
            measurements += _race(running, batch)
    plan = Plan(
        made_for=machine(),
        versions=versions("wplus", *sorted({one.backend for one in measurements})),
        threads=threads,
        fingerprint=bundle.manifest.fingerprint,
        manifest_sha256=manifest_sha256(bundle),
        measurements=tuple(measurements),
        choices={
            wish: _ranking(measurements, wish, usual) if wish in options.precisions else ()
            for wish in get_args(Precision)
        },
        left_out=tuple(left_out),
    )
    write_plan(bundle.folder / PLAN_FILE, plan)
    return plan


def _contestants(
    bundle: Bundle,
    checkpoint: Checkpoint | None,
    options: PrepareOptions,
    threads: int,
    stack: ExitStack,
    left_out: list[str],
) -> Iterator[_Contestant]:
    """Every runtime in every precision, once where two precisions come to the same; `left_out` says why one is not."""
    seen: set[tuple[str, ...]] = set()
    for backend in get_args(BackendName)[1:]:  # all but "auto"
        for precision in options.precisions:
            if backend == "torch" and checkpoint is None:
                continue
            _log.info("Loading %s, %s ...", backend, precision)
            start = time.perf_counter()
            try:
                generator = stack.enter_context(_open(bundle, checkpoint, backend, precision, options.device, threads))
            except (ParityError, UnsupportedError) as exc:
                if (reason := f"{backend}: {exc}") not in left_out:
                    left_out.append(reason)
                continue
            same = (backend, generator.dtype, "" if generator.device == "cpu" else precision)  # a GPU has TF32 too
            if same in seen:
                generator.close()
                continue
            seen.add(same)
            yield _Contestant(backend=backend, generator=generator, load_s=time.perf_counter() - start)


def _open(
    bundle: Bundle,
    checkpoint: Checkpoint | None,
    backend: BackendName,
    precision: Precision,
    device: str,
    threads: int,
) -> Generator:
    if backend == "torch" and checkpoint is not None:
        return Generator(checkpoint, backend="torch", device=device, precision=precision, threads=threads)
    generator = load(bundle.folder, backend=backend, device=device, precision=precision, threads=threads)
    facts = {"name": generator.backend, "device": generator.device, "dtype": generator.dtype}
    if not is_certified(bundle, **facts, precision=generator.precision):
        generator.close()
        raise ParityError(
            f"it was never compared with the network on this bundle ({', '.join(facts.values())}). "
            f"Do so: wplus verify {bundle.folder} --against NETWORK."
        )
    return generator


def _race(running: Sequence[_Contestant], batch: int) -> Iterator[Measurement]:
    """Times of one batch size, the runtimes taking turns."""
    runs = {str(i): _draw(one.generator, batch) for i, one in enumerate(running)}
    first_ms = {name: _milliseconds(run) for name, run in runs.items()}
    for run in runs.values():
        run()
    samples = alternate(runs, max_rounds=_MAX_ROUNDS, budget_seconds=_SECONDS)
    for i, one in enumerate(running):
        G = one.generator
        yield Measurement(
            backend=one.backend,
            device=G.device,
            precision=G.precision,
            dtype=G.dtype,
            batch=batch,
            ms=round(statistics.median(samples[str(i)]) * 1e3, 3),
            first_ms=round(first_ms[str(i)], 3),
            load_s=round(one.load_s, 3),
        )


def _draw(G: Generator, batch: int) -> Callable[[], object]:
    """Draws `batch` pictures as `sample` does, from the same latents each time."""
    latents = seeds_to_z(range(batch), G.z_shape)
    label = np.eye(G.c_dim, dtype=np.float32)[:1] if G.c_dim else None
    if G.has_w:
        latents, label = G.map(latents, label), None
    return lambda: G.images(latents, c=label)


def _milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def _ranking(measurements: Sequence[Measurement], wish: Precision, usual: int) -> tuple[Choice, ...]:
    """What serves the wish, the fastest a picture first, each with its best micro-batch.

    What is exact serves "fast" too. The usual micro-batch stays unless another is clearly faster, since pictures are
    the same to the last bit only in micro-batches of one size.
    """
    best: dict[tuple[str, str, str], Choice] = {}
    for one in sorted(measurements, key=lambda one: one.batch != usual):
        if wish == "exact" and one.precision != "exact":
            continue
        choice = Choice(
            backend=one.backend, device=one.device, precision=one.precision, batch=one.batch, ms=one.ms / one.batch
        )
        name = (one.backend, one.device, one.precision)
        if name not in best or choice.ms < best[name].ms * (_WORTH_IT if best[name].batch == usual else 1):
            best[name] = choice
    return tuple(sorted(best.values(), key=lambda choice: choice.ms))
