"""One cell of the table: one network, one batch size, all contestants in turn."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wplus.benchmarks.contestants import Contestant
from wplus.benchmarks.timing import excess, spread
from wplus.errors import ParityError, UnsupportedError
from wplus.parity import Difference, difference, unacceptable_reasons
from wplus.timing import alternate

_AGAIN = "baseline again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What was measured at one batch size; samples are seconds a batch, by contestant's label."""

    batch: int
    samples: dict[str, list[float]]
    again: list[float]  # the first contestant's second series
    differences: dict[str, Difference]
    first_seconds: dict[str, float]  # of the first call, which compiles where anything compiles
    spread: float  # of the first contestant against itself
    excess: float  # by which share the first contestant's median lies above its best
    left_out: dict[str, str]  # why a contestant was not timed: it cannot compile, or is too far off in half precision


def time_cell(contestants: Sequence[Contestant], latents: Tensor, *, family: str, rounds: int, seconds: float) -> Cell:
    """Checks every contestant against the first, then times all of them in turn, the first one twice a round.

    Raises:
        ParityError: one that is to be exact draws other pictures than the first; nothing was timed.
    """
    first_seconds: dict[str, float] = {}
    differences: dict[str, Difference] = {}
    left_out: dict[str, str] = {}
    reference: NDArray[np.float32] | None = None
    for contestant in contestants:
        start = time.perf_counter()
        try:
            img = np.asarray(contestant.synthesize(latents))
        except (ParityError, UnsupportedError) as exc:  # NaN, which runtimes look for themselves; or it cannot compile
            if isinstance(exc, ParityError) and contestant.entry.precision == "exact":
                raise
            left_out[contestant.label] = str(exc)
            continue
        first_seconds[contestant.label] = time.perf_counter() - start
        reference = img if reference is None else reference
        differences[contestant.label] = found = difference(img, reference)
        if reasons := _objections(contestant, found, family):
            left_out[contestant.label] = reasons
    del reference, img
    baseline = contestants[0]
    runs = {c.label: lambda c=c: c.synthesize(latents) for c in contestants if c.label not in left_out}
    samples = alternate(
        runs | {_AGAIN: lambda: baseline.synthesize(latents)}, max_rounds=rounds, budget_seconds=seconds
    )
    again = samples.pop(_AGAIN)
    return Cell(
        batch=len(latents),
        samples=samples,
        again=again,
        differences=differences,
        first_seconds=first_seconds,
        spread=spread(samples[baseline.label], again),
        excess=excess([*samples[baseline.label], *again]),
        left_out=left_out,
    )


def _objections(contestant: Contestant, found: Difference, family: str) -> str:
    """Why a contestant in half precision is not timed; nothing if it may be.

    NVIDIA's formulation in half precision is what others are compared with: it is timed however much it rounds, and
    the table says how much.
    """
    entry = contestant.entry
    reasons = unacceptable_reasons(found, entry.precision, family)
    if entry.kind == "nvidia" and entry.precision == "fast" and not found.non_finite:
        return ""
    if reasons and entry.precision == "exact":
        raise ParityError(
            f"{contestant.label} draws other pictures than the reference, so it is not timed: {'; '.join(reasons)}. "
            "Find out why first (pytest tests/benchmarks compares the baseline with golden values)."
        )
    return "; ".join(reasons)
