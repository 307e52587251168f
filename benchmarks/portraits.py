"""Procedural portraits: what `demo:portraits` was taught to draw, and pictures like them that it never saw.

Shapes are signed distances, so that edges are smooth at any size; everything is PyTorch, without training.
"""

import torch
from torch import Tensor
from torch.nn import functional

Attributes = dict[str, Tensor]
"""By name, `[N]` each."""

NAMES = (
    *("smile", "mouth_open", "yaw", "pitch", "skin", "hair_len", "hair_hue", "hair_light", "eye_size", "eye_open"),
    *("brow", "face_width", "glasses", "blush", "bg_hue", "light", "age"),
)

_SIDES = (-1, 1)  # left and right of a face
_PALE, _DARK = (0.98, 0.86, 0.76), (0.36, 0.22, 0.15)
_CHEEK, _LIPS = (0.93, 0.42, 0.42), (0.70, 0.22, 0.25)


def random_attributes(count: int, generator: torch.Generator | None = None) -> Attributes:
    """Attributes of portraits, each uniform in its range."""
    u = {name: torch.rand(count, generator=generator) for name in NAMES}
    signed = {name: u[name] * 2 - 1 for name in ("smile", "yaw", "pitch", "eye_size", "brow", "face_width", "light")}
    return {
        **{name: u[name] for name in ("skin", "hair_len", "hair_hue", "hair_light", "blush", "age")},
        **signed,
        "mouth_open": (u["mouth_open"] * 1.6 - 0.6).clamp(min=0),
        "yaw": signed["yaw"] * 0.6,
        "pitch": signed["pitch"] * 0.4,
        "eye_open": (u["eye_open"] * 1.3).clamp(max=1),
        "glasses": ((u["glasses"] - 0.7) * 12 + 0.5).clamp(0, 1),
        "bg_hue": 0.12 + 0.8 * u["bg_hue"],
    }


def render(a: Attributes, *, size: int = 128, samples: int = 2) -> Tensor:
    """Pictures `[N, 3, size, size]`, float32 in [-1, 1], of attributes; `samples` a side of each pixel are averaged."""
    canvas = _Canvas(a, size * samples)
    skin = _mix(torch.tensor(_PALE)[None], torch.tensor(_DARK)[None], a["skin"][:, None] ** 1.1)
    hair = _hair(a)
    _draw_behind(canvas, a, skin, hair)
    _draw_head(canvas, a, skin)
    _draw_eyes(canvas, a, skin, hair)
    _draw_nose_and_mouth(canvas, a, skin)
    _draw_wrinkles(canvas, a, skin)
    _draw_fringe(canvas, a, hair)
    return functional.avg_pool2d(canvas.img, samples).clamp(0, 1) * 2 - 1


class _Canvas:
    """Pictures `[N, 3, side, side]` in [0, 1] that are painted over; places are -1 to 1, x to the right and y down."""

    def __init__(self, a: Attributes, side: int) -> None:
        self.count = len(a["smile"])
        axis = (torch.arange(side) + 0.5) / side * 2 - 1
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        self.x, self.y = x[None], y[None]
        self.one = torch.ones(self.count)
        self._edge = 2.0 / side
        top = _hsv(a["bg_hue"], self.one * 0.35, self.one * 0.92)
        bottom = _hsv((a["bg_hue"] + 0.08) % 1, self.one * 0.55, self.one * 0.62)
        down = ((self.y + 1) / 2).expand(self.count, -1, -1)[:, None]
        self.img = _mix(top[:, :, None, None], bottom[:, :, None, None], down)
        self.face_x, self.face_y = 0.06 * a["yaw"], 0.05 + 0.03 * a["pitch"]
        self.face_width, self.face_height = 0.46 + 0.06 * a["face_width"], 0.60 * self.one
        self.feature_x = self.face_x + 0.16 * a["yaw"]  # the middle of eyes and mouth, which move with the pose
        self.feature_y = self.face_y + 0.10 * a["pitch"]

    def ellipse(self, cx: Tensor, cy: Tensor, rx: Tensor, ry: Tensor) -> Tensor:
        """Signed distance `[N, side, side]`, about."""
        x, y = (self.x - _spread(cx)) / _spread(rx), (self.y - _spread(cy)) / _spread(ry)
        distance: Tensor = (torch.sqrt(x**2 + y**2 + 1e-9) - 1) * torch.minimum(_spread(rx), _spread(ry))
        return distance

    def cover(self, distance: Tensor) -> Tensor:
        """How much of each sample is inside, `[N, 1, side, side]`."""
        return (0.5 - distance / self._edge).clamp(0, 1)[:, None]

    def paint(self, colour: Tensor, cover: Tensor) -> None:
        """Over what is there: a colour `[N, 3]`, or one a sample."""
        wide = colour[:, :, None, None] if colour.dim() == 2 else colour
        self.img = self.img * (1 - cover) + wide * cover

    def grey(self, level: float) -> Tensor:
        return torch.full((self.count, 3), level)

    def colour(self, rgb: tuple[float, float, float]) -> Tensor:
        return torch.tensor([rgb]).expand(self.count, 3)


def _hair(a: Attributes) -> Tensor:
    """Its colour `[N, 3]`, which turns grey with age."""
    light, grey = a["hair_light"], ((a["age"] - 0.7) / 0.3).clamp(0, 1)
    hair = _hsv(a["hair_hue"] * 0.12 + 0.02, 0.75 - 0.35 * light, 0.16 + 0.7 * light)
    return _mix(hair, torch.full_like(hair, 0.8), grey[:, None] * 0.85)


def _draw_behind(canvas: _Canvas, a: Attributes, skin: Tensor, hair: Tensor) -> None:
    """What the head covers: hair, shoulders, neck."""
    one, cx, cy = canvas.one, canvas.face_x, canvas.face_y
    falls = canvas.ellipse(
        cx * 0.5, cy - 0.10 + 0.28 * a["hair_len"], canvas.face_width + 0.12, 0.58 + 0.42 * a["hair_len"]
    )
    canvas.paint(hair * 0.8, canvas.cover(falls))
    shirt = _hsv((a["bg_hue"] + 0.5) % 1, one * 0.55, one * 0.55)
    canvas.paint(shirt, canvas.cover(canvas.ellipse(one * 0, 1.18 * one, 0.80 * one, 0.42 * one)))
    canvas.paint(skin * 0.82, canvas.cover(canvas.ellipse(cx * 0.4, 0.66 * one, 0.17 * one, 0.26 * one)))


def _draw_head(canvas: _Canvas, a: Attributes, skin: Tensor) -> None:
    """Face with its shading, ears, blush."""
    one, cx, cy, width = canvas.one, canvas.face_x, canvas.face_y, canvas.face_width
    face = canvas.ellipse(cx, cy, width, canvas.face_height)
    shade = 1 + 0.22 * (_spread(a["light"]) * canvas.x)[:, None] - 0.10 * (canvas.y**2)[:, None]
    canvas.paint((skin[:, :, None, None] * shade).clamp(0, 1), canvas.cover(face))
    for side in _SIDES:
        ear = canvas.ellipse(cx * 0.4 + side * (width + 0.005), cy + 0.02, 0.07 * one, 0.13 * one)
        canvas.paint(skin * 0.88, canvas.cover(ear) * (1 - canvas.cover(face)))
    for side in _SIDES:
        x, y = canvas.x - _spread(canvas.feature_x + side * 0.24), canvas.y - _spread(canvas.feature_y + 0.20)
        blush = torch.exp(-((x**2 + y**2) / 0.014)) * _spread(a["blush"]) * 0.45
        canvas.paint(canvas.colour(_CHEEK), blush[:, None])


def _draw_eyes(canvas: _Canvas, a: Attributes, skin: Tensor, hair: Tensor) -> None:
    """Eyes, brows, glasses."""
    one, glasses = canvas.one, a["glasses"][:, None, None, None]
    size, opening = 0.085 + 0.022 * a["eye_size"], 0.25 + 0.75 * a["eye_open"]
    iris = _hsv(a["hair_hue"] * 0.5 + 0.1, one * 0.55, 0.30 + 0.3 * (1 - a["skin"]))
    for side in _SIDES:
        x, y = canvas.feature_x + side * (0.19 - 0.03 * a["yaw"].abs() * 1.0), canvas.feature_y - 0.06
        shape = canvas.ellipse(x, y, size * 1.15, size * opening)
        eye, gaze = canvas.cover(shape), x + 0.02 * a["yaw"]
        canvas.paint(canvas.grey(0.97), eye)
        canvas.paint(iris, eye * canvas.cover(canvas.ellipse(gaze, y, size * 0.62, size * 0.62)))
        canvas.paint(canvas.grey(0.05), eye * canvas.cover(canvas.ellipse(gaze, y, size * 0.32, size * 0.32)))
        canvas.paint(skin * 0.35, canvas.cover(shape.abs() - 0.012) * (canvas.y < _spread(y))[:, None].float())
        height = y - size - 0.07 - 0.02 * a["brow"].abs()
        tilt = _spread(a["brow"] * 0.35) * (canvas.x - _spread(x)) * side * -1
        brow = (canvas.y - _spread(height) - tilt).abs() - 0.020
        canvas.paint(hair * 0.6, canvas.cover(torch.maximum(brow, (canvas.x - _spread(x)).abs() - 0.11)))
        ring = canvas.ellipse(x, y + 0.01, 0.150 * one, 0.135 * one).abs() - 0.014
        canvas.paint(canvas.grey(0.12), canvas.cover(ring) * glasses)
    across = (canvas.x - _spread(canvas.feature_x)).abs() - 0.045
    bridge = torch.maximum((canvas.y - _spread(canvas.feature_y - 0.06)).abs() - 0.012, across)
    canvas.paint(canvas.grey(0.12), canvas.cover(bridge) * glasses)


def _draw_nose_and_mouth(canvas: _Canvas, a: Attributes, skin: Tensor) -> None:
    """The mouth is a band around a parabola, with teeth where it is open."""
    one = canvas.one
    nose = canvas.ellipse(canvas.feature_x + 0.05 * a["yaw"], canvas.feature_y + 0.12, 0.045 * one, 0.06 * one)
    canvas.paint(skin * 0.80, canvas.cover(nose) * 0.75)
    width, x = 0.17 + 0.03 * a["smile"], canvas.x - _spread(canvas.feature_x)
    along = x / _spread(width)
    curve = _spread(canvas.feature_y + 0.32) + _spread(a["smile"] * 0.075) * (1 - 2 * along**2)
    opening, narrowing = 0.016 + 0.075 * a["mouth_open"], (1 - along**2).clamp(min=0)
    away = (canvas.y - curve).abs()
    lips = torch.maximum(away - _spread(opening) * narrowing - 0.012, x.abs() - _spread(width))
    canvas.paint(_mix(canvas.colour(_LIPS), skin * 0.4, 0.35), canvas.cover(lips))
    teeth = torch.maximum(away - (_spread(opening) - 0.02) * narrowing, x.abs() - _spread(width) * 0.85)
    canvas.paint(canvas.grey(0.93), canvas.cover(teeth) * ((_spread(opening) > 0.03).float())[:, None])


def _draw_wrinkles(canvas: _Canvas, a: Attributes, skin: Tensor) -> None:
    age = ((a["age"] - 0.6) / 0.4).clamp(0, 1)
    x = canvas.x - _spread(canvas.feature_x)
    for row in (0, 1):
        line = canvas.y - _spread(canvas.feature_y - 0.30 - 0.055 * row) - 0.05 * x**2
        wrinkle = torch.maximum(line.abs() - 0.008, x.abs() - 0.17)
        canvas.paint(skin * 0.72, canvas.cover(wrinkle) * age[:, None, None, None])


def _draw_fringe(canvas: _Canvas, a: Attributes, hair: Tensor) -> None:
    cx, cy = canvas.face_x, canvas.face_y
    skull = canvas.ellipse(cx, cy - 0.05, canvas.face_width + 0.05, canvas.face_height + 0.04)
    parting = (canvas.x - _spread(cx + 0.12 * a["yaw"])) ** 2
    below = canvas.y - _spread(cy - 0.30 + 0.03 * a["yaw"]) + 0.22 * parting
    canvas.paint(hair, canvas.cover(torch.maximum(skull, below)))


def _spread(values: Tensor) -> Tensor:
    """`[N]` as `[N, 1, 1]`."""
    return values[:, None, None]


def _mix(first: Tensor, second: Tensor, share: Tensor | float) -> Tensor:
    return first + (second - first) * share


def _hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Colours `[N, 3]` in [0, 1]."""
    k = torch.stack([(hue * 6 + offset) % 6 for offset in (5.0, 3.0, 1.0)], 1)
    return value[:, None] - (value * saturation)[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)
