"""OpenVINO on the CPU: float32 for "exact", bfloat16 for "fast" where the CPU multiplies in it."""

import logging
import sys
from collections import OrderedDict
from importlib import import_module, util
from pathlib import Path
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from wplus.backends import Precision
from wplus.backends.graphs import Feeds, GraphBackend, StepSession, empty_outputs, first_line, precision_reasons
from wplus.bundle import Bundle, GraphSpec
from wplus.errors import ArtifactError, UnsupportedError

_log = logging.getLogger(__name__)

NAME = "openvino"
_TELEMETRY = "openvino_telemetry"
_KEPT = 3  # batch sizes that stay compiled for a graph
_importing = Lock()
_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def unsupported_reasons(bundle: Bundle, *, device: str, precision: Precision) -> list[str]:
    """Why this runtime cannot draw the bundle here; empty if it can."""
    if util.find_spec("openvino") is None:
        return ["openvino is not installed: pip install 'wplus[openvino]'"]
    reasons = precision_reasons(bundle, precision)
    if device not in ("auto", "cpu"):
        reasons.append(f"device is {device!r}, and openvino runs on the CPU here: device='cpu'")
    return reasons


def open_backend(bundle: Bundle, *, device: str, precision: Precision, threads: int) -> GraphBackend:
    """The bundle in OpenVINO.

    Args:
        device: "auto" or "cpu".
        precision: "exact": float32; "fast": the type that the CPU has instructions for, else float32.
        threads: Of the CPU.

    Raises:
        UnsupportedError: it is not installed, or the device is another.
        ArtifactError: it cannot read a graph.
    """
    if reasons := unsupported_reasons(bundle, device=device, precision=precision):
        raise UnsupportedError(f"openvino cannot draw this bundle: {'; '.join(reasons)}.")
    openvino = import_openvino()
    core = openvino.Core()
    dtype = "float32" if precision == "exact" else _fast_dtype(core, bundle)
    sessions = {}
    for name, spec in bundle.manifest.graphs.items():
        own = "float32" if name == "mapping" else dtype  # half a w costs 20 dB in the picture, and saves no time
        path = bundle.graph_path(name)
        sessions[name] = OpenVinoSession(core, openvino.Tensor, path, spec, dtype=own, threads=threads)
    return GraphBackend(bundle, sessions, name=NAME, device="cpu", precision=precision, dtype=dtype)


def open_step(
    bundle: Bundle, spec: GraphSpec, *, device: str, precision: Precision, threads: int
) -> tuple[StepSession, str]:
    """A graph of the bundle beside those that draw, and the type of its feature maps; see `open_backend`."""
    if reasons := unsupported_reasons(bundle, device=device, precision=precision):
        raise UnsupportedError(f"openvino cannot run {spec.file}: {'; '.join(reasons)}.")
    openvino = import_openvino()
    core = openvino.Core()
    dtype = "float32" if precision == "exact" else _fast_dtype(core, bundle)
    path = bundle.folder / spec.file
    return OpenVinoSession(core, openvino.Tensor, path, spec, dtype=dtype, threads=threads), dtype


def import_openvino() -> Any:
    """The module, imported so that it sends nothing: left alone, importing it reports to its makers' analytics."""
    with _importing:
        if "openvino" in sys.modules or _TELEMETRY in sys.modules:
            return import_module("openvino")
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # which makes importing it an ImportError
        try:
            return import_module("openvino")
        finally:
            del sys.modules[_TELEMETRY]


class OpenVinoSession:
    """One graph in OpenVINO, compiled for each number of samples: twice as fast as one for any number.

    Args:
        core: OpenVINO's.
        make_tensor: OpenVINO's view of an array.
        path: The graph's file.
        spec: What goes in and comes out.
        dtype: Type of the feature maps.
        threads: Of the CPU.

    Raises:
        ArtifactError: the graph cannot be read.
    """

    def __init__(self, core: Any, make_tensor: Any, path: Path, spec: GraphSpec, *, dtype: str, threads: int) -> None:
        self._core: Any = core
        self._make_tensor = make_tensor
        self._spec = spec
        # All of these are said because none of their defaults would do: OpenVINO would choose the precision by itself,
        # and would pin its threads, those of every process to the same first cores.
        self._config = {
            "INFERENCE_PRECISION_HINT": _HINTS[dtype],
            "EXECUTION_MODE_HINT": "ACCURACY" if dtype == "float32" else "PERFORMANCE",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._model: Any = core.read_model(path)
        except RuntimeError as exc:
            raise ArtifactError(f"openvino cannot open {path}: {first_line(exc)}") from exc
        self._requests: OrderedDict[int, Any] = OrderedDict()  # by number of samples, the last used last
        self._lock = Lock()  # a request holds the inputs and the output of one run

    def run(self, feeds: Feeds) -> NDArray[Any]:
        """See `Session.run`."""
        return self.run_all(feeds)[0]

    def run_all(self, feeds: Feeds) -> list[NDArray[Any]]:
        """See `StepSession.run_all`."""
        count = len(next(iter(feeds.values())))
        results = empty_outputs(self._spec, count)
        with self._lock:
            request = self._request(count)
            for name, feed in feeds.items():
                request.set_tensor(name, self._make_tensor(feed, shared_memory=True))
            # OpenVINO writes into the results itself: nothing is copied.
            for port, result in zip(self._spec.outputs, results, strict=True):
                request.set_tensor(port.name, self._make_tensor(result, shared_memory=True))
            request.infer()
        return results

    def close(self) -> None:
        """Frees the graph."""
        with self._lock:
            self._requests.clear()
            self._model = self._core = None

    def _request(self, count: int) -> Any:
        if count not in self._requests:
            self._requests[count] = self._compile(count)
            if len(self._requests) > _KEPT:
                self._requests.popitem(last=False)
        self._requests.move_to_end(count)
        return self._requests[count]

    def _compile(self, count: int) -> Any:
        model = self._model.clone()
        model.reshape({port.name: [count, *port.shape[1:]] for port in self._spec.inputs})
        return self._core.compile_model(model, "CPU", self._config).create_infer_request()


def _fast_dtype(core: Any, bundle: Bundle) -> str:
    """The half-precision type that the CPU computes in; float32 where it has none."""
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if bundle.manifest.precision == "fp16" and "FP16" in capabilities:
        return "float16"
    if "BF16" in capabilities:
        return "bfloat16"
    _log.info("This CPU has no fast half-precision type: --precision=fast computes in float32, as exact does.")
    return "float32"
