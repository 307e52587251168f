"""The benchmark of walks on a tiny network, and what its tables say."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import wplus
import wplus.benchmarks.walks as program
from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.live_networks import SleepingGenerator
from wplus.benchmarks.live_server import Viewer, served
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.report import Report
from wplus.benchmarks.rows import Row, read_csv
from wplus.benchmarks.walk_files import Cost, bound
from wplus.benchmarks.walk_live import LiveNetwork, measure_live
from wplus.benchmarks.walk_report import BESIDES, PERCENTILES, files_table, tables
from wplus.benchmarks.walk_today import film_today
from wplus.benchmarks.walks import WalksOptions, run_walks
from wplus.checkpoints import Checkpoint
from wplus.config import StyleGAN2Config
from wplus.errors import ParityError, WplusError
from wplus.generator import Generator
from wplus.live.config import LiveConfig
from wplus.live.show import Show
from wplus.live.stats import STAGES
from wplus.paths.description import Keyframe, Walk
from wplus.pyav import import_av

pytest.importorskip("av")

MakeRow = Callable[..., Row]


@pytest.fixture(scope="module")
def measured(network: str) -> Report:
    return run_walks(WalksOptions(only="files", quick=True, network=network))


@pytest.fixture(scope="module")
def shown(network: str) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "_QUICK", replace(program._QUICK, show_frames=9, shows=1))
        patch.setattr("wplus.benchmarks.walk_live.BARS", {32: 1000.0})
        return run_walks(WalksOptions(only="live", quick=True, network=network, large=network))


@pytest.fixture(scope="module")
def raced(network: str) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "_QUICK", replace(program._QUICK, raced_frames=4))
        return run_walks(WalksOptions(only="today", quick=True, large=network))


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
        run_walks(WalksOptions(only="files", quick=True, network=network))


def test_each_stage_of_a_show_is_measured_with_real_networks_and_sleeping_ones(shown: Report) -> None:
    cases = {(row.case, row.resolution) for row in shown.rows}
    assert len(cases) == 4
    assert sorted(side for _, side in cases) == [16, 16, 32, 32]
    for case in cases:
        medians = {
            (row.implementation.split(": ")[1], row.metric): row.median
            for row in shown.rows
            if (row.case, row.resolution) == case
        }
        assert all(medians[stage, percentile] >= 0 for stage in STAGES for percentile in PERCENTILES)
        others = [medians[stage, "p95"] for stage in STAGES if stage != "network"]
        assert medians[BESIDES, "p95"] == pytest.approx(sum(others))
        assert medians["frames", "rate"] > 0


def test_a_sleeping_network_takes_as_long_as_it_is_told_and_gives_another_picture_each_time() -> None:
    with SleepingGenerator(32, 0.05) as G:
        start = time.perf_counter()
        first, second = (G.images(np.zeros((1, G.num_ws, G.w_dim), np.float32)) for _ in range(2))
        assert 0.1 <= time.perf_counter() - start < 5
    assert first.shape == second.shape == (1, 32, 32, 3)
    assert (first != second).any()


def test_a_show_that_cannot_be_drawn_stops_the_benchmark(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wplus.benchmarks.walk_live._PATIENCE", 0.3)
    opened: list[Generator] = []

    def open_once() -> Generator:
        if opened:
            raise WplusError("it is broken")
        opened.append(wplus.load(network, device="cpu"))
        return opened[0]

    subject = LiveNetwork(name="broken", open=open_once)
    with pytest.raises(WplusError, match="live, broken showed no picture"):
        measure_live(Recorder(1), [subject], rounds=1, frames=3)


def test_a_viewer_whose_show_ends_the_connection_says_so(tmp_path: Path, network: str) -> None:
    walk = Walk(keyframes=(Keyframe(seed=0), Keyframe(seed=1)), loop=True, fps=30.0)
    with Show(lambda: wplus.load(network, device="cpu"), walk, LiveConfig(record_dir=tmp_path)) as show:
        assert show.wait(30)
        with served(show, tmp_path) as url:
            viewer = Viewer(url)
            assert viewer.is_watching
    with viewer, pytest.raises(WplusError, match="A viewer of the show failed: The show ended the connection after"):
        viewer.leave()


def test_todays_way_and_ours_film_the_same_pictures(raced: Report) -> None:
    assert raced.rows[0].implementation == "nvidia-formulation eager"
    assert {row.metric for row in raced.rows} == {"rate"}
    ours = [row for row in raced.rows if row.implementation.startswith("wplus")]
    assert ours
    assert all(row.psnr_db is not None and row.psnr_db > 30 for row in ours)
    assert ours[0].dtype == "float32"
    assert ours[0].ratio is not None
    assert "times today's frames a second" in tables(raced.rows)


def test_other_pictures_than_todays_stop_the_race(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wplus.benchmarks.walk_race._LEAST_PSNR", 300.0)
    with pytest.raises(ParityError, match="dB from today's; nothing was timed"):
        run_walks(WalksOptions(only="today", quick=True, large=network))


def test_todays_video_has_all_frames(tmp_path: Path, checkpoint: Checkpoint) -> None:
    assert isinstance(checkpoint.config, StyleGAN2Config)
    network = NvidiaFormulation(checkpoint.config, checkpoint.tensors)
    film_today(network, [1, 2], tmp_path / "walk.mp4", frames=6, fps=30, truncation_psi=0.7)
    with import_av().open(str(tmp_path / "walk.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 6


@pytest.mark.parametrize(("median", "verdict"), [(3.9, "is kept"), (4.1, r"is \*\*not kept\*\*")])
def test_tables_judge_the_stages_besides_a_sleeping_network(make_row: MakeRow, median: float, verdict: str) -> None:
    row = make_row(implementation=f"wplus asleep: {BESIDES}", metric="p95", unit="ms", resolution=256, median=median)
    assert re.search(verdict, tables([row]))
    assert "The bar of" not in tables([replace(row, implementation=f"wplus torch: {BESIDES}")])


@pytest.mark.parametrize(("ratio", "verdict"), [(4.0, "is reached: 4.00"), (3.9, "is **not reached**: 3.90")])
def test_tables_judge_the_race(make_row: MakeRow, ratio: float, verdict: str) -> None:
    assert verdict in tables([make_row(case="video, tiny", ratio=2.0, ratio_float32=ratio)])


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
