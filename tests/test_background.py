"""Facts about the queue of work in the background."""

import subprocess
import sys
import threading
import time

import pytest

from wplus.background import Background

_INTERRUPTED = """
import threading
from {module} import {name}
start = threading.Thread.start

def interrupted(self):
    start(self)
    raise KeyboardInterrupt

threading.Thread.start = interrupted
{call}
"""


def test_jobs_of_one_worker_run_in_order() -> None:
    done: list[int] = []
    with Background() as background:
        for i in range(100):
            background.submit(lambda i=i: done.append(i))  # type: ignore[misc]
    assert done == list(range(100))


def test_the_queue_is_bounded() -> None:
    gate = threading.Event()
    entered = 0
    with Background(depth=3) as background:

        def fill() -> None:
            nonlocal entered
            for _ in range(10):
                background.submit(gate.wait)  # type: ignore[arg-type]
                entered += 1

        filler = threading.Thread(target=fill)
        filler.start()
        time.sleep(0.1)
        assert entered == 3
        gate.set()
        filler.join()
    assert entered == 10


def fail() -> None:
    raise OSError("the disk is full")


def test_an_error_rises_from_a_later_submit() -> None:
    done: list[int] = []

    def submit_for_ever() -> None:
        with Background(depth=2) as background:
            background.submit(fail)
            for i in range(1000):
                background.submit(lambda i=i: done.append(i))  # type: ignore[misc]

    with pytest.raises(OSError, match="the disk is full"):
        submit_for_ever()
    assert done == []


def test_an_error_of_the_last_job_rises_at_the_end() -> None:
    with pytest.raises(OSError, match="the disk is full"), Background() as background:
        background.submit(fail)


def test_an_interrupted_block_drops_what_waits() -> None:
    gate = threading.Event()
    done: list[int] = []

    def interrupted() -> None:
        with Background() as background:
            background.submit(gate.wait)  # type: ignore[arg-type]
            background.submit(lambda: done.append(1))
            threading.Timer(0.05, gate.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == []


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        ("wplus.background", "Background", "with Background(): pass"),
        ("wplus.pipeline", "ahead", "next(ahead(iter(range(9)), depth=2))"),
    ],
)
def test_an_interrupt_while_threads_start_does_not_keep_the_process(module: str, name: str, call: str) -> None:
    code = _INTERRUPTED.format(module=module, name=name, call=call)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "KeyboardInterrupt" in ended.stderr
    assert ended.returncode != 0
