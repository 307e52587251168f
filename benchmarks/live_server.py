"""A show behind its real server, and viewers in processes of their own."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from wplus.errors import WplusError
from wplus.live.commands import Commands
from wplus.live.security import Security
from wplus.live.server import listen, make_app, make_server
from wplus.live.show import Show

_SCRIPT = Path(__file__).with_name("live_viewer.py")
_PATIENCE = 30.0  # seconds for anything to start or to end


@contextmanager
def served(show: Show, folder: Path) -> Iterator[str]:
    """Serves a running show on a free port until the block ends, and gives the address for viewers.

    Raises:
        WplusError: the server does not start.
    """
    with listen("127.0.0.1", 0) as listening:
        server = make_server(make_app(show, Commands(show, folder), Security(token=None)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            end = time.perf_counter() + _PATIENCE
            while not server.started:
                if time.perf_counter() > end or not thread.is_alive():
                    raise WplusError("The server that was to be measured did not start.")
                time.sleep(0.01)
            yield f"ws://127.0.0.1:{listening.getsockname()[1]}/ws"
        finally:
            server.should_exit = True
            thread.join()


class Viewer:
    """A process that watches a show and acknowledges each picture; it has seen one when this returns.

    Args:
        url: What `served` gives.

    Raises:
        WplusError: it cannot watch.
    """

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-P", str(_SCRIPT), url]  # -P: its folder has no modules to import from
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        if first != "watching\n":
            self._fail(first)

    @property
    def is_watching(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    def leave(self) -> int:
        """Ends it; returns how many pictures it was sent.

        Raises:
            WplusError: the show had ended the connection.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        said = self._process.stdout.read()
        if self._process.wait(_PATIENCE):
            self._fail(said)
        return int(said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _fail(self, said: str) -> None:
        assert self._process.stdout is not None
        said += self._process.stdout.read()
        self._end()
        last = said.strip().splitlines() or ["it said nothing"]
        raise WplusError(f"A viewer of the show failed: {last[-1]}")

    def _end(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(_PATIENCE)
