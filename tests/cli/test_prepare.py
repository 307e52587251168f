"""`wplus prepare`: what it prints, and what follows it."""

import json
from pathlib import Path

from cli_support import Run

from wplus.plan import read_plan


def test_a_network_is_prepared_and_then_drawn_so(run: Run, network: str, out: Path, tmp_path: Path) -> None:
    outcome = run("prepare", network, "--precision=exact", "--batch=1", "--threads=1", f"--outdir={out}")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].split()[:5] == ["runtime", "device", "precision", "dtype", "batch"]
    assert any(line.startswith("onnxruntime   cpu      exact      float32       1") for line in lines)
    assert lines[-2:] == [f"Bundle: {out}", f"Plan:   {out}/plan.json"]
    assert any(line.startswith("exact: ") and line.endswith("micro-batches of 1") for line in lines)
    best = next(choice for choice in read_plan(out).choices["exact"] if choice.backend != "torch")
    drawn = run("sample", f"--network={out}", "--seeds=0-2", "--threads=1", f"--outdir={tmp_path / 'pictures'}")
    assert drawn.code == 0, drawn.err
    told = run("info", str(tmp_path / "pictures" / "seed0000.png"), "--json")
    assert json.loads(told.out)["backend"] == best.backend


def test_a_folder_that_exists_is_an_error(run: Run, network: str, tmp_path: Path) -> None:
    outcome = run("prepare", network, f"--outdir={tmp_path}")
    assert outcome.code == 1
    assert f"{tmp_path} exists already" in outcome.err


def test_a_batch_of_none_is_wrong_usage(run: Run, network: str) -> None:
    outcome = run("prepare", network, "--batch=0-2")
    assert outcome.code == 2
    assert "A batch of 0 is to be measured; it must be at least 1" in outcome.err
