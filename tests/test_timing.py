"""Alternating timings."""

from wplus.timing import alternate


def test_every_round_calls_each_once_and_turns_the_order() -> None:
    calls: list[str] = []
    samples = alternate(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, max_rounds=4, budget_seconds=60
    )
    assert "".join(calls) == "abbaabba"
    assert {name: len(seconds) for name, seconds in samples.items()} == {"a": 4, "b": 4}


def test_a_spent_budget_still_gives_three_rounds() -> None:
    assert len(alternate({"a": lambda: None}, max_rounds=100, budget_seconds=0)["a"]) == 3
