"""Regressions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from wplus.benchmarks.compare import compare
from wplus.benchmarks.rows import Row, write_csv


def test_the_same_run_has_not_regressed(tmp_path: Path, make_row: Callable[..., Row]) -> None:
    write_csv(tmp_path / "old.csv", [make_row()])
    found = compare(tmp_path / "old.csv", [make_row()])
    assert not found.is_worse
    assert "No regression in 1 measurements" in found.text


def test_a_lower_ratio_is_a_regression(make_row: Callable[..., Row]) -> None:
    found = compare([make_row(ratio=1.5)], [make_row(ratio=1.2)])
    assert found.is_worse
    assert "rate is 1.20 times the reference; it was 1.50 (tolerance 10%)" in found.text


def test_a_slower_machine_alone_is_none(make_row: Callable[..., Row]) -> None:
    assert not compare([make_row(median=10.0)], [make_row(median=3.0)]).is_worse


def test_noise_widens_the_tolerance(make_row: Callable[..., Row]) -> None:
    assert not compare([make_row(ratio=1.5, spread=0.2)], [make_row(ratio=1.2, spread=0.1)]).is_worse


def test_memory_and_loading_are_judged_on_the_same_machine(make_row: Callable[..., Row]) -> None:
    def rows(factor: float, machine: str) -> list[Row]:
        numbers = {"p20": factor, "median": factor, "p80": factor, "ratio": None, "machine": machine}
        return [make_row(metric="peak_memory", **numbers), make_row(metric="load_pkl", **numbers)]

    assert len(compare(rows(1, "here"), rows(1.3, "here")).regressions) == 2
    with pytest.raises(ValueError, match="nothing that this one did"):
        compare(rows(1, "here"), rows(1.3, "there"))


def test_runs_without_anything_in_common_are_refused(make_row: Callable[..., Row]) -> None:
    with pytest.raises(ValueError, match="tiny at batch 8 with 2 threads"):
        compare([make_row(batch=8)], [make_row(batch=1)])
