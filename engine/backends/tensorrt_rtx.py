"""TensorRT-RTX: engines made ahead of time, as `wplus export --tensorrt-rtx` does, or in seconds when they are wanted.

The precision is that of the graphs: they are strongly typed. The builder is tested; not yet run on a GPU by us.
"""

from typing import Any

from wplus.backends import Precision
from wplus.backends.graphs import GraphBackend
from wplus.backends.tensorrt_build import TENSORRT_RTX
from wplus.backends.tensorrt_opening import open_engines, reasons_against
from wplus.bundle import Bundle


def unsupported_reasons(bundle: Bundle, *, device: str, precision: Precision) -> list[str]:
    """Why this runtime cannot draw the bundle here; empty if it can."""
    return reasons_against(TENSORRT_RTX, bundle, device=device, precision=precision)


def open_backend(bundle: Bundle, *, device: str, precision: Precision, threads: int) -> GraphBackend:
    """The bundle in TensorRT-RTX, with the bundle's own engines where they are for this GPU and version.

    Args:
        device: "auto", "cuda" or "cuda:1".
        precision: "fast" allows TF32 in what the graphs compute in float32; "exact" forbids it.
        threads: CPU threads to build with.

    Raises:
        UnsupportedError: it cannot run here, or TensorRT-RTX refuses a graph.
        ArtifactError: an engine is damaged, or the cache cannot be written.
    """
    return open_engines(
        TENSORRT_RTX,
        bundle,
        device=device,
        precision=precision,
        threads=threads,
        make_context=_make_context,
        records=False,
    )


def _make_context(trt: Any, engine: Any) -> Any:
    """A context that compiles its kernels before the first run ends, and records them by itself as a CUDA graph.

    By default it would start with kernels for any shape and change to better ones at a time of its own choosing, and
    the same seed would not give the same bytes.
    """
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
    config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    return engine.create_execution_context(config)
