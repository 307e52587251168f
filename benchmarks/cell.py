"""One cell of the table: one network, one batch size, all contestants in turn."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wplus.benchmarks.contestants import Contestant
from wplus.benchmarks.correctness import Difference, difference, unacceptable_reasons
from wplus.benchmarks.timing import alternate, spread
from wplus.errors import ParityError

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


def time_cell(contestants: Sequence[Contestant], ws: Tensor, *, rounds: int, seconds: float) -> Cell:
    """Checks every contestant against the first, then times all of them in turn, the first one twice a round.

    Raises:
        ParityError: a contestant draws other pictures than the first; nothing was timed.
    """
    first_seconds: dict[str, float] = {}
    differences: dict[str, Difference] = {}
    reference: Tensor | None = None
    for contestant in contestants:
        start = time.perf_counter()
        img = contestant.synthesize(ws)
        first_seconds[contestant.label] = time.perf_counter() - start
        reference = img if reference is None else reference
        differences[contestant.label] = _check(contestant, img, reference)
    del reference, img
    baseline = contestants[0]
    runs = {contestant.label: lambda c=contestant: c.synthesize(ws) for contestant in contestants}
    samples = alternate(runs | {_AGAIN: lambda: baseline.synthesize(ws)}, max_rounds=rounds, budget_seconds=seconds)
    again = samples.pop(_AGAIN)
    return Cell(
        batch=len(ws),
        samples=samples,
        again=again,
        differences=differences,
        first_seconds=first_seconds,
        spread=spread(samples[baseline.label], again),
    )


def _check(contestant: Contestant, img: Tensor, reference: Tensor) -> Difference:
    found = difference(torch.as_tensor(img), reference)
    if reasons := unacceptable_reasons(found, contestant.entry.precision):
        raise ParityError(
            f"{contestant.label} draws other pictures than the reference, so it is not timed: {'; '.join(reasons)}. "
            "Find out why first (pytest tests/benchmarks compares the baseline with golden values)."
        )
    return found
