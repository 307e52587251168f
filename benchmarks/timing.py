"""What timings say."""

from dataclasses import dataclass

import numpy as np


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


def ratios(reference: list[float], contestant: list[float]) -> list[float]:
    """Round by round, how many times as fast the contestant was."""
    return [slow / fast for slow, fast in zip(reference, contestant, strict=True)]


def spread(first: list[float], second: list[float]) -> float:
    """How far from 1 the ratios of one thing against itself lie: at the 20th or 80th percentile, the further one."""
    summary = summarize(ratios(first, second))
    return max(abs(summary.p20 - 1), abs(summary.p80 - 1))


def excess(samples: list[float]) -> float:
    """By which share the median lies above the best: small on a quiet machine."""
    return summarize(samples).median / min(samples) - 1
