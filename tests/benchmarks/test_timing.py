"""Alternation, percentiles, spread."""

import torch

from wplus.benchmarks.timing import alternate, matrix_products, ratios, spread, summarize


def test_every_round_calls_each_once_and_turns_the_order() -> None:
    calls: list[str] = []
    samples = alternate(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, max_rounds=4, budget_seconds=60
    )
    assert "".join(calls) == "abbaabba"
    assert {name: len(seconds) for name, seconds in samples.items()} == {"a": 4, "b": 4}


def test_a_spent_budget_still_gives_three_rounds() -> None:
    assert len(alternate({"a": lambda: None}, max_rounds=100, budget_seconds=0)["a"]) == 3


def test_summary_holds_the_percentiles() -> None:
    summary = summarize([float(value) for value in range(11)])
    assert (summary.p20, summary.median, summary.p80) == (2, 5, 8)


def test_ratio_says_how_many_times_as_fast() -> None:
    assert ratios([2.0, 3.0], [1.0, 6.0]) == [2.0, 0.5]


def test_spread_of_a_thing_against_itself() -> None:
    assert spread([1.0] * 5, [1.0] * 5) == 0
    assert 0 < spread([1.0, 1.1, 0.9, 1.0, 1.2], [1.0] * 5) < 0.2


def test_plain_products_are_rates_by_kind() -> None:
    rates = matrix_products(torch.float32, repeats=1)
    assert set(rates) == {"torch.mm", "1x1 convolution"}
    assert min(rates.values()) > 0.1
