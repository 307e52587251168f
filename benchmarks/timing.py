"""Alternating timings of several functions, and what a plain matrix product reaches on the same machine."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

MIN_ROUNDS = 3
_PRODUCT = (1024, 1024, 4096)  # rows, inner, columns
_SIDE = 64  # of the picture that the columns are, seen as a convolution's


@dataclass(frozen=True, slots=True)
class Summary:
    """Median of some samples with their 20th and 80th percentiles."""

    p20: float
    median: float
    p80: float


def summarize(samples: list[float]) -> Summary:
    """The three numbers that every row reports."""
    p20, median, p80 = np.percentile(samples, [20, 50, 80])
    return Summary(float(p20), float(median), float(p80))


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
            start = time.perf_counter()
            runs[name]()
            samples[name].append(time.perf_counter() - start)
    return samples


def ratios(reference: list[float], contestant: list[float]) -> list[float]:
    """Round by round, how many times as fast the contestant was."""
    return [slow / fast for slow, fast in zip(reference, contestant, strict=True)]


def spread(first: list[float], second: list[float]) -> float:
    """How far from 1 the ratios of one thing against itself lie: at the 20th or 80th percentile, the further one."""
    summary = summarize(ratios(first, second))
    return max(abs(summary.p20 - 1), abs(summary.p80 - 1))


@torch.inference_mode()
def matrix_products(dtype: torch.dtype, *, repeats: int = 3) -> dict[str, float]:
    """GFLOP/s of plain matrix products in `dtype` with the threads set now, best of several, by what computes them.

    PyTorch leaves torch.mm to MKL and convolutions to oneDNN; on some CPUs the one is twice as fast as the other.
    """
    m, k, n = _PRODUCT
    a, b = torch.ones(m, k, dtype=dtype), torch.ones(k, n, dtype=dtype)
    img = torch.ones(1, k, n // _SIDE, _SIDE, dtype=dtype).to(memory_format=torch.channels_last)
    kernels = a.reshape(m, k, 1, 1)
    kinds: dict[str, Callable[[], object]] = {
        "torch.mm": lambda: torch.mm(a, b),
        "1x1 convolution": lambda: functional.conv2d(img, kernels),
    }
    for run in kinds.values():
        run()
    samples = alternate(kinds, max_rounds=repeats)
    return {name: 2 * m * k * n / min(samples[name]) / 1e9 for name in kinds}
