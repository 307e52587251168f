"""A network's synthesis as a CUDA graph: its launches recorded once for a batch size, and replayed as one."""

import logging
import threading
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

_log = logging.getLogger(__name__)

_MOST_SIZES = 4  # each holds its inputs, its result and, in a pool that all share, what lies between

Inputs = Mapping[str, Tensor]
Function = Callable[[Inputs], Tensor]
Key = tuple[tuple[str, torch.Size, torch.dtype], ...]


class CudaGraphs:
    """A function of tensors, recorded at the first call with sizes not seen before; for any thread.

    A batch for which nothing is recorded and nothing more may be is padded to the next larger one that is; where there
    is none, the function itself runs.

    Args:
        function: Takes tensors by name, and gives one. The first has a sample each along its first axis, the others
            have as many or one for all. No branch depends on a tensor's values.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._recordings: dict[Key, Recording] = {}
        self._lock = threading.Lock()

    def __call__(self, inputs: Inputs) -> Tensor:
        """The function's result, the caller's to keep."""
        with self._lock:
            found = self._find(inputs)
            if found is None:
                return self._function(inputs)
            recording, count = found
            return recording.replay(inputs)[:count].clone()

    def _find(self, inputs: Inputs) -> "tuple[Recording, int] | None":
        """A recording that serves these inputs, and how many samples they have."""
        count = len(next(iter(inputs.values())))
        key = _key(inputs)
        if key not in self._recordings and len(self._recordings) < _MOST_SIZES:
            _log.info("Recording a CUDA graph for a batch of %d.", count)
            self._recordings[key] = Recording(self._function, inputs)
        if key in self._recordings:
            return self._recordings[key], count
        fitting = [recording for recording in self._recordings.values() if recording.holds(inputs)]
        return (min(fitting, key=lambda recording: recording.size), count) if fitting else None

    def close(self) -> None:
        """Frees what was recorded."""
        with self._lock:
            self._recordings.clear()


class Recording:
    """One graph, with the memory that it reads and writes."""

    def __init__(self, function: Function, inputs: Inputs) -> None:
        self._inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):  # libraries prepare and kernels are measured before anything is recorded
                function(self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        # Other threads may use the GPU meanwhile.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._result = function(self._inputs)

    @property
    def size(self) -> int:
        """Samples."""
        return len(self._result)

    def holds(self, inputs: Inputs) -> bool:
        """Whether inputs differ from the recorded ones in nothing but a smaller batch."""
        return inputs.keys() == self._inputs.keys() and all(
            tensor.dtype == (own := self._inputs[name]).dtype
            and tensor.shape[1:] == own.shape[1:]
            and 0 < len(tensor) <= len(own)
            for name, tensor in inputs.items()
        )

    def replay(self, inputs: Inputs) -> Tensor:
        """The result, in memory that the next call overwrites; a batch is filled up with its last sample."""
        stream = torch.cuda.current_stream()
        stream.wait_event(self._done)
        self._fill(inputs)
        self._graph.replay()
        self._done.record(stream)
        return self._result

    def _fill(self, inputs: Inputs) -> None:
        for name, own in self._inputs.items():
            own[: len(inputs[name])] = inputs[name]
            own[len(inputs[name]) :] = inputs[name][-1:]


def _key(inputs: Inputs) -> Key:
    return tuple((name, tensor.shape, tensor.dtype) for name, tensor in sorted(inputs.items()))
