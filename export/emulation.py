"""Half-precision graphs on a CPU: computed in float32, every stored number rounded.

The runtimes of a CPU will not do: they round more than the graph says, or less.

What is emulated is the graph that was written, node by node: operands and results in the half type, sums in float32. A
GPU rounds no more often than that; where it fuses nodes it rounds less.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from wplus.backends.graphs import Feeds, GraphBackend
from wplus.bundle import Bundle
from wplus.export.to_onnx import save
from wplus.manifest import GraphPrecision
from wplus.trials import GRAPH_DTYPES

_UNROUNDED = "/float32"  # behind the name of a result
_EXTREMES = {"largest": "Max", "smallest": "Min"}  # what a result is called, and the operator
_HALF = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
_MOVING = {
    "Concat",
    "DepthToSpace",
    "Expand",
    "Identity",
    "Pad",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
}

OpenSession = Callable[[onnx.ModelProto, Path], "EmulatedSession"]


def emulated_graph(model: onnx.ModelProto, *, rounds: bool = True) -> onnx.ModelProto:
    """A float32 graph that computes what a half-precision one does.

    Args:
        model: A graph as `trace` makes it, its shapes and types inferred through.
        rounds: Whether the nodes' results are rounded; constants always are, as they are stored so.
    """
    emulated = onnx.ModelProto()
    emulated.CopyFrom(model)
    graph = emulated.graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)}
    assert all(name in kinds for node in graph.node for name in node.output)  # else a rounding would be left out
    half = {name: kind for name, kind in kinds.items() if kind in _HALF.values()}
    for initializer in graph.initializer:
        if initializer.data_type in _HALF.values():
            values = numpy_helper.to_array(initializer).astype(np.float32)
            initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
    for value in graph.value_info:
        if value.name in half:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    nodes = [new for node in graph.node for new in _emulated_node(node, half, rounds)]
    del graph.node[:]
    graph.node.extend(nodes)
    return emulated


def _emulated_node(node: onnx.NodeProto, half: dict[str, int], rounds: bool) -> Iterator[onnx.NodeProto]:
    """The node in float32 and, where its result is half a type and new, the rounding of that."""
    kind = half.get(node.output[0])
    if node.op_type == "Cast":
        (to,) = [attribute for attribute in node.attribute if attribute.name == "to"]
        if to.i in _HALF.values():
            to.i = TensorProto.FLOAT
    if node.op_type == "ConstantOfShape" and kind is not None:
        (value,) = [attribute for attribute in node.attribute if attribute.name == "value"]
        value.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(value.t).astype(np.float32)))
    if kind is None or node.op_type in _MOVING or not rounds:
        yield node
        return
    yield from _with_rounding(node, kind)


def _with_rounding(node: onnx.NodeProto, kind: int) -> Iterator[onnx.NodeProto]:
    result = node.output[0]
    node.output[0] = result + _UNROUNDED
    yield node
    yield from _rounding(node.output[0], result, kind)


def _rounding(value: str, result: str, kind: int) -> Iterator[onnx.NodeProto]:
    yield helper.make_node("Cast", [value], [f"{result}/half"], to=kind, name=f"{result}/round")
    yield helper.make_node("Cast", [f"{result}/half"], [result], to=TensorProto.FLOAT, name=f"{result}/widen")


def with_one_layer_rounded(model: onnx.ModelProto, layer: str, precision: GraphPrecision) -> onnx.ModelProto:
    """A float32 graph in which one layer's constants and results are rounded, about as they would be in half precision.

    Args:
        model: A float32 graph, its types inferred through.
        layer: As the nodes' names begin; layers inside of it, such as an affine, stay exact.
        precision: Of the rounding.
    """
    rounded, kind = onnx.ModelProto(), _HALF[precision]
    rounded.CopyFrom(model)
    graph = rounded.graph
    values = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    constants = {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.name.rpartition("/")[0] != layer or values.get(node.output[0]) != TensorProto.FLOAT:
            nodes.append(node)
            continue
        for index, name in enumerate(node.input):
            if name in constants:
                node.input[index] = f"{node.name}.{index}/rounded"
                nodes += _rounding(name, node.input[index], kind)
        nodes += [node] if node.op_type in _MOVING else _with_rounding(node, kind)
    del graph.node[:]
    graph.node.extend(nodes)
    return rounded


class EmulatedSession:
    """A graph in ONNX Runtime, computed as it stands: optimised, a pair of casts would be left out.

    Nodes run in the order in which they are written, so that what is measured need not be kept until the end.

    Args:
        model: A float32 graph, its roundings written out.
        folder: Where it may be written.
        threads: Of the CPU.
    """

    def __init__(self, model: onnx.ModelProto, folder: Path, *, threads: int) -> None:
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
        options.enable_mem_pattern = False  # it takes a second copy of the memory, and no time is won
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        save(model, path := folder / "emulated.onnx")
        self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, feeds: Feeds) -> NDArray[Any]:
        """See `Session.run`."""
        output: NDArray[Any] = self._session.run(None, dict(feeds))[0]
        return output

    def close(self) -> None:
        """Frees the graph."""
        self._session = None


class MeasuringSession(EmulatedSession):
    """A half-precision graph which notes the largest magnitude inside each layer, as it is before it is rounded.

    Args:
        model: As `trace` makes it.
        layer_of: The layer that a node belongs to, by its name.
        found: Where the largest of all runs goes, by layer.
        folder: Where the graph may be written.
        rounds: As of `emulated_graph`.
        threads: Of the CPU.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        layer_of: Callable[[str], str | None],
        found: dict[str, float],
        folder: Path,
        *,
        rounds: bool,
        threads: int,
    ) -> None:
        measured, self._layers = _with_extremes(model, layer_of, rounds)
        self._found = found
        super().__init__(measured, folder, threads=threads)

    def run(self, feeds: Feeds) -> NDArray[Any]:
        """See `Session.run`."""
        result, *extremes = self._session.run(None, dict(feeds))
        for layer, most, least in zip(self._layers, extremes[::2], extremes[1::2], strict=True):
            self._found[layer] = float(np.max(np.abs([most, least, self._found.get(layer, 0.0)])))  # NaN stays
        output: NDArray[Any] = result
        return output


@contextmanager
def emulated_backend(bundle: Bundle, open_session: OpenSession) -> Iterator[GraphBackend]:
    """The graphs of a half-precision bundle as a backend, each opened by `open_session`, which is given a folder."""
    with TemporaryDirectory(prefix="wplus-", ignore_cleanup_errors=True) as folder:
        sessions = {}
        for name in bundle.manifest.graphs:
            (place := Path(folder) / name).mkdir()
            sessions[name] = open_session(onnx.load(bundle.graph_path(name)), place)
        dtype = GRAPH_DTYPES[bundle.manifest.precision]
        backend = GraphBackend(bundle, sessions, name="onnxruntime", device="cpu", precision="fast", dtype=dtype)
        try:
            yield backend
        finally:
            backend.close()


def rounding(threads: int) -> OpenSession:
    """Opens half-precision graphs so that every result is rounded."""
    return lambda model, folder: EmulatedSession(emulated_graph(model), folder, threads=threads)


def _with_extremes(
    model: onnx.ModelProto, layer_of: Callable[[str], str | None], rounds: bool
) -> tuple[onnx.ModelProto, list[str]]:
    """The graph with the largest and the smallest number inside each layer as two more outputs, and those layers."""
    half = {value.name for value in model.graph.value_info if value.type.tensor_type.elem_type in _HALF.values()}
    to_measure = {node.output[0]: layer_of(node.name) for node in model.graph.node if node.output[0] in half}
    measured = emulated_graph(model, rounds=rounds)
    nodes: list[onnx.NodeProto] = []
    found: dict[str, list[str]] = {}
    for node in measured.graph.node:
        nodes.append(node)
        value = node.output[0]
        layer = to_measure.pop(value.removesuffix(_UNROUNDED), None)  # once: the rounded one follows
        if layer is not None:
            for end, operator in _EXTREMES.items():
                nodes.append(helper.make_node(f"Reduce{operator}", [value], [f"{value}/{end}"], keepdims=0))
            found.setdefault(layer, []).append(value)
    for layer, values in found.items():
        for end, operator in _EXTREMES.items():
            nodes.append(helper.make_node(operator, [f"{value}/{end}" for value in values], [f"{layer}/{end}"]))
            measured.graph.output.append(helper.make_tensor_value_info(f"{layer}/{end}", TensorProto.FLOAT, []))
    del measured.graph.node[:]
    measured.graph.node.extend(nodes)
    return measured, list(found)
