"""What viewers are told besides frames: the state when it changes, figures once a second, and events."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from wplus.live.hub import Hub
from wplus.live.show import Show
from wplus.live.viewer import Viewer

_STATE_EVERY: Final = 0.05  # seconds, at the least
_STATS_EVERY: Final = 1.0


class Teller:
    """Tells all viewers of a hub what a show says of itself. However often the state changes, none is told more often
    than 20 times a second, and then the newest.

    Args:
        show: The show.
        hub: Its viewers.
        extra: What the state says besides.
    """

    def __init__(self, show: Show, hub: Hub, extra: Callable[[], Mapping[str, Any]]) -> None:
        self._show = show
        self._hub = hub
        self._extra = extra
        self._lock = threading.Lock()
        self._is_stale = False
        self._stale = asyncio.Event()

    async def run(self) -> None:
        """Tells, until it is cancelled."""
        loop = asyncio.get_running_loop()

        def hear(event: Mapping[str, Any]) -> None:  # from any thread
            if "state" not in event:
                loop.call_soon_threadsafe(self._tell_event, dict(event))
                return
            with self._lock:
                told, self._is_stale = self._is_stale, True
            if not told:
                loop.call_soon_threadsafe(self._stale.set)

        unsubscribe = self._show.subscribe(hear)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tell_states())
                group.create_task(self._tell_stats())
        finally:
            unsubscribe()

    def greet(self, viewer: Viewer) -> None:
        """Tells a newcomer what holds."""
        viewer.update("state", self._state())
        viewer.update("stats", self._stats(viewer))

    def refresh(self) -> None:
        """The state is to be told again; called in the event loop."""
        self._stale.set()

    def _tell_event(self, event: Mapping[str, Any]) -> None:
        for viewer in self._hub.viewers:
            viewer.note(event)

    async def _tell_states(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            with self._lock:
                self._is_stale = False
            viewers = self._hub.viewers
            if viewers:
                text = self._state()
                for viewer in viewers:
                    viewer.update("state", text)
            await asyncio.sleep(_STATE_EVERY)

    async def _tell_stats(self) -> None:
        while True:
            await asyncio.sleep(_STATS_EVERY)
            for viewer in self._hub.viewers:
                viewer.update("stats", self._stats(viewer))

    def _state(self) -> str:
        return json.dumps({"state": {**self._show.state(), **self._extra()}})

    def _stats(self, viewer: Viewer) -> str:
        viewers = self._hub.viewers
        here = {"sent": viewer.sent, "dropped": viewer.dropped}
        position = self._show.state()["position"]
        return json.dumps(
            {"stats": {**self._show.stats(), "viewers": len(viewers), "here": here, "position": position}}
        )
