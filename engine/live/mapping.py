"""A control's values mapped to a parameter's: ranges, curves, steps, smoothing."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from wplus.live.parameters import DIRECTION, check, parameter, short

Curve = Literal["linear", "exponential", "steps", "toggle"]

_MOST_STEPS: Final = 128
_MOST_END: Final = 1e9
_MOST_SMOOTHING: Final = 60.0  # s

# By kind, what a control of MIDI or OSC is called and sends.
_CONTROLS: Final[tuple[tuple[re.Pattern[str], tuple[float, float]], ...]] = (
    (re.compile(r"midi/(cc|note)/([1-9]|1[0-6])/(\d|[1-9]\d|1[01]\d|12[0-7])"), (0.0, 127.0)),
    (re.compile(r"midi/program/([1-9]|1[0-6])"), (0.0, 127.0)),
    (re.compile(r"midi/pitch/([1-9]|1[0-6])"), (-8192.0, 8191.0)),
    (re.compile(r"osc/[^#]{1,200}(#[1-9]\d?)?"), (0.0, 1.0)),
)
_CONTROL_NEEDS: Final = (
    "midi/cc/CHANNEL/NUMBER, midi/note/CHANNEL/NUMBER, midi/pitch/CHANNEL, midi/program/CHANNEL or osc/ADDRESS "
    "is needed"
)  # What a knob of 128 places should reach; the whole range of these would leave it too coarse.
_USUAL: Final[dict[str, tuple[float, float]]] = {
    "position": (0.0, 8.0),
    "speed": (-4.0, 4.0),
    "seconds_per_keyframe": (0.25, 16.0),
    "bpm": (40.0, 240.0),
    "truncation_psi": (-1.0, 1.0),
    "truncation_cutoff": (0.0, 18.0),
    "mix_seed": (0.0, 127.0),
    "translate_x": (-1.0, 1.0),
    "translate_y": (-1.0, 1.0),
    "rotate": (-180.0, 180.0),
    "noise_radius": (0.0, 2.0),
    "fps": (1.0, 60.0),
}
_USUAL_AMOUNT: Final = (-5.0, 5.0)  # of a direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One control that moves one parameter.

    Attributes:
        control: "midi/cc/1/74", "midi/note/10/36", "midi/pitch/1", "midi/program/1", or "osc" and a foreign OSC address
            ("osc/1/fader1"; "#1" behind it: the second argument). Channels are counted from 1.
        parameter: What it moves.
        input: What the control sends at its two ends; None: 0 to 127 (pitch bend -8192 to 8191, OSC 0 to 1).
        output: The parameter at these ends; None: its usual range.
        curve: "linear"; "exponential" (equal ratios; both ends above 0 or both below); "steps" (the input range in
            equal parts, one for each of `steps`); "toggle" (each press turns a switch over).
        steps: Values of the parameter, of any kind; empty: all choices of a parameter with choices.
        smoothing: Time constant in seconds; 0: at once. For numbers.
        invert: The control's ends change places.

    Raises:
        ValueError: something does not fit, at construction.
    """

    control: str
    parameter: str
    input: tuple[float, float] | None = None
    output: tuple[float, float] | None = None
    curve: Curve = "linear"
    steps: tuple[Any, ...] = ()
    smoothing: float = 0.0
    invert: bool = False

    def __post_init__(self) -> None:
        control_range(self.control)
        kind = parameter(self.parameter).kind
        if self.curve not in get_args(Curve):
            raise ValueError(f"curve is {short(self.curve)}; one of {', '.join(get_args(Curve))} is needed.")
        if not isinstance(self.invert, bool):
            raise ValueError(f"invert is {short(self.invert)}; true or false is needed.")
        if self.input is not None:
            _check_ends("input", self.input)
        self._check_curve(kind)
        if not _is_number(self.smoothing) or not 0 <= self.smoothing <= _MOST_SMOOTHING:
            raise ValueError(f"smoothing is {short(self.smoothing)}; 0 to {_MOST_SMOOTHING:g} seconds are needed.")
        if self.smoothing and (kind != "number" or self.curve not in ("linear", "exponential")):
            raise ValueError(
                f"smoothing is {self.smoothing:g}; {self.parameter} does not move gradually here. Omit it."
            )

    def _check_curve(self, kind: str) -> None:
        curves = {
            "switch": ("linear", "steps", "toggle"),
            "number": ("linear", "exponential", "steps"),
            "whole": ("linear", "exponential", "steps"),
        }.get(kind, ("steps",))
        if self.curve not in curves:
            raise ValueError(f"curve is {self.curve!r}; {self.parameter} takes {' or '.join(map(repr, curves))}.")
        if self.curve == "steps":
            self._check_steps()
        elif self.steps:
            raise ValueError(f"steps are given, and curve is {self.curve!r}. Omit them, or set curve to 'steps'.")
        if self.output is None:
            return
        if self.curve in ("steps", "toggle") or kind == "switch":
            raise ValueError("output is given, and this curve has no range of values. Omit it.")
        _check_ends("output", self.output)
        for end in self.output:
            check(self.parameter, float(round(end)) if kind == "whole" else end)
        if self.curve == "exponential" and not self.output[0] * self.output[1] > 0:
            raise ValueError(
                f"output is {list(self.output)}; an exponential curve needs both ends above 0, or both below."
            )

    def _check_steps(self) -> None:
        if not isinstance(self.steps, tuple) or len(self.steps) > _MOST_STEPS:
            raise ValueError(f"steps is {short(self.steps)}; a list of at most {_MOST_STEPS} values is needed.")
        if not self.values:
            raise ValueError(f"steps are missing: list the values of {self.parameter} that the control chooses from.")
        for value in self.steps:
            check(self.parameter, value)

    @property
    def values(self) -> tuple[Any, ...]:
        """What the curve "steps" chooses from."""
        return self.steps or parameter(self.parameter).choices

    @property
    def input_range(self) -> tuple[float, float]:
        """What the control sends at its ends."""
        if self.input is not None:
            return self.input
        if self.control.startswith("midi/program/") and self.curve == "steps":
            return 0.0, max(1.0, len(self.values) - 1.0)  # program n is the n-th value
        return control_range(self.control)

    @property
    def output_range(self) -> tuple[float, float]:
        """The parameter at these ends."""
        return self.output or usual_range(self.parameter)

    @property
    def is_note(self) -> bool:
        """Whether the control is a key or a pad, which sends 0 when it is let go."""
        return self.control.startswith("midi/note/")

    def pressed(self, raw: float) -> bool:
        """Whether a button or key is down; a soft stroke counts."""
        low, high = self.input_range
        down = raw > low if self.is_note else raw >= (low + high) / 2
        return down is not self.invert

    def value(self, raw: float) -> Any:
        """The parameter for what the control sent, a finite number. A "toggle" only has `pressed`."""
        low, high = self.input_range
        place = min(1.0, max(0.0, (raw - low) / (high - low)))
        place = 1.0 - place if self.invert else place
        if self.curve == "steps":
            return self.values[min(int(place * len(self.values)), len(self.values) - 1)]
        kind = parameter(self.parameter).kind
        if kind == "switch":
            return self.pressed(raw)
        start, end = self.output_range
        if self.curve == "exponential":
            number = start * (end / start) ** place
        else:
            number = start * (1 - place) + end * place
        number = min(max(start, end), max(min(start, end), number))  # rounding may leave the range by a hair
        return round(number) if kind == "whole" else number


def learned(control: str, name: str, **given: Any) -> Binding:
    """The binding of a control that was just moved, with what its parameter usually needs.

    Raises:
        ValueError: the parameter has no usual mapping (lists), or something in `given` does not fit.
    """
    usual: dict[str, Any] = {}
    wanted = parameter(name)
    if wanted.kind in ("choice", "seeds", "layers"):
        usual["curve"] = "steps"
    elif wanted.kind == "switch" and control.startswith("midi/note/"):
        usual["curve"] = "toggle"
    elif name in ("seconds_per_keyframe", "bpm"):
        usual["curve"] = "exponential"
    return Binding(control=control, parameter=name, **(usual | given))


def usual_range(name: str) -> tuple[float, float]:
    """What a control should reach of a number, unless it is told otherwise."""
    if name.startswith(DIRECTION):
        return _USUAL_AMOUNT
    wanted = parameter(name)
    return _USUAL.get(name, (wanted.low, wanted.high))


def control_range(control: object) -> tuple[float, float]:
    """What a control sends at its two ends.

    Raises:
        ValueError: no control is called so.
    """
    if isinstance(control, str):
        for pattern, ends in _CONTROLS:
            if pattern.fullmatch(control):
                return ends
    raise ValueError(f"control is {short(control)}; {_CONTROL_NEEDS}.")


def _check_ends(name: str, ends: object) -> None:
    if not isinstance(ends, tuple) or len(ends) != 2 or not all(map(_is_number, ends)) or ends[0] == ends[1]:
        raise ValueError(f"{name} is {short(ends)}; a list of two different numbers is needed.")
    if name == "input" and ends[0] > ends[1]:
        raise ValueError(f"input is {list(ends)}; the smaller number comes first. To turn a control round, set invert.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_MOST_END <= value <= _MOST_END
