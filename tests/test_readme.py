"""What README shows works as it stands there."""

import re
from pathlib import Path

import click
import pytest

from wplus import cli

_README = (Path(__file__).parents[1] / "README.md").read_text()
_COMMANDS = re.findall(r"^wplus (?:info|convert|sample|walk|bench|doctor)\b.*?(?=\s*#|$)", _README, re.MULTILINE)


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", _README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["img"].shape == (2, 3, 128, 128)  # type: ignore[attr-defined]
    assert names["pixels"].shape == (1, 128, 128, 3)  # type: ignore[attr-defined]
    assert (tmp_path / "faces.npz").exists()


def test_there_are_commands_to_check() -> None:
    assert len(_COMMANDS) >= 8


@pytest.mark.parametrize("line", _COMMANDS)
def test_every_command_parses(line: str) -> None:
    _, verb, *arguments = line.split()
    command = cli._wplus.get_command(click.Context(cli._wplus), verb)
    assert command is not None
    command.make_context(verb, arguments)
