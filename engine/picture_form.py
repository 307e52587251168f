"""How somebody's own network takes its z and gives its picture, and the way from there to ours."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

Layout = Literal["NCHW", "NHWC"]
Array = Any  # numpy or torch

_MAX_CHANNELS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureForm:
    """What a network was said to take and to give.

    Raises:
        ValueError: the range is empty, the scale is none, or the layout is unknown.
    """

    z_scale: float = 1.0  # z is multiplied by it before the network sees it
    img_range: tuple[float, float] = (-1.0, 1.0)  # black and white
    layout: Layout = "NCHW"

    def __post_init__(self) -> None:
        low, high = self.img_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"img_range is ({low}, {high}); black and white are needed, such as (0, 1) or (-1, 1).")
        if not math.isfinite(self.z_scale) or self.z_scale == 0:
            raise ValueError(f"z_scale is {self.z_scale}; a finite number other than 0 is needed.")
        if self.layout not in get_args(Layout):
            raise ValueError(f"layout is {self.layout!r}; known: {', '.join(get_args(Layout))}.")

    def to_img(self, picture: Array, count: int) -> Array:
        """A network's own pictures as `[N, C, H, W]`, about [-1, 1].

        Args:
            picture: numpy or torch, in the layout and range that were said; grey ones may lack the channel axis.
            count: How many pictures were asked for.

        Raises:
            TypeError: it is no array.
            ValueError: its shape is no picture's.
        """
        if not hasattr(picture, "shape") or not hasattr(picture, "dtype"):
            raise TypeError(f"It gave a {type(picture).__name__}; one array, the picture, is needed.")
        shape = tuple(picture.shape)
        if len(shape) == 3 and shape[0] == count:
            picture = picture[:, None]
        elif len(shape) == 4 and self.layout == "NHWC":
            picture = picture.swapaxes(1, 3).swapaxes(2, 3)
        if picture.ndim != 4 or picture.shape[0] != count or not 1 <= picture.shape[1] <= _MAX_CHANNELS:
            raise ValueError(self._wrong_shape(shape, count))
        return self._centred(picture)

    def own(self, level: float) -> float:
        """A level of ours, -1 to 1, in the network's own range."""
        low, high = self.img_range
        return low + (level + 1) / 2 * (high - low)

    def _centred(self, picture: Array) -> Array:
        low, high = self.img_range
        return picture if (low, high) == (-1, 1) else (picture - low) * (2 / (high - low)) - 1

    def _wrong_shape(self, shape: tuple[int, ...], count: int) -> str:
        axes = "C, H, W" if self.layout == "NCHW" else "H, W, C"
        message = (
            f"It gave {list(shape)} for {count} z; [{count}, {axes}] with 1 to {_MAX_CHANNELS} channels, or "
            f"[{count}, H, W], is needed."
        )
        other, axis = ("NHWC", 3) if self.layout == "NCHW" else ("NCHW", 1)
        if len(shape) == 4 and shape[0] == count and 1 <= shape[axis] <= _MAX_CHANNELS:
            message += f' The channels stand elsewhere: pass layout="{other}".'
        return message
