"""Bundles made on demand: once, whole, found again, and never for what has changed."""

import json
import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_support import write_bundle

from wplus import exports
from wplus.bundle import Bundle, is_bundle
from wplus.cache import cache_folder
from wplus.checkpoints import Checkpoint, write_checkpoint
from wplus.errors import ArtifactError, ParityError, UnsupportedError
from wplus.exports import exported, find_prepared
from wplus.machine import machine, versions
from wplus.plan import Choice, Plan, manifest_sha256, write_plan


@pytest.fixture
def exporter(own_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[Path]:
    """Folders that were exported to, by an exporter that writes no real graph, into a cache of the test's own."""
    assert own_cache
    caplog.set_level(logging.INFO)
    written: list[Path] = []

    def export(checkpoint: Checkpoint, outdir: Path) -> Bundle:
        written.append(outdir)
        return write_bundle(outdir, checkpoint)

    monkeypatch.setattr(exports, "_exporter", lambda: export)
    return written


def test_a_network_is_exported_once_and_the_log_says_where(
    tiny_checkpoint: Checkpoint, exporter: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    bundle = exported(tiny_checkpoint)
    assert exporter == [bundle.folder]
    assert "exporting it, once, to" in caplog.text
    assert str(bundle.folder) in caplog.text
    caplog.clear()
    assert exported(tiny_checkpoint) == bundle
    assert exporter == [bundle.folder]
    assert f"the bundle in {bundle.folder} is reused" in caplog.text


def test_one_network_in_two_files_is_exported_once(
    tiny_checkpoint: Checkpoint, exporter: list[Path], tmp_path: Path
) -> None:
    for name in ("tiny.safetensors", "same.safetensors"):
        write_checkpoint(tmp_path / name, tiny_checkpoint)
        exported(tmp_path / name)
    renamed = replace(tiny_checkpoint.provenance, source="other.pkl")
    exported(replace(tiny_checkpoint, provenance=renamed))
    assert len(exporter) == 1


def test_the_folder_says_what_its_name_stands_for(tiny_checkpoint: Checkpoint, exporter: list[Path]) -> None:
    folder = exported(tiny_checkpoint).folder
    assert exporter
    assert folder.parent == cache_folder("bundles")
    assert folder.name.startswith("stylegan2-16-fp32-")
    key = json.loads((folder / "key.json").read_text())
    assert key["fingerprint"].startswith("wplus1:")
    assert key["config"]["img_resolution"] == 16
    assert (key["precision"], key["opset"], key["noise"], key["single"]) == ("fp32", "lowest", "input", False)
    assert {"wplus", "torch", "onnx", "onnxscript", "onnxruntime"} <= set(key["versions"])


def _with_another_weight(checkpoint: Checkpoint) -> Checkpoint:
    name = "synthesis.b4.const"
    return replace(checkpoint, tensors=checkpoint.tensors | {name: checkpoint.tensors[name] + np.float32(1)})


def test_whatever_changes_makes_another_bundle(
    tiny_checkpoint: Checkpoint, exporter: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(tiny_checkpoint)
    exported(_with_another_weight(tiny_checkpoint))
    clamped = replace(tiny_checkpoint, config=replace(tiny_checkpoint.config, conv_clamp=64.0))
    exported(clamped)
    monkeypatch.setattr(exports, "versions", lambda *_: {"torch": "99"})
    exported(tiny_checkpoint)
    assert len(set(exporter)) == 4


def test_a_network_without_noise_has_no_noise_inputs(exporter: list[Path], tiny_checkpoint: Checkpoint) -> None:
    silent = {name: value for name, value in tiny_checkpoint.tensors.items() if not name.endswith("noise_const")}
    folder = exported(replace(tiny_checkpoint, tensors=silent)).folder
    assert exporter
    assert json.loads((folder / "key.json").read_text())["noise"] == "const"


@pytest.mark.parametrize("damage", ["cut", "missing", "manifest"])
def test_a_damaged_bundle_is_said_and_made_anew(
    damage: str, tiny_checkpoint: Checkpoint, exporter: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = exported(tiny_checkpoint).folder
    (folder / "left.over").touch()
    if damage == "manifest":
        (folder / "manifest.json").write_text("{")
    elif damage == "missing":
        (folder / "synthesis.onnx").unlink()
    else:
        (folder / "synthesis.onnx").write_bytes(b"graph")
    exported(tiny_checkpoint)
    assert len(exporter) == 2
    assert f"The cached bundle {folder} is damaged" in caplog.text
    assert not (folder / "left.over").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, f"{folder.name}.lock"]


def test_an_export_that_fails_leaves_nothing(
    tiny_checkpoint: Checkpoint, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Bundle:
        raise ParityError("other pictures")

    monkeypatch.setattr(exports, "_exporter", lambda: fail)
    with pytest.raises(ParityError, match="other pictures"):
        exported(tiny_checkpoint)
    assert [path.suffix for path in (own_cache / "wplus" / "bundles").iterdir()] == [".lock"]


def test_a_cache_that_cannot_be_written_says_so(own_cache: Path, tiny_checkpoint: Checkpoint) -> None:
    own_cache.mkdir(exist_ok=True)
    (own_cache / "wplus").touch()
    with pytest.raises(ArtifactError, match=r"The cache .* cannot be written"):
        exported(tiny_checkpoint)


def test_exporting_names_the_extra_that_it_needs(
    own_cache: Path, tiny_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_cache
    monkeypatch.setitem(sys.modules, "wplus.export", None)
    with pytest.raises(UnsupportedError, match=r"Exporting a network needs .*pip install 'wplus\[torch\]'"):
        exported(tiny_checkpoint)


_RACER = """
import logging, sys, time
from pathlib import Path
from bundle_support import write_bundle
from wplus import exports

def export(checkpoint, outdir):
    assert not outdir.exists()
    (Path(sys.argv[2]) / str(time.time_ns())).touch()
    time.sleep(1)
    return write_bundle(outdir, checkpoint)

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
exports._exporter = lambda: export
print("ready", flush=True)
sys.stdin.readline()
print(exports.exported(sys.argv[1]).folder)
"""


def test_two_processes_that_race_export_once(tiny_checkpoint: Checkpoint, own_cache: Path, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "tiny.safetensors", tiny_checkpoint)
    (tmp_path / "exports").mkdir()
    command = [sys.executable, "-c", _RACER, str(tmp_path / "tiny.safetensors"), str(tmp_path / "exports")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen(command, cwd=Path(__file__).parent, **pipes) for _ in range(2)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"  # both go on from here at once
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    folders = {Path(text.splitlines()[-1]) for text in said}
    assert len(folders) == 1
    assert is_bundle(folders.pop())
    assert len(list((tmp_path / "exports").iterdir())) == 1
    assert sum("Another process is exporting" in text for text in said) == 1
    assert not [path for path in (own_cache / "wplus" / "bundles").iterdir() if path.name.startswith(".")]


def _plan_into(bundle: Bundle, backend: str, ms: float) -> Choice:
    choice = Choice(backend=backend, device="cpu", precision="exact", batch=1, ms=ms)
    plan = Plan(
        made_for=machine(),
        versions=versions("wplus"),
        threads=2,
        fingerprint=bundle.manifest.fingerprint,
        manifest_sha256=manifest_sha256(bundle),
        measurements=(),
        choices={"exact": (choice,), "fast": (choice,)},
        left_out=(),
    )
    write_plan(bundle.folder / "plan.json", plan)
    return choice


def test_what_was_prepared_is_found(tiny_checkpoint: Checkpoint, exporter: list[Path]) -> None:
    def find(wish: Any) -> Any:
        return find_prepared(tiny_checkpoint, wish=wish, device="auto", threads=2)

    assert find("exact") is None
    bundle = exported(tiny_checkpoint)
    assert find("fast") is None
    choice = _plan_into(bundle, "torch", 9)
    assert find("fast") == find("exact") == (bundle, choice)
    assert len(exporter) == 1


def test_finding_exports_removes_and_writes_nothing(
    tiny_checkpoint: Checkpoint, exporter: list[Path], own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = exported(tiny_checkpoint)
    _plan_into(bundle, "onnxruntime", 5)
    (bundle.folder / "mapping.onnx").write_bytes(b"damaged")
    before = sorted(own_cache.rglob("*"))
    assert find_prepared(tiny_checkpoint, wish="fast", device="auto", threads=2) is None
    assert sorted(own_cache.rglob("*")) == before
    assert "is damaged and not used" in caplog.text
    shutil.rmtree(own_cache)
    assert find_prepared(tiny_checkpoint, wish="exact", device="auto", threads=2) is None
    assert not own_cache.exists()
    assert len(exporter) == 1
