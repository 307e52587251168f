"""Where in a photograph the generator's picture lies: cut out of it, and pasted back."""

import json
import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wplus.errors import ArtifactError

Point = tuple[float, float]  # x to the right and y down

_MOST_PIXELS = 64_000_000  # of a picture with what is added around it
_FINER = 4  # samples along each side of a pixel of the result


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """A parallelogram in a photograph, and the size of the picture that it becomes.

    Raises:
        ValueError: the corners form no parallelogram or enclose nothing, or a size is not positive.
    """

    quad: tuple[Point, Point, Point, Point]  # top left, bottom left, bottom right, top right of the result, in pixels
    #   of the photograph: [0, 0] is the outer corner of its top left pixel
    size: tuple[int, int]  # height and width of the result
    source_size: tuple[int, int]  # height and width of the photograph, turned as its EXIF says

    def __post_init__(self) -> None:
        if min(self.size) < 1 or min(self.source_size) < 1:
            raise ValueError(f"An alignment's sizes are {self.size} and {self.source_size}; both must be positive.")
        corners = np.array(self.quad, np.float64)
        if corners.shape != (4, 2) or not np.isfinite(corners).all():
            raise ValueError(f"An alignment's quad is {self.quad}; four points of two finite numbers are needed.")
        down, right = corners[1] - corners[0], corners[3] - corners[0]
        if abs(down[0] * right[1] - down[1] * right[0]) < 1e-6:
            raise ValueError(f"An alignment's quad {self.quad} encloses nothing.")
        if np.abs(corners[0] + corners[2] - corners[1] - corners[3]).max() > 1e-3 * (1 + np.abs(corners).max()):
            raise ValueError(f"An alignment's quad {self.quad} is no parallelogram.")

    @property
    def sides(self) -> tuple[float, float]:
        """Height and width of the parallelogram, in pixels of the photograph."""
        top_left, bottom_left, _, top_right = self.quad
        return math.dist(top_left, bottom_left), math.dist(top_left, top_right)

    @property
    def is_upright(self) -> bool:
        """Whether it is a rectangle inside of the photograph, neither turned nor mirrored."""
        (left, top), (left_too, bottom), (right, _), (_, top_too) = self.quad
        height, width = self.source_size
        return left == left_too and top == top_too and 0 <= left < right <= width and 0 <= top < bottom <= height

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dump`; `from_json` reads them."""
        return {"quad": [list(corner) for corner in self.quad], "size": list(self.size), "source": [*self.source_size]}

    @classmethod
    def from_json(cls, text: str | dict[str, Any]) -> Self:
        """The alignment that `to_json` wrote, from its text or values.

        Raises:
            ArtifactError: it is none.
        """
        try:
            values = json.loads(text) if isinstance(text, str) else text
            first, second, third, fourth = (_point(corner) for corner in values["quad"])
            return cls(
                quad=(first, second, third, fourth), size=_size(values["size"]), source_size=_size(values["source"])
            )
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as exc:
            raise ArtifactError(f"This is no alignment as wplus writes it: {exc}.") from exc


def centre_crop(source_size: tuple[int, int], size: tuple[int, int]) -> Alignment:
    """The largest part in the middle of a photograph that has a picture's aspect; both sizes are height and width."""
    (height, width), (rows, columns) = source_size, size
    tall, wide = min(height, width * rows / columns), min(width, height * columns / rows)
    left, top = (width - wide) // 2, (height - tall) // 2  # whole: half a pixel would blur
    right, bottom = left + wide, top + tall
    quad = ((left, top), (left, bottom), (right, bottom), (right, top))
    return Alignment(quad=quad, size=size, source_size=source_size)


def cut_out(image: Image.Image, alignment: Alignment) -> Image.Image:
    """The picture that an alignment takes out of a photograph, in the photograph's mode.

    An upright part is resized with Lanczos' antialiased filter, and left as it is when it has the size already. Any
    other is sampled four times as finely in each direction, and then reduced. What lies outside of the photograph is
    its mirror image. Colours of transparent pixels do not bleed into others.

    Raises:
        ValueError: the photograph has another size than the alignment's.
    """
    rows, columns = alignment.size
    _check_size(image, alignment)
    if alignment.is_upright:
        (left, top), _, (right, bottom), _ = alignment.quad
        return image.resize((columns, rows), Image.Resampling.LANCZOS, box=(left, top, right, bottom))
    corners = np.array(alignment.quad)
    image, corners = _reduced(image, corners, alignment)
    image, corners = _with_surroundings(image, corners)
    finer = (columns * _FINER, rows * _FINER)
    drawn = image.transform(finer, Image.Transform.QUAD, tuple(corners.flatten()), Image.Resampling.BICUBIC)
    return drawn.resize((columns, rows), Image.Resampling.LANCZOS)


def paste_back(
    original: Image.Image, result: NDArray[np.uint8], alignment: Alignment, *, feather: float = 0.05
) -> Image.Image:
    """The photograph with a picture in the place that the alignment took it from.

    Args:
        original: The photograph, as `wplus.inversion.targets.open_picture` reads it. Its transparency is kept.
        result: uint8 `[H, W, C]`, C of 1 or 3, of the alignment's size.
        feather: How much of the picture, from its edge inwards, fades into the photograph: a share of its side, 0
            (a hard edge) to 0.5. Edges that lie on the photograph's own do not fade.

    Raises:
        ValueError: sizes do not fit, or `feather` is out of range.
    """
    if not 0 <= feather <= 0.5:
        raise ValueError(f"feather is {feather}; a share of the picture's side from 0 to 0.5 is needed.")
    if (
        result.dtype != np.uint8
        or result.ndim != 3
        or result.shape[:2] != alignment.size
        or result.shape[2] not in (1, 3)
    ):
        raise ValueError(
            f"The result is {result.dtype} {list(result.shape)}; this alignment needs uint8 "
            f"{[*alignment.size, 3]}, or 1 channel."
        )
    _check_size(original, alignment)
    opaque = original.convert("L" if original.mode in ("L", "LA") and result.shape[2] == 1 else "RGB")
    picture = Image.fromarray(result[:, :, 0] if result.shape[2] == 1 else result).convert(opaque.mode)
    pasted = opaque.copy()
    left, top, *_ = _bounds(alignment)
    picture, opacity = (_placed(part, alignment) for part in (picture, _opacity(alignment, feather)))
    pasted.paste(picture, (left, top), opacity)
    if original.mode in ("LA", "RGBA"):
        pasted.putalpha(original.getchannel("A"))
    return pasted


def _placed(picture: Image.Image, alignment: Alignment) -> Image.Image:
    """A picture of the result's size as it lies in the photograph, cut to its bounds there; 0 around it."""
    left, top, right, bottom = _bounds(alignment)
    corners = np.array(alignment.quad) - (left, top)
    tall, wide = (max(1, math.ceil(side)) for side in alignment.sides)
    if (wide, tall) != picture.size and wide <= picture.width and tall <= picture.height:
        picture = picture.resize((wide, tall), Image.Resampling.LANCZOS)  # sampling alone would skip pixels
    # [x, y] in the picture as a function of the place in the photograph.
    along = np.stack([(corners[3] - corners[0]) / picture.width, (corners[1] - corners[0]) / picture.height], axis=1)
    inverse = np.linalg.inv(along)
    shift = -inverse @ corners[0]
    data = (*inverse[0], shift[0], *inverse[1], shift[1])
    return picture.transform((right - left, bottom - top), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)


def _opacity(alignment: Alignment, feather: float) -> Image.Image:
    """How much of each pixel of the result is pasted, 0 to 255."""
    rows, columns = alignment.size
    ramp = []
    for count in (rows, columns):
        place = (np.arange(count) + 0.5) / count
        ramp.append(np.clip(np.minimum(place, 1 - place) / max(feather, 1e-9), 0, 1))
    fade_down, fade_right = ramp
    if alignment.is_upright:
        (left, top), _, (right, bottom), _ = alignment.quad
        height, width = alignment.source_size
        fade_down = _up_to_the_edge(fade_down, top == 0, bottom == height)
        fade_right = _up_to_the_edge(fade_right, left == 0, right == width)
    opacity = np.minimum(fade_down[:, None], fade_right[None, :])
    return Image.fromarray(np.round(opacity * 255).astype(np.uint8))


def _up_to_the_edge(fade: NDArray[np.float64], at_start: bool, at_end: bool) -> NDArray[np.float64]:
    middle = len(fade) // 2
    start = np.ones(middle) if at_start else fade[:middle]
    end = np.ones(len(fade) - middle) if at_end else fade[middle:]
    return np.concatenate([start, end])


def _bounds(alignment: Alignment) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the parallelogram as far as it lies in the photograph, in whole pixels."""
    corners = np.array(alignment.quad)
    height, width = alignment.source_size
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), (left + 1, top + 1), (width, height)).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _reduced(
    image: Image.Image, corners: NDArray[np.float64], alignment: Alignment
) -> tuple[Image.Image, NDArray[np.float64]]:
    """The photograph in a size at which four samples along a pixel of the result miss nothing of it."""
    factor = int(min(side / count for side, count in zip(alignment.sides, alignment.size, strict=True)) // 2)
    return (image.reduce(factor), corners / factor) if factor > 1 else (image, corners)


def _with_surroundings(image: Image.Image, corners: NDArray[np.float64]) -> tuple[Image.Image, NDArray[np.float64]]:
    """The part of the photograph that the corners need, mirrored outwards where they leave it."""
    left, top = np.floor(corners.min(axis=0)).astype(int) - 3
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 3
    if (right - left) * (bottom - top) > _MOST_PIXELS:
        raise ValueError(
            f"The part to cut out is {right - left}x{bottom - top} pixels; at most {_MOST_PIXELS:,} are allowed. "
            "Reduce the photograph first."
        )
    inside = (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise ValueError("The part to cut out lies outside of the photograph.")
    part = np.asarray(image.crop(inside))
    margins = [(inside[1] - top, bottom - inside[3]), (inside[0] - left, right - inside[2]), (0, 0)][: part.ndim]
    if any(max(margin) for margin in margins):
        part = np.pad(part, margins, mode="symmetric")
    return Image.fromarray(part), corners - (left, top)


def _check_size(image: Image.Image, alignment: Alignment) -> None:
    if (image.height, image.width) != alignment.source_size:
        height, width = alignment.source_size
        raise ValueError(
            f"The photograph is {image.width}x{image.height} pixels; this alignment is of one of {width}x{height}. "
            "Pass the photograph that the picture was cut out of."
        )


def _point(values: Any) -> Point:
    x, y = values
    return float(x), float(y)


def _size(values: Any) -> tuple[int, int]:
    height, width = values
    if type(height) is not int or type(width) is not int:
        raise ValueError(f"the size {values} is not two whole numbers")
    return height, width
