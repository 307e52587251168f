"""TensorRT-RTX takes the graphs of every family, and builds engines for GPUs that are not here.

Whether the engines draw the same pictures cannot be seen without a GPU.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from export_support import FILES
from onnx import TensorProto, helper
from support import DATA

from wplus.backends.tensorrt_build import TENSORRT_RTX, Target, _configure, build_engine, import_flavour, logger
from wplus.backends.tensorrt_files import LIST, read_list
from wplus.backends.tensorrt_rtx import unsupported_reasons
from wplus.bundle import Bundle, Manifest, read_bundle, write_manifest
from wplus.checkpoints import fingerprint, read_checkpoint
from wplus.errors import ArtifactError, UnsupportedError
from wplus.export.options import ExportOptions
from wplus.export.spec import plan_graphs
from wplus.export.to_onnx import trace
from wplus.export.to_tensorrt import write_rtx_engines
from wplus.networks import build_network

trt = pytest.importorskip(
    "tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed: there are wheels for x86-64 Linux and Windows alone"
)

_SMALL = Target(best_batch=2, max_batch=4, capability="8.6")


def _write(folder: Path, models: dict[str, onnx.ModelProto], family: str, options: ExportOptions) -> Bundle:
    """A bundle of graphs, without a certificate."""
    checkpoint = read_checkpoint(DATA / FILES[family])
    plans = plan_graphs(checkpoint.config, {}, options)
    for plan in plans:
        onnx.save(models[plan.name], folder / plan.spec.file)
    manifest = Manifest(
        config=checkpoint.config,
        fingerprint=fingerprint(checkpoint.config, checkpoint.tensors),
        provenance=checkpoint.provenance,
        precision=options.precision,
        opset=18,
        ir_version=8,
        graphs={plan.name: plan.spec for plan in plans},
        parameters=1,
        max_batch=options.max_batch,
    )
    return write_manifest(folder, manifest)


@pytest.fixture
def bundle(tmp_path: Path, traced: Any) -> Bundle:
    """A conditional StyleGAN2 with classes."""
    return _write(tmp_path, traced("stylegan2", ExportOptions()), "stylegan2", ExportOptions())


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("family", FILES)
def test_engines_of_every_family_are_built_for_two_gpus(
    tmp_path: Path, traced: Any, family: str, precision: Any
) -> None:
    options = ExportOptions(precision=precision)
    bundle = _write(tmp_path, traced(family, options), family, options)
    files = write_rtx_engines(bundle, ["8.6", "8.9"])
    assert {file.name for file in files} == {
        f"{graph}.sm{capability}.rtx-{trt.__version__}.engine"
        for graph in ("mapping", "synthesis")
        for capability in ("86", "89")
    }
    assert all(file.stat().st_size > 100_000 for file in files)


@pytest.mark.parametrize(
    "options",
    [
        ExportOptions(noise="input"),
        ExportOptions(noise="none", single=True),
        ExportOptions(output="uint8"),
    ],
    ids=["noise maps as inputs", "one graph", "bytes"],
)
def test_engines_are_built_of_the_other_variants(tmp_path: Path, traced: Any, options: ExportOptions) -> None:
    for name, model in traced("stylegan2-resnet", options).items():
        onnx.save(model, tmp_path / f"{name}.onnx")
        assert build_engine(TENSORRT_RTX, tmp_path / f"{name}.onnx", _SMALL)


def test_an_engine_of_a_plain_generator_is_built(tmp_path: Path, dcgan_file: Path) -> None:
    checkpoint = read_checkpoint(dcgan_file)
    network = build_network(checkpoint)
    network.prepare(torch.float32)
    (plan,) = plan_graphs(checkpoint.config, {}, ExportOptions())
    onnx.save(trace(network, plan, ExportOptions(), torch.float32), tmp_path / "synthesis.onnx")
    assert build_engine(TENSORRT_RTX, tmp_path / "synthesis.onnx", _SMALL)


def test_the_list_says_what_each_engine_is_of_and_for(bundle: Bundle) -> None:
    write_rtx_engines(bundle, ["8.6"])
    write_rtx_engines(bundle, ["8.9", "8.9"])
    records = read_list(bundle.folder)
    assert [(record.graph, record.capability) for record in records] == [
        ("mapping", "8.6"),
        ("mapping", "8.9"),
        ("synthesis", "8.6"),
        ("synthesis", "8.9"),
    ]
    for record in records:
        engine = (bundle.folder / record.file).read_bytes()
        assert (record.sha256, record.bytes) == (hashlib.sha256(engine).hexdigest(), len(engine))
        assert (record.fingerprint, record.precision) == (bundle.manifest.fingerprint, "fp32")
        assert record.graph_sha256 == bundle.manifest.files[f"{record.graph}.onnx"].sha256
        assert (record.version, record.tf32) == (trt.__version__, False)
    read_bundle(bundle.folder)  # which engines beside it leave as it was


@pytest.mark.parametrize("tf32", [False, True])
def test_tf32_is_forbidden_unless_it_is_asked_for(tf32: bool) -> None:
    config = trt.Builder(logger(trt)).create_builder_config()
    _configure(trt, config, replace(_SMALL, tf32=tf32))
    assert config.get_flag(trt.BuilderFlag.TF32) == tf32


def test_an_unknown_gpu_is_refused_with_those_that_are_known(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match=r"builds for the compute capabilities .*8\.6, 8\.9.*; 9\.9, ada is none of"):
        write_rtx_engines(bundle, ["8.6", "9.9", "ada"])
    assert not list(bundle.folder.glob("*.engine"))


def test_a_wrong_graph_is_refused_with_the_parsers_reason(tmp_path: Path) -> None:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("x", "y")]
    node = helper.make_node("Sharpen", ["x"], ["y"], name="b4/Sharpen", domain="ours")
    graph = helper.make_graph([node], "wrong", ports[:1], ports[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "wrong.onnx")
    with pytest.raises(UnsupportedError, match=r"TensorRT-RTX .* builds no engine from .*wrong.onnx: .*Sharpen"):
        build_engine(TENSORRT_RTX, tmp_path / "wrong.onnx", _SMALL)
    (tmp_path / "wrong.onnx").write_bytes(b"no graph")
    with pytest.raises(UnsupportedError, match=r"wrong.onnx: .*Failed to parse the ONNX model"):
        build_engine(TENSORRT_RTX, tmp_path / "wrong.onnx", _SMALL)


def test_a_graph_that_is_refused_leaves_the_bundle_as_it_was(bundle: Bundle) -> None:
    bundle.graph_path("synthesis").write_bytes(b"no graph")
    before = sorted(bundle.folder.iterdir())
    with pytest.raises(UnsupportedError, match=r"synthesis.onnx"):
        write_rtx_engines(bundle, ["8.6"])
    assert sorted(bundle.folder.iterdir()) == before


def test_a_damaged_list_is_an_error_and_no_engine_is_lost(bundle: Bundle) -> None:
    (bundle.folder / LIST).write_text('{"format_version": 1, "engines": [{"file": "../x"}]}')
    with pytest.raises(ArtifactError, match=r"engines.json is no list of engines"):
        write_rtx_engines(bundle, ["8.6"])


def test_without_a_gpu_the_runtime_says_so(bundle: Bundle) -> None:
    assert import_flavour(TENSORRT_RTX) is trt
    reasons = unsupported_reasons(bundle, device="cpu", precision="exact")
    assert reasons == ["device is 'cpu', and TensorRT runs on NVIDIA's GPUs: device='cuda' or 'cuda:1'"]
