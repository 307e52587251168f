"""Builds engines from graphs with TensorRT or TensorRT-RTX, whose Python interfaces agree in all that is used here.

TensorRT builds for the GPU that it runs on, which takes minutes. TensorRT-RTX builds in seconds and without a GPU, for
any that it knows, and compiles the kernels where the engine is first run.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module, util
from pathlib import Path
from threading import Lock
from typing import Any

from wplus.errors import UnsupportedError
from wplus.files import whole_file

_log = logging.getLogger(__name__)

_BUILDING = Lock()  # what is logged then belongs to one build
_LENGTH = 300  # of one message: the builder prints whole weights
_MESSAGES = 5
_HARMLESS = ("Int64 binding",)  # we bind int64, as the graph says


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """One of NVIDIA's two libraries."""

    name: str  # the backend's
    title: str
    module: str  # that is imported
    extra: str  # of wplus, which installs it


TENSORRT = Flavour(name="tensorrt", title="TensorRT", module="tensorrt", extra="tensorrt")
TENSORRT_RTX = Flavour(name="tensorrt-rtx", title="TensorRT-RTX", module="tensorrt_rtx_bindings", extra="tensorrt-rtx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an engine is to run on, and how many samples at a time."""

    best_batch: int  # samples that it is tuned for
    max_batch: int  # most samples that it takes
    tf32: bool = False  # whether float32 products may be rounded to 10 bits
    capability: str | None = None  # "8.6" ..., for TensorRT-RTX; None: the GPU in this machine
    threads: int = 1  # of the CPU, to build with


def import_flavour(flavour: Flavour) -> Any:
    """The library's module.

    Raises:
        UnsupportedError: it is not installed, or does not start.
    """
    if util.find_spec(flavour.module) is None:
        raise UnsupportedError(f"{flavour.title} is not installed: pip install 'wplus[{flavour.extra}]'.")
    try:
        return import_module(flavour.module)
    except (ImportError, OSError, RuntimeError) as exc:
        raise UnsupportedError(f"{flavour.title} is installed and does not start: {exc}") from exc


def known_capabilities(trt: Any) -> dict[str, Any]:
    """The GPUs that this TensorRT-RTX builds for: its constants by compute capability, "8.6" and so on."""
    members = trt.ComputeCapability.__members__
    return {f"{name[2:-1]}.{name[-1]}": value for name, value in members.items() if name.startswith("SM")}


@cache
def logger(trt: Any) -> Any:
    """Passes everything on to our log and keeps the errors. NVIDIA's libraries keep one logger in a process."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(msg)
            warns = severity <= trt.ILogger.WARNING and not any(text in msg for text in _HARMLESS)
            _log.log(logging.INFO if warns else logging.DEBUG, "%s: %s", trt.__name__, msg[:_LENGTH])

    return Log()


def build_engine(flavour: Flavour, graph: Path, target: Target, *, timings: Path | None = None) -> bytes:
    """A serialized engine whose types are the graph's own.

    Args:
        flavour: Which library builds it.
        graph: An ONNX file; every input's first axis is the batch.
        target: What it is to run on.
        timings: File with what TensorRT measured in earlier builds on this GPU, read and written anew; for TensorRT
            alone, as TensorRT-RTX measures nothing.

    Raises:
        UnsupportedError: the library is missing, or refuses the graph.
        ValueError: the library does not know the compute capability.
        ArtifactError: `timings` cannot be written.
    """
    trt = import_flavour(flavour)
    with _BUILDING:
        log = logger(trt)
        log.errors.clear()
        builder = trt.Builder(log)
        builder.max_threads = target.threads
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, log)
        if not parser.parse_from_file(str(graph)):
            raise _refusal(flavour, trt, graph, [_parser_error(parser.get_error(i)) for i in range(parser.num_errors)])
        config = builder.create_builder_config()
        _configure(trt, config, target)
        config.add_optimization_profile(_profile(builder, network, target))
        if timings is not None:
            _read_timings(config, timings)
        engine = builder.build_serialized_network(network, config)
        if engine is None:
            raise _refusal(flavour, trt, graph, log.errors)
    if timings is not None:
        with whole_file(timings) as temporary:
            temporary.write_bytes(config.get_timing_cache().serialize())
    return bytes(engine)


def _configure(trt: Any, config: Any, target: Target) -> None:
    if not target.tf32:  # it is set by default
        config.clear_flag(trt.BuilderFlag.TF32)
    if target.capability is None:
        return
    known = known_capabilities(trt)
    if target.capability not in known:
        raise ValueError(unknown_capabilities([target.capability], trt))
    config.num_compute_capabilities = 1
    config.set_compute_capability(known[target.capability], 0)


def unknown_capabilities(given: Sequence[str], trt: Any) -> str:
    """Says which compute capabilities there are."""
    return (
        f"TensorRT-RTX {trt.__version__} builds for the compute capabilities {', '.join(known_capabilities(trt))}; "
        f"{', '.join(given)} is none of them. NVIDIA lists each GPU's (RTX 30: 8.6, RTX 40: 8.9, RTX 50: 12.0)."
    )


def _profile(builder: Any, network: Any, target: Target) -> Any:
    """One profile for all inputs: from one sample to the most."""
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        sizes = tuple(tensor.shape)[1:]
        profile.set_shape(tensor.name, (1, *sizes), (target.best_batch, *sizes), (target.max_batch, *sizes))
    return profile


def _read_timings(config: Any, timings: Path) -> None:
    """Gives the builder what was measured earlier, or an empty table where that does not fit."""
    stored = timings.read_bytes() if timings.exists() else b""
    if not (stored and config.set_timing_cache(config.create_timing_cache(stored), False)):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _parser_error(error: Any) -> str:
    node = error.node_name() or error.node_operator()
    return f"{node}: {error.desc()}" if node else str(error.desc())


def _refusal(flavour: Flavour, trt: Any, graph: Path, errors: Sequence[str]) -> UnsupportedError:
    shown = "; ".join(" ".join(error.split())[:_LENGTH] for error in errors[:_MESSAGES]) or "it does not say why"
    return UnsupportedError(
        f"{flavour.title} {trt.__version__} builds no engine from {graph}: {shown}. "
        "Export the network in another --precision, or draw it with another backend."
    )
