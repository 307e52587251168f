"""Which backend runs a network, and which runtime a bundle."""

import logging
from collections.abc import Iterator
from importlib import import_module, util
from typing import Any, get_args

from wplus.backends import Backend, BackendName, Precision
from wplus.backends.graphs import GraphBackend, precision_reasons
from wplus.bundle import PARITY, Bundle
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.errors import ParityError, UnsupportedError

_log = logging.getLogger(__name__)

# The modules that run bundles, by the name that a user gives; where there are several, the first that can.
RUNTIMES = {
    "onnxruntime": ("wplus.backends.onnx_runtime",),
    "openvino": ("wplus.backends.open_vino",),
    "tensorrt": ("wplus.backends.tensorrt_engine", "wplus.backends.tensorrt_rtx"),
}
# What "auto" tries, the fastest first. TensorRT is not among them: it may have to build for minutes, which a plan says.
_AUTO = ("openvino", "onnxruntime")

_Record = dict[str, Any]  # of one runtime in parity.json


def check_options(backend: str, precision: str, threads: int | None, batch: int | None) -> None:
    """Raises `ValueError` where an option of `wplus.load` is none of the known."""
    if backend not in get_args(BackendName):
        raise ValueError(f"backend is {backend!r}; known: {', '.join(get_args(BackendName))}.")
    if precision not in get_args(Precision):
        raise ValueError(f"precision is {precision!r}; known: {', '.join(get_args(Precision))}.")
    for name, value in (("threads", threads), ("batch", batch)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1.")


def make_backend(
    checkpoint: Checkpoint, *, backend: BackendName, device: str, precision: Precision, threads: int
) -> Backend:
    """The network of a checkpoint in torch.

    Raises:
        UnsupportedError: torch is not installed, the device is not there, or another backend is asked for.
    """
    if backend not in ("auto", "torch"):
        raise UnsupportedError(
            f"The backend {backend} runs bundles, and this is a checkpoint in memory. Export it, or load its "
            f"file, which is then exported: wplus.load(FILE, backend={backend!r})."
        )
    if util.find_spec("torch") is None:
        raise UnsupportedError(
            "Running a checkpoint needs torch, which is not installed: pip install 'wplus[torch]'. A bundle, which "
            "wplus export makes, needs none."
        )
    from wplus.backends.eager import EagerBackend
    from wplus.networks import build_network

    return EagerBackend(build_network(checkpoint), device=device, precision=precision, threads=threads)


def open_bundle(
    bundle: Bundle, *, backend: BackendName, device: str, precision: Precision, threads: int
) -> GraphBackend:
    """The runtime asked for; "auto" takes the fastest that is installed and certified for these graphs.

    Raises:
        UnsupportedError: no runtime, or not that one, can draw the bundle here.
        ParityError: that runtime was found to draw other pictures from these graphs.
        ArtifactError: a graph cannot be read.
    """
    if backend == "torch":
        raise UnsupportedError(
            f"torch draws a checkpoint, and {bundle.folder} is a bundle, made from "
            f"{bundle.manifest.provenance.source}. Load that, or leave backend='auto'."
        )
    if reasons := precision_reasons(bundle, precision):
        raise UnsupportedError(f"{bundle.folder} cannot be drawn so: {'; '.join(reasons)}.")
    if backend == "auto":
        return _open_certified(bundle, device=device, precision=precision, threads=threads)
    module = _runtime(backend, bundle, device, precision)
    opened: GraphBackend = module.open_backend(bundle, device=device, precision=precision, threads=threads)
    record = _record_of(bundle, opened)
    if record is None:
        _log.warning(
            "%s on %s (%s) was never compared with the network on this bundle. Do so: wplus verify %s",
            *(opened.name, opened.device, opened.dtype, bundle.folder),
        )
    elif not record["passed"]:
        opened.close()
        raise ParityError(
            f"{opened.name} on {opened.device} draws other pictures from {bundle.folder} than the network did "
            f"(precision {precision}, {opened.dtype}): {_figures(record)}. Use another backend or precision."
        )
    return opened


def is_certified(bundle: Bundle, *, name: str, device: str, dtype: str, precision: Precision) -> bool:
    """Whether the runtime of that name, computing so, was found to draw what the network draws."""
    record = _find_record(bundle, name, device, dtype, precision)
    return record is not None and bool(record["passed"])


def _open_certified(bundle: Bundle, *, device: str, precision: Precision, threads: int) -> GraphBackend:
    reasons = []
    for name, kind, wish in _candidates(bundle, device, precision):
        module = import_module(RUNTIMES[name][0])
        if against := module.unsupported_reasons(bundle, device=kind, precision=wish):
            reasons += against
            continue
        opened: GraphBackend = module.open_backend(bundle, device=kind, precision=wish, threads=threads)
        record = _record_of(bundle, opened)
        if record is not None and record["passed"]:
            return opened
        opened.close()
        reasons.append(f"{name} would compute in {opened.dtype} here, which was not certified")
    why = "; ".join(dict.fromkeys(reasons)) or "its certificate names no runtime for that precision and device"
    raise UnsupportedError(
        f"Nothing here is certified to draw {bundle.folder} (device={device}, precision={precision}): {why}. "
        "Certify it here: wplus verify --against NETWORK; or choose a backend by name."
    )


def _candidates(bundle: Bundle, device: str, precision: Precision) -> Iterator[tuple[str, str, Precision]]:
    """Runtimes, devices and precisions that passed, the fastest first: any GPU before the CPU, and what rounds more.

    A device with a number, "cuda:1", is of the kind that was certified.
    """
    passed = [record for record in _records(bundle) if record["passed"] and not record["emulated"]]
    wanted = device.partition(":")[0]
    kinds = dict.fromkeys(_kind(record) for record in passed if wanted in ("auto", _kind(record)))
    wishes: tuple[Precision, ...] = ("fast", "exact") if precision == "fast" else ("exact",)
    for kind in sorted(kinds, key=lambda kind: kind == "cpu"):
        for name in _AUTO:
            for wish in wishes:
                if any(record["backend"] == name and _covers(record, kind, wish) for record in passed):
                    yield name, device if device != "auto" else kind, wish


def _runtime(backend: str, bundle: Bundle, device: str, precision: Precision) -> Any:
    """The module of a runtime that can draw the bundle; the first where none can, whose error says why."""
    modules = [import_module(name) for name in RUNTIMES[backend]]
    able = (one for one in modules if not one.unsupported_reasons(bundle, device=device, precision=precision))
    return next(able, modules[0])


def _records(bundle: Bundle) -> list[_Record]:
    """What the certificate says of each runtime; nothing where there is none."""
    found: list[_Record] = bundle.parity()["runtimes"] if PARITY in bundle.manifest.files else []
    return found


def _record_of(bundle: Bundle, opened: GraphBackend) -> _Record | None:
    """What the certificate says of a runtime that computes as this one does."""
    return _find_record(bundle, opened.name, opened.device, opened.dtype, opened.precision)


def _find_record(bundle: Bundle, name: str, device: str, dtype: str, precision: Precision) -> _Record | None:
    kind = device.partition(":")[0]
    for record in _records(bundle):
        same = (record["backend"], record["dtype"]) == (name, dtype)
        if same and not record["emulated"] and _covers(record, kind, precision):
            return record
    return None


def _covers(record: _Record, kind: str, precision: Precision) -> bool:
    """Whether a record is of that kind of device and precision; on a CPU, float32 is one thing by both names."""
    same_precision = record["precision"] == precision or (kind == "cpu" and record["dtype"] == "float32")
    return _kind(record) == kind and same_precision


def _kind(record: _Record) -> str:
    return str(record["device"]).partition(":")[0]


def _figures(record: _Record) -> str:
    """Why a runtime did not pass."""
    return "; ".join(record["reasons"]) or "its certificate gives no figures"
