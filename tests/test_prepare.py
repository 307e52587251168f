"""`prepare` and what `load` makes of it: measured once, followed everywhere, and nothing written any more."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_support import write_bundle

import wplus
from wplus import prepare as preparing
from wplus.bundle import Bundle
from wplus.checkpoints import Checkpoint, write_checkpoint
from wplus.errors import ArtifactError, ParityError, UnsupportedError
from wplus.following import own_choice
from wplus.plan import Choice, Measurement, Plan, read_plan, write_plan
from wplus.prepare import PrepareOptions, prepare

_OPTIONS = PrepareOptions(batches=(1, 8), threads=1, device="cpu")


@pytest.fixture(scope="module")
def prepared(tiny_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Bundle]]:
    """A network's file, and the bundle that was prepared of it in a cache of this module's own."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        write_checkpoint(folder / "tiny.safetensors", tiny_checkpoint)
        bundle, _ = prepare(folder / "tiny.safetensors", _OPTIONS)
        yield folder / "tiny.safetensors", bundle


def _choose(bundle: Bundle, *backends: str) -> None:
    """Makes the plan say that these were the fastest, in this order."""
    plan = read_plan(bundle.folder)
    choices = tuple(Choice(backend=name, device="cpu", precision="exact", batch=8, ms=1) for name in backends)
    write_plan(bundle.folder / "plan.json", replace(plan, choices={"exact": choices, "fast": choices}))


def _load(source: Path, **options: Any) -> wplus.Generator:
    return wplus.load(source, **({"device": "cpu", "threads": 1} | options))


def test_every_runtime_is_measured_in_every_batch_size(prepared: tuple[Path, Bundle]) -> None:
    plan = read_plan(prepared[1].folder)
    measured = {(one.backend, one.batch) for one in plan.measurements}
    assert {("torch", 1), ("torch", 8), ("onnxruntime", 1), ("onnxruntime", 8)} <= measured
    assert all(one.ms > 0 and one.first_ms > 0 and one.load_s > 0 for one in plan.measurements)
    assert {"wplus", "torch", "onnxruntime"} <= set(plan.versions)
    assert any("tensorrt" in reason for reason in plan.left_out) or ("tensorrt", 1) in measured
    assert [choice.ms for choice in plan.choices["fast"]] == sorted(choice.ms for choice in plan.choices["fast"])


def test_what_comes_to_the_same_is_measured_once(prepared: tuple[Path, Bundle]) -> None:
    plan = read_plan(prepared[1].folder)
    measured = [(one.backend, one.dtype, one.batch) for one in plan.measurements]
    assert len(measured) == len(set(measured))


def test_auto_follows_the_plan(prepared: tuple[Path, Bundle], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    file, bundle = prepared
    _choose(bundle, "onnxruntime", "torch")
    for source in (file, bundle.folder):
        with _load(source) as G:
            assert (G.backend, G.micro_batch) == ("onnxruntime", 8)
        with _load(source, batch=3) as G:
            assert G.micro_batch == 3
    assert "wplus prepare" not in caplog.text
    _choose(bundle, "torch", "onnxruntime")
    assert _load(file).backend == "torch"
    assert _load(bundle.folder).backend == "onnxruntime"
    assert _load(file, backend="torch").backend == "torch"


def test_a_plan_for_other_threads_is_not_followed(
    prepared: tuple[Path, Bundle], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file, bundle = prepared
    _choose(bundle, "onnxruntime")
    with _load(file, threads=3) as G:
        assert G.backend == "torch"
    assert "is not followed: 3 threads here, 1 there" in caplog.text
    assert f"To find out whether another runtime is faster here: wplus prepare {file}" in caplog.text


@pytest.mark.parametrize("what", ["network", "bundle"])
def test_a_plan_that_is_named_is_followed_or_refused(prepared: tuple[Path, Bundle], what: str) -> None:
    file, bundle = prepared
    _choose(bundle, "torch", "onnxruntime")
    source, expected = (file, "torch") if what == "network" else (bundle.folder, "onnxruntime")
    with _load(source, plan=bundle.folder) as G:
        assert G.backend == expected
    with _load(source, plan=read_plan(bundle.folder), backend="onnxruntime") as G:
        assert G.backend == "onnxruntime"
    with pytest.raises(UnsupportedError, match="2 threads here, 1 there"):
        _load(source, plan=bundle.folder, threads=2)
    with pytest.raises(ArtifactError, match=r"plan\.json could not be read"):
        _load(source, plan=file.with_name("plan.json"))


def test_the_prepared_bundle_draws_what_torch_draws(prepared: tuple[Path, Bundle]) -> None:
    file, bundle = prepared
    _choose(bundle, "onnxruntime")
    with _load(file) as fast, _load(file, backend="torch") as G:
        ws = G.map(wplus.latents.seeds_to_z([0, 1], G.z_dim))
        for mode in ("const", "none", "random"):
            found = fast.synthesize(ws, noise_mode=mode, seeds=[5, 6])
            assert np.abs(found - G.synthesize(ws, noise_mode=mode, seeds=[5, 6])).max() <= 2e-3


_READ_ONLY = """
import os, resource, signal, sys

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file can grow, whatever writes it
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.utime", "os.truncate", "os.link", "os.symlink")

def watch(event, arguments):
    writes = event == "open" and arguments[0] != os.devnull and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in CHANGES:
        os.write(1, f"WRITES {event} {arguments}".encode())
        os._exit(1)

sys.addaudithook(watch)
import wplus
with wplus.load(sys.argv[1], device="cpu", threads=1, plan=sys.argv[2]) as G:
    for batch in G.sample([0, 1]):
        os.write(1, f"{G.backend} {batch.images.shape}".encode())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_following_a_named_plan_writes_nothing(prepared: tuple[Path, Bundle]) -> None:
    file, bundle = prepared
    _choose(bundle, "onnxruntime")
    for source in (file, bundle.folder):
        command = [sys.executable, "-B", "-c", _READ_ONLY, str(source), str(bundle.folder)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert result.stdout == "onnxruntime (2, 16, 16, 3)", result.stderr


def test_a_generator_on_a_plan_pickles_as_one(prepared: tuple[Path, Bundle]) -> None:
    file, bundle = prepared
    _choose(bundle, "onnxruntime")
    with _load(file, plan=bundle.folder) as G:
        load, arguments = G.__reduce__()
    with load(*arguments) as again:
        assert again.backend == "onnxruntime"


def test_a_bundle_is_measured_where_it_lies_and_without_torch(prepared: tuple[Path, Bundle]) -> None:
    options = replace(_OPTIONS, precisions=("exact",), batches=(2,))
    bundle, plan = prepare(prepared[1].folder, options)
    assert bundle == prepared[1]
    assert read_plan(bundle.folder) == plan
    assert {one.batch for one in plan.measurements} == {2}
    assert "torch" not in {one.backend for one in plan.measurements}
    assert plan.choices["fast"] == ()
    assert own_choice(bundle, wish="fast", device="auto", threads=1) is None


def test_what_draws_other_pictures_is_left_out_with_its_figures(
    prepared: tuple[Path, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = preparing.load

    def refuse(source: Path, *, backend: str, **options: Any) -> wplus.Generator:
        if backend != "onnxruntime":
            raise ParityError(f"{backend} draws other pictures: 12 dB")
        return load(source, backend=backend, **options)

    monkeypatch.setattr(preparing, "load", refuse)
    _, plan = prepare(prepared[1].folder, _OPTIONS)
    assert {one.backend for one in plan.measurements} == {"onnxruntime"}
    assert plan.left_out == tuple(f"{name}: {name} draws other pictures: 12 dB" for name in ("openvino", "tensorrt"))


def test_what_was_never_certified_is_left_out(prepared: tuple[Path, Bundle], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "is_certified", lambda _, name, **__: name == "onnxruntime")
    _, plan = prepare(prepared[1].folder, _OPTIONS)
    assert {one.backend for one in plan.measurements} == {"onnxruntime"}
    if util.find_spec("openvino") is not None:
        assert any("never compared with the network on this bundle" in reason for reason in plan.left_out)


def test_where_nothing_runs_every_reason_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, backend: str, **__: Any) -> wplus.Generator:
        raise UnsupportedError(f"no {backend} here.")

    monkeypatch.setattr(preparing, "load", refuse)
    bundle = write_bundle(tmp_path / "bundle")
    with pytest.raises(UnsupportedError, match=r"Nothing here runs .*onnxruntime: no onnxruntime here\. openvino: no"):
        prepare(bundle.folder, _OPTIONS)
    assert not (bundle.folder / "plan.json").exists()


def test_graphs_in_half_precision_serve_fast_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(*_: Any, precision: str, **__: Any) -> wplus.Generator:
        asked.append(precision)
        raise UnsupportedError("no.")

    monkeypatch.setattr(preparing, "load", refuse)
    bundle = write_bundle(tmp_path / "bundle", precision="fp16")
    with pytest.raises(UnsupportedError, match="Nothing here runs"):
        prepare(bundle.folder, _OPTIONS)
    assert set(asked) == {"fast"}


def test_a_bundle_needs_no_other_folder_and_may_have_a_digest(prepared: tuple[Path, Bundle], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a bundle and is measured where it lies"):
        prepare(prepared[1].folder, replace(_OPTIONS, outdir=tmp_path / "other"))
    with pytest.raises(ArtifactError, match=f"{'0' * 64} was asked for"):
        prepare(prepared[1].folder, replace(_OPTIONS, sha256="0" * 64))


def test_a_folder_that_exists_is_refused(prepared: tuple[Path, Bundle], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="exists already"):
        prepare(prepared[0], replace(_OPTIONS, outdir=tmp_path))


def _measured(backend: str, precision: Any, batch: int, ms: float) -> Measurement:
    return Measurement(
        backend=backend, device="cpu", precision=precision, dtype="", batch=batch, ms=ms, first_ms=1, load_s=1
    )


def _ranked(wish: Any, *measurements: Measurement) -> list[tuple[str, str, int]]:
    ranking = preparing._ranking(measurements, wish, usual=4)
    return [(choice.backend, choice.precision, choice.batch) for choice in ranking]


def test_the_usual_micro_batch_stays_unless_another_is_clearly_faster() -> None:
    usual = _measured("torch", "exact", 4, 40)
    assert _ranked("exact", _measured("torch", "exact", 1, 9.8), usual) == [("torch", "exact", 4)]
    assert _ranked("exact", usual, _measured("torch", "exact", 1, 9)) == [("torch", "exact", 1)]
    assert _ranked("exact", usual, _measured("torch", "exact", 1, 9), _measured("torch", "exact", 8, 71)) == [
        ("torch", "exact", 8)
    ]


def test_what_is_exact_serves_fast_too_but_not_the_other_way_round() -> None:
    measurements = (_measured("openvino", "exact", 4, 40), _measured("openvino", "fast", 4, 400))
    assert _ranked("fast", *measurements) == [("openvino", "exact", 4), ("openvino", "fast", 4)]
    assert _ranked("exact", *measurements) == [("openvino", "exact", 4)]


def test_a_plan_is_read_by_this_machine_alone(prepared: tuple[Path, Bundle], monkeypatch: pytest.MonkeyPatch) -> None:
    file, bundle = prepared
    _choose(bundle, "onnxruntime")
    monkeypatch.setattr(os, "cpu_count", lambda: 4096)
    with pytest.raises(UnsupportedError, match=r"CPUs: \d+ of 4096 here, .* there.*wplus prepare"):
        _load(file, plan=bundle.folder)
    assert isinstance(read_plan(bundle.folder), Plan)
