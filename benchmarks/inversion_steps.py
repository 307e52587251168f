"""How long a step of inversion takes: forward, backward and update, in W+, one picture, and what memory it needs."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.cases import Case
from wplus.benchmarks.contestants import entries, installed_runtimes
from wplus.benchmarks.inversion_contestants import StepContestant, build_step
from wplus.benchmarks.processes import StepTask, peak_mib
from wplus.benchmarks.recorder import Recorder, ratio_columns
from wplus.benchmarks.subject import Subject
from wplus.benchmarks.timing import excess, spread
from wplus.config import StyleGAN2Config
from wplus.errors import ParityError, UnsupportedError
from wplus.timing import alternate

_AGAIN = "baseline again"
_MOST_ERROR = {"exact": 1e-3, "fast": 0.5}  # of gradients, relative RMS: half precision is noisy, and is told
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Seconds of steps by label, taken in turn, the first contestant's twice."""

    samples: dict[str, list[float]]
    again: list[float]
    spread: float


def time_steps(case: Case, recorder: Recorder, *, threads: int, folder: Path, with_memory: bool) -> None:
    """The rows of one network: milliseconds of a step, error of the gradient, peak memory.

    Raises:
        ParityError: a contestant that is to be exact has another gradient than the first; nothing was timed.
    """
    subject = Subject(case, folder=folder, threads=threads)
    assert subject.checkpoint is not None
    recorder.begin(f"{case.name}, step in W+", subject.config.img_resolution)
    bundle = folder / f"step-{case.name.replace(':', '-')}"
    with ExitStack() as stack:
        contestants = _contestants(case, subject, recorder, stack, threads, bundle)
        errors = _gradient_errors(contestants, recorder)
        contestants = [contestant for contestant in contestants if contestant.label in errors]
        for contestant in contestants:
            contestant.step()  # what is compiled or laid out at the first
        _log.info("inversion: timing steps of %s", case.name)
        steps = _time(contestants, case)
        for contestant in contestants:
            name, dtype = contestant.entry.implementation, contestant.dtype
            seconds = steps.samples[contestant.label]
            columns = ratio_columns(steps, contestant, contestants) | {
                "spread": steps.spread,
                "baseline_excess": excess([*steps.samples[contestants[0].label], *steps.again]),
            }
            recorder.add(name, dtype, 1, "step", "ms", [1e3 * second for second in seconds], **columns)
            recorder.add(name, dtype, 1, "gradient_error", "-", [errors[contestant.label]])
    for contestant in contestants if with_memory else ():
        task = StepTask(network=case.network, entry=contestant.entry, threads=threads, bundle=str(bundle))
        peaks = [peak_mib(task)]
        recorder.add(contestant.entry.implementation, contestant.dtype, 1, "peak_memory", "MiB", peaks)


def _contestants(
    case: Case, subject: Subject, recorder: Recorder, stack: ExitStack, threads: int, bundle: Path
) -> list[StepContestant]:
    """Those that can take part, closed with `stack`; why others cannot is noted."""
    assert subject.checkpoint is not None
    asked = entries(("torch", *installed_runtimes()), ("exact", "fast"), compiled=False)
    ws = subject.latents(2, asked[0])
    start, other = ws[:1], ws[1:]
    config = subject.config
    assert isinstance(config, StyleGAN2Config)
    target = NvidiaFormulation(config, subject.checkpoint.tensors).synthesize(other).clamp(-1, 1)  # as photos are
    found = []
    for entry in asked:
        try:
            contestant = build_step(entry, subject.checkpoint, start, target, threads=threads, bundle=bundle)
        except (ParityError, UnsupportedError) as exc:
            why = str(exc).removesuffix(".")
            recorder.note(f"{entry.implementation} took no steps of {case.name} in {entry.precision}: {why}.")
            continue
        stack.callback(contestant.close)
        found.append(contestant)
    return found


def _gradient_errors(contestants: Sequence[StepContestant], recorder: Recorder) -> dict[str, float]:
    """Relative RMS differences from the first one's gradient, by label; who is too far off in half precision is left
    out, which is noted.

    Raises:
        ParityError: one that is to be exact is too far off.
    """
    reference = contestants[0].gradient().astype(np.float64)
    errors = {}
    for contestant in contestants:
        begun = time.perf_counter()
        difference = contestant.gradient() - reference
        error = float(np.sqrt(np.square(difference).mean() / np.square(reference).mean()))
        _log.info(
            "inversion: %s, error of the gradient %.1e, %.1f s", contestant.label, error, time.perf_counter() - begun
        )
        if error <= _MOST_ERROR[contestant.entry.precision]:
            errors[contestant.label] = error
            continue
        text = f"{contestant.label}'s gradient differs from the reference's by {error:.1e} of it"
        if contestant.entry.precision == "exact":
            raise ParityError(f"{text}; at most {_MOST_ERROR['exact']:.0e} is rounding, so nothing was timed.")
        recorder.note(f"{text}, so it was not timed.")
    return errors


def _time(contestants: Sequence[StepContestant], case: Case) -> Steps:
    runs: dict[str, Callable[[], object]] = {contestant.label: contestant.step for contestant in contestants}
    baseline = contestants[0]
    samples = alternate(runs | {_AGAIN: baseline.step}, max_rounds=case.rounds, budget_seconds=case.seconds)
    again = samples.pop(_AGAIN)
    return Steps(samples=samples, again=again, spread=spread(samples[baseline.label], again))
