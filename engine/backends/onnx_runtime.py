"""ONNX Runtime: on the CPU, and by its providers for CUDA, TensorRT, CoreML and DirectML where they are present."""

import logging
import sys
from contextlib import redirect_stdout
from importlib import util
from pathlib import Path
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from wplus.backends import Precision
from wplus.backends.graphs import Feeds, GraphBackend, StepSession, empty_outputs, first_line, precision_reasons
from wplus.bundle import Bundle, GraphSpec
from wplus.errors import ArtifactError, UnsupportedError
from wplus.machine import nvidia_gpus

_log = logging.getLogger(__name__)

NAME = "onnxruntime"
# What each device is called there. CoreML and DirectML have not been run by us: the certificate decides.
_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_ONE_AT_A_TIME = ("directml",)  # its sessions may not run in two threads at once
_QUIET = 3  # errors alone: what matters of the rest is checked here


def unsupported_reasons(bundle: Bundle, *, device: str, precision: Precision) -> list[str]:
    """Why this runtime cannot draw the bundle here; empty if it can."""
    if util.find_spec("onnxruntime") is None:
        return ["onnxruntime is not installed: pip install 'wplus'"]
    kind = device.partition(":")[0]
    if kind not in (*_PROVIDERS, "auto"):
        return [f"onnxruntime has no device {device!r}; it knows auto, {', '.join(_PROVIDERS)}, cuda:1 ..."]
    reasons = precision_reasons(bundle, precision)
    if kind != "auto" and _PROVIDERS[kind] not in (available := _providers()):
        there = ", ".join(name for name, provider in _PROVIDERS.items() if provider in available)
        reasons.append(f"the installed onnxruntime has no {_PROVIDERS[kind]} (device {device!r}); it has {there}")
    if kind in ("cuda", "tensorrt") and not nvidia_gpus():
        reasons.append(f"device is {device!r}, and no NVIDIA GPU is found here")
    if kind == "tensorrt" and precision == "exact":
        reasons.append("its TensorRT provider multiplies in TF32 and cannot be told not to: exact needs device='cuda'")
    if bundle.manifest.precision == "bf16" and _resolve(device) == "cpu":
        reasons.append("onnxruntime has no convolution in bfloat16 on the CPU")
    return reasons


def open_backend(bundle: Bundle, *, device: str, precision: Precision, threads: int) -> GraphBackend:
    """The bundle in ONNX Runtime.

    Args:
        device: "auto" (a GPU with CUDA, then the CPU), "cpu", "cuda", "cuda:1", "tensorrt", "coreml" or "directml".
        precision: "fast" on the CPU computes in float32, as "exact" does; on CUDA it allows TF32.
        threads: Of the CPU.

    Raises:
        UnsupportedError: it cannot run here.
        ArtifactError: it cannot read a graph.
    """
    if reasons := unsupported_reasons(bundle, device=device, precision=precision):
        raise UnsupportedError(f"onnxruntime cannot draw this bundle: {'; '.join(reasons)}.")
    where = _resolve(device)
    if where == "cpu" and precision == "fast":
        _log.info("onnxruntime has no half precision on the CPU: --precision=fast computes in float32, as exact does.")
    try:
        sessions = _open_all(bundle, where, precision, threads)
    except UnsupportedError as exc:
        if device != "auto" or where == "cpu":
            raise
        _log.warning("%s The CPU is used.", exc)
        where = "cpu"
        sessions = _open_all(bundle, where, precision, threads)
    dtype = "float32" if where == "cpu" else _DTYPES[bundle.manifest.precision]
    return GraphBackend(bundle, sessions, name=NAME, device=where, precision=precision, dtype=dtype)


def open_step(
    bundle: Bundle, spec: GraphSpec, *, device: str, precision: Precision, threads: int
) -> tuple[StepSession, str]:
    """A graph of the bundle beside those that draw, and the type of its feature maps; see `open_backend`."""
    if reasons := unsupported_reasons(bundle, device=device, precision=precision):
        raise UnsupportedError(f"onnxruntime cannot run {spec.file}: {'; '.join(reasons)}.")
    path, where = bundle.folder / spec.file, _resolve(device)
    session = OnnxRuntimeSession(path, spec, device=where, precision=precision, threads=threads)
    return session, _DTYPES[bundle.manifest.precision]


class OnnxRuntimeSession:
    """One graph in ONNX Runtime.

    Args:
        path: Its file.
        spec: What goes in and comes out.
        device: One of those that `open_backend` takes, "auto" apart.
        precision: "exact" turns TF32 off.
        threads: Of the CPU.

    Raises:
        UnsupportedError: the provider of that device does not start.
        ArtifactError: the graph cannot be read.
    """

    def __init__(self, path: Path, spec: GraphSpec, *, device: str, precision: Precision, threads: int) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        kind = device.partition(":")[0]
        if kind in ("cuda", "tensorrt"):
            _preload(onnxruntime)
        self._make_value = onnxruntime.OrtValue.ortvalue_from_numpy
        self._spec = spec
        self._lock = Lock() if kind in _ONE_AT_A_TIME else None
        options = _options(onnxruntime.SessionOptions(), kind, threads)
        providers = _with_helpers(device, precision)
        try:
            # Without enable_fallback=0 a run that fails is repeated on the CPU, and so is every later one.
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers, enable_fallback=0)
        except Exception as exc:  # its errors share no narrower base
            raise ArtifactError(f"onnxruntime cannot open {path}: {first_line(exc)}") from exc
        if (first := self._session.get_providers()[0]) != _PROVIDERS[kind]:
            raise UnsupportedError(
                f"onnxruntime's {_PROVIDERS[kind]} does not start (it would have used {first} instead): its libraries "
                "are missing or do not fit. See onnxruntime.ai for the versions of CUDA and cuDNN that it needs."
            )

    def run(self, feeds: Feeds) -> NDArray[Any]:
        """See `Session.run`."""
        return self.run_all(feeds)[0]

    def run_all(self, feeds: Feeds) -> list[NDArray[Any]]:
        """See `StepSession.run_all`."""
        results = empty_outputs(self._spec, len(next(iter(feeds.values()))))
        binding = self._session.io_binding()
        for name, feed in feeds.items():
            binding.bind_cpu_input(name, feed)
        # The runtime writes into the results itself, from a GPU too: nothing is copied twice.
        for port, result in zip(self._spec.outputs, results, strict=True):
            binding.bind_ortvalue_output(port.name, self._make_value(result))
        if self._lock is None:
            self._session.run_with_iobinding(binding)
        else:
            with self._lock:
                self._session.run_with_iobinding(binding)
        return results

    def close(self) -> None:
        """Frees the graph."""
        self._session = None


def _open_all(bundle: Bundle, device: str, precision: Precision, threads: int) -> dict[str, OnnxRuntimeSession]:
    return {
        name: OnnxRuntimeSession(bundle.graph_path(name), spec, device=device, precision=precision, threads=threads)
        for name, spec in bundle.manifest.graphs.items()
    }


def _resolve(device: str) -> str:
    """The device that "auto" means here."""
    if device != "auto":
        return device
    return "cuda" if _PROVIDERS["cuda"] in _providers() and nvidia_gpus() else "cpu"


def _providers() -> list[str]:
    import onnxruntime

    found: list[str] = onnxruntime.get_available_providers()
    return found


def _with_helpers(device: str, precision: Precision) -> list[tuple[str, dict[str, str]]]:
    """The provider, and those that take the few nodes which it has no code for."""
    kind, _, number = device.partition(":")
    others = [f"cuda:{number or 0}", "cpu"] if kind == "tensorrt" else ["cpu"]
    return [_provider(name, precision) for name in dict.fromkeys([device, *others])]


def _preload(onnxruntime: Any) -> None:
    """CUDA and cuDNN from NVIDIA's wheels, where those are installed; since onnxruntime 1.21."""
    if hasattr(onnxruntime, "preload_dlls"):
        with redirect_stdout(sys.stderr):  # it prints what is missing
            onnxruntime.preload_dlls()


def _provider(device: str, precision: Precision) -> tuple[str, dict[str, str]]:
    """A device's provider and its options."""
    kind, _, number = device.partition(":")
    options: dict[str, str] = {}
    if kind in ("cuda", "tensorrt", "directml"):
        options["device_id"] = number or "0"
    if kind == "cuda":
        options["use_tf32"] = "0" if precision == "exact" else "1"
    if kind == "coreml":
        # The neural engine computes in float16.
        options |= {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUOnly" if precision == "exact" else "ALL"}
    return _PROVIDERS[kind], options


def _options(options: Any, kind: str, threads: int) -> Any:
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _QUIET
    if kind in ("cpu", "directml"):
        # DirectML requires that. On the CPU a plan takes memory of its own beside the arena, and wins no time.
        options.enable_mem_pattern = False
    return options
