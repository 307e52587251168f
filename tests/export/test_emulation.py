"""Half-precision graphs computed in float32: every stored number is rounded, sums are not."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from wplus.export.emulation import EmulatedSession, MeasuringSession, emulated_graph, with_one_layer_rounded

_TYPES = {TensorProto.FLOAT16: torch.float16, TensorProto.BFLOAT16: torch.bfloat16}


def _model(nodes: list[onnx.NodeProto], values: dict[str, list[int]], constants: dict[str, torch.Tensor], kind: int):
    """A graph x -> y, both float32, which computes in a half type between its first and its last node."""
    initializers = []
    for name, tensor in constants.items():
        initializers.append(helper.make_tensor(name, kind, tensor.shape, tensor.flatten().tolist()))
    shape = next(iter(values.values()))
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["x"], ["h"], to=kind, name="first/Cast"),
            *nodes,
            helper.make_node("Cast", ["r"], ["y"], to=TensorProto.FLOAT, name="last/Cast"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, values["r"])],
        initializers,
        value_info=[helper.make_tensor_value_info(name, kind, shape) for name, shape in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def _run(model: onnx.ModelProto, folder: Path, x: torch.Tensor) -> NDArray[np.float32]:
    return EmulatedSession(model, folder, threads=1).run({"x": x.numpy()})


@pytest.fixture(params=_TYPES, ids=["float16", "bfloat16"])
def kind(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_every_result_is_rounded_as_the_type_does(kind: int, tmp_path: Path) -> None:
    dtype = _TYPES[kind]
    x, factor, term = torch.randn(1000) * 3, torch.randn(1000).to(dtype), torch.randn(1000).to(dtype)
    nodes = [
        helper.make_node("Mul", ["h", "factor"], ["m"], name="a/Mul"),
        helper.make_node("Add", ["m", "term"], ["r"], name="b/Add"),
    ]
    constants = {"factor": factor, "term": term}
    model = _model(nodes, {"h": [1000], "m": [1000], "r": [1000]}, constants, kind)
    expected = (x.to(dtype) * factor + term).float().numpy()
    np.testing.assert_array_equal(_run(emulated_graph(model), tmp_path, x), expected)
    unrounded = _run(emulated_graph(model, rounds=False), tmp_path, x)
    np.testing.assert_array_equal(unrounded, (x * factor.float() + term.float()).numpy())


def test_sums_are_float32_and_their_result_is_rounded_once(kind: int, tmp_path: Path) -> None:
    dtype = _TYPES[kind]
    x, weight = torch.randn(1, 64, 6, 6), torch.randn(3, 64, 3, 3).to(dtype)
    node = helper.make_node("Conv", ["h", "weight"], ["r"], name="a/Conv")
    model = _model([node], {"h": [1, 64, 6, 6], "r": [1, 3, 4, 4]}, {"weight": weight}, kind)
    exact = torch.nn.functional.conv2d(x.to(dtype).double(), weight.double())
    found = torch.from_numpy(_run(emulated_graph(model), tmp_path, x))
    assert torch.equal(found, found.to(dtype).float())
    error = (found - exact).abs() / exact.abs().clamp(min=1)
    assert error.max() <= torch.finfo(dtype).eps / 2 * 1.01


def test_what_float16_cannot_hold_becomes_infinite(tmp_path: Path) -> None:
    node = helper.make_node("Mul", ["h", "h"], ["r"], name="a/Mul")
    model = _model([node], {"h": [2], "r": [2]}, {}, TensorProto.FLOAT16)
    np.testing.assert_array_equal(_run(emulated_graph(model), tmp_path, torch.tensor([255.0, 257.0])), [65024, np.inf])


@pytest.mark.parametrize("rounds", [False, True])
def test_the_largest_magnitude_of_each_layer_is_noted_before_it_is_rounded(tmp_path: Path, rounds: bool) -> None:
    nodes = [
        helper.make_node("Mul", ["h", "h"], ["m"], name="a/Mul"),
        helper.make_node("Neg", ["m"], ["n"], name="b/Neg"),
        helper.make_node("Sqrt", ["m"], ["r"], name="b/Sqrt"),
    ]
    model = _model(nodes, {"h": [2], "m": [2], "n": [2], "r": [2]}, {}, TensorProto.FLOAT16)
    found: dict[str, float] = {}
    layer_of: Callable[[str], str | None] = {"a/Mul": "a", "b/Neg": "b", "b/Sqrt": "b"}.get
    session = MeasuringSession(model, layer_of, found, tmp_path, rounds=rounds, threads=1)
    for values in ([3, 4], [1000, -2], [1, 1]):
        session.run({"x": np.array(values, np.float32)})
    assert found == {"a": 1e6, "b": math.inf if rounds else 1e6}


def test_the_graph_itself_stays_as_it_was() -> None:
    weight = torch.ones(2)
    node = helper.make_node("Mul", ["h", "weight"], ["r"], name="a/Mul")
    model = _model([node], {"h": [2], "r": [2]}, {"weight": weight}, TensorProto.FLOAT16)
    before = model.SerializeToString()
    emulated = emulated_graph(model)
    assert model.SerializeToString() == before
    assert numpy_helper.to_array(emulated.graph.initializer[0]).dtype == np.float32


def test_one_layer_alone_is_rounded_constants_and_all(tmp_path: Path) -> None:
    x, factor = torch.randn(1000), torch.randn(1000)
    nodes = [
        helper.make_node("Mul", ["h", "factor"], ["m"], name="a/Mul"),
        helper.make_node("Mul", ["m", "factor"], ["n"], name="a.affine/Mul"),
        helper.make_node("Mul", ["n", "factor"], ["r"], name="b/Mul"),
    ]
    sizes = {"h": [1000], "m": [1000], "n": [1000], "r": [1000]}
    model = _model(nodes, sizes, {"factor": factor}, TensorProto.FLOAT)
    found = _run(with_one_layer_rounded(model, "a", "bf16"), tmp_path, x)
    rounded = (x * factor.bfloat16().float()).bfloat16().float()
    np.testing.assert_array_equal(found, (rounded * factor * factor).numpy())
