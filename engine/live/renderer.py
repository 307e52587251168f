"""The renderer: one frame after the other, each when it is due, from the newest parameters."""

import sys
import threading
from typing import Final

from wplus.errors import LatentMismatchError, UnsupportedError
from wplus.live.audience import Audience
from wplus.live.budget import Budget, Level
from wplus.live.clock import Clock
from wplus.live.frames import Frame
from wplus.live.painting import Painter, faded, smaller_resolutions
from wplus.live.performance import Look, State
from wplus.live.stats import Stats
from wplus.live.timeline import Due, Timeline
from wplus.media import Picture

_LONGEST_LEAD: Final = 1.0  # seconds; beyond, drawing early only makes what is shown older


class Renderer:
    """Draws frames with the painter that it was given; `step` is one of them.

    Args:
        timeline: Says which frame is due, and what it shows.
        clock: Of the timeline.
        stats: Told all figures.
        audience: Gets the frames and the events.
        budget: Whether to draw cheaper pictures where whole ones would be late.
    """

    def __init__(self, timeline: Timeline, clock: Clock, stats: Stats, audience: Audience, *, budget: bool) -> None:
        self._timeline = timeline
        self._clock = clock
        self._stats = stats
        self._audience = audience
        self._budget = Budget([Level()]) if budget else None
        self._painter: Painter | None = None
        self._lower: Painter | None = None
        self._drawn: tuple[Look, Level] | None = None  # what the picture is of
        self._picture: Picture | None = None  # before the fade
        self._shown: tuple[float, Picture] | None = None  # the fade, and the picture after it
        self._state: State | None = None
        self._changed_at = 0.0
        self._blocks = 0
        self.refused: str | None = None  # why what is asked for cannot be drawn

    @property
    def painter(self) -> Painter | None:
        """Who draws."""
        return self._painter

    @property
    def level(self) -> Level:
        """How it is drawn."""
        return self._budget.level if self._budget else Level()

    def use(self, painter: Painter | None, lower: Painter | None = None) -> None:
        """From the next frame on these draw; the last picture stays up until then.

        Args:
            painter: Draws.
            lower: Draws in a lower precision, where the budget asks for that.
        """
        for new in (painter, lower):
            if new is not None:
                new.measure = self._stats.measured
        self._painter, self._lower = painter, lower
        self._drawn = None
        self._stats.new_generator()
        if self._budget and painter is not None:
            cheap = lower is not None
            small = [Level(fast=cheap, resolution=side) for side in smaller_resolutions((lower or painter).G)]
            self._budget.replace([Level(), *([Level(fast=True)] if cheap else []), *small])

    def step(self, stop: threading.Event) -> bool:
        """Draws and shows the frame that is due, or waits for it; returns whether there was one."""
        lead = min(self._stats.drawing or 0.0, 1 / self._timeline.fps, _LONGEST_LEAD)
        due = self._timeline.next(lead)
        if due.state is None:
            self._clock.wait(stop, due.wait)
            return False
        picture = self._faded(self._current(due.state), due.state.fade)
        self._show(due, picture)
        self._tell_time(due.state)
        return True

    def _show(self, due: Due, picture: Picture) -> None:
        now = self._clock.now()
        if due.changed_at != self._changed_at:
            self._changed_at = due.changed_at
            self._stats.measured("response", now - due.changed_at)
        self._audience.show(
            Frame(
                picture=picture,
                number=due.tick.number,
                time=due.tick.time,
                drawn_at=now,
                changed_at=due.changed_at,
            )
        )
        blocks = sys.getallocatedblocks()
        self._stats.shown(now, missed=due.tick.missed, blocks=blocks - (self._blocks or blocks))
        self._blocks = blocks

    def _current(self, state: State) -> Picture:
        """The picture of what is asked for: the last one, where it is the same."""
        wanted = (state.look, self.level)
        if self._picture is not None and wanted == self._drawn:
            return self._picture
        try:
            self._picture = self._paint(*wanted)
        except (LatentMismatchError, UnsupportedError, ValueError) as exc:
            if self._picture is None:
                raise
            if self.refused != str(exc):  # somebody asked for what this network cannot draw: the last picture stays
                self.refused = str(exc)
                self._audience.tell({"event": "refused", "error": self.refused})
            return self._picture
        self._drawn, self._shown, self.refused = wanted, None, None
        return self._picture

    def _paint(self, look: Look, level: Level) -> Picture:
        painter = self._lower if level.fast and self._lower is not None else self._painter
        assert painter is not None
        start = self._clock.now()
        picture = painter.paint(look, level.resolution)
        now = self._clock.now()
        self._stats.drawn(now - start)
        if self._budget and self._budget.observe(now - start, period=1 / self._timeline.fps, now=now):
            self._stats.new_generator()
            self._audience.tell({"event": "budget", "level": self._budget.level.words})
        return picture

    def _faded(self, picture: Picture, fade: float) -> Picture:
        if self._shown is None or self._shown[0] != fade:
            self._shown = (fade, faded(picture, fade))
        return self._shown[1]

    def _tell_time(self, state: State) -> None:
        """Ends of loops, and beats."""
        last, self._state = self._state, state
        if last is None:
            return
        if state.laps != last.laps:
            self._audience.tell({"event": "loop", "laps": state.laps, "time": state.at})
        if state.beat is not None and state.beat != last.beat:
            self._audience.tell({"event": "beat", "beat": state.beat, "time": state.at})
