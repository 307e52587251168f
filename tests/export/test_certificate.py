"""The certificate: what is right is proven on every runtime, and what is a little wrong is caught."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

import wplus
from wplus.backends import onnx_runtime
from wplus.benchmarks.random_networks import random_checkpoint
from wplus.benchmarks.random_stylegan3 import random_stylegan3
from wplus.bundle import Bundle, read_bundle, write_manifest
from wplus.checkpoints import Checkpoint
from wplus.config import StyleGAN2Config, StyleGAN3Config
from wplus.errors import ArtifactError, ParityError, UnsupportedError
from wplus.export import ExportOptions, export_bundle
from wplus.export.certificate import certify, compare, examine
from wplus.generator import Generator
from wplus.trials import is_proof
from wplus.verify import shortfalls, verify_bundle

Model = onnx.ModelProto
Alter = Callable[[Callable[[Model], object]], Bundle]


@pytest.fixture(scope="module")
def bundle(tiny_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of the network `tiny`, as export makes it."""
    return export_bundle(tiny_checkpoint, tmp_path_factory.mktemp("exported") / "bundle", threads=1)


@pytest.fixture
def altered(bundle: Bundle, tmp_path: Path) -> Alter:
    """A function that changes the synthesis graph of a copy of the bundle, sums and all."""

    def change(edit: Callable[[Model], object], graph: str = "synthesis") -> Bundle:
        folder = tmp_path / "altered"
        shutil.copytree(bundle.folder, folder)
        model = onnx.load(folder / f"{graph}.onnx")
        edit(model)
        onnx.save(model, folder / f"{graph}.onnx")
        return write_manifest(folder, bundle.manifest)

    return change


def _constant(model: Model, name: str, change: Callable[[np.ndarray], object]) -> None:
    """Changes a constant in place."""
    (found,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
    values = numpy_helper.to_array(found).copy()
    change(values)
    found.CopyFrom(numpy_helper.from_array(values, name))


def _a_weight_a_little_off(model: Model) -> None:
    def change(values: np.ndarray) -> None:
        values[0, 0, 1, 1] += 0.1 * values.std()

    _constant(model, "synthesis.b8.conv1.weight", change)


def _noise_left_out(model: Model) -> None:
    _constant(model, "synthesis.b16.conv1/Add_3.1", lambda values: values.fill(0))


def _one_bias_off(model: Model) -> None:
    _constant(model, "synthesis.b16.torgb.bias", lambda values: np.add(values, 0.003, out=values))


def _samples_mixed(model: Model) -> None:
    """Every sample gets a little of the others: alone, each is right."""
    graph = model.graph
    (last,) = [node for node in graph.node if "img" in node.output]
    last.output[0] = "own"
    axes = numpy_helper.from_array(np.zeros(1, np.int64), "batch_axis")
    share = numpy_helper.from_array(np.full((), 0.01, np.float32), "share")
    graph.initializer.extend([axes, share])
    graph.node.extend(
        [
            helper.make_node("ReduceMean", ["own", "batch_axis"], ["mean"]),
            helper.make_node("Sub", ["mean", "own"], ["others"]),
            helper.make_node("Mul", ["others", "share"], ["little"]),
            helper.make_node("Add", ["own", "little"], ["img"]),
        ]
    )


def _entries(parity: dict[str, Any], precision: str = "exact") -> list[dict[str, Any]]:
    return [entry for entry in parity["runtimes"] if entry["precision"] == precision]


def test_what_export_writes_is_proven(bundle: Bundle) -> None:
    assert read_bundle(bundle.folder) == bundle
    parity = bundle.parity()
    assert (parity["run"], parity["passed"]) == ("full", True)  # full, since the network is small
    assert parity["cases"]["seeds"] == list(range(32))
    assert parity["cases"]["truncation_psi"] == [0.7, 1]
    assert parity["cases"]["truncation_cutoff"] == [3, 6]
    assert parity["cases"]["batches"] == [1, 3, 8]
    assert parity["graph"]["sha256"]["mapping.onnx"] == bundle.manifest.files["mapping.onnx"].sha256
    assert [entry["backend"] for entry in _entries(parity)] == ["onnxruntime", "openvino"]
    for entry in _entries(parity):
        assert entry["passed"], entry
        assert entry["psnr_worst"] > 100
        assert entry["ws_rms"] < 1e-5
        assert entry["batch_invariance"] < 1e-4
        assert (entry["pictures"], entry["non_finite"], entry["emulated"]) == (32 * 2 * 3, 0, False)
    line = bundle.manifest.certificate
    assert line is not None
    assert (line.run, line.passed) == ("full", True)
    assert line.summary.startswith("onnxruntime on cpu (exact, float32): 1")


def test_a_bundle_is_verified_by_itself(bundle: Bundle) -> None:
    entries = verify_bundle(bundle, threads=1)
    assert [entry["pictures"] for entry in entries if entry["precision"] == "exact"] == [16, 16]
    assert shortfalls(bundle, entries) == []


@pytest.mark.parametrize("fault", [_a_weight_a_little_off, _noise_left_out, _one_bias_off, _samples_mixed])
def test_a_fault_is_caught(altered: Alter, tiny: Generator, fault: Callable[[Model], None]) -> None:
    bundle = altered(fault)
    before = {path.name: path.read_bytes() for path in bundle.folder.iterdir()}
    parity = compare(bundle, tiny, full=False, threads=1)
    assert not parity["passed"]
    assert all(entry["reasons"] for entry in _entries(parity))
    message = r"other pictures than .*onnxruntime on cpu \(exact, float32\) falls short: "
    with examine(bundle, tiny, full=False) as exam, pytest.raises(ParityError, match=message):
        certify(bundle, exam, threads=1)
    assert {path.name: path.read_bytes() for path in bundle.folder.iterdir()} == before
    assert shortfalls(bundle, verify_bundle(bundle, threads=1))


def test_a_sample_that_depends_on_its_company_is_measured(altered: Alter, tiny: Generator) -> None:
    for entry in _entries(compare(altered(_samples_mixed), tiny, full=False, threads=1)):
        assert entry["batch_invariance"] > 1e-3


def test_a_fault_in_the_mapping_shows_in_ws(altered: Any, tiny: Generator) -> None:
    def edit(model: Model) -> None:
        _constant(model, "mapping.w_avg", lambda values: np.multiply(values, 1.01, out=values))

    parity = compare(altered(edit, "mapping"), tiny, full=False, threads=1)
    for entry in _entries(parity):
        assert "ws are off by" in entry["reasons"][-1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_and_inf_are_caught_and_parity_stays_json(altered: Alter, tiny: Generator, value: float) -> None:
    def edit(model: Model) -> None:
        _constant(model, "synthesis.b16.torgb.bias", lambda values: values[0].fill(value))

    parity = compare(altered(edit), tiny, full=False, threads=1)
    json.dumps(parity, allow_nan=False)
    for entry in parity["runtimes"]:
        assert not entry["passed"]
        assert "not finite" in entry["reasons"][0]


def test_the_graphs_of_another_network_are_refused(bundle: Bundle, tiny_config: StyleGAN2Config) -> None:
    other = random_checkpoint(replace(tiny_config, channels=(8, 8, 8)))
    other.tensors["synthesis.b4.const"][:] *= 1.01
    with Generator(other, device="cpu") as reference:
        assert not compare(bundle, reference, full=False, threads=1)["passed"]


@pytest.mark.parametrize(
    ("options", "noise"),
    [
        (ExportOptions(noise="input", max_batch=2), ["stored", "random"]),
        (ExportOptions(noise="none", single=True, output="uint8"), ["none"]),
    ],
    ids=["noise=input", "single,uint8"],
)
def test_labels_noise_and_bytes_are_compared(
    conditional_checkpoint: Checkpoint, tmp_path: Path, options: ExportOptions, noise: list[str]
) -> None:
    bundle = export_bundle(conditional_checkpoint, tmp_path / "bundle", options, threads=1)
    parity = bundle.parity()
    assert parity["cases"]["classes"] == [0, 1, 2]
    assert parity["cases"]["noise"] == noise
    assert parity["cases"]["batches"] == ([1, 2] if options.max_batch else [1, 3, 8])
    for entry in _entries(parity):
        assert entry["passed"]
        assert (entry["max_abs"] is None) == (options.output == "uint8")
        assert (entry["ws_rms"] is None) == options.single
    assert shortfalls(bundle, verify_bundle(bundle, threads=1)) == []


def test_transforms_are_compared(tmp_path: Path) -> None:
    sizes = {"z_dim": 8, "c_dim": 0, "w_dim": 8, "img_resolution": 16, "img_channels": 3}
    config = StyleGAN3Config(**sizes, channels=(4,) * 4, num_mapping_layers=1, margin_size=2)
    bundle = export_bundle(random_stylegan3(config), tmp_path / "bundle", threads=1)
    parity = bundle.parity()
    assert len(parity["cases"]["transforms"]) == 2
    assert all(entry["passed"] for entry in _entries(parity))


def test_a_wrapped_module_is_compared_from_z(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.ConvTranspose2d(5, 4, 4), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh())
    with wplus.wrap(module, z_shape=(5, 1, 1), device="cpu") as generator:
        bundle = export_bundle(generator, tmp_path / "bundle", threads=1)
    parity = bundle.parity()
    assert "truncation_psi" not in parity["cases"]
    assert all(entry["passed"] for entry in _entries(parity))
    assert shortfalls(bundle, verify_bundle(bundle, threads=1)) == []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A runtime beside onnxruntime, whose `open_backend` the test sets."""
    runtime = SimpleNamespace(
        unsupported_reasons=lambda _, *, device, precision: [] if device == "cpu" else [precision]
    )
    modules = {"wplus.backends.onnx_runtime": onnx_runtime, "fake": runtime}
    monkeypatch.setattr("wplus.trials.import_module", modules.__getitem__)
    monkeypatch.setattr("wplus.trials.RUNTIMES", {"onnxruntime": ("wplus.backends.onnx_runtime",), "fake": ("fake",)})
    return runtime


def test_one_runtime_that_falls_short_is_recorded_beside_one_that_proves(
    bundle: Bundle, tiny: Generator, fake: SimpleNamespace
) -> None:
    def open_backend(bundle: Bundle, **options: Any) -> Any:
        opened = onnx_runtime.open_backend(bundle, **options)
        opened.name, draw = "fake", opened.synthesize
        opened.synthesize = lambda *args, **kwargs: draw(*args, **kwargs) + np.float32(0.01)
        return opened

    fake.open_backend = open_backend
    parity = compare(bundle, tiny, full=False, threads=1)
    assert parity["passed"]
    proof, short = parity["runtimes"]
    assert (proof["backend"], proof["passed"]) == ("onnxruntime", True)
    assert (short["backend"], short["passed"]) == ("fake", False)
    assert short["reasons"][0] == "the largest difference is 1.00e-02; at most 2e-03 is allowed"
    assert short["pictures"] < proof["pictures"]  # it was stopped


@pytest.mark.parametrize(("error", "entries"), [(ArtifactError, 3), (UnsupportedError, 1)])
def test_a_runtime_that_does_not_open_the_graphs_fails_and_one_that_is_not_there_is_left_out(
    bundle: Bundle, tiny: Generator, fake: SimpleNamespace, error: type[Exception], entries: int
) -> None:
    def open_backend(_: Bundle, **__: Any) -> Any:
        raise error("it has no Conv")

    fake.open_backend = open_backend
    parity = compare(bundle, tiny, full=False, threads=1)
    assert parity["passed"]
    assert len(parity["runtimes"]) == entries
    assert all(entry["reasons"] == ["it has no Conv"] for entry in parity["runtimes"][1:])
    json.dumps(parity)


def test_nothing_is_proven_where_no_runtime_is(
    bundle: Bundle, tiny: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wplus.trials.RUNTIMES", {})
    with examine(bundle, tiny, full=False) as exam, pytest.raises(ParityError, match="no runtime is installed"):
        certify(bundle, exam, threads=1)
    assert shortfalls(bundle, verify_bundle(bundle, threads=1)) == [
        "no runtime that is installed here draws the reference pictures"
    ]


@pytest.mark.parametrize(
    ("graph", "precision", "dtype", "proves"),
    [
        ("fp32", "exact", "float32", True),
        ("fp32", "fast", "bfloat16", False),
        ("fp16", "fast", "float16", True),
        ("fp16", "fast", "float32", False),  # ONNX Runtime on a CPU
        ("bf16", "fast", "bfloat16", True),
        ("bf16", "fast", "float32", False),
    ],
)
def test_only_a_runtime_that_computes_in_the_graphs_type_proves_it(
    bundle: Bundle, graph: Any, precision: str, dtype: str, proves: bool
) -> None:
    typed = replace(bundle, manifest=replace(bundle.manifest, precision=graph))
    entry = {"passed": True, "precision": precision, "dtype": dtype}
    assert is_proof(typed, entry) == proves
    assert not is_proof(typed, entry | {"passed": False})
