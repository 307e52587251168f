"""Exit codes, and one message for every kind of failure."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_support import Run
from support import DATA

from wplus.cli import sample
from wplus.errors import ArtifactError


def _break(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def broken(_: object) -> None:
        raise error

    monkeypatch.setattr(sample, "_one_task", broken)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ArtifactError("the disk is full"), 1, "Error: the disk is full\n"),
        (ValueError("psi is 9"), 2, "Error: psi is 9\n"),
        (OSError(5, "Input/output error", "x.png"), 1, "Error: [Errno 5] Input/output error: 'x.png'\n"),
        (MemoryError(), 1, "Error: There is not enough memory. A smaller --batch needs less.\n"),
        (RuntimeError("CUDA out of memory"), 1, "Error: There is not enough memory. A smaller --batch needs less.\n"),
        (TypeError("odd"), 1, "Error: TypeError: odd. This should not happen; --debug shows where it did.\n"),
        (ModuleNotFoundError("no", name="torch"), 1, "Run: pip install 'wplus[torch]'.\n"),
        (KeyboardInterrupt(), 1, "Error: Interrupted. What was being written was removed; what was whole stays.\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_message_and_a_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    _break(monkeypatch, error)
    outcome = run("sample", "--network=x", "--outdir=x")
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.strip("\n").endswith(message.strip("\n"))
    assert len(outcome.err.strip("\n").splitlines()) == 1


def test_debug_shows_where_an_error_comes_from(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, ArtifactError("stop"))
    with pytest.raises(ArtifactError, match="stop"):
        run("sample", "--network=x", "--debug", "--outdir=x")


@pytest.mark.parametrize("arguments", [["sampel"], ["sample", "--seed=1"], ["sample"], [], ["--what"]])
def test_wrong_usage_exits_with_2(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert outcome.code == 2
    assert "Usage: wplus" in outcome.err


@pytest.mark.parametrize("verb", ["info", "convert", "sample", "walk", "measure", "bench", "doctor"])
def test_every_verb_has_help(run: Run, verb: str) -> None:
    outcome = run(verb, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: wplus {verb}")
    assert f"  {verb} " in run("--help").out


def test_a_verbs_own_exit_code_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, click.exceptions.Exit(1))
    assert run("sample", "--network=x", "--outdir=x").code == 1


def test_termination_is_an_interruption_and_the_handler_is_put_back() -> None:
    """In a process of its own: after torch.compile ran in this one, the signal ends it at once."""
    code = """
import signal
from wplus.cli import main, sample
before = signal.getsignal(signal.SIGTERM)
sample._one_task = lambda _: signal.raise_signal(signal.SIGTERM)
try: main(["sample", "--network=x", "--outdir=x"])
except SystemExit as end: print(end.code, signal.getsignal(signal.SIGTERM) == before)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout == "1 True\n"
    assert "Interrupted" in ended.stderr


def test_without_torch_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from wplus.cli import main; "
        f"main(['sample', '--network={DATA / 'format1.safetensors'}', '--seeds=0', '--outdir=x'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == (
        "Error: Running a checkpoint needs torch, which is not installed: pip install 'wplus[torch]'. A bundle, which "
        "wplus export makes, needs none.\n"
    )
