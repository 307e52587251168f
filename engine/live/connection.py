"""One viewer's connection, from its first word to its last."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from wplus.errors import WplusError
from wplus.live.commands import Commands
from wplus.live.encoding import FORMATS
from wplus.live.hub import Hub
from wplus.live.messages import Ack, Do, Set, ViolationError, read_message
from wplus.live.show import Show
from wplus.live.telling import Teller
from wplus.live.viewer import Viewer

_POLICY_VIOLATION: Final = 1008
_MOST_COMMANDS: Final = 4  # at once
_MOST_MESSAGES: Final = 1000  # a second: a page at 240 frames a second sends half of it
_SECOND: Final = 1.0

_log = logging.getLogger(__name__)


async def serve_viewer(websocket: WebSocket, show: Show, hub: Hub, teller: Teller, commands: Commands) -> None:
    """Shows a show to one viewer, and does what it asks for. What it does wrong ends its own connection alone."""
    await websocket.accept()
    asked = websocket.query_params.get("format")
    viewer = Viewer(next((known for known in FORMATS if known == asked), "jpeg"))
    sender = asyncio.create_task(viewer.send_all(websocket, hub.measure))
    teller.greet(viewer)
    hub.join(viewer)
    reason = ""
    try:
        await _Conversation(websocket, viewer, show, hub, teller, commands).listen()
    except WebSocketDisconnect:
        pass
    except ViolationError as exc:
        reason = str(exc)
        _log.warning("A viewer was sent away: %s", reason)
    finally:
        hub.leave(viewer)
        sender.cancel()
        with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):  # it may have ended before
            await sender
    if reason:
        with suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(_POLICY_VIOLATION, reason.encode()[:120].decode(errors="ignore"))


class _Conversation:
    """What one viewer says, and what follows."""

    def __init__(
        self, websocket: WebSocket, viewer: Viewer, show: Show, hub: Hub, teller: Teller, commands: Commands
    ) -> None:
        self._websocket = websocket
        self._viewer = viewer
        self._show = show
        self._hub = hub
        self._teller = teller
        self._commands = commands
        self._running: set[asyncio.Task[None]] = set()
        self._second = (0.0, 0)  # when it began, and how many messages have come in it

    async def listen(self) -> None:
        """Follows what the viewer says until it goes.

        Raises:
            WebSocketDisconnect: it goes.
            ViolationError: it says something that is not in the protocol.
        """
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            self._count()
            self._follow(read_message(message.get("text")))

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        start, count = self._second
        self._second = (start, count + 1) if now < start + _SECOND else (now, 1)
        if self._second[1] > _MOST_MESSAGES:
            raise ViolationError(f"More than {_MOST_MESSAGES} messages came in a second.")

    def _follow(self, message: Ack | Set | Do) -> None:
        if isinstance(message, Ack):
            self._hub.painted(self._viewer, message.number)
        elif isinstance(message, Set):
            try:
                self._show.change(message.values)
            except (ValueError, WplusError) as exc:  # a right value that does not suit this walk or network
                self._viewer.note({"error": str(exc)})
        elif message.command == "format":
            self._hub.set_format(self._viewer, message.arguments["format"])
        elif len(self._running) >= _MOST_COMMANDS:
            self._viewer.note({"error": f"{message.command} has to wait: others are being done."})
        else:
            task = asyncio.create_task(self._do(message))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _do(self, message: Do) -> None:
        try:
            self._viewer.note(await asyncio.to_thread(self._commands.run, message.command, message.arguments))
            self._teller.refresh()
        except (ValueError, WplusError, OSError) as exc:
            self._viewer.note({"error": str(exc)})
