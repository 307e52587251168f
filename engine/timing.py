"""Alternating timings of several functions."""

import math
import time
from collections.abc import Callable, Mapping

MIN_ROUNDS = 3

_REST = 0.01  # seconds before a call: as long the threads of the runtime before it may spin, waiting for more to do


def alternate(
    runs: Mapping[str, Callable[[], object]], *, max_rounds: int, budget_seconds: float = math.inf
) -> dict[str, list[float]]:
    """Seconds of each call, one a round and name; a round calls each once, every other round in reverse order.

    It stops after `max_rounds`, or once the next round would overrun the budget, but never before three rounds.
    The functions are expected to be warm.
    """
    samples: dict[str, list[float]] = {name: [] for name in runs}
    begin = time.perf_counter()
    for done in range(max_rounds):
        elapsed = time.perf_counter() - begin
        if done >= MIN_ROUNDS and elapsed * (done + 1) / done > budget_seconds:
            break
        names = list(runs) if done % 2 == 0 else list(reversed(list(runs)))
        for name in names:
            time.sleep(_REST)
            start = time.perf_counter()
            runs[name]()
            samples[name].append(time.perf_counter() - start)
    return samples
