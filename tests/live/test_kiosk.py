"""A browser that shows the output, whatever happens to it."""

import os
import sys
from pathlib import Path

import pytest
from served_support import wait_until

from wplus.errors import UnsupportedError
from wplus.live.kiosk import Kiosk, find_browser


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """A program that notes its arguments, and ends at once the first two times."""
    program = tmp_path / "browser"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys, time\n"
        f"log = pathlib.Path({str(tmp_path)!r}) / 'log'\n"
        "with log.open('a') as stream: stream.write(' '.join(sys.argv[1:]) + chr(10))\n"
        "if len(log.read_text().splitlines()) > 2: time.sleep(600)\n"
    )
    program.chmod(0o755)
    return program


def test_the_browser_is_opened_again_until_the_show_ends(browser: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Kiosk("http://127.0.0.1:8321/output", str(browser), patience=0.01):
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == 3)
    lines = log.read_text().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("--kiosk ")
    assert lines[0].endswith(" http://127.0.0.1:8321/output")


def test_a_browser_that_cannot_be_started_ends_no_show(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with Kiosk("http://127.0.0.1:8321/output", str(tmp_path / "none"), patience=0.01):
        wait_until(lambda: "cannot be started" in caplog.text)


def test_a_missing_browser_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match=r"apt install chromium.*leave out --kiosk"):
        find_browser()
    program = tmp_path / "chromium"
    program.write_text("")
    program.chmod(0o755)
    assert find_browser() == os.fspath(program)
