"""The server: the two pages, pictures beside them, and a WebSocket for each viewer."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from wplus.errors import UnsupportedError, WplusError
from wplus.live.commands import Commands
from wplus.live.connection import serve_viewer
from wplus.live.hub import Hub
from wplus.live.messages import MOST_BYTES
from wplus.live.security import Guard, Security
from wplus.live.show import Show
from wplus.live.telling import Teller

_PAGES: Final = Path(__file__).parent / "pages"
_LONGEST_WAIT: Final = 0.5  # seconds; on Windows a signal is not heard while a thread is waited for
_LIMITS: Final = {"limit_concurrency": 64, "backlog": 64, "timeout_graceful_shutdown": 2}


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes any that is free.

    Raises:
        UnsupportedError: the port is in use, or this machine does not have that address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise UnsupportedError(f"--host is {host}, which is no address of this machine: {exc.strerror}.") from exc
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as exc:
        listening.close()
        raise UnsupportedError(
            f"Port {port} of {host} cannot be served: {exc.strerror}. Is another wplus live running? "
            f"Stop it, or take another port: --port={port + 1}."
        ) from exc
    return listening


def make_app(show: Show, commands: Commands, security: Security) -> ASGIApp:
    """The ASGI application of one show."""
    hub = Hub(show.measured)
    teller = Teller(show, hub, commands.state)

    @asynccontextmanager
    async def living(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        hub.start()
        show.add(hub)
        telling = asyncio.create_task(teller.run())
        try:
            yield
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
            show.remove(hub)
            await asyncio.to_thread(hub.close)

    async def viewer(websocket: WebSocket) -> None:
        await serve_viewer(websocket, show, hub, teller, commands)

    app = Starlette(
        lifespan=living,
        routes=[
            Route("/", _page("control.html")),
            Route("/output", _page("output.html")),
            Mount("/static", StaticFiles(directory=_PAGES)),
            WebSocketRoute("/ws", viewer),
            *_picture_routes(show),
            Route("/files/{name}", _download(commands)),
        ],
    )
    return Guard(app, security)


def make_server(app: ASGIApp) -> uvicorn.Server:
    """A server of the application; `run(sockets=[listen(...)])` serves until Ctrl-C, or until `should_exit` is set."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=4 * MOST_BYTES,  # what is longer than a message may be, but not absurd, is answered in words
        ws_per_message_deflate=False,  # pictures are compressed already
        **_LIMITS,  # type: ignore[arg-type]
    )
    return uvicorn.Server(config)


def serve(server: uvicorn.Server, listening: socket.socket) -> None:
    """Serves until Ctrl-C or SIGTERM, and ends in order. The main thread waits for them; in it, uvicorn would raise the
    signal once more when it has ended, and say so with a traceback.
    """
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="wplus-server", daemon=True)
    before = signal.signal(signal.SIGTERM, _interrupt)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_LONGEST_WAIT)
    except KeyboardInterrupt:
        server.should_exit = True
        thread.join()
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise KeyboardInterrupt


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:  # noqa: ARG001
        return FileResponse(_PAGES / name, headers={"Cache-Control": "no-cache"})

    return page


def _download(commands: Commands) -> Callable[[Request], Awaitable[Response]]:
    async def download(request: Request) -> Response:
        path = commands.file(request.path_params["name"])
        if path is None:
            return PlainTextResponse("There is no such file.\n", 404)
        return FileResponse(path, filename=path.name)

    return download


def _picture_routes(show: Show) -> list[Route]:
    """Thumbnails and snapshots. One is drawn at a time: the show needs the machine more."""
    turn = asyncio.Semaphore(1)

    async def drawn(media_type: str, draw: Callable[[], bytes]) -> Response:
        try:
            async with turn:
                return Response(await asyncio.to_thread(draw), media_type=media_type)
        except ValueError as exc:
            return PlainTextResponse(f"{exc}\n", 400)
        except WplusError as exc:
            return PlainTextResponse(f"{exc}\n", 503)

    async def seed(request: Request) -> Response:
        return await drawn("image/jpeg", lambda: show.thumbnail(request.path_params["seed"], _width(request)))

    async def keyframe(request: Request) -> Response:
        return await drawn("image/jpeg", lambda: show.thumbnail_of(request.path_params["index"], _width(request)))

    async def png(request: Request) -> Response:  # noqa: ARG001
        return await drawn("image/png", lambda: show.snapshot()[0])

    return [
        Route("/thumb/{seed:int}.jpg", seed),
        Route("/keyframe/{index:int}.jpg", keyframe),
        Route("/snapshot.png", png),
    ]


def _width(request: Request) -> int:
    text = request.query_params.get("width", "128")
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise ValueError(f"width is {text[:20]!r}; a number of pixels is needed.")
    return int(text)
