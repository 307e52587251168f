"""Graphs of small networks of every family, traced once."""

from collections.abc import Callable
from functools import cache

import onnx
import pytest
import torch
from export_support import FILES
from support import DATA

from wplus.checkpoints import read_checkpoint
from wplus.export.options import ExportOptions
from wplus.export.spec import plan_graphs
from wplus.export.to_onnx import trace
from wplus.inputs import noise_constants
from wplus.networks import build_network

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

Trace = Callable[..., dict[str, onnx.ModelProto]]


@pytest.fixture(scope="session")
def traced() -> Trace:
    """A function (family, options) to the family's graphs by name; nothing is traced twice."""

    @cache
    def run(family: str, options: ExportOptions) -> dict[str, onnx.ModelProto]:
        checkpoint = read_checkpoint(DATA / FILES[family])
        network = build_network(checkpoint)
        network.prepare(_TYPES[options.precision])
        shapes = {name: (value.shape[-2], value.shape[-1]) for name, value in noise_constants(checkpoint).items()}
        plans = plan_graphs(checkpoint.config, shapes, options)
        return {plan.name: trace(network, plan, options, _TYPES[options.precision]) for plan in plans}

    return run
