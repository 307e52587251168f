"""What the exporter leaves behind: tensors stored twice, filters repeated for every channel, its own metadata."""

import hashlib
from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_REPEATED = 1024  # numbers from which a tensor whose rows are all alike is stored as one row


def tidy(model: onnx.ModelProto, *, opset: int) -> None:
    """Stores every tensor once and every filter for one channel, drops metadata, sets the lowest IR version."""
    _spread_rows(model.graph)
    _merge_equal(model.graph)
    for holder in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del holder.metadata_props[:]
        holder.doc_string = ""
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    model.producer_name, model.producer_version = "wplus", ""
    model.graph.name = "wplus"
    model.ir_version = helper.find_min_ir_version_for([helper.make_opsetid("", opset)])


def _spread_rows(graph: onnx.GraphProto) -> None:
    """A tensor of equal rows becomes one row and an Expand, which runtimes compute once, when they load the graph."""
    nodes, shapes, values = [], [], []
    for initializer in graph.initializer:
        array = numpy_helper.to_array(initializer)
        if array.ndim < 2 or array.shape[0] < 2 or array.size < _REPEATED or not _rows_are_equal(array):
            continue
        name = initializer.name
        shape = numpy_helper.from_array(np.array(array.shape, np.int64), f"{name}.shape")
        initializer.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array[:1]), f"{name}.row"))
        nodes.append(helper.make_node("Expand", [f"{name}.row", shape.name], [name], name=f"{name}/Expand"))
        shapes.append(shape)
        values.append(helper.make_tensor_value_info(name, initializer.data_type, array.shape))
    graph.initializer.extend(shapes)
    graph.value_info.extend(values)
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def _rows_are_equal(array: NDArray[np.generic]) -> bool:
    return bool((array == array[:1]).all())


def _merge_equal(graph: onnx.GraphProto) -> None:
    """Of tensors with the same content the first one serves all, but no convolution and its transpose both.

    Where those share a weight, OpenVINO 2026.4 gives wrong numbers if it has as many inputs as outputs.
    """
    kinds = _kinds_of_convolution(graph)
    first: dict[tuple[str, frozenset[str]], str] = {}
    merged: dict[str, str] = {}
    kept: list[TensorProto] = []
    for initializer in graph.initializer:
        name = initializer.name
        original = first.setdefault((_digest(initializer), kinds.get(name, frozenset())), name)
        if original == name:
            kept.append(initializer)
        else:
            merged[name] = original
    del graph.initializer[:]
    graph.initializer.extend(kept)
    rename: Callable[[str], str] = lambda name: merged.get(name, name)  # noqa: E731
    for node in graph.node:
        node.input[:] = [rename(name) for name in node.input]


def _kinds_of_convolution(graph: onnx.GraphProto) -> dict[str, frozenset[str]]:
    """The convolutions, "Conv" or "ConvTranspose", whose weight an initialiser is, as it is or spread by Expand."""
    kinds: dict[str, frozenset[str]] = {}
    for node in reversed(graph.node):
        if node.op_type in ("Conv", "ConvTranspose"):
            own = frozenset({node.op_type})
        elif node.op_type == "Expand":
            own = kinds.get(node.output[0], frozenset())
        else:
            continue
        source = node.input[0 if node.op_type == "Expand" else 1]
        kinds[source] = kinds.get(source, frozenset()) | own
    return kinds


def _digest(tensor: TensorProto) -> str:
    array = numpy_helper.to_array(tensor)
    kind = f"{tensor.data_type} {list(tensor.dims)} "
    return hashlib.sha256(kind.encode() + np.ascontiguousarray(array).tobytes()).hexdigest()
