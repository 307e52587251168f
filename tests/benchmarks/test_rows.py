"""Rows and their file."""

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


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n", "\0"], ids=["missing", "empty", "another", "binary"])
def test_what_is_no_table_of_ours_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match="not a table that `wplus bench` wrote"):
        read_csv(path)
