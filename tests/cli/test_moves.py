"""`--translate` and `--rotate`."""

from pathlib import Path

import pytest
from cli_support import Run
from support import DATA

_NETWORK = DATA / "golden_sg3t_64.pkl"


def test_the_command_line_moves_and_remembers(run: Run, tmp_path: Path) -> None:
    moved = ["sample", f"--network={_NETWORK}", "--seeds=0", "--translate=0.2,-0.1", "--rotate=15"]
    assert run(*moved, f"--outdir={tmp_path / 'a'}").code == 0
    assert run("sample", f"--network={_NETWORK}", "--seeds=0", f"--outdir={tmp_path / 'b'}").code == 0
    a, b = ((tmp_path / folder / "seed0000.png").read_bytes() for folder in "ab")
    assert a != b
    assert "--translate=0.2,-0.1 --rotate=15" in run("info", str(tmp_path / "a" / "seed0000.png")).out


@pytest.mark.parametrize("flag", ["--translate=1", "--translate=1,x", "--rotate=north"])
def test_a_move_that_does_not_parse_is_a_usage_error(run: Run, flag: str, tmp_path: Path) -> None:
    assert run("sample", f"--network={_NETWORK}", "--seeds=0", f"--outdir={tmp_path}", flag).code == 2
