"""The benchmark of walks on a tiny network, and what its tables say."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import wplus.benchmarks.walks as program
from wplus.benchmarks.report import Report
from wplus.benchmarks.rows import Row, read_csv
from wplus.benchmarks.walk_files import Cost, bound
from wplus.benchmarks.walk_report import files_table, tables
from wplus.benchmarks.walks import WalksOptions, run_walks
from wplus.errors import ParityError

pytest.importorskip("av")

MakeRow = Callable[..., Row]


@pytest.fixture(scope="module")
def measured(network: str) -> Report:
    return run_walks(WalksOptions(quick=True, network=network))


def test_files_are_checked_and_timed_against_what_is_possible(measured: Report) -> None:
    medians = {(row.implementation, row.metric): row.median for row in measured.rows}
    assert {name for name, _ in medians} == {
        f"{name}, torch" for name in ("network alone", "encoder alone", "wplus walk", "bound")
    }
    assert all(value > 0 for value in medians.values())
    assert medians["bound, torch", "frame"] >= 0.99 * medians["network alone, torch", "frame"]
    assert 0 < medians["wplus walk, torch", "share_of_bound"] < 150


def test_the_bound_is_the_slowest_stage_or_the_work_of_all_by_cpus() -> None:
    assert bound(Cost(wall=3, cpu=3), Cost(wall=1, cpu=1), 2) == 3
    assert bound(Cost(wall=3, cpu=6), Cost(wall=1, cpu=1), 2) == 3.5


def test_a_file_that_shows_other_frames_stops_the_benchmark(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wplus.benchmarks.walk_files._LEAST_PSNR", 200.0)
    with pytest.raises(ParityError, match=r"Frame 0 of walk\.mp4 is .* dB from its picture; nothing was timed"):
        run_walks(WalksOptions(quick=True, network=network))


def test_tables_say_shares_and_what_does_not_count(make_row: MakeRow) -> None:
    rows = [
        make_row(metric="frame", unit="ms", baseline_excess=0.5),
        make_row(metric="frame_cpu", unit="ms", median=3.0),
        make_row(metric="share_of_bound", unit="%", median=93.21),
    ]
    assert "| tiny | wplus torch | float32 | 10.0 (9.50 to 10.2) | 3.00 | 93.2 % |" in files_table(rows)
    text = tables(rows, ["nobody knows"])
    assert "The times of tiny **do not count**" in text
    assert "Note: nobody knows" in text
    assert tables([]) == "Nothing was measured.\n"


def test_the_program_writes_what_it_prints(measured: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "run_walks", lambda _: measured)
    out = tmp_path / "walks.csv"
    result = CliRunner().invoke(program.main, ["--only=files", f"--out={out}"])
    assert result.exit_code == 0, result.output
    assert out.with_suffix(".md").read_text() in result.output
    assert len(read_csv(out)) == len(measured.rows) == 8
