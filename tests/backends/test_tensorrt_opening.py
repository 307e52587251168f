"""Which engine serves a bundle on a GPU: its own, one in the cache, or one that is built."""

import hashlib
import json
import logging
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from bundle_support import write_bundle
from tensorrt_fakes import FakeCuda, FakeTensorRT, fake_engine

from wplus.backends import onnx_runtime, tensorrt_engine, tensorrt_rtx
from wplus.backends.tensorrt_build import TENSORRT, TENSORRT_RTX, Flavour, Target, import_flavour
from wplus.backends.tensorrt_files import LIST, EngineRecord, read_list, write_list
from wplus.backends.tensorrt_opening import engine_key
from wplus.bundle import Bundle
from wplus.errors import ArtifactError, UnsupportedError

_ENGINES = {
    "mapping": fake_engine({"z": [8]}, [6, 8]),
    "synthesis": fake_engine({"ws": [6, 8]}, [3, 16, 16]),
}
_GPU = "NVIDIA GeForce RTX 4090"


class Machine:
    """A GPU, TensorRT, and a builder that keeps account."""

    def __init__(self) -> None:
        self.cuda = FakeCuda()
        self.trt = FakeTensorRT(self.cuda)
        self.built: list[tuple[str, Target, Path | None]] = []

    def build(self, _flavour: Flavour, graph: Path, target: Target, *, timings: Path | None = None) -> bytes:
        self.built.append((graph.stem, target, timings))
        return _ENGINES[graph.stem]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> Machine:
    assert not own_cache.exists()
    machine = Machine()
    monkeypatch.setattr("wplus.backends.gpu.runtime", lambda: machine.cuda)
    monkeypatch.setattr("wplus.backends.tensorrt_opening.import_flavour", lambda _: machine.trt)
    monkeypatch.setattr("wplus.backends.tensorrt_opening.build_engine", machine.build)
    return machine


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bundle")


def _open(runtime: ModuleType, bundle: Bundle, **options: Any) -> Any:
    return runtime.open_backend(bundle, **{"device": "cuda", "precision": "exact", "threads": 2} | options)


def _record(bundle: Bundle, graph: str, **changes: Any) -> EngineRecord:
    """An entry of engines.json for `FakeCuda`'s GPU, and its file."""
    key = engine_key(TENSORRT_RTX, FakeTensorRT.__version__, bundle, graph, "8.9", gpu="", precision="exact")
    (bundle.folder / f"{graph}.engine").write_bytes(_ENGINES[graph])
    digest = hashlib.sha256(_ENGINES[graph]).hexdigest()
    record = EngineRecord(**asdict(key), file=f"{graph}.engine", sha256=digest, bytes=len(_ENGINES[graph]))
    return replace(record, **changes)


@pytest.mark.parametrize(
    ("runtime", "name", "capability"),
    [(tensorrt_engine, "tensorrt", None), (tensorrt_rtx, "tensorrt-rtx", "8.9")],
    ids=["TensorRT", "TensorRT-RTX"],
)
def test_engines_are_built_once_and_draw(
    machine: Machine, bundle: Bundle, runtime: ModuleType, name: str, capability: str | None
) -> None:
    for _ in range(2):
        backend = _open(runtime, bundle)
        ws = np.arange(3 * 48, dtype=np.float32).reshape(3, 6, 8)
        img = backend.synthesize(ws, None)
        np.testing.assert_allclose(img[:, 0, 0, 0], ws.mean(axis=(1, 2)), rtol=1e-6)
        assert (backend.name, backend.device, backend.dtype) == (name, "cuda:0", "float32")
        backend.close()
    assert [graph for graph, _, _ in machine.built] == ["mapping", "synthesis"]
    target = machine.built[0][1]
    assert target == Target(best_batch=8, max_batch=8, tf32=False, capability=capability, threads=2)
    assert (machine.built[0][2] is not None) == (runtime is tensorrt_engine)  # what was measured is kept for TensorRT
    assert not machine.cuda.memory


def test_tensorrt_replays_recordings_and_rtx_is_told_to_do_so_itself(machine: Machine, bundle: Bundle) -> None:
    with_recordings = _open(tensorrt_engine, bundle)
    with_recordings.synthesize(np.zeros((1, 6, 8), np.float32), None)
    assert machine.cuda.calls["cudaGraphLaunch"] == 1
    _open(tensorrt_rtx, bundle).synthesize(np.zeros((1, 6, 8), np.float32), None)
    assert machine.cuda.calls["cudaGraphLaunch"] == 1
    config = machine.trt.contexts[-1].config
    assert (config.cuda_graph_strategy, config.dynamic_shapes_kernel_specialization_strategy) == ("whole", "eager")


@pytest.mark.parametrize("change", ["network", "graph", "GPU", "version", "TF32"])
def test_another_network_graph_gpu_version_or_precision_has_engines_of_its_own(
    machine: Machine, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    _open(tensorrt_engine, bundle).close()
    manifest, precision = bundle.manifest, "exact"
    if change == "network":
        manifest = replace(manifest, fingerprint="wplus1:fedcba9876543210")
    elif change == "graph":
        manifest = replace(manifest, files={name: replace(s, sha256="0" * 64) for name, s in manifest.files.items()})
    elif change == "GPU":
        machine.cuda.devices[0].name = b"NVIDIA GeForce RTX 4080"
    elif change == "version":
        monkeypatch.setattr(machine.trt, "__version__", "11.5.0", raising=False)
    else:
        precision = "fast"
    _open(tensorrt_engine, replace(bundle, manifest=manifest), precision=precision).close()
    assert len(machine.built) == 4


def test_the_bundles_own_engines_are_used(machine: Machine, bundle: Bundle, own_cache: Path) -> None:
    write_list(bundle.folder, [_record(bundle, graph, max_batch=2) for graph in _ENGINES])
    for precision in ("exact", "fast"):
        backend = _open(tensorrt_rtx, bundle, precision=precision)
        assert backend.synthesize(np.zeros((5, 6, 8), np.float32), None).shape == (5, 3, 16, 16)
        backend.close()
    assert not machine.built
    assert not own_cache.exists()


@pytest.mark.parametrize(
    "change",
    [{"capability": "8.6"}, {"version": "11.3.0"}, {"fingerprint": "wplus1:0"}, {"graph_sha256": "0" * 64}],
    ids=lambda change: next(iter(change)),
)
def test_engines_for_others_are_passed_over_and_the_log_says_so(
    machine: Machine, bundle: Bundle, caplog: pytest.LogCaptureFixture, change: dict[str, str]
) -> None:
    write_list(bundle.folder, [_record(bundle, graph, **change) for graph in _ENGINES])
    with caplog.at_level(logging.INFO, logger="wplus"):
        _open(tensorrt_rtx, bundle).close()
    assert len(machine.built) == 2
    assert "are not for this network, GPU and version (tensorrt-rtx 11.4.0, 8.9)" in caplog.text
    assert f"Building the engine of synthesis for {_GPU}" in caplog.text


def test_an_engine_that_was_changed_is_an_error(machine: Machine, bundle: Bundle) -> None:
    write_list(bundle.folder, [_record(bundle, graph) for graph in _ENGINES])
    (bundle.folder / "synthesis.engine").write_bytes(b"other")
    with pytest.raises(ArtifactError, match=r"synthesis.engine is not the file that engines.json lists"):
        _open(tensorrt_rtx, bundle)
    assert not machine.cuda.streams  # the mapping's was open already


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": "../synthesis.engine"}, "an entry's file or max_batch"),
        ({"max_batch": 0}, "an entry's file or max_batch"),
        ({"tf32": "no"}, "an entry's tf32"),
        ({"extra": 1}, "TypeError"),
    ],
    ids=["file", "max_batch", "type", "unknown"],
)
def test_a_list_that_cannot_be_is_refused(bundle: Bundle, change: dict[str, Any], message: str) -> None:
    entry = asdict(_record(bundle, "synthesis")) | change
    (bundle.folder / LIST).write_text(json.dumps({"format_version": 1, "engines": [entry]}))
    with pytest.raises(ArtifactError, match=message):
        read_list(bundle.folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 1, "engines": [1]}', "[" * 100_000])
def test_what_is_no_list_is_refused(bundle: Bundle, text: str) -> None:
    (bundle.folder / LIST).write_text(text)
    with pytest.raises(ArtifactError, match="is no list of engines"):
        read_list(bundle.folder)


def test_a_list_of_a_newer_format_is_refused(bundle: Bundle) -> None:
    (bundle.folder / LIST).write_text('{"format_version": 2, "engines": 5}')
    with pytest.raises(ArtifactError, match="format version 2: a newer wplus wrote it"):
        read_list(bundle.folder)


def test_engines_in_the_cache_serve_where_it_cannot_be_written(machine: Machine, bundle: Bundle) -> None:
    _open(tensorrt_engine, bundle).close()
    machine.trt.cuda = machine.cuda
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wplus.backends.tensorrt_files.FileLock", None)
        patch.setattr("wplus.backends.tensorrt_files.whole_file", None)
        _open(tensorrt_engine, bundle).close()
    assert len(machine.built) == 2


def test_reasons_say_all_that_is_missing(machine: Machine, tmp_path: Path) -> None:
    half = write_bundle(tmp_path / "half", precision="fp16")
    machine.cuda.devices[0].major, machine.cuda.devices[0].minor = 9, 0
    own, rtx = (
        runtime.unsupported_reasons(half, device="cuda", precision="exact")
        for runtime in (tensorrt_engine, tensorrt_rtx)
    )
    assert len(own) == 1
    assert "precision is 'exact'" in own[0]
    assert rtx[0] == own[0]
    assert "builds for the compute capabilities 8.6, 8.9, 12.0; 9.0 is none of them" in rtx[1]
    machine.cuda.devices.clear()
    (reason,) = tensorrt_engine.unsupported_reasons(half, device="cuda", precision="fast")
    assert reason.startswith("No NVIDIA GPU can be used here")
    with pytest.raises(UnsupportedError, match=r"TensorRT cannot draw this bundle: No NVIDIA GPU"):
        _open(tensorrt_engine, half, precision="fast")


def test_a_library_that_is_missing_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wplus.backends.tensorrt_build.util.find_spec", lambda _: None)
    with pytest.raises(UnsupportedError, match=r"TensorRT is not installed: pip install 'wplus\[tensorrt\]'"):
        import_flavour(TENSORRT)
    with pytest.raises(UnsupportedError, match=r"TensorRT-RTX is not installed: pip install 'wplus\[tensorrt-rtx\]'"):
        import_flavour(TENSORRT_RTX)


@pytest.mark.gpu
@pytest.mark.parametrize("runtime", [tensorrt_engine, tensorrt_rtx], ids=["TensorRT", "TensorRT-RTX"])
def test_a_real_gpu_draws_what_the_cpu_draws(make_bundle: Any, runtime: ModuleType) -> None:
    bundle = make_bundle("tiny")
    if reasons := runtime.unsupported_reasons(bundle, device="auto", precision="exact"):
        pytest.skip("; ".join(reasons))
    ws = np.random.RandomState(0).randn(11, bundle.config.num_ws, bundle.config.w_dim).astype(np.float32)
    expected = _open(onnx_runtime, bundle, device="cpu").synthesize(ws, None)
    backend = _open(runtime, bundle)
    for _ in range(2):  # recorded, then replayed
        assert np.abs(backend.synthesize(ws, None) - expected).max() <= 2e-3
    backend.close()
