"""`wplus live`, from the flags to a show and its end."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser_support import CHROMIUM
from cli_support import Run
from served_support import next_frame, next_word, wait_until
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from wplus.live.server import listen


@contextmanager
def _running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A show in another process, and the address of its control page; it ends by Ctrl-C at the latest."""
    command = [sys.executable, "-c", "import wplus.cli; wplus.cli.main()", "live", "--port=0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, process.communicate()
                said += line
            assert "Output:" in said
            yield process, re.search(r"Control: (http\S+)", said)[1]  # type: ignore[index]
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(30)


def _socket(url: str) -> str:
    return re.sub(r"^http(.*:\d+)/", r"ws\1/ws", url)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_show_plays_until_it_is_told_to_end_and_says_how_it_went(
    network: str, tmp_path: Path, ending: signal.Signals
) -> None:
    arguments = ["--seeds=4-6", "--trunc=0.5", "--fps=20", "--autostart", f"--outdir={tmp_path}/kept"]
    with _running(f"--network={network}", *arguments, f"--stats={tmp_path}/s.json") as (process, url):
        with connect(_socket(url), origin=url.rstrip("/")) as viewer:  # type: ignore[arg-type]
            state = next_word(viewer, "state")
            assert (state["seeds"], state["truncation_psi"], state["fps"]) == ([4, 5, 6], 0.5, 20.0)
            assert (state["playing"], state["loop"]) == (True, True)
            first, second = next_frame(viewer), next_frame(viewer)
            assert second[0][1] > first[0][1]
        process.send_signal(ending)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert re.search(r"Live for 0:\d\d: \d+ frames, \d+ dropped\.", out)
    assert json.loads((tmp_path / "s.json").read_text())["frames"] > 1
    assert (tmp_path / "kept" / "autosave.json").is_file()


def test_a_show_begins_with_a_preset_or_where_the_last_one_ended(network: str, tmp_path: Path) -> None:
    walk = {"format": "wplus walk", "version": 1, "keyframes": [{"seed": 8}, {"seed": 9}], "fps": 12}
    (tmp_path / "p.walk.json").write_text(json.dumps({**walk, "live": {"parameters": {"speed": 2.5}}}))
    kept = f"--outdir={tmp_path}/kept"
    preset = f"--preset={tmp_path}/p.walk.json"
    with _running(f"--network={network}", preset, kept) as (_, url), connect(_socket(url)) as viewer:
        state = next_word(viewer, "state")
    assert (state["seeds"], state["speed"], state["fps"], state["playing"]) == ([8, 9], 2.5, 12.0, False)
    with _running(f"--network={network}", "--restore", kept) as (_, url), connect(_socket(url)) as viewer:
        state = next_word(viewer, "state")
    assert (state["seeds"], state["speed"]) == ([8, 9], 2.5)


def test_another_address_has_a_warning_and_a_token(network: str, tmp_path: Path) -> None:
    with _running(f"--network={network}", "--host=0.0.0.0", f"--outdir={tmp_path}") as (process, url):
        port, token = re.search(r":(\d+)/\?token=(\S{20,})$", url).groups()  # type: ignore[union-attr]
        with connect(f"ws://127.0.0.1:{port}/ws?token={token}") as viewer:
            next_word(viewer, "state")
        with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{port}/ws"):
            pass
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.mark.skipif(os.name != "posix", reason="there are named pipes on POSIX only")
def test_frames_go_through_a_pipe_to_other_programs(network: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "frames")
    arguments = ["--autostart", f"--pipe={tmp_path}/frames", f"--outdir={tmp_path}", "--shared-memory=wplus-test-cli"]
    with _running(f"--network={network}", *arguments), (tmp_path / "frames").open("rb") as pipe:
        first = pipe.read(16 * 16 * 3)
        assert len(first) == 16 * 16 * 3
        while pipe.read(16 * 16 * 3) == first:
            pass


def test_a_port_in_use_is_said_at_once(run: Run, network: str, tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        outcome = run("live", f"--network={network}", f"--port={port}", f"--outdir={tmp_path}")
    assert outcome.code == 1
    assert f"Port {port} of 127.0.0.1 cannot be served" in outcome.err
    assert f"--port={port + 1}" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds=1,2", "--walk=a.json"], "one of --seeds, --walk and --preset"),
        (["--walk=no-such.json"], "no-such.json does not exist"),
        (["--seeds=1"], "2 or more"),
        (["--osc-from=10.0.0.1"], "--osc-from needs --osc"),
        (["--osc=nowhere"], "HOST:PORT"),
        (["--fps=0"], "fps"),
        (["--trunc=9"], "truncation_psi is 9"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    run: Run, network: str, tmp_path: Path, arguments: list[str], words: str
) -> None:
    outcome = run("live", f"--network={network}", "--port=0", f"--outdir={tmp_path}", *arguments)
    assert outcome.code in (1, 2)
    assert words in outcome.err


def test_a_walk_file_with_an_unknown_field_is_refused(run: Run, network: str, tmp_path: Path) -> None:
    walk = {"format": "wplus walk", "version": 1, "keyframes": [{"seed": 8}, {"seed": 9}], "sped": 1}
    (tmp_path / "w.json").write_text(json.dumps(walk))
    outcome = run("live", f"--network={network}", "--port=0", f"--walk={tmp_path}/w.json", f"--outdir={tmp_path}")
    assert outcome.code != 0
    assert "sped" in outcome.err


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)")
def test_an_installation_starts_unattended_and_shows_its_output_in_a_browser(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "chromium"  # no screen is here
    wrapper.write_text(f'#!/bin/sh\nexec {CHROMIUM} --headless=new --no-sandbox "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    walk = {"format": "wplus walk", "version": 1, "keyframes": [{"seed": 8}, {"seed": 9}], "fps": 12}
    (tmp_path / "p.walk.json").write_text(json.dumps(walk))
    figures = tmp_path / "s.json"
    arguments = [f"--preset={tmp_path}/p.walk.json", "--autostart", "--kiosk", f"--stats={figures}"]
    with _running(f"--network={network}", *arguments, f"--outdir={tmp_path}/kept") as (process, _):
        wait_until(lambda: json.loads(figures.read_text())["stages"]["send"] is not None, timeout=60)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "opened again" not in err  # the browser ended with the show, not before


def test_a_kiosk_without_a_browser_is_said(
    run: Run, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = run("live", f"--network={network}", "--port=0", "--kiosk", f"--outdir={tmp_path}")
    assert outcome.code == 1
    assert "apt install chromium" in outcome.err


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "pythonosc"])
def test_a_missing_extra_is_named_with_its_command(network: str, package: str) -> None:
    code = f"import sys; sys.modules['{package}'] = None; import wplus.cli; wplus.cli.main()"
    command = [sys.executable, "-c", code, "live", f"--network={network}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'wplus[live]'" in done.stderr
