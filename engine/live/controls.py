"""Controls of any kind (MIDI, OSC) moving a show's parameters through bindings, and learning new ones."""

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from wplus.live.changes import Changes
from wplus.live.mapping import Binding, learned
from wplus.live.mapping_json import MOST_BINDINGS, bindings_of_json, json_of_bindings
from wplus.live.parameters import parameter

_MOST_CONTROLS: Final = 1000  # whose last value is kept


class Controls:
    """The bindings of a show: what moves is looked up here, and what it means goes to `Changes`.

    Args:
        changes: Where values go.
        bindings: Those of a preset.
        on_learned: Called with each new binding, in the thread of the control that moved.
    """

    def __init__(
        self,
        changes: Changes,
        bindings: Sequence[Binding] = (),
        *,
        on_learned: Callable[[Binding], None] | None = None,
    ) -> None:
        self._changes = changes
        self._on_learned = on_learned
        self._lock = threading.Lock()
        self._by_control: dict[str, tuple[Binding, ...]] = {}
        self._last: dict[str, float] = {}  # what each control sent
        self._down: set[tuple[str, str]] = set()  # buttons that turn a switch over, while they are pressed
        self._learning: tuple[str, dict[str, Any]] | None = None
        self._bind(bindings)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All of them."""
        return tuple(binding for bindings in self._by_control.values() for binding in bindings)

    @property
    def learning(self) -> str | None:
        """The parameter that waits for a control to move."""
        return self._learning[0] if self._learning else None

    def json(self) -> dict[str, Any]:
        """The bindings, for a preset."""
        return json_of_bindings(self.bindings)

    def load(self, data: object) -> None:
        """Takes the bindings of a preset, in place of all others.

        Raises:
            ValueError: they are none; then nothing changes.
        """
        bindings = bindings_of_json(data)
        with self._lock:
            self._bind(bindings)

    def learn(self, name: str, **given: Any) -> None:
        """Binds the parameter to the next control that moves, in place of what moved it before.

        Args:
            name: The parameter.
            given: Fields of `Binding`, where they are not to be the usual ones; lists as JSON has them are fine.

        Raises:
            ValueError: there is no such parameter, or a field does not fit.
        """
        fields = {field: tuple(value) if isinstance(value, list) else value for field, value in given.items()}
        if unknown := sorted(fields.keys() - {"input", "output", "curve", "steps", "smoothing", "invert"}):
            raise ValueError(f"A control is learned without the field {unknown[0]!r}. Omit it.")
        learned("osc/any", name, **fields)  # says now what would not fit then
        with self._lock:
            self._learning = (name, fields)

    def stop_learning(self) -> None:
        """Leaves the bindings as they are."""
        with self._lock:
            self._learning = None

    def forget(self, name: str) -> None:
        """Removes all bindings of a parameter.

        Raises:
            ValueError: there is no such parameter.
        """
        parameter(name)
        with self._lock:
            self._bind([binding for binding in self.bindings if binding.parameter != name])

    def set(self, name: str, value: Any) -> None:
        """Changes a parameter without any binding.

        Raises:
            ValueError: there is none of that name, or it does not take this value.
        """
        self._changes.put(name, value)

    def moved(self, control: str, raw: float) -> bool:
        """Takes what a control sent.

        Returns:
            Whether it meant anything: a binding, or a control that was learned.

        Raises:
            ValueError: it is no finite number, or a parameter does not take what it means.
        """
        if not math.isfinite(raw):
            raise ValueError(f"{control} sent {raw}; a finite number is needed.")
        with self._lock:
            new = self._learn_from(control, raw)
            if control in self._last or len(self._last) < _MOST_CONTROLS:
                self._last[control] = raw
            bindings = self._by_control.get(control, ())
        if new is not None:
            if self._on_learned is not None:
                self._on_learned(new)
            return True  # this move said which control is meant; the next one moves the parameter
        for binding in bindings:
            self._follow(binding, raw)
        return bool(bindings)

    def _learn_from(self, control: str, raw: float) -> Binding | None:
        """The binding that this move makes."""
        if self._learning is None or self._last.get(control) == raw or (_is_note(control) and raw == 0):
            return None
        name, fields = self._learning
        new = learned(control, name, **fields)
        others = [binding for binding in self.bindings if binding.parameter != name]
        self._bind([*others[: MOST_BINDINGS - 1], new])
        self._learning = None
        return new

    def _follow(self, binding: Binding, raw: float) -> None:
        pressed = binding.pressed(raw)
        if binding.curve == "toggle":
            pair = (binding.control, binding.parameter)
            if pressed and pair not in self._down:
                self._changes.put(binding.parameter, not self._changes.known(binding.parameter))
            (self._down.add if pressed else self._down.discard)(pair)
        elif binding.curve == "steps" and binding.is_note and not pressed:
            return  # a pad chose when it was struck
        elif binding.smoothing:
            low, high = binding.output_range
            self._changes.glide(binding.parameter, binding.value(raw), constant=binding.smoothing, span=abs(high - low))
        else:
            self._changes.put(binding.parameter, binding.value(raw))

    def _bind(self, bindings: Sequence[Binding]) -> None:
        by_control: dict[str, tuple[Binding, ...]] = {}
        for binding in bindings:
            by_control[binding.control] = (*by_control.get(binding.control, ()), binding)
        self._by_control = by_control


def _is_note(control: str) -> bool:
    return control.startswith("midi/note/")
