"""The runner, on a network of 16 px."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from wplus.benchmarks import BenchOptions, compare, run_bench
from wplus.benchmarks.cell import time_cell
from wplus.benchmarks.contestants import BASELINE, Contestant, Entry, build, unsupported_reasons
from wplus.benchmarks.memory import SamplingTask, SynthesisTask, peak_mib
from wplus.benchmarks.rows import read_csv
from wplus.checkpoints import Checkpoint
from wplus.errors import ParityError, WplusError


def test_a_run_writes_every_measurement(network: str, tmp_path: Path) -> None:
    out = tmp_path / "run.csv"
    report = run_bench(BenchOptions(network=network, batches=(1, 2), quick=True, threads=1, out=str(out)))
    rows = read_csv(out)
    assert [row.key for row in rows] == [row.key for row in report.rows]
    assert {row.case for row in rows} == {"tiny.safetensors"}
    assert {(row.metric, row.batch) for row in rows if row.implementation == "wplus torch"} >= {
        ("rate", 1), ("rate", 2), ("latency", 1), ("arithmetic", 2), ("share_of_matrix_product", 2)
    }  # fmt: skip
    for row in rows:
        assert 0 < row.p20 <= row.median <= row.p80
        assert row.resolution == 16
        assert row.threads == 1
        assert row.machine
        assert "torch=" in row.versions
    assert out.with_suffix(".samples.json").exists()
    assert not compare(out, report.rows).is_worse


def test_a_whole_run_measures_loading_and_memory_too(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wplus.benchmarks.run.peak_mib", lambda task: 10.0 if isinstance(task, SynthesisTask) else 20.0)
    report = run_bench(BenchOptions(network=network, batches=(1,), threads=1, sampling_memory=True))
    medians = {(row.case, row.metric, row.implementation): row.median for row in report.rows}
    assert medians["tiny.safetensors", "load_safetensors", "wplus.load"] < 5
    assert medians["tiny.safetensors", "load_pkl", "wplus.load"] < 5
    assert medians["tiny.safetensors", "peak_memory", "nvidia-formulation eager"] == 10
    assert medians["demo:portraits, 100 seeds", "peak_memory", "wplus torch"] == 20
    assert medians["demo:portraits, 10000 seeds", "peak_memory", "wplus torch"] == 20


def test_half_precision_is_compared_in_both_types(network: str) -> None:
    report = run_bench(BenchOptions(network=network, batches=(1,), quick=True, threads=1, precision="fast"))
    (ours,) = [row for row in report.rows if row.metric == "rate" and row.implementation == "wplus torch"]
    assert ours.ratio is not None
    if ours.dtype != "float32":
        assert ours.ratio_float32 is not None
        assert ours.psnr_db is not None
        assert ours.psnr_db > 40


def test_wrong_pictures_are_never_timed(checkpoint: Checkpoint) -> None:
    calls = 0

    def wrong(ws: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return baseline.synthesize(ws) + 0.01

    baseline = build(BASELINE, checkpoint, threads=1)
    contestant = Contestant(entry=Entry(kind="wplus"), dtype=torch.float32, synthesize=wrong)
    ws = torch.zeros(1, 6, 16)
    with pytest.raises(ParityError, match=r"wplus torch float32 draws other pictures.*largest difference is 1.00e-02"):
        time_cell([baseline, contestant], ws, rounds=3, seconds=1)
    assert calls == 1


def test_a_run_with_a_wrong_contestant_fails(network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build_wrong(entry: Entry, checkpoint: Checkpoint, *, threads: int) -> Contestant:
        right = build(entry, checkpoint, threads=threads)
        if entry.kind == "nvidia":
            return right
        return Contestant(entry=entry, dtype=right.dtype, synthesize=lambda ws: right.synthesize(ws) * 1.1)

    monkeypatch.setattr("wplus.benchmarks.run.build", build_wrong)
    with pytest.raises(ParityError, match="not timed"):
        run_bench(BenchOptions(network=network, batches=(1,), quick=True, threads=1, out=str(tmp_path / "run.csv")))
    assert not (tmp_path / "run.csv").exists()


def test_threads_are_put_back_and_checked(network: str) -> None:
    before = torch.get_num_threads()
    run_bench(BenchOptions(network=network, batches=(1,), quick=True, threads=1))
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="threads is 0"):
        run_bench(BenchOptions(network=network, threads=0))


def test_what_torch_compile_lacks_is_told(monkeypatch: pytest.MonkeyPatch, network: str) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("sysconfig.get_path", lambda _: "nowhere")
    compiler, headers = unsupported_reasons(Entry(kind="compiled"))
    assert "C++ compiler" in compiler
    assert "Python's headers" in headers
    report = run_bench(BenchOptions(network=network, batches=(1,), quick=True, threads=1, compiled=True))
    assert any(note.startswith("wplus torch.compile did not take part") for note in report.notes)
    assert "did not take part" in report.text


@pytest.mark.slow
def test_peaks_are_of_processes_of_their_own(network: str) -> None:
    big = torch.ones(300 * 2**20 // 4)  # what this process holds must not show
    drawing = peak_mib(SynthesisTask(network=network, entry=BASELINE, batch=1, threads=1))
    sampling = peak_mib(SamplingTask(network=network, count=3, threads=1))
    assert 50 < drawing < 600
    assert 50 < sampling < 600
    assert big.sum() > 0


@pytest.mark.slow
def test_a_failing_process_is_told_with_its_last_words() -> None:
    with pytest.raises(WplusError, match=r"memory was to be measured failed: .*missing.pkl"):
        peak_mib(SamplingTask(network="missing.pkl", count=1, threads=1))
