import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_support import Outcome, Run

from wplus.checkpoints import Checkpoint, write_checkpoint

Call = Callable[..., Outcome]


@pytest.fixture
def call(run: Run) -> Call:
    return lambda *arguments: run(*map(str, arguments))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Checkpoint) -> Path:
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    write_checkpoint(path, tiny_checkpoint)
    return path


def test_export_verify_info_and_sample_work_in_a_row(call: Call, network: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    exported = call("export", network, bundle, "--noise=input")
    assert exported.code == 0, exported.err
    assert "onnxruntime" in exported.out
    assert "passed" in exported.out
    verified = call("verify", bundle, "--json")
    assert verified.code == 0
    assert json.loads(verified.out)["passed"] is True
    assert call("verify", bundle, "--against", network).code == 0
    assert "stylegan2" in call("info", bundle).out
    assert (
        call("sample", "--network", bundle, "--seeds=0-1", "--noise-mode=random", "--outdir", tmp_path / "out").code
        == 0
    )
    assert (tmp_path / "out" / "seed0001.png").exists()


def test_a_folder_that_exists_is_refused_and_kept(call: Call, network: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused = call("export", network, tmp_path)
    assert refused.code == 1
    assert "exists already. Remove it, or name another folder" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_half_precision_graphs_are_proven_by_emulation_and_never_drawn_as_exact(
    call: Call, network: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    exported = call("export", network, bundle, "--precision=fp16")
    assert exported.code == 0
    assert "(emulated)" in exported.out
    assert call("verify", bundle).code == 0
    assert call("verify", bundle, "--against", network).code == 0
    refused = call("sample", "--network", bundle, "--seeds=0", "--outdir", tmp_path / "out")
    assert refused.code == 1
    assert "--precision=fp32" in refused.err


def test_an_opset_that_does_not_serve_is_wrong_usage(call: Call, network: Path, tmp_path: Path) -> None:
    refused = call("export", network, tmp_path / "bundle", "--opset=11")
    assert refused.code == 2
    assert "opset is 11; fp32 graphs are written in 18 to 23" in refused.err


def test_graphs_that_draw_something_else_leave_no_bundle(
    call: Call, tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph that draws something else: here one whose weights were changed after the network was read."""
    from wplus.export import bundles

    def spoiled(model, path: Path) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == "synthesis.b16.conv1.weight":
                values = np.frombuffer(tensor.raw_data, np.float32) * np.linspace(0.5, 1, 576, dtype=np.float32)
                tensor.raw_data = values.tobytes()
        path.write_bytes(model.SerializeToString())

    monkeypatch.setattr(bundles, "save", spoiled)
    network = tmp_path / "tiny.safetensors"
    write_checkpoint(network, tiny_checkpoint)
    refused = call("export", network, tmp_path / "bundle")
    assert refused.code == 1
    assert "draw other pictures" in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.safetensors"]
