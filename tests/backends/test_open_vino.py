"""OpenVINO: what it is told, one compiled graph a batch size, and that it reports to nobody."""

import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wplus.backends import open_vino
from wplus.backends.open_vino import import_openvino, open_backend, unsupported_reasons
from wplus.bundle import Bundle
from wplus.errors import ArtifactError, UnsupportedError
from wplus.threads import usable_cpus

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'wplus[openvino]'")

MakeBundle = Callable[..., Bundle]


def _open(bundle: Bundle, precision: Any = "exact") -> Any:
    return open_backend(bundle, device="auto", precision=precision, threads=2)


def _compiled(session: Any, count: int) -> Any:
    return session._requests[count].get_compiled_model()


def test_precision_threads_and_pinning_are_said(make_bundle: MakeBundle) -> None:
    backend = _open(make_bundle())
    backend.synthesize(np.zeros((1, 6, 16)), None)
    compiled = _compiled(backend._sessions["synthesis"], 1)
    told = {
        name: str(compiled.get_property(name))
        for name in ("INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS", "ENABLE_CPU_PINNING")
    }
    assert told == {
        "INFERENCE_PRECISION_HINT": "<Type: 'float32'>",
        "INFERENCE_NUM_THREADS": str(min(2, usable_cpus())),
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": "False",
    }


def test_fast_is_bfloat16_where_the_cpu_has_it_and_says_so_where_not(
    make_bundle: MakeBundle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    core = import_openvino().Core()
    has_it = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert _open(make_bundle(), "fast").dtype == ("bfloat16" if has_it else "float32")

    class Old:
        def get_property(self, *_: str) -> list[str]:
            return ["FP32", "INT8"]

    assert open_vino._fast_dtype(Old(), make_bundle()) == "float32"
    assert "--precision=fast computes in float32" in caplog.text


def test_the_mapping_stays_float32(make_bundle: MakeBundle) -> None:
    z, psi, cutoff = np.random.RandomState(0).randn(2, 16), np.ones(2), np.full(2, 6)
    exact, fast = (_open(make_bundle(), precision).map(z, None, psi, cutoff) for precision in ("exact", "fast"))
    assert np.array_equal(exact, fast)


def test_a_graph_is_compiled_once_a_batch_size_and_few_are_kept(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = _open(make_bundle())
    session = backend._sessions["synthesis"]
    compiled = []
    compile_ = session._compile
    monkeypatch.setattr(session, "_compile", lambda count: compiled.append(count) or compile_(count))
    for count in (1, 2, 1, 3, 4, 1, 2):
        assert backend.synthesize(np.zeros((count, 6, 16)), None).shape[0] == count
    assert compiled == [1, 2, 3, 4, 2]
    assert len(session._requests) == 3


def test_pictures_are_the_callers_own(make_bundle: MakeBundle) -> None:
    backend = _open(make_bundle())
    first = backend.synthesize(np.zeros((1, 6, 16)), None)
    kept = first.copy()
    backend.synthesize(np.ones((1, 6, 16)), None)
    assert np.array_equal(first, kept)


def test_importing_it_sends_nothing() -> None:
    code = """
import sys
from wplus.backends.open_vino import import_openvino
import_openvino()
print([name for name in sys.modules if name.startswith("openvino_telemetry")])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_only_the_cpu_is_offered(make_bundle: MakeBundle) -> None:
    (reason,) = unsupported_reasons(make_bundle(), device="cuda", precision="exact")
    assert "runs on the CPU here: device='cpu'" in reason


def test_a_missing_package_is_named(make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UnsupportedError, match=r"pip install 'wplus\[openvino\]'"):
        _open(make_bundle())


def test_a_damaged_graph_is_an_error_that_names_it(make_bundle: MakeBundle, certify: Callable[..., Bundle]) -> None:
    bundle = certify(make_bundle())
    path = bundle.graph_path("synthesis")
    path.unlink()  # it is a link to the shared one
    path.write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"openvino cannot open .*synthesis\.onnx"):
        _open(bundle)
