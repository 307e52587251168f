"""Names by layer: what a profiler prints, and what an initialiser is."""

import ast
import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

_SCOPES = "pkg.torch.onnx.name_scopes"


def name_by_layer(model: onnx.ModelProto, name: str, parameters: Mapping[str, Tensor]) -> None:
    """Names nodes and values after the layer they stand in, initialisers after the parameter they hold.

    A node is `synthesis.b8.conv0/Conv`, the second of its kind there `synthesis.b8.conv0/Conv_2`; its output is called
    the same. An initialiser that holds a parameter, in whatever layout, has the parameter's name; any other one is
    called after the first node that reads it.

    Args:
        model: As the exporter wrote it, its metadata included.
        name: Of the graph; what stands in no layer is called after it.
        parameters: Of the network, by name.
    """
    renamed = _name_nodes(model.graph, name)
    renamed |= _name_initializers(model.graph, parameters, set(renamed.values()))
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    renamed = {old: new for old, new in renamed.items() if old not in kept}
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for holder in (*model.graph.initializer, *model.graph.value_info):
        holder.name = renamed.get(holder.name, holder.name)


def _name_nodes(graph: onnx.GraphProto, outside: str) -> dict[str, str]:
    """Names the nodes, and returns new names of what they put out."""
    seen: Counter[str] = Counter()
    renamed = {}
    layer = outside
    for node in graph.node:
        layer = _layer(node, outside) or layer  # what the exporter put in says nothing: it belongs to what went before
        node.name = _numbered(f"{layer}/{node.op_type}", seen)
        for index, output in enumerate(node.output):
            renamed[output] = node.name if index == 0 else f"{node.name}:{index}"
    return renamed


def _layer(node: onnx.NodeProto, outside: str) -> str | None:
    """The module that the node was traced in, `outside` for the outermost one; None where nothing says it."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            modules = ast.literal_eval(entry.value)[:-1]  # the last one is the operation
            inside = [module for module in modules if module.startswith("network")]
            return inside[-1].removeprefix("network").removeprefix(".") or outside if inside else outside
    return None


def _name_initializers(graph: onnx.GraphProto, parameters: Mapping[str, Tensor], taken: set[str]) -> dict[str, str]:
    owners = _owners(parameters)
    readers: dict[str, str] = {}
    for node in graph.node:
        for index, name in enumerate(node.input):
            readers.setdefault(name, f"{node.name}.{index}")
    seen = Counter(taken)
    renamed = {}
    for initializer in graph.initializer:
        own = initializer.name.removeprefix("network.")
        if own not in parameters:
            own = owners.get(_content(numpy_helper.to_array(initializer)), readers.get(initializer.name, own))
        renamed[initializer.name] = _numbered(own, seen)
    return renamed


def _owners(parameters: Mapping[str, Tensor]) -> dict[tuple[int, int], str]:
    """Parameters by what they hold, where only one holds it."""
    found: dict[tuple[int, int], list[str]] = {}
    for name, tensor in parameters.items():
        if tensor.numel() > 1:
            found.setdefault(_content(tensor.detach().float().numpy()), []).append(name)
    return {content: names[0] for content, names in found.items() if len(names) == 1}


def _content(array: NDArray[np.generic]) -> tuple[int, int]:
    """Size, and the sum of all bit patterns: the same in any layout."""
    values = np.ascontiguousarray(array, dtype=np.float32)
    return values.size, int(values.view(np.uint32).sum(dtype=np.uint64))


def _numbered(name: str, seen: Counter[str]) -> str:
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}_{seen[name]}"


def derived(graph: onnx.GraphProto, sizes: Mapping[str, int]) -> list[onnx.TensorProto]:
    """The initialisers that are no parameter of the network but were computed.

    Args:
        graph: Named by `name_by_layer`.
        sizes: Numbers in each parameter, by name.
    """
    return [tensor for tensor in graph.initializer if sizes.get(tensor.name) != math.prod(tensor.dims)]
