"""StyleGAN3's user transform: the network draws a moved and turned picture instead of moving pixels."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """How the picture is moved and turned.

    Source: Karras et al. 2021 (StyleGAN3), appendix F; the sign conventions are those of NVIDIA's command line.
    """

    translate: tuple[float, float] = (0.0, 0.0)  # to the right and down, in picture widths and heights
    rotate: float = 0.0  # degrees; positive turns as NVIDIA's `--rotate` does

    @property
    def matrix(self) -> NDArray[np.float32] | None:
        """The transform that `Generator.synthesize` takes, `[3, 3]`; None if the picture stays where it is."""
        if self == IN_PLACE:
            return None
        return user_transform(translate=self.translate, rotate=self.rotate)

    @property
    def facts(self) -> dict[str, Any]:
        """What a picture says of it: the values of the flags, None where they say nothing."""
        x, y = self.translate
        return {"translate": f"{x:g},{y:g}" if self.translate != (0, 0) else None, "rotate": self.rotate or None}


IN_PLACE = Move()


def user_transform(*, translate: tuple[float, float] = (0.0, 0.0), rotate: float = 0.0) -> NDArray[np.float32]:
    """The transform `[3, 3]` that `Generator.synthesize` takes, already inverted as NVIDIA's is.

    Args:
        translate: To the right and down, in picture widths and heights.
        rotate: Degrees.
    """
    angle = math.radians(rotate)
    sine, cosine = math.sin(angle), math.cos(angle)
    forward = np.array([[cosine, sine, translate[0]], [-sine, cosine, translate[1]], [0, 0, 1]])
    return np.linalg.inv(forward).astype(np.float32)
