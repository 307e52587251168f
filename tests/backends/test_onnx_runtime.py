"""ONNX Runtime: which provider runs, what it is told, and that nothing falls back silently."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest

from wplus.backends import onnx_runtime
from wplus.backends.onnx_runtime import open_backend, unsupported_reasons
from wplus.bundle import Bundle
from wplus.errors import ArtifactError, UnsupportedError

MakeBundle = Callable[..., Bundle]
_CUDA = ["CUDAExecutionProvider", "CPUExecutionProvider"]


class Session:
    """What onnxruntime would give, and what it was asked for."""

    asked: tuple[Any, ...] = ()
    options: Any = None
    found: str | None = None  # another provider than was asked for

    def __init__(self, _: str, options: Any, providers: list[tuple[str, dict[str, str]]], **more: Any) -> None:
        type(self).asked, type(self).options = (providers, more), options

    def get_providers(self) -> list[str]:
        return [self.found or self.asked[0][0][0]]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> type[Session]:
    """A machine with an NVIDIA GPU and every provider; each test has a class of its own."""
    kind = type("OwnSession", (Session,), {})
    monkeypatch.setattr(onnxruntime, "InferenceSession", kind)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(onnx_runtime._PROVIDERS.values()))
    monkeypatch.setattr(onnx_runtime, "nvidia_gpus", lambda: ["a GPU"])
    return kind


def _open(bundle: Bundle, device: str = "auto", precision: Any = "exact") -> Any:
    return open_backend(bundle, device=device, precision=precision, threads=2)


def test_the_cpu_draws_in_float32_by_either_name(make_bundle: MakeBundle, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    exact = _open(make_bundle(), "cpu")
    assert not caplog.records
    fast = _open(make_bundle(), "cpu", "fast")
    assert "--precision=fast computes in float32" in caplog.text
    assert (exact.device, exact.dtype, fast.dtype, fast.precision) == ("cpu", "float32", "float32", "fast")
    ws = np.random.RandomState(0).randn(2, 6, 16)
    assert np.array_equal(exact.synthesize(ws, None), fast.synthesize(ws, None))


def test_threads_and_precision_reach_the_provider(gpu: type[Session], make_bundle: MakeBundle) -> None:
    backend = _open(make_bundle(), "cuda:1")
    ((first, *_), more) = gpu.asked
    assert first == ("CUDAExecutionProvider", {"device_id": "1", "use_tf32": "0"})
    assert more == {"enable_fallback": 0}
    assert gpu.options.intra_op_num_threads == 2
    assert backend.device == "cuda:1"
    _open(make_bundle(), "cuda", "fast")
    assert gpu.asked[0][0][1]["use_tf32"] == "1"


def test_auto_takes_the_gpu(gpu: type[Session], make_bundle: MakeBundle) -> None:
    assert _open(make_bundle()).device == "cuda"
    assert [name for name, _ in gpu.asked[0]] == _CUDA


def test_a_provider_that_does_not_start_is_an_error(gpu: type[Session], make_bundle: MakeBundle) -> None:
    gpu.found = "CPUExecutionProvider"
    with pytest.raises(UnsupportedError, match=r"CUDAExecutionProvider does not start \(it would have used CPU"):
        _open(make_bundle(), "cuda")


def test_auto_says_that_it_takes_the_cpu_after_all(
    gpu: type[Session], make_bundle: MakeBundle, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.found = "CPUExecutionProvider"
    assert _open(make_bundle()).device == "cpu"
    assert "does not start" in caplog.text
    assert "The CPU is used." in caplog.text


def test_tensorrt_hands_what_it_cannot_run_to_cuda_and_is_never_exact(
    gpu: type[Session], make_bundle: MakeBundle
) -> None:
    _open(make_bundle(), "tensorrt:1", "fast")
    assert [name for name, _ in gpu.asked[0]] == ["TensorrtExecutionProvider", *_CUDA]
    assert gpu.asked[0][1][1]["device_id"] == "1"
    with pytest.raises(UnsupportedError, match="multiplies in TF32"):
        _open(make_bundle(), "tensorrt")


def test_coreml_stays_off_the_neural_engine_when_it_must_be_exact(gpu: type[Session], make_bundle: MakeBundle) -> None:
    _open(make_bundle(), "coreml")
    assert gpu.asked[0][0][1]["MLComputeUnits"] == "CPUOnly"
    _open(make_bundle(), "coreml", "fast")
    assert gpu.asked[0][0][1]["MLComputeUnits"] == "ALL"


def test_directml_runs_one_call_at_a_time(gpu: type[Session], make_bundle: MakeBundle) -> None:
    backend = _open(make_bundle(), "directml")
    assert not gpu.options.enable_mem_pattern
    assert all(session._lock for session in backend._sessions.values())


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("directml", "has no DmlExecutionProvider"),
        ("cuda", "no NVIDIA GPU is found"),
        ("mps", "it knows auto, cpu, cuda"),
    ],
)
def test_a_device_that_is_not_there_is_named(device: str, reason: str, make_bundle: MakeBundle) -> None:
    if onnx_runtime.nvidia_gpus():
        pytest.skip("this machine has an NVIDIA GPU")
    assert reason in "; ".join(unsupported_reasons(make_bundle(), device=device, precision="exact"))


def test_bfloat16_graphs_need_a_gpu(make_bundle: MakeBundle, certify: Callable[..., Bundle]) -> None:
    half = certify(make_bundle(), precision="bf16")
    (reason,) = unsupported_reasons(half, device="cpu", precision="fast")
    assert "no convolution in bfloat16" in reason


def test_a_missing_package_is_named(make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UnsupportedError, match=r"onnxruntime is not installed: pip install 'wplus'"):
        _open(make_bundle())


def test_a_damaged_graph_is_an_error_that_names_it(make_bundle: MakeBundle, certify: Callable[..., Bundle]) -> None:
    bundle = certify(make_bundle())
    path = bundle.graph_path("synthesis")
    path.unlink()  # it is a link to the shared one
    path.write_bytes(b"no graph")
    with pytest.raises(ArtifactError, match=r"onnxruntime cannot open .*synthesis\.onnx"):
        _open(bundle)


@pytest.mark.gpu
@pytest.mark.skipif(not onnx_runtime.nvidia_gpus(), reason="no NVIDIA GPU is here")
def test_cuda_draws_what_the_cpu_draws(make_bundle: MakeBundle) -> None:
    ws = np.random.RandomState(0).randn(3, 6, 16)
    found, reference = (_open(make_bundle(), device).synthesize(ws, None) for device in ("cuda", "cpu"))
    assert np.abs(found - reference).max() < 2e-3
