"""What plain products reach on this machine: the ceiling under which a network's arithmetic is seen."""

from collections.abc import Callable, Iterator
from importlib import import_module, util
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from wplus.backends.open_vino import import_openvino
from wplus.timing import alternate

_PRODUCT = (1024, 1024, 4096)  # rows, inner, columns
_SIDE = 64  # of the picture that the columns are, seen as a convolution's
_CHANNELS = 512  # of the 3x3 convolution, in and out
_HINTS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}

Product = tuple[str, int, Callable[[], object]]  # name, multiply-adds, what computes it


@torch.inference_mode()
def plain_products(dtype: torch.dtype, *, repeats: int = 3) -> dict[str, float]:
    """GFLOP/s of plain products in `dtype` with the threads set now, best of several, by what computes them.

    PyTorch leaves torch.mm to MKL and convolutions to oneDNN, and OpenVINO has its own; on some CPUs one is twice as
    fast as another.
    """
    products = [*_in_torch(dtype), *_in_openvino(dtype)]
    for _, _, run in products:
        run()
    samples = alternate({name: run for name, _, run in products}, max_rounds=repeats)
    return {name: 2 * count / min(samples[name]) / 1e9 for name, count, _ in products}


def _in_torch(dtype: torch.dtype) -> Iterator[Product]:
    m, k, n = _PRODUCT
    a, b = torch.ones(m, k, dtype=dtype), torch.ones(k, n, dtype=dtype)
    yield "torch.mm", m * k * n, lambda: torch.mm(a, b)
    small, large = _channels_last(_CHANNELS, dtype), _channels_last(k, dtype)
    kernels = torch.ones(m, k, 1, 1, dtype=dtype)
    yield "1x1 convolution", m * k * n, lambda: functional.conv2d(large, kernels)
    threes = torch.ones(_CHANNELS, _CHANNELS, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    yield "3x3 convolution", 9 * _CHANNELS**2 * n, lambda: functional.conv2d(small, threes, padding=1)


def _in_openvino(dtype: torch.dtype) -> Iterator[Product]:
    """OpenVINO's, of a constant matrix as a network's weights are; nothing where it is not installed."""
    if util.find_spec("openvino") is None:
        return
    openvino, ops = import_openvino(), import_module("openvino.opset13")
    m, k, n = _PRODUCT
    columns = ops.parameter([n, k], openvino.Type.f32)
    model = openvino.Model([ops.matmul(columns, ops.constant(torch.ones(k, m).numpy()), False, False)], [columns])
    config = {
        "INFERENCE_PRECISION_HINT": _HINTS[dtype],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    request: Any = openvino.Core().compile_model(model, "CPU", config).create_infer_request()
    request.set_input_tensor(openvino.Tensor(torch.ones(n, k).numpy()))
    yield "openvino MatMul", m * k * n, request.infer


def _channels_last(channels: int, dtype: torch.dtype) -> Tensor:
    img = torch.ones(1, channels, _PRODUCT[2] // _SIDE, _SIDE, dtype=dtype)
    return img.to(memory_format=torch.channels_last)
