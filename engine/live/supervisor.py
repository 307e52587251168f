"""Keeps the renderer going: opens its generators, swaps in a faster one, and starts again after any failure."""

import gc
import logging
import math
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from wplus.generator import Generator
from wplus.live.audience import Audience
from wplus.live.clock import Clock
from wplus.live.config import LiveConfig
from wplus.live.painting import Painter
from wplus.live.performance import Look
from wplus.live.preparation import Preparation
from wplus.live.renderer import Renderer
from wplus.live.stats import Stats

Open = Callable[[], Generator]

_log = logging.getLogger(__name__)

_PATIENCE: Final = 5.0  # seconds for what was being prepared when the show ends
_SOUND: Final = 60.0  # seconds without a failure, after which the next one is the first again


class Supervisor:
    """The renderer's thread.

    Args:
        renderer: Draws.
        look: What is shown now.
        begin: Called when the first frame is up.
        open_generator: Opens what draws first.
        open_faster: Opens what takes its place, if it is faster here.
        open_lower: Opens the same in a lower precision, for the budget.
    """

    def __init__(
        self,
        renderer: Renderer,
        config: LiveConfig,
        clock: Clock,
        stats: Stats,
        audience: Audience,
        *,
        look: Callable[[], Look],
        begin: Callable[[], None],
        open_generator: Open,
        open_faster: Open | None,
        open_lower: Open | None,
    ) -> None:
        self._renderer = renderer
        self._config = config
        self._clock = clock
        self._stats = stats
        self._audience = audience
        self._look = look
        self._begin = begin
        self._open_generator, self._open_faster, self._open_lower = open_generator, open_faster, open_lower
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wplus-live-renderer", daemon=True)
        self._painter: Painter | None = None
        self._lower: Painter | None = None
        self._coming: dict[str, Preparation] = {}
        self._given_up: list[Preparation] = []
        self._is_drawing = False
        self.error: str | None = None  # of the last failure, until frames come again

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self, timeout: float = 30.0) -> bool:
        """Ends the thread after the frame that it draws, and what is being prepared.

        Returns:
            Whether all has ended. What is left is inside a runtime and cannot be broken off: when the interpreter ends
            before it does, the process is aborted.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        patience = time.monotonic() + _PATIENCE
        ended = [preparation.wait(max(0.0, patience - time.monotonic())) for preparation in self._given_up]
        return not self._thread.is_alive() and all(ended)

    def _run(self) -> None:
        hold = self._config.retry_seconds
        while not self._stop.is_set():
            start = self._clock.now()
            if self._survived():
                return
            if self._clock.now() - start > _SOUND:
                hold = self._config.retry_seconds
            _free_memory()
            self._clock.wait(self._stop, hold)
            hold = min(2 * hold, self._config.longest_retry)

    def _survived(self) -> bool:
        """Draws until it is told to stop; False where something failed."""
        try:
            self._painter = self._opened(self._open_generator)
            self._renderer.use(self._painter)
            while not self._stop.is_set():
                if self._renderer.step(self._stop) and not self._is_drawing:
                    self._begin()
                    self._announce()
                self._swap()
        except Exception as exc:
            self.error = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
            _log.error("The renderer failed and starts again; the last frame stays up. %s", self.error)
            _log.debug("Where:", exc_info=exc)
            self._stats.failed()
            self._audience.tell({"event": "renderer failed", "error": self.error})
            return False
        finally:
            self._let_go()
        return True

    def _opened(self, open_generator: Open) -> Painter:
        return Painter(open_generator(), allow_mismatch=self._config.allow_mismatch)

    def _announce(self) -> None:
        """The first frame is up: says so, and lets what is to come be prepared."""
        self._is_drawing = True
        failed, self.error = self.error, None
        assert self._painter is not None
        what = "renderer restarted" if failed else "drawing"
        self._audience.tell({"event": what, "backend": self._painter.G.backend})
        openers = {"faster": self._open_faster, "lower": self._open_lower if self._config.budget else None}
        self._coming = {
            name: Preparation(partial(self._opened, opener), self._look)
            for name, opener in openers.items()
            if opener is not None
        }

    def _swap(self) -> None:
        """Takes what has been prepared, between two frames."""
        for name in [name for name, preparation in self._coming.items() if preparation.done.is_set()]:
            preparation = self._coming.pop(name)
            painter = preparation.take()
            if painter is None:
                self._audience.tell({"event": f"{name} failed", "error": preparation.error})
            elif name == "lower":
                self._lower = painter
                self._renderer.use(self._painter, painter)
            else:
                self._choose(painter, preparation.seconds or math.inf)

    def _choose(self, painter: Painter, seconds: float) -> None:
        """Keeps whichever draws faster here."""
        told = {"backend": painter.G.backend, "fps": 1 / seconds}
        if seconds >= (self._stats.drawing or math.inf):
            painter.close()
            self._audience.tell({"event": "not faster", **told})
            return
        old, self._painter = self._painter, painter
        self._renderer.use(painter, self._lower)
        if old is not None:
            old.close()
        self._audience.tell({"event": "faster", **told})

    def _let_go(self) -> None:
        """Closes all generators, whatever state they are in."""
        self._renderer.use(None)
        self._is_drawing = False
        for preparation in self._coming.values():
            preparation.give_up()
        self._given_up = [one for one in (*self._given_up, *self._coming.values()) if not one.wait(0)]
        painters, self._painter, self._lower, self._coming = (self._painter, self._lower), None, None, {}
        for painter in painters:
            try:
                if painter is not None:
                    painter.close()
            except Exception as exc:  # a lost device frees nothing
                _log.info("A generator could not be closed: %s", exc)


def _free_memory() -> None:
    """What a failure left behind."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        try:
            torch.cuda.empty_cache()
        except RuntimeError as exc:  # a lost device
            _log.info("The GPU's memory could not be freed: %s", exc)
