"""A TensorRT engine as a session: for each number of samples, buffers and commands laid out once and then replayed.

Not yet run on a GPU by us: the tests replace TensorRT and CUDA by recorders of what they are told.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.backends.gpu import Buffer, Gpu, Stream
from wplus.backends.graphs import Feeds
from wplus.backends.tensorrt_build import logger
from wplus.errors import ArtifactError, WplusError

_KEPT = 3  # numbers of samples whose buffers and commands are kept


class EngineSession:
    """One engine on one GPU; see `wplus.backends.graphs.Session`.

    Args:
        trt: The module of TensorRT or TensorRT-RTX.
        engine: Serialized.
        gpu: Where it runs.
        max_batch: Most samples that the engine takes; more are run in parts.
        make_context: Makes an execution context from the engine.
        records: Whether the commands are recorded as a CUDA graph here; TensorRT-RTX does so by itself.

    Raises:
        ArtifactError: TensorRT does not take the engine.
    """

    def __init__(
        self,
        trt: Any,
        engine: bytes,
        gpu: Gpu,
        *,
        max_batch: int,
        make_context: Callable[[Any], Any],
        records: bool,
    ) -> None:
        self._trt, self._max_batch, self._make_context, self._records = trt, max_batch, make_context, records
        self._lock = Lock()
        self._layouts: OrderedDict[int, _Layout] = OrderedDict()  # by number of samples, the last used last
        self._stream: Stream | None = Stream(gpu)
        self._runtime = trt.Runtime(logger(trt))
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            self.close()
            raise ArtifactError(
                f"{trt.__name__} {trt.__version__} does not take an engine that was built for it and {gpu.name}: it is "
                "damaged. Remove it (wplus cache clears the cache), or make the bundle's engines again."
            )

    def run(self, feeds: Feeds) -> NDArray[Any]:
        """See `Session.run`."""
        count = len(next(iter(feeds.values())))
        with self._lock:
            if self._stream is None:
                raise WplusError("This TensorRT engine is closed. Load the generator again.")
            self._stream.enter()
            parts = [
                self._run_part({name: feed[start : start + self._max_batch] for name, feed in feeds.items()})
                for start in range(0, count, self._max_batch)
            ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def close(self) -> None:
        """Frees recordings, buffers, contexts and the engine."""
        with self._lock:
            if self._stream is None:
                return
            self._stream.enter()
            while self._layouts:
                self._layouts.popitem()[1].close()
            self._engine = self._runtime = None
            self._stream.close()
            self._stream = None

    def _run_part(self, feeds: Feeds) -> NDArray[Any]:
        count = len(next(iter(feeds.values())))
        if count not in self._layouts:
            if len(self._layouts) >= _KEPT:
                self._layouts.popitem(last=False)[1].close()
            assert self._stream is not None
            context = self._make_context(self._engine)
            self._layouts[count] = _Layout(self._trt, self._engine, context, self._stream, count, self._records)
        self._layouts.move_to_end(count)
        return self._layouts[count].run(feeds)


class _Layout:
    """An execution context for one number of samples, with its buffers and its commands."""

    def __init__(self, trt: Any, engine: Any, context: Any, stream: Stream, count: int, records: bool) -> None:
        self._context, self._stream = context, stream
        self._inputs: dict[str, Buffer] = {}
        self._outputs: dict[str, Buffer] = {}
        with ExitStack() as freeing:
            self._place_all(trt, engine, count, freeing)
            self._queue()  # once plainly: whatever a context prepares at first is not to be recorded
            stream.wait()
            self._launch = stream.record(self._queue, freeing) if records else self._queue
            self._freeing = freeing.pop_all()

    def run(self, feeds: Feeds) -> NDArray[Any]:
        """The output, an array of its own."""
        for name, buffer in self._inputs.items():
            np.copyto(buffer.host, feeds[name], casting="no")
        self._launch()
        self._stream.wait()
        (output,) = self._outputs.values()
        return output.host.copy()

    def close(self) -> None:
        """Frees everything; the GPU is idle then."""
        self._freeing.close()
        self._context = None

    def _place_all(self, trt: Any, engine: Any, count: int, freeing: ExitStack) -> None:
        """Buffers for what goes in, then, once the shapes follow from that, for what comes out."""
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        for name in names:
            if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
                shape = (count, *tuple(engine.get_tensor_shape(name))[1:])
                _check(self._context.set_input_shape(name, shape), f"the shape {list(shape)} of {name}")
                self._inputs[name] = self._place(trt, engine, name, shape, freeing)
        for name in names:
            if name not in self._inputs:
                shape = tuple(self._context.get_tensor_shape(name))
                self._outputs[name] = self._place(trt, engine, name, shape, freeing)

    def _place(self, trt: Any, engine: Any, name: str, shape: tuple[int, ...], freeing: ExitStack) -> Buffer:
        buffer = Buffer(shape, trt.nptype(engine.get_tensor_dtype(name)), freeing)
        buffer.host.fill(0)  # the first run reads it before anybody has written there
        _check(self._context.set_tensor_address(name, buffer.device), f"the memory of {name}")
        return buffer

    def _queue(self) -> None:
        for buffer in self._inputs.values():
            self._stream.upload(buffer)
        _check(self._context.execute_async_v3(int(self._stream.handle)), "to run")
        for buffer in self._outputs.values():
            self._stream.download(buffer)


def _check(accepted: bool, what: str) -> None:
    """TensorRT says no by a value, and why in its log."""
    if not accepted:
        raise WplusError(f"TensorRT refuses {what}. What it logs says why: --debug.")
