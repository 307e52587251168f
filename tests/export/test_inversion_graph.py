"""The graph of one step of inversion: its gradients are autograd's, its convolutions have weights of their own."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from export_support import FILES
from support import DATA

import wplus
from wplus.backends.open_vino import import_openvino
from wplus.benchmarks.random_networks import random_checkpoint
from wplus.benchmarks.random_stylegan3 import random_stylegan3
from wplus.bundle import LOSS_FACTORS, Bundle, is_bundle
from wplus.checkpoints import Checkpoint, read_checkpoint
from wplus.config import StyleGAN2Config, StyleGAN3Config
from wplus.errors import ParityError
from wplus.export import ExportOptions, export_bundle
from wplus.export.backward import Step
from wplus.export.spec import Plan, plan_step
from wplus.export.to_onnx import trace_step
from wplus.inputs import noise_constants
from wplus.inversion.config import GRAPH_LOSSES
from wplus.inversion.losses import make_loss
from wplus.manifest import parse_manifest
from wplus.networks import build_network
from wplus.verify import shortfalls, verify_bundle, verify_steps

_INPUT = ExportOptions(noise="input", inversion=True)
_CONVOLUTIONS = ("Conv", "ConvTranspose")

Arrays = list[np.ndarray]


def _stylegan2(channels: int, conv_clamp: float | None = None) -> Checkpoint:
    config = StyleGAN2Config(
        z_dim=16, c_dim=0, w_dim=16, img_resolution=16, img_channels=3, channels=(channels,) * 3, num_mapping_layers=2
    )
    return replace(random_checkpoint(config), config=replace(config, conv_clamp=conv_clamp))


def _stylegan3(*, is_rotating: bool) -> Checkpoint:
    config = StyleGAN3Config(
        z_dim=8,
        c_dim=0,
        w_dim=8,
        img_resolution=16,
        img_channels=3,
        channels=(4,) * 4,
        num_mapping_layers=1,
        margin_size=2,
        conv_kernel=1 if is_rotating else 3,
        use_radial_filters=is_rotating,
    )
    return random_stylegan3(config)


_TINY: dict[str, Callable[[], Checkpoint]] = {
    "stylegan2": lambda: _stylegan2(16),
    "stylegan2-clamped": lambda: _stylegan2(8, conv_clamp=1.0),
    "stylegan2-resnet": lambda: read_checkpoint(DATA / FILES["stylegan2-resnet"]),
    "stylegan3-t": lambda: _stylegan3(is_rotating=False),
    "stylegan3-r": lambda: _stylegan3(is_rotating=True),
}
_LARGER: dict[str, Callable[[], Checkpoint]] = {
    family: lambda file=file: read_checkpoint(DATA / file)  # type: ignore[misc]
    for family, file in (FILES | {"stylegan2-skip": "golden_sg2_skip_64.pkl"}).items()
    if family != "stylegan2-resnet" and not family.startswith("stylegan3")  # which are among the small ones
}
_MANY = [*_TINY, *(pytest.param(f"{family} golden", marks=pytest.mark.slow) for family in _LARGER)]


@cache
def _traced(name: str) -> tuple[Step, onnx.ModelProto]:
    """The step in PyTorch and as a graph."""
    checkpoint = (_LARGER[name.removesuffix(" golden")] if name.endswith(" golden") else _TINY[name])()
    network = build_network(checkpoint)
    network.prepare(torch.float32)
    shapes = {name: (value.shape[-2], value.shape[-1]) for name, value in noise_constants(checkpoint).items()}
    plan = plan_step(checkpoint.config, shapes, _INPUT)
    step = Step(network, plan, [make_loss(loss) for loss in GRAPH_LOSSES], has_noise=True)
    return step, trace_step(network, plan, _INPUT)


def _feeds(plan: Plan, count: int) -> dict[str, np.ndarray]:
    random = np.random.RandomState(count)
    feeds = {}
    for port in plan.inputs:
        shape = (count, *(int(side) for side in port.shape[1:]))
        feeds[port.name] = random.randn(*shape).astype(np.float32)
    for name in ("weight", LOSS_FACTORS):
        feeds[name] = np.abs(feeds[name])
    if "transform" in feeds:
        feeds["transform"] = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)) + feeds["transform"] / 20
    return feeds


def _in_torch(step: Step, feeds: dict[str, np.ndarray]) -> Arrays:
    return [value.numpy() for value in step(*map(torch.tensor, feeds.values()))]


def _relative(found: np.ndarray, right: np.ndarray) -> float:
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))


@pytest.mark.parametrize("name", _MANY)
def test_loss_and_gradients_are_autograds(name: str) -> None:
    step, model = _traced(name)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        feeds = _feeds(step.plan, count)
        found, right = session.run(None, feeds), _in_torch(step, feeds)
        assert _relative(found[0], right[0]) <= 1e-4
        maps: tuple[Arrays, Arrays] = ([], [])
        for port, one, other in zip(step.plan.outputs, found, right, strict=True):
            assert one.shape == (count, *port.shape[1:])
            is_map = port.name.endswith("noise_const")
            # One sign that flips before a leaky ReLU shows in a single map; all maps are one gradient, as certified.
            assert _relative(one, other) <= (1e-2 if is_map else 1e-3), port.name
            for arrays, values in zip(maps, (one, other), strict=True):
                arrays.append(values.ravel() if is_map else values.ravel()[:0])
        joined = [np.concatenate(arrays) for arrays in maps]
        assert not joined[0].size or _relative(*joined) <= 1e-3


def _in_openvino(model: onnx.ModelProto, feeds: dict[str, np.ndarray], hint: str, folder: Path) -> Arrays:
    core = import_openvino().Core()
    onnx.save(model, folder / "step.onnx")
    graph = core.read_model(folder / "step.onnx")
    graph.reshape({name: list(value.shape) for name, value in feeds.items()})
    mode = "ACCURACY" if hint == "f32" else "PERFORMANCE"
    options = {"INFERENCE_PRECISION_HINT": hint, "EXECUTION_MODE_HINT": mode, "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(graph, "CPU", options)
    results = compiled(feeds)
    return [results[compiled.output(value.name)] for value in model.graph.output]


@pytest.mark.parametrize("hint", ["f32", "bf16"])
def test_openvino_gives_the_gradients_where_inputs_and_outputs_are_equally_many(hint: str, tmp_path: Path) -> None:
    """16 to 16 channels: a Conv and a ConvTranspose that shared their weight would be off by their whole size."""
    step, model = _traced("stylegan2")
    feeds = _feeds(step.plan, 1)
    found, right = _in_openvino(model, feeds, hint, tmp_path)[1], _in_torch(step, feeds)[1]
    cosine = float((found * right).sum() / np.linalg.norm(found) / np.linalg.norm(right))
    assert cosine >= 0.999
    if hint == "f32":
        assert _relative(found, right) <= 1e-3


@pytest.mark.parametrize("name", _TINY)
def test_no_convolution_shares_a_weight_with_a_transposed_one(name: str) -> None:
    """OpenVINO 2026.4 would give wrong numbers; their contents are equal, so whoever merges tensors must know it."""
    graph = _traced(name)[1].graph
    kinds = defaultdict(set)
    sources = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Expand"}
    constants = {tensor.name for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type in _CONVOLUTIONS]
    for node in convolutions:
        source = sources.get(node.input[1], node.input[1])
        assert source in constants  # nothing is turned or transposed while it runs
        kinds[source].add(node.op_type)
    assert len(convolutions) >= 10
    assert all(len(found) == 1 for found in kinds.values())


def test_inputs_and_outputs_are_those_of_the_plan() -> None:
    graph = _traced("stylegan3-t")[1].graph
    assert [value.name for value in graph.input] == ["ws", "transform", "target", "weight", LOSS_FACTORS]
    assert [value.name for value in graph.output] == ["loss", "grad_ws", "grad_transform"]
    graph = _traced("stylegan2")[1].graph
    maps = ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"]
    assert [value.name for value in graph.output][2:] == [f"grad_{name}.noise_const" for name in maps]
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "N"


def test_no_feature_map_is_laid_out_anew() -> None:
    """It took OpenVINO a quarter of a step at 1024 px."""
    assert not [node.name for node in _traced("stylegan2")[1].graph.node if node.op_type == "Transpose"]


def test_weights_have_the_names_of_the_parameters() -> None:
    graph = _traced("stylegan2")[1].graph
    weights = {node.input[1] for node in graph.node if node.op_type in _CONVOLUTIONS}
    assert {"synthesis.b16.conv1.weight", "synthesis.b16.conv0.weight"} <= weights


@pytest.mark.slow
@pytest.mark.parametrize("source", ["dcgan_file", "conditional_checkpoint"])
def test_a_bundle_is_certified_with_its_gradients(source: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    options = ExportOptions(inversion=True)
    bundle: Bundle = export_bundle(request.getfixturevalue(source), tmp_path / "bundle", options, threads=1)
    spec = bundle.manifest.inversion
    assert spec is not None
    assert spec.file in bundle.manifest.files
    assert bundle.manifest.inversion_losses == GRAPH_LOSSES
    assert "gradients off by" in bundle.manifest.certificate.summary  # type: ignore[union-attr]
    steps = verify_steps(bundle, threads=1)
    assert steps
    assert shortfalls(bundle, verify_bundle(bundle, threads=1), steps) == []
    broken = [entry | {"passed": False, "reasons": ["off"]} for entry in steps]
    assert any("invert_step" in reason for reason in shortfalls(bundle, verify_bundle(bundle, threads=1), broken))


def test_wrong_gradients_are_refused_with_figures_and_leave_nothing(
    tiny_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trace_another(network: torch.nn.Module, plan: Plan, options: ExportOptions) -> onnx.ModelProto:
        model = trace_step(network, plan, options)
        (name,) = [node.input[1] for node in model.graph.node if node.input[1:2] == ["synthesis.b16.conv1.weight"]]
        (weight,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
        values = onnx.numpy_helper.to_array(weight) * np.float32(1.1)
        weight.CopyFrom(onnx.numpy_helper.from_array(values, name))
        return model

    monkeypatch.setattr("wplus.export.bundles.trace_step", trace_another)
    with pytest.raises(ParityError, match=r"invert_step by onnxruntime .* falls short: its gradients are off by"):
        export_bundle(tiny_checkpoint, tmp_path / "bundle", ExportOptions(inversion=True), threads=1)
    assert not is_bundle(tmp_path / "bundle")


@pytest.mark.parametrize("options", [{"single": True}, {"precision": "fp16"}])
def test_what_cannot_be_combined_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="inversion is asked for with"):
        ExportOptions(inversion=True, **options)  # type: ignore[arg-type]


def test_a_bundle_without_it_says_nothing_of_it() -> None:
    with wplus.load(Path(wplus.__file__).parent / "demo" / "portraits", threads=1) as generator:
        assert generator.bundle is not None
        assert generator.bundle.manifest.inversion is None
        assert not {"inversion", "inversion_losses"} & set(generator.bundle.manifest.to_json())


def test_a_graph_of_an_early_form_which_had_one_loss_is_not_used(tiny_checkpoint: Checkpoint) -> None:
    plan = plan_step(tiny_checkpoint.config, {}, ExportOptions(inversion=True))
    with wplus.load(Path(wplus.__file__).parent / "demo" / "portraits", threads=1) as generator:
        assert generator.bundle is not None
        values = replace(generator.bundle.manifest, inversion=plan.spec, inversion_losses=GRAPH_LOSSES).to_json()
    values["files"][plan.spec.file] = next(iter(values["files"].values()))
    assert parse_manifest(json.dumps(values)).inversion == plan.spec
    values["inversion_loss"] = values.pop("inversion_losses")[0]
    assert parse_manifest(json.dumps(values)).inversion is None
