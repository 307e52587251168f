"""Rows and their file."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from wplus.benchmarks.rows import Row, read_csv, write_csv


def test_rows_come_back_from_the_file(tmp_path: Path, make_row: Callable[..., Row]) -> None:
    rows = [
        make_row(),
        make_row(ratio=None, psnr_db=math.inf, ratio_note="no difference", compile_seconds=3.5, batch=8),
    ]
    write_csv(tmp_path / "rows.csv", rows)
    assert read_csv(tmp_path / "rows.csv") == rows


def test_a_file_from_before_a_column_was_added_is_read(tmp_path: Path, make_row: Callable[..., Row]) -> None:
    write_csv(tmp_path / "rows.csv", [make_row()])
    with (tmp_path / "rows.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    del line["baseline_excess"]
    with (tmp_path / "old.csv").open("w", newline="") as file:
        csv.writer(file).writerows([line.keys(), line.values()])
    assert read_csv(tmp_path / "old.csv") == [make_row()]


def test_a_restless_machine_does_not_count(make_row: Callable[..., Row]) -> None:
    assert make_row(baseline_excess=0.15).counts
    assert not make_row(baseline_excess=0.151).counts


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n", "\0"], ids=["missing", "empty", "another", "binary"])
def test_what_is_no_table_of_ours_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match="not a table that `wplus bench` wrote"):
        read_csv(path)
