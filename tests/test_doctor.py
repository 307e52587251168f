"""What the doctor finds, in installations that are made up."""

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from wplus import doctor, doctor_runtimes
from wplus.doctor import Finding, examine

_version = metadata.version


def _find(subject: str, findings: list[Finding] | None = None) -> list[Finding]:
    return [finding for finding in findings or examine() if finding.subject == subject]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Versions of packages to pretend; None: not installed."""
    versions: dict[str, str | None] = {"onnxruntime": None, "onnxruntime-gpu": None}

    def version(package: str) -> str:
        found = versions[package] if package in versions else _version(package)
        if found is None:
            raise metadata.PackageNotFoundError(package)
        return found

    monkeypatch.setattr(metadata, "version", version)
    return versions


def test_what_works_is_ok(installed: dict[str, str | None]) -> None:
    assert installed
    assert _find("torch")[0].verdict == "ok"
    assert _find("backend")[0] == Finding(subject="backend", verdict="ok", text="torch multiplies matrices")


def test_what_is_missing_comes_with_its_command(installed: dict[str, str | None]) -> None:
    installed["av"] = None
    assert _find("av") == [
        Finding(subject="av", verdict="note", text="is not installed", remedy="pip install 'wplus[video]'")
    ]


def test_two_onnxruntimes_are_bad(installed: dict[str, str | None]) -> None:
    installed["onnxruntime"] = "1.20.0"
    assert "bad" not in [finding.verdict for finding in _find("onnxruntime")]
    installed["onnxruntime-gpu"] = "1.20.0"
    bad = _find("onnxruntime")[0]
    assert bad.verdict == "bad"
    assert "overwrite each other" in bad.text
    assert bad.remedy.startswith("pip uninstall -y onnxruntime onnxruntime-gpu")


def test_without_torch_bundles_are_drawn_and_doctor_works(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = doctor.util.find_spec
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it is an error
    findings = examine()
    assert _find("backend", findings) == [
        Finding(
            subject="backend",
            verdict="note",
            text="torch is missing: bundles are drawn without it; checkpoints, export and gradients need it",
            remedy="pip install 'wplus[torch]'",
        )
    ]
    assert not [finding for finding in findings if finding.verdict == "bad"]


def test_a_broken_torch_is_a_finding_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def broken(*_: int) -> None:
        raise OSError("libtorch.so: cannot open shared object file")

    monkeypatch.setattr(torch, "ones", broken)
    assert "fails: libtorch.so" in _find("backend")[0].text


def test_other_thread_settings_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "999")
    assert any("OMP_NUM_THREADS is 999" in finding.text for finding in _find("threads"))


def test_an_unwritable_cache_is_bad(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _find("cache")[0].verdict == "ok"
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert _find("cache")[0].verdict == "bad"
    assert f"Make {tmp_path / 'wplus'} writable" in _find("cache")[0].remedy


def _without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    find_spec = doctor.util.find_spec
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: None if name in modules else find_spec(name))


def test_onnxruntime_multiplies() -> None:
    assert _find("onnxruntime")[0].verdict == "ok"
    assert _find("onnxruntime")[0].text.endswith("runs bundles on the CPU")


def test_a_gpus_provider_without_a_gpu_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(doctor_runtimes, "nvidia_gpus", list)
    assert _find("onnxruntime")[1].verdict == "note"
    assert "no NVIDIA GPU is" in _find("onnxruntime")[1].text


def test_a_provider_that_does_not_start_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    multiplies = doctor_runtimes._ort_multiplies

    def without_cuda(onnxruntime: Any, provider: str) -> bool:
        return provider != "CUDAExecutionProvider" and multiplies(onnxruntime, provider)

    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(doctor_runtimes, "nvidia_gpus", lambda: ["H100"])
    monkeypatch.setattr(doctor_runtimes, "_ort_multiplies", without_cuda)
    note = _find("onnxruntime")[1]
    assert (note.verdict, note.remedy) == ("note", "pip install 'onnxruntime-gpu[cuda,cudnn]'")


def test_providers_that_we_did_not_run_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CoreMLExecutionProvider"])
    assert "CoreML is there, not tried by us" in _find("onnxruntime")[0].text


def test_without_onnxruntime_something_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "onnxruntime")
    assert [finding.verdict for finding in _find("onnxruntime")] == ["bad"]


def test_a_broken_runtime_is_a_finding_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise ImportError("libonnxruntime.so: cannot open shared object file")

    monkeypatch.setattr(doctor_runtimes, "import_module", broken)
    for name in ("onnxruntime", "tensorrt"):
        finding = _find(name)[0]
        assert finding.verdict == "bad" or "is not installed" in finding.text
    assert "is installed and fails: libonnxruntime.so: cannot" in _find("onnxruntime")[0].text


@pytest.mark.parametrize(("module", "extra"), [("openvino",) * 2, ("tensorrt",) * 2, ("tensorrt-rtx",) * 2])
def test_a_missing_runtime_comes_with_its_extra(module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "openvino", "tensorrt", "tensorrt_rtx_bindings")
    (finding,) = _find(module)
    assert (finding.verdict, finding.remedy) == ("note", f"pip install 'wplus[{extra}]'")


def test_openvino_multiplies() -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    (finding,) = _find("openvino")
    assert finding.verdict == "ok"
    assert "--precision=fast" in finding.text or "fast computes in float32" in finding.text
