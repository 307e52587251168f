"""The parameters of a performance: one table of names, ranges and meanings for pages, OSC, MIDI, takes and presets."""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["switch", "number", "whole", "choice", "seeds", "layers"]

DIRECTION: Final = "direction/"  # before a direction's name
MOST_SEEDS: Final = 256
_MOST_LAYERS: Final = 64
_MOST_NAME: Final = 100
_MOST_SEED: Final = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What one parameter takes. `default` is None where the walk decides until a performer does."""

    kind: Kind
    about: str
    default: Any = None
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    optional: bool = False  # None: as the walk has it, or none

    @property
    def needs(self) -> str:
        """What is taken, in words: the end of a sentence."""
        words = {
            "switch": "true or false",
            "number": f"a number from {self.low:g} to {self.high:g}",
            "whole": f"a whole number from {self.low:g} to {self.high:g}",
            "choice": f"one of {', '.join(self.choices)}",
            "seeds": f"a list of 2 to {MOST_SEEDS} seeds from 0 to {_MOST_SEED}",
            "layers": f"a list of at most {_MOST_LAYERS} layers, counted from 0",
        }[self.kind]
        return f"{words}, or null" if self.optional else words


PARAMETERS: Final[dict[str, Parameter]] = {
    "playing": Parameter(kind="switch", default=True, about="whether time moves the walk"),
    "position": Parameter(kind="number", default=0.0, low=0, high=1e6, about="where the walk is, in keyframes"),
    "speed": Parameter(kind="number", default=1.0, low=-16, high=16, about="how fast time goes; below 0 backwards"),
    "seconds_per_keyframe": Parameter(kind="number", low=0.05, high=3600, about="from keyframe to keyframe at speed 1"),
    "bpm": Parameter(kind="number", low=1, high=400, optional=True, about="beats a minute: a keyframe each beat"),
    "seeds": Parameter(kind="seeds", about="the keyframes, in place of the walk's"),
    "interp": Parameter(
        kind="choice", choices=("linear", "slerp", "catmull-rom", "spline"), optional=True, about="between keyframes"
    ),
    "easing": Parameter(
        kind="choice", choices=("none", "smooth", "smoother", "sine", "in", "out"), about="slower near the keyframes"
    ),
    "constant_speed": Parameter(kind="choice", choices=("none", "w", "picture"), about="by equal steps of what"),
    "loop": Parameter(kind="switch", about="whether the last keyframe leads back to the first"),
    "truncation_psi": Parameter(kind="number", low=-2, high=2, optional=True, about="1: as drawn; 0: the mean picture"),
    "truncation_cutoff": Parameter(kind="whole", low=0, high=_MOST_LAYERS, optional=True, about="layers to truncate"),
    "mix_seed": Parameter(kind="whole", low=0, high=_MOST_SEED, optional=True, about="whose styles are mixed in"),
    "mix_layers": Parameter(kind="layers", default=(), about="layers that take them"),
    "mix_amount": Parameter(kind="number", default=1.0, low=0, high=1, about="how much of them"),
    "translate_x": Parameter(kind="number", low=-2, high=2, optional=True, about="to the right, in widths (StyleGAN3)"),
    "translate_y": Parameter(kind="number", low=-2, high=2, optional=True, about="down, in heights (StyleGAN3)"),
    "rotate": Parameter(kind="number", low=-360, high=360, optional=True, about="degrees (StyleGAN3)"),
    "noise_radius": Parameter(kind="number", low=0, high=4, optional=True, about="how far the noise moves in a loop"),
    "freeze": Parameter(kind="switch", default=False, about="keeps the picture, while time goes on underneath"),
    "fade": Parameter(kind="number", default=0.0, low=0, high=1, about="0: the picture; 1: black"),
    "fps": Parameter(kind="number", low=1, high=240, about="frames a second"),
}
_AMOUNT: Final = Parameter(kind="number", low=-50, high=50, optional=True, about="how far along this direction")


def parameter(name: str) -> Parameter:
    """The parameter of that name; `direction/<name>` is one for every direction.

    Raises:
        ValueError: there is none.
    """
    if name in PARAMETERS:
        return PARAMETERS[name]
    if name.startswith(DIRECTION) and len(DIRECTION) < len(name) <= _MOST_NAME:
        return _AMOUNT
    raise ValueError(f"There is no parameter {short(name)}. Known: {', '.join(PARAMETERS)}, {DIRECTION}<name>.")


def check(name: str, value: Any) -> Any:
    """The value as the performance holds it: numbers as floats, lists as tuples.

    Raises:
        ValueError: there is no such parameter, or the value is none that it takes.
    """
    wanted = parameter(name)
    if value is None and wanted.optional:
        return None
    try:
        return _as_kind(wanted, value)
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError(f"{name} is {short(value)}; {wanted.needs} is needed.") from exc


def short(value: object, most: int = 60) -> str:
    """As text that neither fills nor steers a terminal."""
    text = repr(value[: most + 1]) if isinstance(value, str | list | tuple) else repr(value)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= most else f"{text[:most]}..."


def _as_kind(wanted: Parameter, value: Any) -> Any:
    if wanted.kind == "switch":
        if not isinstance(value, bool):
            raise TypeError
        return value
    if wanted.kind == "choice":
        if value not in wanted.choices:
            raise ValueError
        return value
    if wanted.kind == "seeds":
        return _whole_numbers(value, least=2, most=MOST_SEEDS, high=_MOST_SEED)
    if wanted.kind == "layers":
        return tuple(sorted(set(_whole_numbers(value, least=0, most=_MOST_LAYERS, high=_MOST_LAYERS - 1))))
    if wanted.kind == "whole":
        return _whole(value, int(wanted.low), int(wanted.high))
    return _number(value, wanted.low, wanted.high)


def _number(value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if not low <= value <= high:  # of NaN too
        raise ValueError
    return float(value) + 0.0  # a take says 0.0, not -0.0


def _whole(value: Any, low: int, high: int) -> int:
    number = _number(value, low, high)
    if not number.is_integer():
        raise ValueError
    return int(number)


def _whole_numbers(value: Any, *, least: int, most: int, high: int) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not least <= len(value) <= most:
        raise TypeError
    return tuple(_whole(number, 0, high) for number in value)
