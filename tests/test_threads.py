"""CPUs by affinity and quota."""

import os
from pathlib import Path

import pytest

from wplus import threads


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", 8), ("150000 100000", 2), ("20000 100000", 1), ("9900000 100000", 8)]
)
def test_the_cgroups_quota_counts(quota: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    monkeypatch.setattr(threads, "_QUOTA_V2", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert threads.usable_cpus() == expected


def test_the_older_cgroups_quota_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = (tmp_path / "quota", tmp_path / "period")
    files[0].write_text("300000\n")
    files[1].write_text("100000\n")
    monkeypatch.setattr(threads, "_QUOTA_V2", tmp_path / "missing")
    monkeypatch.setattr(threads, "_QUOTA_V1", files)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert threads.usable_cpus() == 3


def test_without_a_quota_all_cpus_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_QUOTA_V2", tmp_path / "missing")
    monkeypatch.setattr(threads, "_QUOTA_V1", (tmp_path / "missing", tmp_path / "missing"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5}, raising=False)
    assert threads.usable_cpus() == 2
