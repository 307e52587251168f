"""Engines of TensorRT-RTX made ahead of time, for GPUs that need not be here."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from wplus.backends.tensorrt_build import (
    TENSORRT_RTX,
    build_engine,
    import_flavour,
    known_capabilities,
    unknown_capabilities,
)
from wplus.backends.tensorrt_files import EngineRecord, read_list, write_list
from wplus.backends.tensorrt_opening import engine_key, engine_target
from wplus.bundle import Bundle
from wplus.files import whole_file
from wplus.threads import usable_cpus

_log = logging.getLogger(__name__)


def write_rtx_engines(bundle: Bundle, capabilities: Sequence[str]) -> list[Path]:
    """Builds an engine of each graph for each compute capability, and writes them and their list into the bundle.

    Engines of earlier calls stay listed, those for the same capability and version are replaced. When it fails the
    bundle is as it was.

    Args:
        bundle: Whose graphs are built, in their own precision, TF32 forbidden.
        capabilities: "8.6", "8.9" and so on.

    Returns:
        The engines' files.

    Raises:
        ValueError: a capability is none that the installed version builds for.
        UnsupportedError: TensorRT-RTX is not installed, or refuses a graph.
        ArtifactError: a file cannot be written.
    """
    version = check_capabilities(capabilities)
    old = {record.file: record for record in read_list(bundle.folder)}
    new: dict[str, EngineRecord] = {}
    try:
        for capability in dict.fromkeys(capabilities):
            for graph in bundle.manifest.graphs:
                record = _write_engine(bundle, graph, capability, version)
                new[record.file] = record
        write_list(bundle.folder, (old | new).values())
    except BaseException:
        for file in new.keys() - old.keys():
            (bundle.folder / file).unlink(missing_ok=True)
        raise
    return [bundle.folder / file for file in new]


def check_capabilities(capabilities: Sequence[str]) -> str:
    """The version of TensorRT-RTX, once it is found to build for those GPUs.

    Raises:
        ValueError: a capability is none that it builds for.
        UnsupportedError: it is not installed.
    """
    trt = import_flavour(TENSORRT_RTX)
    if unknown := [given for given in capabilities if given not in known_capabilities(trt)]:
        raise ValueError(unknown_capabilities(unknown, trt))
    return str(trt.__version__)


def _write_engine(bundle: Bundle, graph: str, capability: str, version: str) -> EngineRecord:
    key = engine_key(TENSORRT_RTX, version, bundle, graph, capability, gpu="", precision="exact")
    target = engine_target(bundle, key, capability=capability, threads=usable_cpus())
    engine = build_engine(TENSORRT_RTX, bundle.graph_path(graph), target)
    file = f"{graph}.sm{capability.replace('.', '')}.rtx-{version}.engine"
    with whole_file(bundle.folder / file) as temporary:
        temporary.write_bytes(engine)
    _log.info("%s: %.1f MB", file, len(engine) / 1e6)
    return EngineRecord(**asdict(key), file=file, sha256=hashlib.sha256(engine).hexdigest(), bytes=len(engine))
