"""The benchmark of inversion: each part on a tiny network, and what its tables say."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import wplus.benchmarks.inversion as program
from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.cases import Case
from wplus.benchmarks.curves import ticks
from wplus.benchmarks.inversion import InversionOptions, Part, run_inversion
from wplus.benchmarks.inversion_quality import QUALITY
from wplus.benchmarks.inversion_race import Race, Trajectory, check_procedure
from wplus.benchmarks.inversion_report import draw_races, median_curve, quality_table, race_table, steps_table, tables
from wplus.benchmarks.projector import Projector
from wplus.benchmarks.report import Report
from wplus.benchmarks.rows import Row, read_csv
from wplus.checkpoints import Checkpoint
from wplus.config import StyleGAN2Config
from wplus.errors import ParityError
from wplus.generator import Generator

MakeRow = Callable[..., Row]


def _options(network: str, only: Part) -> InversionOptions:
    case = Case(name="tiny", network=network, batches=(1,), rounds=3, seconds=0.01)
    return InversionOptions(
        only=only,
        quick=True,
        pictures=1,
        network=network,
        steps=(case,),
        nvidia_steps=12,
        fast_steps=18,
        quality_steps=12,
    )


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wplus.benchmarks.total_variation._STEPS", 2)
    monkeypatch.setattr("wplus.inversion.starts._CANDIDATES", 16)


@pytest.fixture(scope="module")
def raced(network: str) -> tuple[Report, dict[str, list[Race]]]:
    return run_inversion(_options(network, "race"))


def _trajectory(seconds: list[float], losses: list[float]) -> Trajectory:
    return Trajectory(seconds=np.array(seconds), losses=np.array(losses))


def _race(fast: list[float], target: float = 0.5) -> Race:
    nvidia = _trajectory([10.0, 20.0, 30.0], [2.0, 1.0, target])
    return Race(target_loss=target, nvidia=nvidia, same=nvidia, fast=_trajectory([1.0, 2.0, 3.0], fast))


def test_steps_are_checked_and_timed(network: str) -> None:
    report, _ = run_inversion(_options(network, "steps"))
    rows = [row for row in report.rows if row.metric == "step"]
    assert rows[0].implementation == "nvidia-formulation eager"
    assert rows[0].ratio_note == "reference"
    assert {row.implementation for row in rows} >= {"nvidia-formulation eager", "wplus torch"}
    assert all(row.median > 0 and row.spread is not None for row in rows)
    errors = [row.median for row in report.rows if row.metric == "gradient_error" and row.dtype == "float32"]
    assert errors[0] == 0
    assert max(errors) < 1e-4
    assert "wplus torch" in steps_table(report.rows)


def test_a_wrong_gradient_stops_the_benchmark(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(program.time_steps.__globals__["_MOST_ERROR"], "exact", -1.0)
    with pytest.raises(ParityError, match=r"gradient differs .* nothing was timed"):
        run_inversion(_options(network, "steps"))


def test_a_race_has_a_winner_and_a_picture(raced: tuple[Report, dict[str, list[Race]]], tmp_path: Path) -> None:
    report, races = raced
    assert {row.metric for row in report.rows} == {"seconds_to_loss", "reached", "first_step", "last_loss"}
    assert set(races) == {"own", "rendered"}
    race = races["own"][0]
    assert len(race.nvidia.losses) == 3  # of 12 steps: 0, 10 and the last
    assert race.fast_seconds >= race.fast.seconds[0] > 0
    draw_races(tmp_path / "curves.svg", races)
    text = (tmp_path / "curves.svg").read_text()
    assert text.startswith("<svg")
    assert text.count("<g transform") == 2
    assert "nan" not in text


def test_the_preset_nvidia_is_the_procedure_and_another_is_not(
    tiny_checkpoint: Checkpoint, tiny: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(tiny_checkpoint.config, StyleGAN2Config)
    projector = Projector(NvidiaFormulation(tiny_checkpoint.config, tiny_checkpoint.tensors))
    check_procedure(tiny, projector)
    monkeypatch.setattr("wplus.benchmarks.projector._RATE", 0.09)
    with pytest.raises(ParityError, match=r"losses differ from NVIDIA's procedure's by .* Nothing was timed"):
        check_procedure(tiny, projector)


@pytest.mark.parametrize("part", ["quality", "measurements"])
def test_quality_is_measured_beside_its_opponents(network: str, part: Part) -> None:
    cases = [case for case in QUALITY if bool(case.operator) == (part == "measurements")]
    report, _ = run_inversion(_options(network, part))
    found = {(row.case.partition(", ")[2], row.implementation) for row in report.rows if row.metric == "psnr"}
    expected = {(case.name, "wplus invert") for case in cases}
    expected |= {(case.name, "Adam, 300 steps from the best of 512") for case in cases if not case.operator}
    expected |= {
        (case.name, opponent)
        for case in cases
        if case.has_opponents
        for opponent in ("least squares", "total variation")
    }
    assert found == expected
    in_grey = sum("coded" in case for case, _ in expected)
    assert sum(row.metric == "grey_psnr" for row in report.rows) == in_grey
    assert quality_table(report.rows).count("\n") == 1 + len(expected) + in_grey


def test_a_race_that_is_not_won_costs_what_is_then_needed() -> None:
    assert _race([3.0, 0.5, 0.4]).fast_seconds == 2
    assert _race([3.0, 2.0, 0.6]).fast_seconds == 3 + 30


def test_curves_are_medians_of_the_best_so_far() -> None:
    trajectories = [_trajectory([1, 2, 4], [4, 8, 2]), _trajectory([1, 3], [2, 1]), _trajectory([2, 4], [6, 1])]
    points = median_curve(trajectories, [1, 1, 1])
    assert points[0] == (2, 4)  # once all have a loss: 4 (8 is no better), 2, 6
    assert points[-1][0] == pytest.approx(4)
    assert points[-1][1] == 1


def test_axes_have_three_ticks_or_more() -> None:
    assert ticks(0.5, 600) == [1, 10, 100]
    assert ticks(0.9, 6) == [1, 2, 5]


def test_tables_say_ratios_spreads_and_what_does_not_count(make_row: MakeRow) -> None:
    rows = [
        make_row(metric="step", unit="ms", ratio=2.0, baseline_excess=0.5),
        make_row(metric="gradient_error", median=3e-7),
        make_row(metric="peak_memory", median=512.0),
        make_row(case="race", metric="seconds_to_loss", unit="s", ratio=9.0),
        make_row(case="race", metric="reached", median=7.0),
        make_row(case="even", metric="seconds_to_loss", unit="s", ratio=1.01, ratio_note="no difference"),
    ]
    text = tables(rows, ["nobody knows"])
    assert "| tiny | wplus torch | float32 | 10.0 (9.50 to 10.2) | 2.00 × (A/A ± 2%) | 512 | 3.0e-07 |" in text
    assert "9.00 × (A/A ± 2%) | 7 |" in race_table(rows)
    assert "no difference (1.01, A/A ± 2%)" in race_table(rows)
    assert "The times of tiny **do not count**" in text
    assert "Note: nobody knows" in text
    assert "Pictures found again" not in text
    assert tables([]) == "Nothing was measured.\n"


def test_the_program_writes_what_it_prints(
    raced: tuple[Report, dict[str, list[Race]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "run_inversion", lambda _: raced)
    out = tmp_path / "inversion.csv"
    result = CliRunner().invoke(program.main, ["--only=race", f"--out={out}"])
    assert result.exit_code == 0, result.output
    assert out.with_suffix(".md").read_text() in result.output
    assert len(read_csv(out)) == len(raced[0].rows) == 14
    assert out.with_suffix(".svg").exists()
    assert re.search(r"race, own pictures \| wplus preset fast", result.output)
