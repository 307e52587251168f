"""Curves as an SVG file: panels side by side, both axes logarithmic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from wplus.files import whole_file

_WIDTH, _HEIGHT = 420, 320  # of a panel
_LEFT, _TOP, _RIGHT, _BOTTOM = 62, 34, 12, 44  # around its field
_COLOURS = ("#c1432e", "#7a7a7a", "#2563a8", "#3a8f4d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points of positive numbers, under a name."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Curves that share axes."""

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    level: float | None = None  # a dashed line across


def draw_curves(path: str | Path, panels: Sequence[Panel]) -> None:
    """Writes panels, each with its own axes, from left to right."""
    width = _WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{_HEIGHT}" fill="white"/>',
    ]
    for index, panel in enumerate(panels):
        parts += [f'<g transform="translate({index * _WIDTH} 0)">', *_panel(panel), "</g>"]
    with whole_file(path) as temporary:
        temporary.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def ticks(low: float, high: float) -> list[float]:
    """Powers of ten from `low` to `high`, and where those are fewer than three also their double and fivefold."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5)):
        found = [factor * 10.0**decade for decade in decades for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) >= 3:
            break
    return found


def _panel(panel: Panel) -> list[str]:
    points = [point for curve in panel.curves for point in curve.points]
    bounds = [(min(values), max(values)) for values in zip(*points, strict=True)]
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + _share(value, *bounds[0]) * (right - _LEFT)

    def y(value: float) -> float:
        return bottom - _share(value, *bounds[1]) * (bottom - _TOP)

    parts = [f'<text x="{_LEFT}" y="20" font-size="13">{escape(panel.title)}</text>']
    for value in ticks(*bounds[0]):
        parts.append(f'<path d="M{x(value):.1f} {_TOP}V{bottom}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x(value):.1f}" y="{bottom + 15}" text-anchor="middle">{value:g}</text>')
    for value in ticks(*bounds[1]):
        parts.append(f'<path d="M{_LEFT} {y(value):.1f}H{right}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(panel.x_label)}</text>')
    parts.append(
        f'<text transform="translate(14 {(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(panel.y_label)}</text>"
    )
    if panel.level is not None and bounds[1][0] <= panel.level <= bounds[1][1]:
        parts.append(f'<path d="M{_LEFT} {y(panel.level):.1f}H{right}" stroke="#222" stroke-dasharray="4 3"/>')
    for index, curve in enumerate(panel.curves):
        colour = _COLOURS[index % len(_COLOURS)]
        line = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in curve.points)
        parts.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        height = _TOP + 14 + 15 * index
        parts.append(
            f'<text x="{right - 6}" y="{height}" text-anchor="end" fill="{colour}">{escape(curve.name)}</text>'
        )
    return parts


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two, on a logarithmic scale."""
    return math.log(value / low) / math.log(high / low) if high > low else 0.5
