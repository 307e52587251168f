"""plan.json: followed where it was made, refused or left alone elsewhere, never a reason to measure or to write."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundle_support import write_bundle

from wplus import plan as plans
from wplus.bundle import Bundle, read_bundle
from wplus.checkpoints import Checkpoint
from wplus.errors import ArtifactError, UnsupportedError
from wplus.following import follow, follow_for, own_choice
from wplus.machine import machine, versions
from wplus.plan import Choice, Measurement, Plan, manifest_sha256, read_plan

_MEASURED = Measurement(
    backend="onnxruntime", device="cpu", precision="exact", dtype="float32", batch=1, ms=9.5, first_ms=12, load_s=0.1
)
_TORCH = Choice(backend="torch", device="cpu", precision="exact", batch=8, ms=5)
_ORT = Choice(backend="onnxruntime", device="cpu", precision="exact", batch=1, ms=9.5)
_OPENVINO = Choice(backend="openvino", device="cpu", precision="fast", batch=4, ms=2)


def _plan(bundle: Bundle) -> Plan:
    return Plan(
        made_for=machine(),
        versions=versions("wplus", "torch", "onnxruntime"),
        threads=2,
        fingerprint=bundle.manifest.fingerprint,
        manifest_sha256=manifest_sha256(bundle),
        measurements=(_MEASURED,),
        choices={"exact": (_TORCH, _ORT), "fast": (_OPENVINO, _TORCH, _ORT)},
        left_out=("tensorrt: is not installed.",),
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle with a plan that holds here."""
    bundle = write_bundle(tmp_path / "bundle")
    plans.write_plan(bundle.folder / "plan.json", _plan(bundle))
    return bundle


def _follow(bundle: Bundle, plan: Plan | str | Path, **changes: Any) -> Choice:
    return follow(bundle, plan, **{"wish": "exact", "backend": "auto", "device": "auto", "threads": 2} | changes)


def test_a_plan_is_read_as_it_was_written(bundle: Bundle) -> None:
    plan = read_plan(bundle.folder)
    assert plan == _plan(bundle)
    assert plan.path == bundle.folder / "plan.json"


def test_a_plan_changes_nothing_of_the_bundle(bundle: Bundle) -> None:
    assert read_bundle(bundle.folder) == bundle


def test_the_fastest_that_serves_is_chosen(bundle: Bundle) -> None:
    assert _follow(bundle, bundle.folder) == _ORT
    assert _follow(bundle, bundle.folder, with_torch=True) == _TORCH
    assert _follow(bundle, bundle.folder / "plan.json", wish="fast") == _OPENVINO
    assert _follow(bundle, read_plan(bundle.folder), wish="fast", backend="onnxruntime", device="cpu") == _ORT


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wish": "exact", "backend": "openvino"}, "measured nothing for precision=exact, backend=openvino"),
        ({"device": "cuda"}, r"device=cuda\. Left out: tensorrt: is not installed\. Measure here with: wplus prepare"),
        ({"threads": 1}, r"does not hold: 1 threads here, 2 there\. Measure here with: .* --threads=1"),
    ],
    ids=["backend", "device", "threads"],
)
def test_what_was_not_measured_is_refused(bundle: Bundle, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        _follow(bundle, bundle.folder, **changes)


_ELSEWHERE: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "CPU": (lambda plan: replace(plan, made_for=plan.made_for | {"CPU": "Z80"}), r"CPU: .* here, Z80 there"),
    "GPU": (lambda plan: replace(plan, made_for=plan.made_for | {"GPUs": "H100"}), r"GPUs: none here, H100 there"),
    "version": (lambda plan: replace(plan, versions={"onnxruntime": "0.1"}), r"onnxruntime 1\..* here, 0\.1 there"),
    "missing": (lambda plan: replace(plan, versions={"tensorrt-x": "9"}), "tensorrt-x is not installed here, 9 there"),
    "bundle": (lambda plan: replace(plan, manifest_sha256="0" * 64), "it was made for another bundle"),
}


@pytest.mark.parametrize(("change", "message"), _ELSEWHERE.values(), ids=_ELSEWHERE)
def test_a_plan_made_elsewhere_is_refused_when_named_and_left_alone_when_found(
    bundle: Bundle, change: Callable[[Plan], Plan], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    plans.write_plan(bundle.folder / "plan.json", change(_plan(bundle)))
    with pytest.raises(UnsupportedError, match=f"{message}.*Measure here with: wplus prepare"):
        _follow(bundle, bundle.folder)
    assert own_choice(bundle, wish="exact", device="auto", threads=2) is None
    assert len(caplog.records) == 1
    assert "is not followed" in caplog.text


def test_a_plan_of_another_network_is_refused(bundle: Bundle, tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    def find(folder: Path) -> tuple[Bundle, Choice]:
        return follow_for(tiny_checkpoint, folder, wish="exact", backend="auto", device="auto", threads=2)

    with pytest.raises(UnsupportedError, match=r"is for wplus1:0123456789abcdef, and .* is wplus1:"):
        find(bundle.folder)
    own = write_bundle(tmp_path / "own", tiny_checkpoint)
    plans.write_plan(own.folder / "plan.json", _plan(own))
    assert find(own.folder) == (own, _TORCH)


def test_every_difference_is_named(bundle: Bundle) -> None:
    plan = replace(_plan(bundle), versions={"wplus": "0.0.1"}, threads=7)
    with pytest.raises(UnsupportedError, match=r"wplus .* here, 0\.0\.1 there; 2 threads here, 7 there"):
        _follow(bundle, plan)


def test_torchs_version_does_not_matter_where_torch_cannot_be_chosen(bundle: Bundle) -> None:
    plan = replace(_plan(bundle), versions={"torch": "1.0"})
    assert _follow(bundle, plan) == _ORT
    with pytest.raises(UnsupportedError, match=r"torch .* here, 1\.0 there"):
        _follow(bundle, plan, with_torch=True)


def test_engines_that_are_gone_are_not_built_anew(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    engine = Choice(backend="tensorrt", device="cuda:0", precision="exact", batch=8, ms=1)
    plans.write_plan(
        bundle.folder / "plan.json", replace(_plan(bundle), choices={"exact": (engine, _ORT), "fast": (engine,)})
    )
    with pytest.raises(UnsupportedError, match=r"counts on engines of TensorRT that are gone\. Measure here"):
        _follow(bundle, bundle.folder)
    assert own_choice(bundle, wish="exact", device="auto", threads=2) is None
    assert "its engines of TensorRT are gone" in caplog.text
    assert _follow(bundle, bundle.folder, device="cpu") == _ORT


def test_built_engines_are_followed(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Choice(backend="tensorrt", device="cuda:0", precision="exact", batch=8, ms=1)
    monkeypatch.setattr("wplus.backends.tensorrt_opening.is_built", lambda *_, **__: True)
    plan = replace(_plan(bundle), choices={"exact": (engine,), "fast": ()})
    plans.write_plan(bundle.folder / "plan.json", plan)
    assert _follow(bundle, bundle.folder) == own_choice(bundle, wish="exact", device="auto", threads=2) == engine


def test_a_found_plan_is_followed(bundle: Bundle) -> None:
    assert own_choice(bundle, wish="fast", device="auto", threads=2) == _OPENVINO
    assert own_choice(bundle, wish="fast", device="cuda:1", threads=2) is None


def test_without_a_plan_there_is_nothing_to_follow(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    assert own_choice(bundle, wish="exact", device="auto", threads=2) is None
    with pytest.raises(ArtifactError, match=r"could not be read: No such file.*wplus prepare makes one"):
        _follow(bundle, bundle.folder)


def test_a_plan_is_followed_where_nothing_can_be_written(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, *_: Any, **__: Any) -> Any:
        raise OSError(30, "Read-only file system", str(path))

    for name in ("mkdir", "unlink", "rename", "replace", "utime"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("wplus.plan.whole_file", refuse)
    assert _follow(bundle, bundle.folder) == own_choice(bundle, wish="exact", device="auto", threads=2) == _ORT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.update(format_version=2), "its format is version 2, this reads 1: update wplus"),
        (lambda values: values.update(format="walk"), "its format is 'walk'"),
        (lambda values: values.pop("choices"), "choices"),
        (lambda values: values.update(made_for=[]), "items"),
        (lambda values: values["choices"]["exact"][0].update(batch=0), "batch is 0"),
        (lambda values: values["choices"]["exact"][0].update(batch="1"), "batch is '1'"),
        (lambda values: values["choices"]["exact"][0].update(batch=True), "batch is True"),
        (lambda values: values["choices"]["exact"][0].update(backend="caffe"), "backend 'caffe'"),
        (lambda values: values["choices"]["exact"][0].update(colour=1), "colour"),
    ],
)
def test_a_damaged_plan_is_refused_when_named_and_left_alone_when_found(
    bundle: Bundle, change: Callable[[dict[str, Any]], object], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = bundle.folder / "plan.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match=rf"is no plan that this version reads \(.*{message}"):
        _follow(bundle, bundle.folder)
    assert own_choice(bundle, wish="exact", device="auto", threads=2) is None
    assert "wplus prepare writes it anew" in caplog.text


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "cut", "binary", "deep"])
def test_what_is_no_json_is_refused(bundle: Bundle, text: bytes) -> None:
    (bundle.folder / "plan.json").write_bytes(text)
    with pytest.raises(ArtifactError, match=r"is damaged: it is no JSON|is no plan"):
        _follow(bundle, bundle.folder)
