"""A show with a real server, for tests: on a free port, in a thread, with bare clients."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from wplus.generator import Generator
from wplus.live.commands import Commands
from wplus.live.config import LiveConfig
from wplus.live.encoding import HEADER
from wplus.live.security import Security
from wplus.live.server import listen, make_app, make_server
from wplus.live.show import Show
from wplus.paths.description import Keyframe, Walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A show that is served."""

    show: Show
    port: int
    folder: Path  # of recordings and presets
    token: str | None

    def url(self, path: str = "", scheme: str = "http") -> str:
        """An address of the server."""
        query = "" if self.token is None else f"{'&' if '?' in path else '?'}token={self.token}"
        return f"{scheme}://127.0.0.1:{self.port}/{path}{query}"

    def connect(self, path: str = "ws", **options: Any) -> ClientConnection:
        """A bare viewer."""
        return connect(self.url(path, "ws"), open_timeout=20, **options)


def seeds_walk(*seeds: int, **options: Any) -> Walk:
    """A looping walk through seeds at 30 frames a second."""
    return Walk(keyframes=tuple(Keyframe(seed=seed) for seed in seeds), **{"loop": True, "fps": 30.0, **options})


@contextmanager
def served(
    open_generator: Callable[[], Generator], walk: Walk, folder: Path, *, token: str | None = None, port: int = 0
) -> Iterator[Served]:
    """A show on that generator, paused, with its server."""
    with listen("127.0.0.1", port) as listening:
        show = Show(open_generator, walk, LiveConfig(record_dir=folder, retry_seconds=0.1))
        show.change({"playing": False})
        server = make_server(make_app(show, Commands(show, folder), Security(token=token)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        with show:
            assert show.wait(30)
            thread.start()
            wait_until(lambda: server.started)
            try:
                yield Served(show=show, port=listening.getsockname()[1], folder=folder, token=token)
            finally:
                server.should_exit = True
                thread.join(20)
                assert not thread.is_alive()


def wait_until(holds: Callable[[], bool], timeout: float = 20.0) -> None:
    """Waits until something holds."""
    end = time.perf_counter() + timeout
    while not holds():
        assert time.perf_counter() < end, "it never came to hold"
        time.sleep(0.01)


def next_frame(viewer: ClientConnection, *, acknowledge: bool = True) -> tuple[tuple[Any, ...], bytes]:
    """The header and the picture's bytes of the next frame; what is said in between is left out."""
    while isinstance(message := viewer.recv(timeout=20), str):
        pass
    header = HEADER.unpack_from(message)
    if acknowledge:
        viewer.send(json.dumps({"ack": header[1]}))
    return header, message[HEADER.size :]


def next_word(viewer: ClientConnection, kind: str) -> Any:
    """The next text message of a kind, such as "state"; frames are acknowledged and left out."""
    while True:
        message = viewer.recv(timeout=20)
        if not isinstance(message, str):
            viewer.send(json.dumps({"ack": HEADER.unpack_from(message)[1]}))
        elif kind in (values := json.loads(message)):
            return values[kind] if kind != "event" else values


def read_to_the_end(viewer: ClientConnection) -> None:
    """Reads what comes, for ever: until the connection ends, which is an error."""
    while True:
        viewer.recv(timeout=20)
