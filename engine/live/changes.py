"""Changes on their way to a show: of each parameter the newest value, once in an interval at most, or a glide to it."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Protocol, Self

from wplus.live.parameters import check

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 256  # parameters; a flood of invented directions stops here
_SETTLED: Final = 1e-3  # of the range that is left when a glide ends
_REMEMBERED: Final = 400  # values of a glide: 2 s of them


class Steered(Protocol):
    """What controls talk to: a show."""

    def change(self, changes: Mapping[str, Any]) -> None:
        """Applies all of them, or raises ValueError and applies none."""

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
    sent: deque[Any] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def step(self, now: float) -> float:
        """The value at `now`: the same, however many steps led there."""
        self.value = self.target + (self.value - self.target) * math.exp(-max(0.0, now - self.at) / self.constant)
        self.at = now
        if abs(self.value - self.target) <= self.tolerance:
            self.value = self.target
        self.sent.append(self.value)
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
        self._known: dict[str, Any] = {}
        self._walk: Mapping[str, Any] = {}  # what the walk says of parameters that nobody has set
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wplus-changes", daemon=True)
        self._unsubscribe: Callable[[], None] | None = None
        self.applied = 0  # calls of the show's `change`
        self.refused = 0  # values
        self.last_refusal = ""

    def start(self) -> Self:
        """Begins to listen to the show and to apply."""
        self._unsubscribe = self._show.subscribe(self._heard)
        self._thread.start()
        return self

    def close(self) -> None:
        """Ends; what waits is dropped."""
        if self._unsubscribe is not None:
            self._unsubscribe()
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
            self._newest[name] = self._known[name] = value
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
        with self._lock:
            glide = self._glides.get(name)
            known = self._known.get(name)
            start = glide.value if glide else known if known is not None else self._walk.get(name)
            if start is None:  # not known: the first value is taken as it is
                start = target
            self._room_for(name)
            self._newest.pop(name, None)
            if glide is None:
                now = self._clock()
                glide = _Glide(value=start, target=target, constant=constant, tolerance=0.0, at=now)
                glide.sent.extend((known, start))
                self._glides[name] = glide
            glide.target, glide.constant, glide.tolerance = target, constant, _SETTLED * span
            self._lock.notify_all()

    def known(self, name: str) -> Any:
        """The parameter's value as far as we heard; None where we did not."""
        return self._known.get(name)

    @property
    def gliding(self) -> bool:
        """Whether any number is on its way."""
        return bool(self._glides)

    def _room_for(self, name: str) -> None:
        waiting = self._newest.keys() | self._glides.keys()
        if name not in waiting and len(waiting) >= _MOST_WAITING:
            raise ValueError(f"{_MOST_WAITING} parameters are changing at once; {name} must wait. Send fewer.")

    def _heard(self, event: dict[str, Any]) -> None:
        """Keeps what the show says, and ends glides of parameters that somebody else moved."""
        state = event.get("state")
        if not isinstance(state, Mapping):
            return
        with self._lock:
            self._walk = walk if isinstance(walk := state.get("walk"), Mapping) else {}
            self._known |= {name: value for name, value in state.items() if name not in self._newest}
            for name, glide in list(self._glides.items()):
                if name in state and name != "position" and state[name] not in glide.sent:  # time moves the position
                    del self._glides[name]

    def _run(self) -> None:
        applied_at = -math.inf
        while True:
            with self._lock:
                while not (self._newest or self._glides or self._closing.is_set()):
                    self._lock.wait()
            if self._closing.wait(max(0.0, applied_at + self._interval - self._clock())):
                return
            applied_at = self._clock()
            self._apply(self._due(applied_at))

    def _due(self, now: float) -> dict[str, Any]:
        """What is to be applied at `now`; settled glides end."""
        with self._lock:
            changes, self._newest = self._newest, {}
            for name, glide in list(self._glides.items()):
                changes[name] = self._known[name] = glide.step(now)
                if glide.value == glide.target:
                    del self._glides[name]
        return changes

    def _apply(self, changes: dict[str, Any]) -> None:
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
        except Exception:  # whatever it is: the performer's other controls go on
            _log.exception("A change of %s failed.", ", ".join(changes))
        else:
            self.applied += 1
