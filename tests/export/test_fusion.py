"""What runtimes make of the additions of noise and bias: all are carried out, alone or fused, and none is dropped."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

import wplus
from wplus.checkpoints import read_checkpoint
from wplus.export import export_bundle
from wplus.export.options import ExportOptions

from export_support import FILES  # isort: skip
from support import DATA  # isort: skip


def _constants(graph: onnx.GraphProto) -> dict[str, str]:
    """By the node that adds it, the initialiser that is a layer's noise or bias, or the noise's strength."""
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    found = {}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for name in node.input:
            maker = makers.get(name)
            sources = [name, *(maker.input if maker is not None and maker.op_type in ("Mul", "Div", "Expand") else [])]
            constants = [source for source in sources if source in shapes]
            if constants and (_is_noise(sources, shapes[constants[0]]) or shapes[constants[0]][1:] == [1, 1]):
                found[node.name] = constants[0]
    return found


def _additions(graph: onnx.GraphProto) -> dict[str, str]:
    """Nodes that add a layer's noise or bias, and which of both it is."""
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    kinds = {}
    for name, constant in _constants(graph).items():
        is_noise = "noise" in constant or len(shapes[constant]) == 2
        kinds[name] = "noise" if is_noise else "bias"
    return kinds


def _is_noise(sources: list[str], shape: list[int]) -> bool:
    return any("noise" in source for source in sources) or (len(shape) == 2 and shape[0] == shape[1] > 3)


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
def test_every_noise_and_every_bias_is_an_addition(family: str, traced) -> None:
    checkpoint = read_checkpoint(DATA / FILES[family])
    kinds = list(_additions(traced(family, ExportOptions())["synthesis"].graph).values())
    noises = sum(name.endswith(("noise_strength", "noise_weight")) for name in checkpoint.tensors)
    assert kinds.count("noise") == noises >= 7
    fused = sum(  # StyleGAN1's blur has the bias in it
        node.op_type == "Conv" and len(node.input) == 3
        for node in traced(family, ExportOptions())["synthesis"].graph.node
    )
    assert kinds.count("bias") + fused >= noises


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
def test_onnxruntime_drops_no_addition(family: str, traced, tmp_path: Path) -> None:
    """It may give a convolution the bias that is added after it."""
    model = traced(family, ExportOptions())["synthesis"]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(tmp_path / "optimised.onnx")
    additions = _additions(model.graph)
    left = {node.name for node in optimised.graph.node if node.op_type == "Add"}
    biased, plain = (
        sum(node.op_type.endswith(("Conv", "ConvTranspose")) and len(node.input) > 2 for node in graph.node)
        for graph in (optimised.graph, model.graph)
    )
    gone = [name for name in additions if name not in left]
    assert len(gone) <= biased - plain, f"dropped: {gone}"


@pytest.mark.parametrize("family", ["stylegan1", "stylegan2"])
def test_openvino_drops_no_addition(family: str, traced) -> None:
    """Its fused kernels do not name their parts, so each constant is set to zero in turn: the picture must change."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    model = traced(family, ExportOptions())["synthesis"]
    core = openvino.Core()
    ws = np.ones([2, *[side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim[1:]]], np.float32)

    def draw(model: onnx.ModelProto) -> np.ndarray:
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
        (output,) = compiled(ws).values()
        return np.array(output)

    img = draw(model)
    for name, constant in _constants(model.graph).items():
        without = onnx.ModelProto()
        without.CopyFrom(model)
        tensor = next(tensor for tensor in without.graph.initializer if tensor.name == constant)
        zeros = np.zeros_like(numpy_helper.to_array(tensor))
        tensor.CopyFrom(numpy_helper.from_array(zeros, constant))
        assert np.abs(draw(without) - img).max() > 1e-4, name


def test_openvino_keeps_noise_maps_one_channel_wide(traced) -> None:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    model = traced("stylegan2", ExportOptions())["synthesis"]
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU")
    shapes = [
        list(node.get_output_shape(0))
        for node in compiled.get_runtime_model().get_ops()
        if node.get_rt_info()["layerType"] == "Const"
    ]
    maps = [shape for shape in shapes if len(shape) > 1 and shape[-1] == shape[-2] and shape[-1] in (8, 16, 32, 64)]
    assert len(maps) == 6
    assert all(np.prod(shape[:-2]) == 1 for shape in maps), maps


class _Gated(torch.nn.Module):
    """Noise and bias after a gate that may be shut."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noise", torch.linspace(-0.1, 0.1, 64).reshape(8, 8))
        self.register_buffer("bias", torch.tensor([-0.1, 0.1, 0.2]))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        gate, y = z.tanh()[:, :, None, None].chunk(2, dim=1)
        img: torch.Tensor = y.expand(-1, -1, 8, 8) / 2 * gate.relu() + self.noise + self.bias[:, None, None]
        return img


def test_a_scale_that_may_be_zero_is_not_divided_by(tmp_path: Path) -> None:
    with wplus.wrap(_Gated(), z_dim=6, device="cpu") as G:
        export_bundle(G, tmp_path / "bundle", threads=1)
        z = np.array([[0, -1, 1, 1, 2, 3]], np.float32)
        with wplus.load(tmp_path / "bundle", backend="onnxruntime", threads=1) as drawn:
            np.testing.assert_allclose(drawn.synthesize(z), G.synthesize(z), atol=1e-6)
