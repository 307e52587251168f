"""TensorRT: engines built from the bundle for the GPU in this machine, and kept in the cache.

The precision is that of the graphs: they are strongly typed. Not yet run on a GPU by us.
"""

from typing import Any

from wplus.backends import Precision
from wplus.backends.graphs import GraphBackend
from wplus.backends.tensorrt_build import TENSORRT
from wplus.backends.tensorrt_opening import open_engines, reasons_against
from wplus.bundle import Bundle


def unsupported_reasons(bundle: Bundle, *, device: str, precision: Precision) -> list[str]:
    """Why this runtime cannot draw the bundle here; empty if it can."""
    return reasons_against(TENSORRT, bundle, device=device, precision=precision)


def open_backend(bundle: Bundle, *, device: str, precision: Precision, threads: int) -> GraphBackend:
    """The bundle in TensorRT. The first time for a network, GPU and version builds its engines, which takes minutes.

    Args:
        device: "auto", "cuda" or "cuda:1".
        precision: "fast" allows TF32 in what the graphs compute in float32; "exact" forbids it.
        threads: CPU threads to build with.

    Raises:
        UnsupportedError: it cannot run here, or TensorRT refuses a graph.
        ArtifactError: an engine is damaged, or the cache cannot be written.
    """
    return open_engines(
        TENSORRT,
        bundle,
        device=device,
        precision=precision,
        threads=threads,
        make_context=_make_context,
        records=True,
    )


def _make_context(_trt: Any, engine: Any) -> Any:
    return engine.create_execution_context()
