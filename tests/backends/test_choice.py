"""Which runtime a bundle gets: what is certified and installed; what failed is refused with its figures."""

from collections.abc import Callable
from typing import Any

import pytest

from wplus.backends import choice, open_vino
from wplus.backends.choice import open_bundle
from wplus.bundle import Bundle
from wplus.errors import ParityError, UnsupportedError

MakeBundle = Callable[..., Bundle]
Certify = Callable[..., Bundle]
_ORT = {"backend": "onnxruntime", "precision": "exact", "dtype": "float32", "passed": True}
_OV = _ORT | {"backend": "openvino"}
_OV_FAST = _OV | {"precision": "fast", "dtype": "bfloat16"}
_FAILED = {"passed": False, "reasons": ["PSNR is 31.2 dB; at least 40 are needed"]}


@pytest.fixture(autouse=True)
def _has_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed: pip install 'wplus[openvino]'")
    monkeypatch.setattr(open_vino, "_fast_dtype", lambda *_: "bfloat16")


def _open(bundle: Bundle, backend: Any = "auto", device: str = "auto", precision: Any = "exact") -> tuple[str, ...]:
    opened = open_bundle(bundle, backend=backend, device=device, precision=precision, threads=1)
    try:
        return opened.name, opened.device, opened.precision, opened.dtype
    finally:
        opened.close()


def test_auto_takes_the_fastest_that_is_certified(make_bundle: MakeBundle, certify: Certify) -> None:
    assert _open(certify(make_bundle(), _ORT, _OV)) == ("openvino", "cpu", "exact", "float32")


def test_auto_passes_over_what_failed(make_bundle: MakeBundle, certify: Certify) -> None:
    assert _open(certify(make_bundle(), _ORT, _OV | _FAILED))[0] == "onnxruntime"


def test_auto_passes_over_what_is_not_installed(
    make_bundle: MakeBundle, certify: Certify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_vino, "unsupported_reasons", lambda *_, **__: ["not installed"])
    assert _open(certify(make_bundle(), _ORT, _OV))[0] == "onnxruntime"


def test_fast_takes_half_precision_where_it_passed(make_bundle: MakeBundle, certify: Certify) -> None:
    bundle = certify(make_bundle(), _ORT, _OV, _OV_FAST)
    assert _open(bundle, precision="fast") == ("openvino", "cpu", "fast", "bfloat16")


@pytest.mark.parametrize("records", [(_OV,), (_OV, _OV_FAST | _FAILED)], ids=["not tried", "failed"])
def test_fast_is_exact_where_half_precision_did_not_pass(
    records: tuple[dict[str, Any], ...], make_bundle: MakeBundle, certify: Certify
) -> None:
    assert _open(certify(make_bundle(), *records), precision="fast") == ("openvino", "cpu", "exact", "float32")


def test_a_cpus_float32_is_certified_by_either_precision(make_bundle: MakeBundle, certify: Certify) -> None:
    assert _open(certify(make_bundle(), _ORT), precision="fast") == ("onnxruntime", "cpu", "fast", "float32")


@pytest.mark.parametrize("record", [_ORT | _FAILED, _ORT | {"device": "cuda"}, _ORT | {"emulated": True}])
def test_auto_runs_nothing_that_was_not_certified(
    record: dict[str, Any], make_bundle: MakeBundle, certify: Certify
) -> None:
    with pytest.raises(UnsupportedError, match=r"Nothing here is certified.*wplus verify"):
        _open(certify(make_bundle(), record))


def test_a_bundle_without_certificate_runs_by_name_with_a_warning(
    make_bundle: MakeBundle, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UnsupportedError, match="Nothing here is certified"):
        _open(make_bundle())
    assert _open(make_bundle(), "onnxruntime")[0] == "onnxruntime"
    assert "was never compared with the network" in caplog.text


def test_a_runtime_that_failed_is_refused_by_name_with_its_figures(make_bundle: MakeBundle, certify: Certify) -> None:
    bundle = certify(make_bundle(), _OV, _OV_FAST | _FAILED)
    assert _open(bundle, "openvino")[3] == "float32"
    with pytest.raises(ParityError, match=r"openvino on cpu draws other pictures.*PSNR is 31.2 dB"):
        _open(bundle, "openvino", precision="fast")


def test_torch_draws_no_bundle(make_bundle: MakeBundle) -> None:
    with pytest.raises(UnsupportedError, match=r"torch draws a checkpoint.*Load that"):
        _open(make_bundle(), "torch")


def test_half_precision_graphs_are_never_exact(make_bundle: MakeBundle, certify: Certify) -> None:
    bundle = certify(make_bundle(), _ORT, precision="fp16")
    with pytest.raises(UnsupportedError, match="wplus export NETWORK OUTDIR --precision=fp32"):
        _open(bundle)


def test_of_several_libraries_the_first_that_can_is_taken(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(choice.RUNTIMES, "tensorrt", ("wplus.backends.tensorrt_engine", "wplus.backends.onnx_runtime"))
    assert _open(make_bundle(), "tensorrt", device="cpu")[0] == "onnxruntime"


def test_tensorrt_without_a_gpu_says_what_is_missing(make_bundle: MakeBundle) -> None:
    with pytest.raises(UnsupportedError, match=r"TensorRT cannot draw this bundle: .*pip install 'wplus\[tensorrt\]'"):
        _open(make_bundle(), "tensorrt", device="cpu")
