"""Faces where a generator expects them: aligned as those of FFHQ are, from five points or three."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from wplus.errors import ArtifactError
from wplus.inversion.alignment import Alignment, Point

_FAR = 0.5  # how far outside of a photograph a point may lie, as a share of its longer side
_MOST_BYTES = 64_000_000  # of a file of landmarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """Points of a face, x to the right and y down, in pixels; [0, 0] is the middle of the top left pixel.

    Left and right are as seen in the picture: `left_eye` is the one further to the left of an upright face. An eye is
    its centre, the mouth the middle between its corners.

    Raises:
        ValueError: a number is not finite, or points are equal that must differ.
    """

    left_eye: Point
    right_eye: Point
    mouth: Point

    def __post_init__(self) -> None:
        for field in fields(self):
            if not all(math.isfinite(number) for number in getattr(self, field.name)):
                raise ValueError(f"{field.name} is {getattr(self, field.name)}; two finite numbers are needed.")
        middle = (self.left_eye[0] + self.right_eye[0]) / 2, (self.left_eye[1] + self.right_eye[1]) / 2
        if math.dist(self.left_eye, self.right_eye) < 1 or math.dist(middle, self.mouth) < 1:
            raise ValueError(
                f"The eyes {self.left_eye}, {self.right_eye} and the mouth {self.mouth} are less than a pixel apart; "
                "three different points of a face are needed."
            )
        across = self.right_eye[0] - self.left_eye[0], self.right_eye[1] - self.left_eye[1]
        down = self.mouth[0] - middle[0], self.mouth[1] - middle[1]
        if across[0] * down[1] - across[1] * down[0] <= 0:
            raise ValueError(
                f"The eyes {self.left_eye}, {self.right_eye} and the mouth {self.mouth} are those of a mirrored face: "
                "left_eye is the one further to the left in the picture. Exchange the eyes."
            )


def align(landmarks: Landmarks, *, source_size: tuple[int, int], size: tuple[int, int]) -> Alignment:
    """The square around a face that FFHQ would cut out, for a square picture of `size`; both are height and width.

    FFHQ's own pictures were blurred where the square leaves the photograph; here it is mirrored and stays sharp.

    Raises:
        ValueError: `size` is not square, or a point is far outside of the photograph.
    Source: Karras et al. 2019 (StyleGAN), appendix A; the constants are those of the data set.
    """
    if size[0] != size[1]:
        raise ValueError(f"Landmarks align a face in a square; this generator's pictures are {size[1]}x{size[0]}.")
    height, width = source_size
    far = _FAR * max(height, width)
    for field in fields(landmarks):
        x, y = getattr(landmarks, field.name)
        if not (-far <= x <= width + far and -far <= y <= height + far):
            raise ValueError(
                f"{field.name} is at {x:g}, {y:g}, far outside of the photograph of {width}x{height} pixels. Are the "
                "landmarks those of this photograph, turned as its EXIF says and in its full size?"
            )
    left, right, mouth = (np.array(getattr(landmarks, field.name)) for field in fields(landmarks))
    eyes = (left + right) / 2
    across, down = right - left, mouth - eyes
    x = across + np.array([down[1], -down[0]])  # the face's right: the eyes' line and the one across eyes and mouth
    x *= max(2.0 * math.hypot(*across), 1.8 * math.hypot(*down)) / math.hypot(*x)
    y = np.array([-x[1], x[0]])
    centre = eyes + 0.1 * down + 0.5  # of a pixel: from its middle to its corner
    first, second, third, fourth = (
        (float(corner[0]), float(corner[1]))
        for corner in (centre - x - y, centre - x + y, centre + x + y, centre + x - y)
    )
    return Alignment(quad=(first, second, third, fourth), size=size, source_size=source_size)


def read_landmarks(path: str | Path) -> Landmarks | dict[str, Landmarks]:
    """A JSON file's landmarks: of one picture, or of many by their files' names.

    One face is `{"left_eye": [x, y], "right_eye": [x, y], "mouth": [x, y]}`, or has `mouth_left` and `mouth_right`
    (and perhaps `nose`, which alignment does not use) in place of `mouth`; many are `{"file.jpg": {...}, ...}`.

    Raises:
        ArtifactError: the file cannot be read, or points are missing, equal or no numbers.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        values = json.loads(path.read_text(encoding="utf-8"))
        return parse_landmarks(values)
    except (OSError, ValueError, RecursionError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise ArtifactError(f"The landmarks in {path} cannot be used: {reason}") from exc


def parse_landmarks(values: Any) -> Landmarks | dict[str, Landmarks]:
    """What a file of landmarks says, from its parsed JSON.

    Raises:
        ValueError: points are missing, equal or no numbers.
    """
    if not isinstance(values, Mapping) or not values:
        raise ValueError('landmarks are an object: {"left_eye": [x, y], "right_eye": [x, y], "mouth": [x, y]}.')
    if not all(isinstance(face, Mapping) for face in values.values()):
        return _face(values)
    faces = {}
    for name, face in values.items():
        try:
            faces[str(name)] = _face(face)
        except ValueError as exc:
            raise ValueError(f"{name}: {exc}") from exc
    return faces


def _face(values: Mapping[str, Any]) -> Landmarks:
    corners = [values[name] for name in ("mouth_left", "mouth_right") if name in values]
    if "mouth" in values:
        mouth = _point("mouth", values["mouth"])
    elif len(corners) == 2:
        first, second = _point("mouth_left", corners[0]), _point("mouth_right", corners[1])
        mouth = (first[0] + second[0]) / 2, (first[1] + second[1]) / 2
    else:
        raise ValueError(f"there is no mouth: give mouth, or mouth_left and mouth_right. {_what_is_there(values)}")
    for name in ("left_eye", "right_eye"):
        if name not in values:
            raise ValueError(f"{name} is missing. {_what_is_there(values)}")
    return Landmarks(
        left_eye=_point("left_eye", values["left_eye"]), right_eye=_point("right_eye", values["right_eye"]), mouth=mouth
    )


def _what_is_there(values: Mapping[str, Any]) -> str:
    return f"The file has {', '.join(map(str, list(values)[:8])) or 'nothing'}."


def _point(name: str, value: Any) -> Point:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{name} is {str(value)[:80]}; [x, y] is needed.")
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in value):
        raise ValueError(f"{name} is {str(value)[:80]}; two numbers are needed.")
    try:
        return float(value[0]), float(value[1])
    except OverflowError as exc:
        raise ValueError(f"{name} is beyond all numbers.") from exc
