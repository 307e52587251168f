"""Real processes that are interrupted half way, and readers that leave early."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_support import without_hint

_WPLUS = [sys.executable, "-c", "from wplus.cli import main; main()"]
_SAYS = "Error: Interrupted. What was being written was removed; what was whole stays."


def _hear_interrupts() -> None:
    """Tests that a shell runs in the background inherit that Ctrl-C is ignored, and would wait for ever."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(arguments: list[str], folder: Path, sign: str, number: signal.Signals) -> tuple[int, str]:
    """Sends the signal once a file that matches `sign` is there."""
    command = [*_WPLUS, *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_interrupts) as process:
        deadline = time.monotonic() + 30
        while not list(folder.glob(sign)) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        error = process.communicate(timeout=30)[1]
    return process.returncode, without_hint(error).strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupted_sampling_leaves_whole_pictures_only(network: str, out: Path, number: signal.Signals) -> None:
    arguments = ["sample", f"--network={network}", "--seeds=0-9999999", f"--outdir={out}"]
    assert _interrupt(arguments, out, "seed*.png", number) == (1, _SAYS)
    assert all(path.name.startswith("seed") for path in out.iterdir())
    assert all(path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in out.iterdir())


@pytest.mark.parametrize("name", ["walk.mp4", "frames/"])
def test_an_interrupted_walk_leaves_nothing(network: str, out: Path, name: str) -> None:
    out.mkdir()
    arguments = ["walk", f"--network={network}", "--seeds=0-99", "--w-frames=9999", f"--output={out}/{name}"]
    assert _interrupt(arguments, out, "**/.*", signal.SIGINT) == (1, _SAYS)
    assert list(out.iterdir()) == []


def test_a_reader_that_leaves_early_is_no_error_message(network: str) -> None:
    with subprocess.Popen([*_WPLUS, "info", network], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
