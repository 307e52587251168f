"""From a network in PyTorch to an ONNX graph: PyTorch's own exporter traces, `tidy` and `naming` put in order."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from wplus.errors import UnsupportedError
from wplus.export.backward import Step, joint_graph
from wplus.export.folding import fold
from wplus.export.graphs import Graph, Inputs
from wplus.export.naming import name_by_layer
from wplus.export.options import ExportOptions
from wplus.export.spec import BATCH, Plan
from wplus.export.tidy import tidy
from wplus.inversion.config import GRAPH_LOSSES
from wplus.inversion.losses import make_loss

_MOST_BYTES = 3 << 29  # 1.5 GiB in one file; protocol buffers end at 2


def trace(network: nn.Module, plan: Plan, options: ExportOptions, dtype: torch.dtype) -> onnx.ModelProto:
    """The ONNX graph of one plan.

    Args:
        network: One of `wplus.networks` on the CPU, prepared for `dtype`.
        plan: The graph's inputs and output.
        options: Of the export.
        dtype: Type of the feature maps.

    Raises:
        UnsupportedError: PyTorch's exporter cannot express the network, or not with a free number of samples.
    """
    return _write(lambda: Graph(network, plan, options, dtype).eval(), network, plan, options)


def trace_step(network: nn.Module, plan: Plan, options: ExportOptions) -> onnx.ModelProto:
    """The ONNX graph of one step of inversion; see `trace`.

    Args:
        network: One of `wplus.networks` on the CPU, prepared for float32.
        plan: See `plan_step`.
        options: Of the export.
    """
    step = Step(network, plan, [make_loss(name) for name in GRAPH_LOSSES], has_noise=options.noise != "const")
    return _write(lambda: _Listed(joint_graph(step)), network, plan, options)


class _Listed(nn.Module):
    """A module that takes its inputs in a tuple."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Inputs) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.module(*inputs)
        return outputs


def _write(
    make_module: Callable[[], nn.Module], network: nn.Module, plan: Plan, options: ExportOptions
) -> onnx.ModelProto:
    """The graph of the module that `make_module` gives, named after the network's parameters."""
    opset = options.opset or options.lowest_opset
    batch = torch.export.Dim(BATCH, min=1)
    examples = plan.examples()
    try:
        module = make_module()
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                (examples,),
                dynamo=True,
                dynamic_shapes=(tuple({0: batch} for _ in examples),),
                input_names=[port.name for port in plan.inputs],
                output_names=[port.name for port in plan.outputs],
                opset_version=opset,
                optimize=False,
                verbose=False,
            )
            assert program is not None
            fold(program.model)
    except Exception as exc:  # the exporter's errors share no narrower base, and a wrapped module may raise anything
        raise UnsupportedError(
            f"{plan.name}.onnx cannot be written: PyTorch's exporter says {type(exc).__name__}: {_first_line(exc)}"
        ) from exc
    model: onnx.ModelProto = program.model_proto
    del program
    name_by_layer(model, plan.name, network.state_dict())
    tidy(model, opset=opset)
    _check_face(model, plan)
    assert [entry.version for entry in model.opset_import] == [opset]
    return model


def save(model: onnx.ModelProto, path: Path) -> None:
    """Writes a graph, its weights beside it where they are large, and has the file checked in full."""
    weights = path.with_name(f"{path.name}.data")
    weights.unlink(missing_ok=True)  # onnx would append to it
    if model.ByteSize() <= _MOST_BYTES:
        onnx.save(model, path)
    else:
        onnx.save(model, path, save_as_external_data=True, location=weights.name)
    onnx.checker.check_model(path, full_check=True)


def _check_face(model: onnx.ModelProto, plan: Plan) -> None:
    """The graph is what the plan says, in standard operators alone."""
    foreign = sorted({node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")})
    if foreign or model.functions:
        raise UnsupportedError(f"{plan.name}.onnx needs operators outside the standard: {', '.join(foreign)}.")
    for port, value in zip((*plan.inputs, *plan.outputs), (*model.graph.input, *model.graph.output), strict=True):
        shape = tuple(side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim)
        if (value.name, shape) != (port.name, port.shape):
            raise UnsupportedError(
                f"{plan.name}.onnx has {value.name} {list(shape)} where {port.name} {list(port.shape)} is needed: the "
                "network fixes a size while it is traced."
            )


def _first_line(exc: Exception) -> str:
    cause: BaseException = exc
    while cause.__cause__ is not None:  # the exporter wraps what went wrong in advice of its own
        cause = cause.__cause__
    return next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on itself, none of which a user could act upon."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
