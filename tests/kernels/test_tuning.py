"""The choice between ways by measurement, with a stopwatch that says what the test wants."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from triton.runtime.errors import OutOfResources

from wplus.kernels.gpu import tuning

_GPU = torch.device("cuda:0")


class _Ways:
    """Two ways that say when they ran."""

    def __init__(self, **milliseconds: float) -> None:
        self.milliseconds = milliseconds
        self.ran: list[str] = []
        self.measured = 0

    def as_dict(self) -> dict[str, Callable[[], Tensor]]:
        return {name: lambda name=name: self._run(name) for name in self.milliseconds}  # type: ignore[misc]

    def _run(self, name: str) -> Tensor:
        if self.milliseconds[name] < 0:
            raise OutOfResources(200, 100, "shared memory")
        self.ran.append(name)
        return torch.tensor(list(self.milliseconds).index(name))

    def bench(self, way: Callable[[], Tensor], **_: object) -> float:
        self.measured += 1
        way()
        return self.milliseconds[self.ran[-1]]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where choices are kept; a GPU seems to be here."""
    path = tmp_path / "choices" / "gpu.json"
    monkeypatch.setattr(tuning, "_file", lambda _: path)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    tuning._choices.cache_clear()
    yield path
    tuning._choices.cache_clear()


def _fastest(ways: _Ways, monkeypatch: pytest.MonkeyPatch, what: str = "a shape") -> str:
    monkeypatch.setattr("triton.testing.do_bench", ways.bench)
    tuning.fastest(what, ways.as_dict(), device=_GPU)
    return ways.ran[-1]


def test_the_fastest_is_measured_once_and_kept_on_disk(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = _Ways(triton=2.0, library=1.0)
    assert [_fastest(ways, monkeypatch) for _ in range(3)] == ["library"] * 3
    assert ways.measured == 2
    assert json.loads(file.read_text()) == {"a shape": "library"}
    tuning._choices.cache_clear()  # another process
    other = _Ways(triton=0.5, library=1.0)
    assert _fastest(other, monkeypatch) == "library"
    assert other.measured == 0


def test_what_others_wrote_meanwhile_stays(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fastest(_Ways(triton=1.0, library=2.0), monkeypatch)
    file.write_text(json.dumps({"theirs": "library"}))
    _fastest(_Ways(triton=1.0, library=2.0), monkeypatch, "another shape")
    assert json.loads(file.read_text()) == {"theirs": "library", "another shape": "triton"}


def test_a_way_that_does_not_fit_is_passed_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    assert _fastest(_Ways(large=-1.0, library=3.0, small=2.0), monkeypatch) == "small"


@pytest.mark.parametrize("text", ["{", "[]", '{"a shape": 7}', '{"a shape": "no longer there"}'])
def test_a_damaged_or_outdated_file_is_measured_anew(file: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    assert _fastest(_Ways(triton=1.0, library=2.0), monkeypatch) == "triton"


def test_a_folder_that_cannot_be_written_costs_the_memory_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.parent.write_text("a file stands where the folder should be")
    ways = _Ways(triton=1.0, library=2.0)
    assert [_fastest(ways, monkeypatch) for _ in range(2)] == ["triton"] * 2
    assert ways.measured == 2


def test_while_a_graph_is_recorded_and_on_the_cpu_nothing_is_measured(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    ways = _Ways(triton=2.0, library=1.0)
    assert _fastest(ways, monkeypatch) == "triton"
    tuning.fastest("a shape", ways.as_dict(), device=torch.device("cpu"))
    assert ways.measured == 0
    assert not file.exists()
