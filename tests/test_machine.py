"""What the machine is, as far as it tells."""

import ctypes
from pathlib import Path
from typing import Any

import pytest

from wplus import machine as machines
from wplus.machine import cpu, machine, nvidia_gpus, versions


class _Nvml:
    """NVIDIA's management library on a machine with one GPU."""

    def __init__(self, *, started: int = 0) -> None:
        self.started = started
        self.is_shut = False

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return self.started

    def nvmlSystemGetDriverVersion(self, buffer: Any, size: int) -> int:  # noqa: N802
        assert size == 96
        buffer.value = b"570.86"
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 1
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:  # noqa: N802
        handle._obj.value = index + 1000
        return 0

    def nvmlDeviceGetName(self, handle: Any, buffer: Any, _: int) -> int:  # noqa: N802
        assert handle.value == 1000
        buffer.value = b"NVIDIA RTX 4090"
        return 0

    def nvmlDeviceGetCudaComputeCapability(self, _: Any, major: Any, minor: Any) -> int:  # noqa: N802
        major._obj.value, minor._obj.value = 8, 9
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.is_shut = True
        return 0


def test_a_gpu_is_named_with_its_capability_and_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = _Nvml()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: nvml)
    assert nvidia_gpus() == ["NVIDIA RTX 4090 (compute capability 8.9), driver 570.86"]
    assert nvml.is_shut
    assert machine()["GPUs"] == nvidia_gpus()[0]


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: _Nvml(started=9))
    assert nvidia_gpus() == []

    def missing(_: str) -> None:
        raise OSError("libnvidia-ml.so.1: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert machine()["GPUs"] == "none"


def test_the_cpu_is_known_by_model_and_instructions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512_bf16 pae\n\n")
    monkeypatch.setattr(machines, "_CPU_FILE", file)
    assert cpu() == ("AMD EPYC", {"fpu", "avx2", "avx512_bf16", "pae"})
    assert (machine()["CPU"], machine()["instructions"]) == ("AMD EPYC", "avx2 avx512_bf16")


def test_a_system_that_tells_nothing_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "_CPU_FILE", tmp_path / "missing")
    assert cpu()[1] == set()
    assert machine()["instructions"] == ""


def test_versions_are_those_of_what_is_installed() -> None:
    found = versions("wplus", "onnxruntime", "no-such-package")
    assert list(found) == ["wplus", "onnxruntime"]
