"""A CUDA runtime and a TensorRT that need no GPU: they do on the CPU what they are told, and write it down."""

import ctypes
import json
import math
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np


class CudaError(IntEnum):
    """As cuda.bindings has them."""

    cudaSuccess = 0  # noqa: N815
    cudaErrorMemoryAllocation = 2  # noqa: N815
    cudaErrorInsufficientDriver = 35  # noqa: N815


class FakeCuda:
    """What is used of cuda.bindings.runtime: memory is the host's, and a stream does things at once or records them."""

    cudaError_t = CudaError  # noqa: N815
    cudaStreamNonBlocking = 1  # noqa: N815
    cudaHostAllocDefault = 0  # noqa: N815
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)  # noqa: N815
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)  # noqa: N815

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.memory: dict[int, Any] = {}  # what is allocated, by address
        self.streams: set[int] = set()
        self.graphs: dict[int, list[Callable[[], object]]] = {}
        self.recording: list[Callable[[], object]] | None = None
        self.fails: set[str] = set()
        self.devices = [SimpleNamespace(name=b"NVIDIA GeForce RTX 4090", major=8, minor=9)]

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("cuda") and callable(value) and name != "cudaError_t":
            self.calls[name] += 1
            if name in self.fails:
                return lambda *_: (CudaError.cudaErrorMemoryAllocation, None)
        return value

    def cudaGetDeviceCount(self) -> tuple[Any, ...]:  # noqa: N802
        if not self.devices:
            return CudaError.cudaErrorInsufficientDriver, None
        return CudaError.cudaSuccess, len(self.devices)

    def cudaGetDeviceProperties(self, index: int) -> tuple[Any, ...]:  # noqa: N802
        return CudaError.cudaSuccess, self.devices[index]

    def cudaSetDevice(self, index: int) -> tuple[Any, ...]:  # noqa: N802
        assert index < len(self.devices)
        return (CudaError.cudaSuccess,)

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:  # noqa: N802
        memory = (ctypes.c_byte * size)(*[-1] * size)  # floats in it are NaN
        self.memory[ctypes.addressof(memory)] = memory
        return CudaError.cudaSuccess, ctypes.addressof(memory)

    def cudaHostAlloc(self, size: int, _flags: int) -> tuple[Any, ...]:  # noqa: N802
        return FakeCuda.cudaMalloc(self, size)

    def cudaFree(self, address: int) -> tuple[Any, ...]:  # noqa: N802
        del self.memory[address]
        return (CudaError.cudaSuccess,)

    cudaFreeHost = cudaFree  # noqa: N815

    def cudaStreamCreateWithFlags(self, _flags: int) -> tuple[Any, ...]:  # noqa: N802
        stream = self.calls["cudaStreamCreateWithFlags"]
        self.streams.add(stream)
        return CudaError.cudaSuccess, stream

    def cudaStreamDestroy(self, stream: int) -> tuple[Any, ...]:  # noqa: N802
        self.streams.remove(stream)
        return (CudaError.cudaSuccess,)

    def cudaStreamSynchronize(self, _stream: int) -> tuple[Any, ...]:  # noqa: N802
        assert self.recording is None
        return (CudaError.cudaSuccess,)

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, _kind: int, _stream: int) -> tuple[Any, ...]:  # noqa: N802
        self.queue(lambda: ctypes.memmove(dst, src, count))
        return (CudaError.cudaSuccess,)

    def cudaStreamBeginCapture(self, _stream: int, _mode: int) -> tuple[Any, ...]:  # noqa: N802
        self.recording = []
        return (CudaError.cudaSuccess,)

    def cudaStreamEndCapture(self, _stream: int) -> tuple[Any, ...]:  # noqa: N802
        work, self.recording = self.recording, None
        return CudaError.cudaSuccess, work

    def cudaGraphInstantiate(self, work: Any, _flags: int) -> tuple[Any, ...]:  # noqa: N802
        self.graphs[id(work)] = work
        return CudaError.cudaSuccess, id(work)

    def cudaGraphDestroy(self, _graph: Any) -> tuple[Any, ...]:  # noqa: N802
        return (CudaError.cudaSuccess,)

    def cudaGraphExecDestroy(self, graph: int) -> tuple[Any, ...]:  # noqa: N802
        del self.graphs[graph]
        return (CudaError.cudaSuccess,)

    def cudaGraphLaunch(self, graph: int, _stream: int) -> tuple[Any, ...]:  # noqa: N802
        for work in self.graphs[graph]:
            work()
        return (CudaError.cudaSuccess,)

    def queue(self, work: Callable[[], object]) -> None:
        """Does it, or records it."""
        if self.recording is None:
            work()
        else:
            self.recording.append(work)

    def array(self, address: int, shape: tuple[int, ...], dtype: Any) -> Any:
        """The memory at an address."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        return np.ndarray(shape, dtype, buffer=(ctypes.c_byte * size).from_address(address))


def fake_engine(inputs: dict[str, list[int]], output: list[int], dtypes: dict[str, str] | None = None) -> bytes:
    """A serialized engine: each value of its output is the sum of the means of the sample's inputs."""
    return json.dumps({"inputs": inputs, "output": output, "dtypes": dtypes or {}}).encode()


class FakeTensorRT:
    """What is used of the module to run engines."""

    __name__ = "fake_tensorrt"
    __version__ = "11.4.0"
    TensorIOMode = SimpleNamespace(INPUT=1, OUTPUT=2)
    DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER="eager")
    CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")
    ComputeCapability = SimpleNamespace(__members__={"NONE": 0, "CURRENT": 1, "SM86": 86, "SM89": 89, "SM120": 120})

    class ILogger:
        """Takes what it is told."""

        ERROR, WARNING = 1, 2

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.contexts: list[_Context] = []
        self.refuses = ""  # a method of contexts that says no

    def Runtime(self, _log: Any) -> Any:  # noqa: N802
        return SimpleNamespace(deserialize_cuda_engine=lambda data: _Engine(self, data) if data != b"bad" else None)

    def nptype(self, dtype: str) -> Any:
        """numpy's type."""
        return np.dtype(dtype).type


class _Engine:
    def __init__(self, trt: FakeTensorRT, data: bytes) -> None:
        self.trt = trt
        self.content = json.loads(data)
        self.shapes = {**self.content["inputs"], "out": self.content["output"]}
        self.num_io_tensors = len(self.shapes)

    def get_tensor_name(self, index: int) -> str:
        return ["out", *self.content["inputs"]][index]

    def get_tensor_mode(self, name: str) -> int:
        return 2 if name == "out" else 1

    def get_tensor_shape(self, name: str) -> list[int]:
        return [-1, *self.shapes[name]]

    def get_tensor_dtype(self, name: str) -> str:
        return str(self.content["dtypes"].get(name, "float32"))

    def create_runtime_config(self) -> SimpleNamespace:
        return SimpleNamespace()

    def create_execution_context(self, config: Any = None) -> "_Context":
        context = _Context(self, config)
        self.trt.contexts.append(context)
        return context


class _Context:
    def __init__(self, engine: _Engine, config: Any) -> None:
        self.engine, self.config = engine, config
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = shape
        return self.engine.trt.refuses != "set_input_shape"

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        count = {shape[0] for shape in self.shapes.values()}
        assert len(count) == 1, "TensorRT knows the output's shape once every input's is set"
        return (count.pop(), *self.engine.shapes[name])

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert address in self.engine.trt.cuda.memory
        self.addresses[name] = address
        return True

    def execute_async_v3(self, _stream: int) -> bool:
        self.engine.trt.cuda.queue(self._compute)
        return self.engine.trt.refuses != "execute_async_v3"

    def _compute(self) -> None:
        total: Any = 0
        for name, shape in self.shapes.items():
            values = self._array(name, shape).reshape(shape[0], -1)
            total = total + values.mean(axis=1)
        out = self._array("out", self.get_tensor_shape("out"))
        out[...] = total.reshape(-1, *[1] * (out.ndim - 1))

    def _array(self, name: str, shape: tuple[int, ...]) -> Any:
        return self.engine.trt.cuda.array(self.addresses[name], shape, self.engine.get_tensor_dtype(name))
