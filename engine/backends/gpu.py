"""NVIDIA's GPUs through the CUDA runtime: which there are, memory, and work recorded once and replayed.

Not yet run on a GPU by us: the tests replace the CUDA runtime by one that writes down what it is told.
"""

import ctypes
import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from wplus.errors import UnsupportedError, WplusError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU of this machine."""

    index: int
    name: str
    capability: str  # "8.6"


def find_gpu(device: str) -> Gpu:
    """The GPU that a device's name means: "auto", "cuda" or "cuda:1".

    Raises:
        UnsupportedError: it means no GPU, there is none of that number, or CUDA does not start.
    """
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cuda") or (number and not number.isdecimal()):
        raise UnsupportedError(f"device is {device!r}, and TensorRT runs on NVIDIA's GPUs: device='cuda' or 'cuda:1'.")
    index = int(number or 0)
    try:
        count = call("cudaGetDeviceCount")
    except ImportError as exc:
        raise UnsupportedError("cuda-bindings is not installed: pip install 'wplus[tensorrt]'.") from exc
    except (WplusError, RuntimeError) as exc:  # no driver, or one that is too old
        raise UnsupportedError(f"No NVIDIA GPU can be used here: {exc}") from exc
    if index >= count:
        raise UnsupportedError(f"device is {device!r}, and this machine has {count} NVIDIA GPUs, counted from 0.")
    properties = call("cudaGetDeviceProperties", index)
    name = properties.name
    return Gpu(
        index=index,
        name=name.decode() if isinstance(name, bytes) else str(name),
        capability=f"{properties.major}.{properties.minor}",
    )


def runtime() -> Any:
    """CUDA's runtime."""
    return import_module("cuda.bindings.runtime")


def call(function: str, *arguments: Any) -> Any:
    """What a function of CUDA's runtime returns.

    Raises:
        WplusError: it fails.
    """
    error, *results = getattr(runtime(), function)(*arguments)
    if error != runtime().cudaError_t.cudaSuccess:
        hint = " Ask for a smaller batch (--batch)." if "MemoryAllocation" in error.name else ""
        raise WplusError(f"{function} failed: {error.name}.{hint}")
    return results[0] if results else None


class Stream:
    """A queue of work on one GPU, and all that is to be freed with it. For one thread at a time.

    Args:
        gpu: Where the work is done.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.enter()
        self.handle = call("cudaStreamCreateWithFlags", runtime().cudaStreamNonBlocking)

    def enter(self) -> None:
        """Makes the GPU that of the calling thread: CUDA keeps one for each."""
        call("cudaSetDevice", self._gpu.index)

    def wait(self) -> None:
        """Until all is done."""
        call("cudaStreamSynchronize", self.handle)

    def upload(self, buffer: "Buffer") -> None:
        """Queues the copy from the host."""
        kind = runtime().cudaMemcpyKind.cudaMemcpyHostToDevice
        call("cudaMemcpyAsync", buffer.device, buffer.host.ctypes.data, buffer.host.nbytes, kind, self.handle)

    def download(self, buffer: "Buffer") -> None:
        """Queues the copy to the host."""
        kind = runtime().cudaMemcpyKind.cudaMemcpyDeviceToHost
        call("cudaMemcpyAsync", buffer.host.ctypes.data, buffer.device, buffer.host.nbytes, kind, self.handle)

    def record(self, work: Callable[[], None], freed_by: ExitStack) -> Callable[[], None]:
        """What `work` queues, recorded without being done; what comes back does it, as often as it is called."""
        call("cudaStreamBeginCapture", self.handle, runtime().cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
        try:
            work()
        finally:  # a stream that still records could never be used again
            graph = call("cudaStreamEndCapture", self.handle)
        try:
            replayed = call("cudaGraphInstantiate", graph, 0)
        finally:
            call("cudaGraphDestroy", graph)
        freed_by.callback(call, "cudaGraphExecDestroy", replayed)
        return lambda: call("cudaGraphLaunch", replayed, self.handle)

    def close(self) -> None:
        """Frees the queue."""
        call("cudaStreamDestroy", self.handle)


class Buffer:
    """An array in the GPU's memory, and its twin in pinned memory of the host, which copies reach at full speed.

    Args:
        shape: Its shape.
        dtype: Its type.
        freed_by: Frees both memories when it is closed.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, freed_by: ExitStack) -> None:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        self.device = int(call("cudaMalloc", size))
        freed_by.callback(call, "cudaFree", self.device)
        address = int(call("cudaHostAlloc", size, runtime().cudaHostAllocDefault))
        freed_by.callback(call, "cudaFreeHost", address)
        memory = memoryview((ctypes.c_byte * size).from_address(address))
        self.host: NDArray[Any] = np.ndarray(shape, dtype, buffer=memory)
