"""How a walk goes from one keyframe to the next: which share of the way is behind it after a share of the time."""

import math
from collections.abc import Callable
from typing import Literal

Easing = Literal["none", "smooth", "smoother", "sine", "in", "out"]

# Each rises from exactly 0 at 0 to exactly 1 at 1.
EASINGS: dict[Easing, Callable[[float], float]] = {
    "none": lambda t: t,
    "smooth": lambda t: t * t * (3 - 2 * t),  # speed is 0 at both ends
    "smoother": lambda t: t**3 * (10 + t * (6 * t - 15)),  # and so is acceleration
    "sine": lambda t: (1 - math.cos(math.pi * t)) / 2,
    "in": lambda t: t * t,  # speed is 0 at the start
    "out": lambda t: t * (2 - t),  # speed is 0 at the end
}


def ease(position: float, easing: Easing) -> float:
    """A position in keyframes with the time between every two of them bent; whole numbers stay what they are."""
    if easing == "none":
        return position
    start = math.floor(position)
    return start + EASINGS[easing](position - start)
