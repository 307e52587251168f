"""Tables."""

import json
import math
from collections.abc import Callable
from pathlib import Path

from wplus.benchmarks.report import Report, samples_path, tables_from_csv
from wplus.benchmarks.rows import Row


def test_table_shows_the_numbers_with_their_spread(make_row: Callable[..., Row]) -> None:
    text = Report(rows=(make_row(),)).text
    assert "| rate | 1 | wplus torch | float32 | 10.0 images/s (9.50 to 10.2) | 1.50 × (A/A ± 2%)" in text


def test_ratio_inside_the_spread_is_no_difference(make_row: Callable[..., Row]) -> None:
    text = Report(rows=(make_row(ratio=1.01, ratio_note="no difference"),)).text
    assert "no difference (1.01, A/A ± 2%)" in text


def test_ratio_across_dtypes_stands_beside_the_same_dtypes_and_the_psnr(make_row: Callable[..., Row]) -> None:
    text = Report(rows=(make_row(dtype="bfloat16", ratio=1.2, ratio_float32=2.5, psnr_db=51.0),)).text
    assert "1.20 × (A/A ± 2%); 2.50 × the float32 reference" in text
    assert "51 dB" in text


def test_arithmetic_and_loading_have_their_places(make_row: Callable[..., Row]) -> None:
    rows = (
        make_row(),
        make_row(metric="arithmetic", unit="GFLOP/s", median=123.4),
        make_row(metric="share_of_matrix_product", unit="%", median=61.0),
        make_row(metric="load_pkl", unit="s", median=0.5),
    )
    text = Report(rows=rows).text
    assert "| 123 | 61 % |" in text
    assert "| loading .pkl as NVIDIA writes it | wplus torch | float32 | 0.500 s |" in text


def test_notes_and_an_empty_run_are_told() -> None:
    text = Report(rows=(), notes=("one contestant was missing.",)).text
    assert "Nothing was measured." in text
    assert "Note: one contestant was missing." in text


def test_files_hold_rows_and_samples(tmp_path: Path, make_row: Callable[..., Row]) -> None:
    report = Report(rows=(make_row(),), samples=({"samples": [0.1, 0.2]},))
    report.write(tmp_path / "new" / "run.csv")
    assert tables_from_csv(tmp_path / "new" / "run.csv") == report.text
    assert json.loads(samples_path(tmp_path / "new" / "run.csv").read_text()) == [{"samples": [0.1, 0.2]}]


def test_json_has_no_infinities(make_row: Callable[..., Row]) -> None:
    row = Report(rows=(make_row(psnr_db=math.inf),)).to_json()["rows"][0]
    assert row["psnr_db"] is None
    json.dumps(row, allow_nan=False)
