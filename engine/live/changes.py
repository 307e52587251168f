"""Changes on their way to a show: of each parameter the newest value, once in an interval at most, or a glide to it."""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol, Self

from wplus.live.parameters import check

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 256  # parameters; a flood of invented directions stops here
_SETTLED: Final = 1e-3  # of the range that is left when a glide ends


class Steered(Protocol):
    """What controls talk to: a show."""

    def change(self, changes: Mapping[str, Any]) -> None:
        """Applies all of them, or raises ValueError and applies none."""

    def state(self) -> dict[str, Any]:
        """Every parameter by name, with all changes that were made until now; None: as "walk" has it by name."""

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Calls back with {"state": {...}} and {"event": ...} from now on; the result ends it."""


@dataclass(slots=True, kw_only=True)
class _Glide:
    """A number on its way."""

    value: float
    target: float
    constant: float  # s
    tolerance: float
    at: float  # s
    began: bool = False

    def step(self, now: float) -> float:
        """The value at `now`: the same, however many steps led there."""
        self.value = self.target + (self.value - self.target) * math.exp(-max(0.0, now - self.at) / self.constant)
        self.at, self.began = now, True
        if abs(self.value - self.target) <= self.tolerance:
            self.value = self.target
        return self.value


class Changes:
    """Applies to a show what many senders want, in one thread.

    However many values arrive, the newest one of each parameter is applied, at most once in `interval`; nothing queues.
    The thread sleeps while nothing moves. A value that the show refuses is counted and dropped alone. A glide ends when
    it has settled, and when somebody else changes its parameter.

    Args:
        show: What is steered.
        interval: Seconds between two changes.
        clock: Seconds, for tests.
    """

    def __init__(
        self, show: Steered, *, interval: float = 0.005, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._show = show
        self._interval = interval
        self._clock = clock
        self._lock = threading.Condition()
        self._newest: dict[str, Any] = {}
        self._glides: dict[str, _Glide] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wplus-changes", daemon=True)
        self.applied = 0  # calls of the show's `change`
        self.refused = 0  # values
        self.last_refusal = ""

    def start(self) -> Self:
        """Begins to apply."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Ends; what waits is dropped."""
        with self._lock:
            self._closing.set()
            self._lock.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def put(self, name: str, value: Any) -> None:
        """Has the value applied as soon as the interval allows, unless a newer one comes first.

        Raises:
            ValueError: there is no such parameter, it does not take this value, or too much waits already.
        """
        value = check(name, value)
        with self._lock:
            self._room_for(name)
            self._glides.pop(name, None)
            self._newest[name] = value
            self._lock.notify_all()

    def glide(self, name: str, target: float, *, constant: float, span: float) -> None:
        """Moves a number to `target`, from where it is.

        Args:
            name: The parameter.
            target: Where it goes.
            constant: Seconds in which 63 % of the way are gone.
            span: The range it moves in; a thousandth of it counts as nothing.

        Raises:
            ValueError: as `put`.
        """
        target = check(name, target)
        start = self.known(name)
        with self._lock:
            self._room_for(name)
            self._newest.pop(name, None)
            if name not in self._glides:
                at = self._clock()
                value = target if start is None else start  # what nobody knows is taken as it is
                self._glides[name] = _Glide(value=value, target=target, constant=constant, tolerance=0.0, at=at)
            glide = self._glides[name]
            glide.target, glide.constant, glide.tolerance = target, constant, _SETTLED * span
            self._lock.notify_all()

    def known(self, name: str) -> Any:
        """The parameter's value, with what waits; None where neither show nor walk has one."""
        with self._lock:
            if name in self._newest:
                return self._newest[name]
        state = self._show.state()
        value = state.get(name)
        return state.get("walk", {}).get(name) if value is None else value

    @property
    def gliding(self) -> bool:
        """Whether any number is on its way."""
        return bool(self._glides)

    def _room_for(self, name: str) -> None:
        waiting = self._newest.keys() | self._glides.keys()
        if name not in waiting and len(waiting) >= _MOST_WAITING:
            raise ValueError(f"{_MOST_WAITING} parameters are changing at once; {name} must wait. Send fewer.")

    def _run(self) -> None:
        applied_at = -math.inf
        while True:
            with self._lock:
                while not (self._newest or self._glides or self._closing.is_set()):
                    self._lock.wait()
            if self._closing.wait(max(0.0, applied_at + self._interval - self._clock())):
                return
            applied_at = self._clock()
            try:
                self._apply(self._due(applied_at))
            except Exception:  # whatever it is: the performer's other controls go on
                _log.exception("A change failed.")
                self._glides.clear()

    def _due(self, now: float) -> dict[str, Any]:
        """What is to be applied at `now`. Glides end that have settled, and those that somebody else changed."""
        state = self._show.state() if self._glides else {}
        with self._lock:
            changes, self._newest = self._newest, {}
            for name, glide in list(self._glides.items()):
                # The position is moved by time.
                if glide.began and name != "position" and state.get(name) != glide.value:
                    del self._glides[name]
                    continue
                changes[name] = glide.step(now)
                if glide.value == glide.target:
                    del self._glides[name]
        return changes

    def _apply(self, changes: dict[str, Any]) -> None:
        if not changes:
            return
        try:
            self._show.change(changes)
        except ValueError as exc:
            if len(changes) > 1:
                for name, value in changes.items():
                    self._apply({name: value})
            else:
                self.refused += 1
                self.last_refusal = str(exc)
                with self._lock:
                    self._glides.pop(next(iter(changes)), None)
        else:
            self.applied += 1
