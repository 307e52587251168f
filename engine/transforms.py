"""StyleGAN3's user transform: the network draws a moved and turned picture instead of moving pixels."""

import math

import numpy as np
from numpy.typing import NDArray


def user_transform(*, translate: tuple[float, float] = (0.0, 0.0), rotate: float = 0.0) -> NDArray[np.float32]:
    """The transform `[3, 3]` that `Generator.synthesize` takes, already inverted as NVIDIA's is.

    Args:
        translate: To the right and down, in picture widths and heights.
        rotate: Degrees; positive turns as NVIDIA's `--rotate` does.

    Source: Karras et al. 2021 (StyleGAN3), appendix F; the sign conventions are those of NVIDIA's command line.
    """
    angle = math.radians(rotate)
    sine, cosine = math.sin(angle), math.cos(angle)
    forward = np.array([[cosine, sine, translate[0]], [-sine, cosine, translate[1]], [0, 0, 1]])
    return np.linalg.inv(forward).astype(np.float32)
