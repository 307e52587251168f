"""From a bundle to running engines, for TensorRT and TensorRT-RTX alike."""

import logging
from collections.abc import Callable
from typing import Any

from wplus.backends import Precision
from wplus.backends.gpu import Gpu, find_gpu
from wplus.backends.graphs import GraphBackend, precision_reasons
from wplus.backends.tensorrt_build import (
    TENSORRT,
    TENSORRT_RTX,
    Flavour,
    Target,
    build_engine,
    import_flavour,
    known_capabilities,
    unknown_capabilities,
)
from wplus.backends.tensorrt_files import EngineKey, bundled_engine, cached_engine, is_there, timings_file
from wplus.backends.tensorrt_session import EngineSession
from wplus.bundle import Bundle
from wplus.errors import UnsupportedError
from wplus.sampling import default_micro_batch

_log = logging.getLogger(__name__)

_MAX_BATCH = 8  # where the bundle sets no limit: larger batches are run in parts
_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def reasons_against(flavour: Flavour, bundle: Bundle, *, device: str, precision: Precision) -> list[str]:
    """Why the library cannot draw the bundle here; empty if it can."""
    reasons = precision_reasons(bundle, precision)
    trt = gpu = None
    try:
        trt = import_flavour(flavour)
    except UnsupportedError as exc:
        reasons.append(str(exc).removesuffix("."))
    try:
        gpu = find_gpu(device)
    except UnsupportedError as exc:
        reasons.append(str(exc).removesuffix("."))
    if flavour is TENSORRT_RTX and trt and gpu and gpu.capability not in known_capabilities(trt):
        reasons.append(f"this GPU is a {gpu.name}. {unknown_capabilities([gpu.capability], trt)}".removesuffix("."))
    return reasons


def open_engines(
    flavour: Flavour,
    bundle: Bundle,
    *,
    device: str,
    precision: Precision,
    threads: int,
    make_context: Callable[[Any, Any], Any],
    records: bool,
) -> GraphBackend:
    """The bundle on a GPU, its engines taken from it or from the cache, or built.

    Args:
        flavour: The library.
        bundle: Whose graphs they are.
        device: "auto", "cuda" or "cuda:1".
        precision: "exact" forbids TF32.
        threads: CPU threads to build with.
        make_context: From the module and an engine to an execution context.
        records: See `EngineSession`.

    Raises:
        UnsupportedError: it cannot run here, or the library refuses a graph.
        ArtifactError: an engine is damaged, or the cache cannot be written.
    """
    if reasons := reasons_against(flavour, bundle, device=device, precision=precision):
        raise UnsupportedError(f"{flavour.title} cannot draw this bundle: {'; '.join(reasons)}.")
    trt, gpu = import_flavour(flavour), find_gpu(device)
    sessions: dict[str, EngineSession] = {}
    try:
        for name in bundle.manifest.graphs:
            key = engine_key(flavour, trt.__version__, bundle, name, gpu.capability, gpu=gpu.name, precision=precision)
            engine, max_batch = _find_or_build(flavour, bundle, key, gpu, threads)
            sessions[name] = EngineSession(
                trt,
                engine,
                gpu,
                max_batch=max_batch,
                make_context=lambda opened: make_context(trt, opened),
                records=records,
            )
    except BaseException:
        for session in sessions.values():
            session.close()
        raise
    return GraphBackend(
        bundle,
        sessions,
        name=flavour.name,
        device=f"cuda:{gpu.index}",
        precision=precision,
        dtype=_DTYPES[bundle.manifest.precision],
    )


def is_built(bundle: Bundle, *, device: str, precision: Precision) -> bool:
    """Whether a library can draw the bundle here without building: all engines lie in the bundle or in the cache."""
    for flavour in (TENSORRT, TENSORRT_RTX):
        if not reasons_against(flavour, bundle, device=device, precision=precision):
            version, gpu = import_flavour(flavour).__version__, find_gpu(device)
            return all(
                is_there(
                    bundle,
                    engine_key(flavour, version, bundle, name, gpu.capability, gpu=gpu.name, precision=precision),
                )
                for name in bundle.manifest.graphs
            )
    return False


def engine_key(
    flavour: Flavour, version: str, bundle: Bundle, graph: str, capability: str, *, gpu: str, precision: Precision
) -> EngineKey:
    """What identifies the engine of a bundle's graph."""
    manifest = bundle.manifest
    return EngineKey(
        flavour=flavour.name,
        version=version,
        capability=capability,
        gpu=gpu,
        graph=graph,
        graph_sha256=manifest.files[manifest.graphs[graph].file].sha256,
        fingerprint=manifest.fingerprint,
        precision=manifest.precision,
        tf32=precision == "fast",
        max_batch=manifest.max_batch or _MAX_BATCH,
    )


def engine_target(bundle: Bundle, key: EngineKey, *, capability: str | None, threads: int) -> Target:
    """What to build for a key."""
    best = min(default_micro_batch(bundle.config), key.max_batch)
    return Target(best_batch=best, max_batch=key.max_batch, tf32=key.tf32, capability=capability, threads=threads)


def _find_or_build(flavour: Flavour, bundle: Bundle, key: EngineKey, gpu: Gpu, threads: int) -> tuple[bytes, int]:
    """The engine, and the most samples that it takes."""
    if (found := bundled_engine(bundle, key)) is not None:
        engine, record = found
        _log.info("Using the bundle's own engine %s.", record.file)
        return engine, record.max_batch
    ahead = flavour is TENSORRT_RTX  # built for a capability that is named; TensorRT builds for the GPU that is here
    target = engine_target(bundle, key, capability=key.capability if ahead else None, threads=threads)
    timings = None if ahead else timings_file(key.version, gpu.name)
    path = bundle.graph_path(key.graph)
    return cached_engine(key, lambda: build_engine(flavour, path, target, timings=timings)), key.max_batch
