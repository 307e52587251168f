"""What the doctor finds, in installations that are made up."""

from importlib import metadata
from pathlib import Path

import pytest

from wplus import doctor
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
    assert [finding.verdict for finding in _find("onnxruntime")] == ["ok"]
    installed["onnxruntime-gpu"] = "1.20.0"
    bad = _find("onnxruntime")[0]
    assert bad.verdict == "bad"
    assert "overwrite each other" in bad.text
    assert bad.remedy.startswith("pip uninstall -y onnxruntime onnxruntime-gpu")


def test_without_torch_there_is_no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.util, "find_spec", lambda _: None)
    assert _find("backend")[0].verdict == "bad"
    assert _find("backend")[0].remedy == "pip install 'wplus[torch]'"


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
    monkeypatch.setattr("wplus.checkpoints.download.cache_folder", lambda: tmp_path / "downloads")
    assert _find("cache")[0].verdict == "ok"
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert _find("cache")[0].verdict == "bad"
    assert f"Make {tmp_path / 'downloads'} writable" in _find("cache")[0].remedy
