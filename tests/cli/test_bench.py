"""`wplus bench`: a table or JSON, and an exit code that says whether something got worse."""

import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_support import Run


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wplus.benchmarks.cases._QUICK_SECONDS", 0.01)


def test_json_stands_alone_and_the_csv_is_written(run: Run, network: str, tmp_path: Path) -> None:
    options = ["--quick", "--batch=1,2", "--threads=1", "--json", f"--out={tmp_path}/rows.csv"]
    outcome = run("bench", network, *options)
    assert outcome.code == 0
    rows = json.loads(outcome.out)["rows"]
    assert {row["case"] for row in rows} >= {"tiny.safetensors"}
    assert (tmp_path / "rows.csv").read_text().startswith("case,")


def test_a_regression_exits_with_1_and_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = SimpleNamespace(rows=(), text="| a table |\n", to_json=lambda: {"rows": []})
    worse = SimpleNamespace(is_worse=True, text="rate fell\n", regressions=("rate fell",))
    monkeypatch.setattr(import_module("wplus.benchmarks.run"), "run_bench", lambda _: report)
    monkeypatch.setattr(import_module("wplus.benchmarks.compare"), "compare", lambda *_: worse)
    (tmp_path / "old.csv").touch()
    table = run("bench", f"--compare={tmp_path}/old.csv")
    assert (table.code, table.out) == (1, "| a table |\n\nrate fell\n")
    as_json = run("bench", "--json", f"--compare={tmp_path}/old.csv")
    assert (as_json.code, json.loads(as_json.out)) == (1, {"rows": [], "regressions": ["rate fell"]})


def test_a_missing_run_to_compare_with_is_wrong_usage(run: Run, network: str, tmp_path: Path) -> None:
    missing = run("bench", network, f"--compare={tmp_path}/none.csv")
    assert missing.code == 2
    assert "does not exist" in missing.err


def test_wrong_batches_and_families_are_named(run: Run, network: str, plain_network: str) -> None:
    zero, plain = run("bench", network, "--batch=0"), run("bench", plain_network)
    assert (zero.code, plain.code) == (2, 1)
    assert "each must be 1 or more" in zero.err
    assert "needs one of stylegan1, stylegan2" in plain.err


def test_backends_and_precisions_are_lists_of_known_names(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    report = SimpleNamespace(rows=(), text="")
    monkeypatch.setattr(
        import_module("wplus.benchmarks.run"), "run_bench", lambda options: asked.append(options) or report
    )
    assert run("bench", "bundle", "--backend=openvino,torch", "--precision=fast", "--against=net.pkl").code == 0
    (options,) = asked
    assert (options.backends, options.precisions, options.against) == (("openvino", "torch"), ("fast",), "net.pkl")
    unknown = run("bench", "--backend=openvino,tvm")
    assert unknown.code == 2
    assert "'tvm' is unknown; known: torch, onnxruntime, openvino, tensorrt." in unknown.err
