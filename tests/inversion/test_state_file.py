"""The file from which an interrupted job goes on."""

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wplus.errors import ArtifactError
from wplus.inversion.state_file import StateFile


def test_what_was_kept_is_read_by_the_same_job_alone(tmp_path: Path) -> None:
    facts = (np.arange(3), "loss", 0.1)
    StateFile(tmp_path / "state.npz", *facts).keep(lambda: {"x": np.arange(5)}, at_once=True)
    assert StateFile(tmp_path / "state.npz", *facts).read(lambda arrays: arrays["x"].tolist()) == [0, 1, 2, 3, 4]
    for other in ((np.arange(4), "loss", 0.1), (np.arange(3), "loss", 0.2)):
        with pytest.raises(ArtifactError, match="other options or targets"):
            StateFile(tmp_path / "state.npz", *other).read(lambda arrays: arrays)
    with pytest.raises(ArtifactError, match="damaged"):
        StateFile(tmp_path / "state.npz", *facts).read(lambda arrays: arrays["y"])


def test_without_a_path_nothing_is_written_or_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    StateFile(None, 1).keep(lambda: {"x": np.arange(5)}, at_once=True)
    assert StateFile(None, 1).read(lambda arrays: arrays) is None
    assert not list(tmp_path.iterdir())


def test_it_is_written_at_once_or_after_half_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    file = StateFile(tmp_path / "state.npz", 1)
    for now[0], at_once, is_written in ((29, False, False), (30, False, True), (31, False, False), (32, True, True)):
        (tmp_path / "state.npz").unlink(missing_ok=True)
        file.keep(lambda: {"x": np.arange(5)}, at_once=at_once)
        assert (tmp_path / "state.npz").exists() == is_written


def test_a_full_disk_is_said_and_leaves_the_last_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = StateFile(tmp_path / "state.npz", 1)
    file.keep(lambda: {"x": np.arange(5)}, at_once=True)
    monkeypatch.setattr("numpy.savez", full)
    file.keep(lambda: {"x": np.arange(6)}, at_once=True)
    assert "could not go on" in caplog.text
    assert "No space left" in caplog.text
    assert file.read(lambda arrays: arrays["x"].size) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
