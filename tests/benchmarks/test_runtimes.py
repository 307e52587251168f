"""The runtimes in a run: exported for it, beside the baseline, in both precisions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wplus.benchmarks import BenchOptions, run_bench
from wplus.benchmarks.processes import LoadTask, SynthesisTask
from wplus.benchmarks.report import Report
from wplus.benchmarks.summary import summary
from wplus.errors import ArtifactError, ParityError, UnsupportedError

pytest.importorskip("openvino", reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which exported bundles stay."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def run(network: str, bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """A whole run on the tiny network, without other processes, and its CSV."""
    out = tmp_path_factory.mktemp("run") / "run.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wplus.benchmarks.costs.peak_mib", lambda task: 10.0 if isinstance(task, SynthesisTask) else 5.0)
        patch.setattr("wplus.benchmarks.run.peak_mib", lambda _: 20.0)
        patch.setattr("wplus.benchmarks.costs.first_picture_seconds", _seconds)
        options = {"batches": (1, 2), "threads": 1, "sampling_memory": True, "bundles": str(bundles), "out": str(out)}
        report = run_bench(BenchOptions(network=network, **options))  # type: ignore[arg-type]
    return report, out


@pytest.fixture
def bundle(run: tuple[Report, Path], bundles: Path) -> str:
    """The bundle that the run exported."""
    assert run
    return str(next(bundles.iterdir()))


def _seconds(task: LoadTask) -> float:
    return 1.0 if task.source.endswith(".safetensors") else 0.5


def quick(network: str, **more: Any) -> Report:
    return run_bench(BenchOptions(network=network, batches=(1,), quick=True, threads=1, **more))


def test_one_run_holds_every_runtime_in_both_precisions(run: tuple[Report, Path]) -> None:
    rates = {(row.implementation, row.dtype): row for row in run[0].rows if (row.metric, row.batch) == ("rate", 2)}
    exact = {name for name, dtype in rates if dtype == "float32"}
    assert exact == {"nvidia-formulation eager", "wplus torch", "wplus onnxruntime", "wplus openvino"}
    for (name, dtype), row in rates.items():
        assert row.ratio is not None
        assert row.psnr_db is not None
        assert (row.ratio_float32 is None) == (dtype == "float32")
        assert (row.compile_seconds is None) == (name != "wplus openvino")
        assert row.baseline_excess is not None
        assert row.psnr_db > (80 if dtype == "float32" else 40)
    assert any("onnxruntime computes in float32 here, in fast as in exact" in note for note in run[0].notes)


def test_export_loading_first_picture_copying_and_memory_are_rows(run: tuple[Report, Path]) -> None:
    medians = {(row.metric, row.implementation): row.median for row in run[0].rows if row.dtype == "float32"}
    assert medians["export", "wplus.export"] > 0.1
    for metric in ("load_safetensors", "load_pkl"):
        assert medians[metric, "wplus.load"] < 5
    for name in ("wplus onnxruntime", "wplus openvino"):
        assert medians["load_bundle", name] < 5
        assert medians["first_picture", name] == 0.5
        assert medians["peak_memory", name] == 5
    assert medians["first_picture", "wplus torch"] == 1
    assert medians["peak_memory", "nvidia-formulation eager"] == 10
    assert {("copy_out", "wplus torch"), ("copy_out", "wplus runtimes")} <= set(medians)
    sampled = [row.median for row in run[0].rows if row.case == "demo:portraits, 10000 seeds"]
    assert sampled == [20]


def test_the_summary_names_the_best_of_each_precision(run: tuple[Report, Path]) -> None:
    text = summary(run[1])
    assert "|  | batch | NVIDIA's formulation | torch | onnxruntime | openvino | best |" in text
    assert "of the ceiling |" in text
    assert "Slower than NVIDIA's formulation, in the same type or in float32:" in text
    assert "| load the bundle, s | openvino |" in text
    assert "Peak memory of sampling: demo:portraits, 100 seeds 20.0 MiB" in text
    assert (" dB |" in text or " dB** |" in text) == ("bfloat16" in {row.dtype for row in run[0].rows})


def test_a_bundle_alone_compares_its_runtimes(bundle: str) -> None:
    report = quick(bundle)
    first, second, *_ = [row for row in report.rows if row.metric == "rate"]
    assert (first.implementation, first.ratio_note) == ("wplus onnxruntime", "reference")
    assert second.implementation == "wplus openvino"
    assert all(row.ratio_float32 is None for row in report.rows)
    assert any("There is no baseline" in note for note in report.notes)


def test_a_bundle_against_its_checkpoint_has_the_baseline(bundle: str, network: str) -> None:
    report = quick(bundle, against=network, backends=("openvino",), precisions=("exact",))
    names = [row.implementation for row in report.rows if row.metric == "rate"]
    assert names == ["nvidia-formulation eager", "wplus openvino"]


def test_a_bundle_of_another_network_is_refused(bundle: str) -> None:
    other = Path(__file__).parents[1] / "data" / "golden_sg2_cond_32.pkl"
    with pytest.raises(ArtifactError, match="another network"):
        quick(bundle, against=str(other))


def test_torch_alone_cannot_draw_a_bundle(bundle: str) -> None:
    with pytest.raises(UnsupportedError, match="--against=NETWORK"):
        quick(bundle, backends=("torch",))


def test_a_quick_run_exports_nothing_by_itself(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wplus.export.export_bundle", lambda *_, **__: pytest.fail("it exports"))
    assert {row.implementation for row in quick(network).rows if row.metric == "rate"} == {
        "nvidia-formulation eager",
        "wplus torch",
    }


def test_what_cannot_be_exported_is_told_once_tried(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def refuse(*_: object, **__: object) -> None:
        calls.append("export")
        raise ParityError("PSNR is 12.0 dB.")

    monkeypatch.setattr("wplus.export.export_bundle", refuse)
    report = quick(network, backends=("torch", "onnxruntime", "openvino"), precisions=("exact",))
    assert calls == ["export"]
    assert "wplus openvino did not take part in exact: PSNR is 12.0 dB." in report.notes


def test_losses_and_doubts_are_named(make_row: Callable[..., Any], tmp_path: Path) -> None:
    reference = make_row(implementation="nvidia-formulation eager", ratio=1.0, ratio_note="reference")
    slow = make_row(ratio=0.5, baseline_excess=0.4)
    across = make_row(dtype="bfloat16", ratio=1.5, ratio_float32=0.7, psnr_db=51.0)
    Report(rows=(reference, slow, across)).write(tmp_path / "rows.csv")
    text = summary(tmp_path / "rows.csv")
    assert "in float32: torch float32 on tiny at batch 1; torch bfloat16 on tiny at batch 1." in text
    assert "15% above its best: tiny at batch 1." in text
    assert "**0.70 × (1.50 ×), 51 dB**" in text
