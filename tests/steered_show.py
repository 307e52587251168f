"""A stand-in for a show: takes changes as one does, and remembers them."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from wplus.live.parameters import DIRECTION, check


class SteeredShow:
    """Knows the direction smile alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._callbacks: list[Callable[[dict[str, Any]], None]] = []
        self.changes: list[dict[str, Any]] = []
        self.values: dict[str, Any] = {}
        self.gate = threading.Event()  # closed, it holds up `change`
        self.entered = threading.Event()
        self.gate.set()

    def change(self, changes: Mapping[str, Any]) -> None:
        self.entered.set()
        self.gate.wait()
        for name, value in changes.items():
            check(name, value)
            if name.startswith(DIRECTION) and name != "direction/smile":
                raise ValueError(f"There is no {name}.")
        with self._changed:
            self.changes.append(dict(changes))
            self.values |= changes
            self._changed.notify_all()

    def state(self) -> dict[str, Any]:
        with self._changed:
            return {**self.values, "walk": {"truncation_psi": 0.7}}

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    @property
    def listeners(self) -> int:
        return len(self._callbacks)

    def tell(self, event: dict[str, Any]) -> None:
        for callback in list(self._callbacks):
            callback(event)

    def wait_for(self, name: str, value: Any) -> None:
        """Until the parameter has this value."""
        with self._changed:
            came = self._changed.wait_for(lambda: name in self.values and self.values[name] == value, timeout=5)
        assert came, f"{name} is {self.values.get(name)}, not {value}"


def wait_until(holds: Callable[[], bool]) -> None:
    """Until it holds, at most 5 s."""
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)
