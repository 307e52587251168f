import math

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from export_support import FILES
from onnx import numpy_helper
from support import DATA
from torch import Tensor, nn

import wplus
from wplus.checkpoints import read_checkpoint
from wplus.errors import UnsupportedError
from wplus.export.options import ExportOptions
from wplus.export.spec import plan_graphs
from wplus.export.to_onnx import save, trace
from wplus.generator import Generator
from wplus.networks.wrapped import WrappedModule
from wplus.picture_form import PictureForm

_DRAWING = ("Conv", "ConvTranspose")


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Initialisers, and what Expand makes of them alone."""
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Expand" and all(name in known for name in node.input):
            value, shape = (known[name] for name in node.input)
            known[node.output[0]] = np.broadcast_to(value, shape)
    return known


@pytest.mark.parametrize("family", FILES)
def test_graphs_are_sound_standard_and_of_the_lowest_versions(family: str, traced, tmp_path) -> None:
    for name, model in traced(family, ExportOptions()).items():
        save(model, tmp_path / f"{name}.onnx")  # runs the full check
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
        assert model.ir_version == 8
        assert not model.functions
        assert not {node.op_type for node in model.graph.node} & {"If", "Loop", "Scan", "SequenceMap"}


@pytest.mark.parametrize("family", FILES)
def test_every_convolution_has_a_constant_weight(family: str, traced) -> None:
    graph = traced(family, ExportOptions())["synthesis"].graph
    constants = _constants(graph)
    drawing = [node for node in graph.node if node.op_type in _DRAWING]
    assert len(drawing) >= 5
    assert all(node.input[1] in constants for node in drawing)


@pytest.mark.parametrize("family", FILES)
def test_no_tensor_is_stored_twice_but_for_a_convolution_and_its_transpose(family: str, traced) -> None:
    for model in traced(family, ExportOptions()).values():
        contents = [
            (tensor.data_type, *tensor.dims, tensor.raw_data, *_convolutions(model.graph, tensor.name))
            for tensor in model.graph.initializer
        ]
        assert len(contents) == len(set(contents))


def _convolutions(graph: onnx.GraphProto, name: str) -> list[str]:
    """Conv and ConvTranspose, where the tensor is a weight of theirs, be it spread first."""
    found = set()
    for node in graph.node:
        if name in node.input:
            is_spread = node.op_type == "Expand"
            found.update(
                _convolutions(graph, node.output[0]) if is_spread else {node.op_type} & {"Conv", "ConvTranspose"}
            )
    return sorted(found)


@pytest.mark.parametrize("family", FILES)
def test_the_file_holds_parameters_and_listed_constants_and_little_else(family: str, traced) -> None:
    """3 %, beyond what a graph of some hundred nodes takes however small its weights are."""
    checkpoint = read_checkpoint(DATA / FILES[family])
    graphs = traced(family, ExportOptions())
    size = sum(model.ByteSize() for model in graphs.values())
    structure = sum(len(node.SerializeToString()) for model in graphs.values() for node in model.graph.node)
    structure += sum(len(value.SerializeToString()) for model in graphs.values() for value in model.graph.value_info)
    derived = sum(
        numpy_helper.to_array(tensor).nbytes
        for model in graphs.values()
        for tensor in model.graph.initializer
        if tensor.name not in checkpoint.tensors or checkpoint.tensors[tensor.name].size != math.prod(tensor.dims)
    )
    stored = sum(value.nbytes for value in checkpoint.tensors.values())
    overhead = size - structure - derived - stored
    names = sum(len(tensor.name) + 40 for model in graphs.values() for tensor in model.graph.initializer)
    assert overhead <= 0.03 * stored + names


@pytest.mark.parametrize("family", FILES)
def test_nodes_are_named_by_layer_and_names_are_unique(family: str, traced) -> None:
    for name, model in traced(family, ExportOptions()).items():
        names = [node.name for node in model.graph.node]
        assert len(names) == len(set(names))
        assert all(node.split("/")[0].split(".")[0] == name for node in names)


def test_names_are_those_of_modules_and_parameters(traced) -> None:
    graph = traced("stylegan2", ExportOptions())["synthesis"].graph
    conv = next(node for node in graph.node if node.name == "synthesis.b32.conv1/Conv")
    assert conv.input[1] == "synthesis.b32.conv1.weight"
    up = next(node for node in graph.node if node.name == "synthesis.b32.conv0/ConvTranspose")
    assert up.input[1] == "synthesis.b32.conv0.weight"  # stored the other way round, and known all the same


def test_tracing_twice_gives_the_same_bytes() -> None:
    checkpoint = read_checkpoint(DATA / FILES["stylegan2"])
    generator = Generator(checkpoint, device="cpu")
    mapping, _ = plan_graphs(checkpoint.config, {}, ExportOptions())
    first, second = (trace(generator.network, mapping, ExportOptions(), torch.float32) for _ in range(2))
    assert first.SerializeToString() == second.SerializeToString()


@pytest.mark.parametrize("family", FILES)
def test_shapes_are_known_throughout_and_the_batch_is_free(family: str, traced) -> None:
    for model in traced(family, ExportOptions()).values():
        graph = model.graph
        known = {value.name for value in (*graph.value_info, *graph.input, *graph.output)}
        assert {name for node in graph.node for name in node.output} <= known
        for value in (*graph.input, *graph.output):
            assert value.type.tensor_type.shape.dim[0].dim_param == "N"


def test_inputs_and_outputs_are_the_contracts(traced) -> None:
    def face(model: onnx.ModelProto) -> list[tuple[str, int, list[int | str]]]:
        return [
            (
                value.name,
                value.type.tensor_type.elem_type,
                [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim],
            )
            for value in (*model.graph.input, *model.graph.output)
        ]

    real, whole, byte = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.UINT8
    graphs = traced("stylegan2", ExportOptions(noise="input", output="uint8"))
    truncation = [("truncation_psi", real, ["N"]), ("truncation_cutoff", whole, ["N"])]
    config = read_checkpoint(DATA / FILES["stylegan2"]).config
    start = [("z", real, ["N", config.z_dim]), ("c", real, ["N", config.c_dim])]
    ws = ("ws", real, ["N", config.num_ws, config.w_dim])  # type: ignore[attr-defined]
    assert face(graphs["mapping"]) == [*start, *truncation, ws]
    names = ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1", "b32.conv0", "b32.conv1"]
    noise = [(f"{name}.noise_const", real, ["N", 1, *[int(name[1:].split(".")[0])] * 2]) for name in names]
    assert face(graphs["synthesis"]) == [ws, *noise, ("img", byte, ["N", 32, 32, config.img_channels])]
    single = traced("stylegan3-t", ExportOptions(single=True))
    assert [value.name for value in single["generator"].graph.input] == [
        "z",
        "truncation_psi",
        "truncation_cutoff",
        "transform",
    ]


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2", "stylegan2-resnet"])
def test_every_addition_of_noise_and_bias_is_in_the_graph(family: str, traced) -> None:
    """One of each a layer; a runtime's optimiser is checked in test_fusion."""
    checkpoint = read_checkpoint(DATA / FILES[family])
    noises = sum(name.endswith(("noise_strength", "noise_weight")) for name in checkpoint.tensors)
    assert noises >= 5
    counts = {
        noise: sum(node.op_type == "Add" for node in traced(family, ExportOptions(noise=noise))["synthesis"].graph.node)
        for noise in ("const", "none")
    }
    assert counts["const"] - counts["none"] == noises


def test_a_module_that_fixes_its_batch_is_refused() -> None:
    class Fixed(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z.reshape(2, 3, 8, 8)

    network = WrappedModule(Fixed().eval(), PictureForm())
    config = wplus.config.WrappedConfig(
        z_dim=192, latent_shape=(192,), picture_shape=(8, 8), img_resolution=8, img_channels=3
    )
    (plan,) = plan_graphs(config, {}, ExportOptions())
    with pytest.raises(UnsupportedError, match=r"synthesis\.onnx"):
        trace(network, plan, ExportOptions(), torch.float32)


@pytest.mark.parametrize(("precision", "opset"), [("fp32", 17), ("fp32", 99), ("bf16", 21)])
def test_an_opset_that_does_not_serve_is_refused(precision: str, opset: int) -> None:
    with pytest.raises(ValueError, match=f"opset is {opset}; {precision} graphs are written in"):
        ExportOptions(precision=precision, opset=opset)  # type: ignore[arg-type]


@pytest.mark.parametrize("opset", [19, 21, 23])
def test_other_opsets_can_be_asked_for(opset: int, traced, tmp_path) -> None:
    model = traced("stylegan2", ExportOptions(opset=opset))["synthesis"]
    assert model.opset_import[0].version == opset
    save(model, tmp_path / "synthesis.onnx")


@pytest.mark.parametrize("family", FILES)
def test_the_guard_against_dividing_by_zero_is_in_the_graph(family: str, traced) -> None:
    """PyTorch's exporter, left alone, takes 1e-8 for zero: a z of zeros would then be NaN."""
    mapping = traced(family, ExportOptions())["mapping"]
    session = onnxruntime.InferenceSession(mapping.SerializeToString(), providers=["CPUExecutionProvider"])
    generator = Generator(read_checkpoint(DATA / FILES[family]), device="cpu")
    z = np.zeros((2, generator.z_dim), np.float32)
    feeds = {"z": z, "truncation_psi": np.ones(2, np.float32), "truncation_cutoff": np.full(2, generator.num_ws)}
    c = np.zeros((2, generator.c_dim), np.float32) if generator.c_dim else None
    if c is not None:
        feeds["c"] = c
    (ws,) = session.run(None, feeds)
    expected = generator.map(z, c)
    assert np.abs(ws - expected).max() <= 1e-4 * np.abs(expected).max()
