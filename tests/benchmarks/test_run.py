"""The runner, on a network of 16 px."""

from pathlib import Path

import pytest
import torch

from wplus.benchmarks import BenchOptions, compare, run_bench
from wplus.benchmarks.contestants import Contestant, Entry, build, unsupported_reasons
from wplus.benchmarks.rows import read_csv
from wplus.checkpoints import Checkpoint
from wplus.errors import ParityError


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


def test_half_precision_is_compared_in_both_types(network: str) -> None:
    report = run_bench(BenchOptions(network=network, batches=(1,), quick=True, threads=1, precisions=("fast",)))
    (ours,) = [row for row in report.rows if row.metric == "rate" and row.implementation == "wplus torch"]
    assert ours.ratio is not None
    if ours.dtype != "float32":
        assert ours.ratio_float32 is not None
        assert ours.psnr_db is not None
        assert ours.psnr_db > 40


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
