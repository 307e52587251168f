"""Up-sampling, leaky ReLU and down-sampling of one piece of a picture, without a multiplication by an inserted zero.

A filter over a picture with zeros inserted is one short filter for each phase of the output. Rows are put together from
their phases. Columns stay apart, a picture a phase, and the down-sampling filter, cut into phases likewise, adds them
up. The picture is worked on in pieces, so that what lies between them never takes much memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Numbers of the up-sampled picture in a piece: 32 MiB in float32. Smaller ones are up to 15 % faster on idle cores, but
# every operation ends in a barrier, and where others use a core each barrier may wait for a time slice.
_NUMBERS = 2**23
_CHANNELS = 32  # in a piece, where the up-sampled picture is large; a multiple of what a vector register holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What happens to rows, or to columns."""

    up: int
    down: int  # a divisor or a multiple of `up`
    before: int  # padding of the up-sampled picture
    inner: int  # size of the up-sampled, filtered picture
    down_taps: int

    @property
    def out(self) -> int:
        """Size of the result."""
        return (self.inner - self.down_taps) // self.down + 1

    def place(self, outputs: range) -> range:
        """Where the up-sampled picture is that some of the result depend on."""
        return range(outputs.start * self.down, (outputs.stop - 1) * self.down + self.down_taps)

    def needed(self, outputs: range, up_taps: int) -> range:
        """The part of the input that some of the result depend on; it may reach into the zeros around it."""
        place = self.place(outputs)
        start = -((self.before - place.start) // self.up)
        return range(start, (place.stop + up_taps - 2 - self.before) // self.up + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done; taps are correlated with."""

    rows: Axis
    columns: Axis
    up_taps: Tensor  # [taps], at least `up` of them
    down_taps: Tensor  # [taps] or [height, width], at least `up` of them
    slope: float
    limits: tuple[float, float] | None  # of what goes into the leaky ReLU


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some samples and channels, some rows of the result, and the part of the input that they depend on."""

    samples: slice
    channels: slice
    outputs: range
    rows: range
    columns: range

    def of(self, y: Tensor) -> Tensor:
        """This piece of the result, a view."""
        return y[self.samples, self.channels, self.outputs.start : self.outputs.stop]

    def cut(self, x: Tensor) -> Tensor:
        """A copy of the part of the input, with the zeros around it, channels last."""
        rows, above, below = _inside(self.rows, x.shape[2])
        columns, left, right = _inside(self.columns, x.shape[3])
        part = F.pad(x[self.samples, self.channels, rows, columns], (left, right, above, below))
        return part.contiguous(memory_format=torch.channels_last)

    def add(self, x: Tensor, part: Tensor) -> None:
        """Adds to the input what `cut` would take from there."""
        rows, above, _ = _inside(self.rows, x.shape[2])
        columns, left, _ = _inside(self.columns, x.shape[3])
        place = x[self.samples, self.channels, rows, columns]
        place += part[:, :, above : above + place.shape[2], left : left + place.shape[3]]


def pieces(plan: Plan, samples: int, channels: int) -> Iterator[Piece]:
    """The whole result, piece by piece."""
    row = plan.columns.inner
    plane = plan.rows.inner * row
    width = max(_CHANNELS, _NUMBERS // plane // _CHANNELS * _CHANNELS)
    height = max(1, (_NUMBERS // (_CHANNELS * row) - plan.rows.down_taps) // plan.rows.down)
    columns = plan.columns.needed(range(plan.columns.out), len(plan.up_taps))
    for some in _split(samples, max(1, _NUMBERS // (plane * channels))):
        for group in _split(channels, width):
            for outputs in _split(plan.rows.out, plan.rows.out if width > _CHANNELS else height):
                yield Piece(
                    samples=slice(some.start, some.stop),
                    channels=slice(group.start, group.stop),
                    outputs=outputs,
                    rows=plan.rows.needed(outputs, len(plan.up_taps)),
                    columns=columns,
                )


def filter_piece(x: Tensor, y: Tensor, plan: Plan, piece: Piece) -> None:
    """Writes a piece of the result.

    Args:
        x: What `piece.cut` gave.
        y: Where to write, the shape of `piece.of(result)`.
    """
    up, down = plan.columns.up, plan.columns.down
    steps, stride = max(up // down, 1), max(down // up, 1)  # phases of the result's columns; stride within a phase
    sums: list[Tensor | None] = [None] * steps
    x = _up_rows(x, plan, piece)
    for phase, (taps, first) in enumerate(_phases(plan.up_taps, up, plan.columns.before + piece.columns.start * up)):
        z = _depthwise(x[..., first:], taps[None])
        if plan.limits is not None:
            z.clamp_(*plan.limits)
        z = F.leaky_relu_(z, plan.slope)
        for step in range(min(steps, y.shape[3])):
            # Column `step + steps * i` of the result meets the taps that lie on this phase.
            late = max(0, -((phase - down * step) // up))
            taps = plan.down_taps[..., phase - down * step + up * late :: up]
            is_flat = taps.ndim == 1
            part = _depthwise(z[..., late:], taps[None] if is_flat else taps, (1 if is_flat else down, stride))
            part = part[..., : -(-(y.shape[3] - step) // steps)]
            total = sums[step]
            sums[step] = part if total is None else total.add_(part)
    for step, total in enumerate(sums):
        if total is not None:
            if plan.down_taps.ndim == 1:
                total = _depthwise(total, plan.down_taps[:, None], (down, 1))
            y[..., step::steps] = total


def _up_rows(x: Tensor, plan: Plan, piece: Piece) -> Tensor:
    """The rows of the up-sampled picture, at x's columns."""
    up, place = plan.rows.up, plan.rows.place(piece.outputs)
    phases = _phases(plan.up_taps, up, plan.rows.before - place.start + piece.rows.start * up)
    if up == 1:
        return _depthwise(x, plan.up_taps[:, None])
    size = (*x.shape[:2], len(place), x.shape[3])
    y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    for phase, (taps, first) in enumerate(phases):
        count = len(range(phase, len(place), up))
        if count:
            y[:, :, phase::up] = _depthwise(x[:, :, first : first + count + len(taps) - 1], taps[:, None])
    return y


def _phases(taps: Tensor, up: int, before: int) -> list[tuple[Tensor, int]]:
    """For each phase of an up-sampled line: the taps that meet samples, and the first sample that they meet."""
    shifts = [(before - phase) % up for phase in range(up)]
    return [(taps[shift::up], (phase + shift - before) // up) for phase, shift in enumerate(shifts)]


def _depthwise(x: Tensor, kernel: Tensor, stride: tuple[int, int] = (1, 1)) -> Tensor:
    """Every channel correlated with one kernel."""
    channels = x.shape[1]
    return F.conv2d(x, kernel.expand(channels, 1, *kernel.shape), stride=stride, groups=channels)


def _split(total: int, size: int) -> list[range]:
    """`total` in runs of `size`; a short rest goes to the last run."""
    count = max(1, round(total / size))
    return [range(i * size, total if i == count - 1 else (i + 1) * size) for i in range(count)]


def _inside(span: range, size: int) -> tuple[slice, int, int]:
    """The part of a span that lies inside `size`, and the lengths of what lies before and behind it."""
    before = min(len(span), max(0, -span.start))
    inside = max(0, min(span.stop, size) - max(span.start, 0))
    start = max(span.start, 0)
    return slice(start, start + inside), before, len(span) - before - inside
