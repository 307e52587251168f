"""`wplus verify`: what it accepts, what it refuses, and what it says."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from cli_support import Run
from onnx import numpy_helper

from wplus.bundle import read_bundle, write_manifest
from wplus.checkpoints import Checkpoint, write_checkpoint
from wplus.export import export_bundle


@pytest.fixture(scope="module")
def bundle(network: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `network`."""
    return export_bundle(network, tmp_path_factory.mktemp("exported") / "bundle", threads=1).folder


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def test_a_good_bundle_passes_with_a_line_for_each_runtime(run: Run, bundle: Path) -> None:
    outcome = run("verify", str(bundle))
    assert outcome.code == 0
    head, onnxruntime, openvino, *_, verdict = outcome.out.splitlines()
    assert " ".join(head.split()) == "runtime device precision dtype largest PSNR dB bytes off worst seed"
    assert onnxruntime.startswith("onnxruntime ")
    assert openvino.startswith("openvino ")
    assert onnxruntime.endswith("passed")
    assert verdict == "Passed: the files are whole, and the pictures are the network's."


def test_json_stands_alone(run: Run, bundle: Path) -> None:
    outcome = run("verify", str(bundle), "--json", "--threads=1")
    said = json.loads(outcome.out)
    assert (outcome.code, said["passed"], said["reasons"]) == (0, True, [])
    assert said["fingerprint"] == read_bundle(bundle).manifest.fingerprint
    assert said["runtimes"][0]["backend"] == "onnxruntime"
    assert said["runtimes"][0]["psnr_worst"] > 80


def test_it_needs_neither_torch_nor_the_network(bundle: Path) -> None:
    code = f"""import sys
sys.modules.update(dict.fromkeys(("torch", "safetensors", "onnx", "onnxscript")))
from wplus.cli import main
main(["verify", {str(bundle)!r}])"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, "Passed" in done.stdout) == (0, True), done.stderr


def test_against_its_network_it_is_certified_anew_and_nothing_is_written(run: Run, bundle: Path, network: str) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in bundle.iterdir()}
    outcome = run("verify", str(bundle), f"--against={network}", "--full", "--json")
    said = json.loads(outcome.out)
    assert (outcome.code, said["passed"]) == (0, True)
    assert said["runtimes"][0]["pictures"] == 192
    assert {path.name: path.stat().st_mtime_ns for path in bundle.iterdir()} == before


def test_against_another_network_is_refused_by_fingerprint(
    run: Run, bundle: Path, tiny_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    tensors = tiny_checkpoint.tensors | {"mapping.w_avg": tiny_checkpoint.tensors["mapping.w_avg"] + 1}
    other = Checkpoint(
        config=tiny_checkpoint.config, tensors=tensors, provenance=tiny_checkpoint.provenance, why="a test"
    )
    write_checkpoint(tmp_path / "other.safetensors", other)
    outcome = run("verify", str(bundle), f"--against={tmp_path}/other.safetensors")
    assert outcome.code == 1
    assert f"the bundle was made of {read_bundle(bundle).manifest.fingerprint}" in outcome.err


def _truncate(folder: Path) -> None:
    os.truncate(folder / "synthesis.onnx", 1000)


def _tamper(folder: Path) -> None:
    data = bytearray((folder / "mapping.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "mapping.onnx").write_bytes(data)


def _make_newer(folder: Path) -> None:
    values = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(values | {"format_version": 2}))


def _remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _remove_reference(folder: Path) -> None:
    manifest = read_bundle(folder).manifest
    (folder / "reference.npz").unlink()
    write_manifest(folder, manifest)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_truncate, "synthesis.onnx has 1,000 bytes, and the manifest says"),
        (_tamper, "mapping.onnx has the SHA-256"),
        (_make_newer, "pip install --upgrade wplus"),
        (_remove_manifest, "is no bundle"),
        (_remove_reference, "was never certified"),
    ],
)
def test_what_is_not_as_it_was_written_is_an_error(
    run: Run, copy: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(copy)
    outcome = run("verify", str(copy))
    assert outcome.code == 1
    assert said in outcome.err
    assert outcome.out == ""


def test_graphs_that_were_changed_sums_and_all_fall_short(run: Run, copy: Path, network: str) -> None:
    manifest = read_bundle(copy).manifest
    model = onnx.load(copy / "synthesis.onnx")
    (weight,) = [tensor for tensor in model.graph.initializer if tensor.name == "synthesis.b8.conv1.weight"]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.01, weight.name))
    onnx.save(model, copy / "synthesis.onnx")
    write_manifest(copy, manifest)
    for arguments in ([], [f"--against={network}"]):
        outcome = run("verify", str(copy), *arguments)
        assert outcome.code == 1
        assert "refused: the largest difference is" in outcome.out
        assert outcome.out.splitlines()[-1].startswith("Falls short: ")


def test_a_full_run_needs_the_network(run: Run, bundle: Path) -> None:
    outcome = run("verify", str(bundle), "--full")
    assert outcome.code == 2
    assert "--against NETWORK" in outcome.err


def test_info_describes_a_bundle(run: Run, bundle: Path) -> None:
    outcome = run("info", str(bundle))
    assert (outcome.code, outcome.err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in outcome.out.splitlines() if not line.startswith(" "))
    assert facts["format"] == "bundle, version 1"
    assert facts["fingerprint"] == read_bundle(bundle).manifest.fingerprint
    assert facts["graphs"].startswith("mapping.onnx: z float32 [N, 16], truncation_psi float32 [N], ")
    assert facts["certificate"] == "full run"
    assert json.loads(run("info", "--json", str(bundle)).out)["parameters"] > 0
