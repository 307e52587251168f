"""Percentiles, spread, excess."""

import pytest

from wplus.benchmarks.timing import excess, ratios, spread, summarize


def test_summary_holds_the_percentiles() -> None:
    summary = summarize([float(value) for value in range(11)])
    assert (summary.p20, summary.median, summary.p80) == (2, 5, 8)


def test_ratio_says_how_many_times_as_fast() -> None:
    assert ratios([2.0, 3.0], [1.0, 6.0]) == [2.0, 0.5]


def test_spread_of_a_thing_against_itself() -> None:
    assert spread([1.0] * 5, [1.0] * 5) == 0
    assert 0 < spread([1.0, 1.1, 0.9, 1.0, 1.2], [1.0] * 5) < 0.2


def test_excess_is_the_medians_distance_from_the_best() -> None:
    assert excess([1.0, 1.2, 5.0]) == pytest.approx(0.2)
