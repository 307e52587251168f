"""What the benchmark of inversion found: tables of its rows, and its curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from wplus.benchmarks.curves import Curve, Panel, draw_curves
from wplus.benchmarks.inversion_race import Race, Trajectory
from wplus.benchmarks.markdown import circumstances_of, number, table
from wplus.benchmarks.rows import MOST_EXCESS, Row

_POINTS = 60  # of a curve


def tables(rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """Markdown: circumstances, then steps, race and quality as far as they were measured, then the notes."""
    if not rows:
        return "\n\n".join(["Nothing was measured.", *(f"Note: {note}" for note in notes)]) + "\n"
    parts = [f"{circumstances_of(rows[0])}; {rows[0].threads} threads"]
    for title, text in (
        ("One step: forward, backward, update", steps_table(rows)),
        ("Seconds to the loss that NVIDIA's procedure reaches in its 1000 steps", race_table(rows)),
        ("Pictures found again, default budget", quality_table(rows)),
    ):
        parts += [f"## {title}", text] if text else []
    parts += [f"Note: {note}" for note in [*_restlessness(rows), *notes]]
    return "\n\n".join(parts) + "\n"


def steps_table(rows: Sequence[Row]) -> str:
    """A line a contestant and network; empty if no steps were timed."""
    lines = []
    for row in rows:
        if row.metric != "step":
            continue
        beside = _beside(row, rows)
        peak = number(beside["peak_memory"].median) if "peak_memory" in beside else ""
        error = beside["gradient_error"].median
        gradient = "reference" if error == 0 else f"{error:.1e}"
        lines.append((row.case, row.implementation, row.dtype, _three(row), _ratio(row), peak, gradient))
    header = ("", "implementation", "dtype", "ms (p20 to p80)", "ratio", "peak MiB", "error of the gradient")
    return table(header, lines)


def race_table(rows: Sequence[Row]) -> str:
    """A line a contestant and kind of picture; empty if there was no race."""
    lines = []
    for row in rows:
        if row.metric != "seconds_to_loss":
            continue
        beside = _beside(row, rows)
        reached = f"{beside['reached'].median:.0f}" if "reached" in beside else "all, by definition"
        last = f"{beside['last_loss'].median:.4f}" if "last_loss" in beside else ""
        setup = number(beside["first_step"].median) if "first_step" in beside else ""
        lines.append((row.case, row.implementation, _three(row), _ratio(row), reached, setup, last))
    header = ("", "implementation", "s (p20 to p80)", "ratio", "reached", "s to the first step", "last loss, median")
    return table(header, lines)


def quality_table(rows: Sequence[Row]) -> str:
    """A line a method and task; empty if no pictures were looked for."""
    lines = []
    for row in rows:
        if row.metric != "psnr":
            continue
        beside = _beside(row, rows)
        psnr, least = f"{row.median:.1f}", f"{beside['least_psnr'].median:.1f}"
        ssim = f"{beside['ssim'].median:.3f}"
        lines.append((row.case, row.implementation, psnr, least, ssim, number(beside["seconds"].median)))
        if "grey_psnr" in beside:
            psnr, least = f"{beside['grey_psnr'].median:.1f}", f"{beside['least_grey_psnr'].median:.1f}"
            lines.append((f"{row.case}: the grey picture", row.implementation, psnr, least, "", ""))
    return table(("", "method", "PSNR, median dB", "least dB", "SSIM, median", "s a picture"), lines)


def draw_races(path: str | Path, races: Mapping[str, Sequence[Race]]) -> None:
    """The median loss over the pictures by seconds, as a multiple of the loss that NVIDIA's procedure reaches."""
    panels = []
    for origin, own in races.items():
        curves = {
            "NVIDIA's procedure in its formulation": [race.nvidia for race in own],
            "the same, wplus preset nvidia": [race.same for race in own],
            "wplus preset fast": [race.fast for race in own],
        }
        targets = [race.target_loss for race in own]
        panels.append(
            Panel(
                title=f"{origin} pictures, median of {len(own)}",
                x_label="seconds",
                y_label="loss / NVIDIA's after 1000 steps",
                curves=[Curve(name=name, points=median_curve(of, targets)) for name, of in curves.items()],
                level=1.0,
            )
        )
    draw_curves(path, panels)


def median_curve(trajectories: Sequence[Trajectory], targets: Sequence[float]) -> list[tuple[float, float]]:
    """The median over trajectories of the best loss so far by its target, from when all have one to the last's end."""
    start = max(float(one.seconds[0]) for one in trajectories)
    end = max(float(one.seconds[-1]) for one in trajectories)
    places = np.geomspace(start, max(end, start), _POINTS)
    curves = []
    for one, target in zip(trajectories, targets, strict=True):
        best = np.minimum.accumulate(one.losses) / target
        curves.append(best[np.searchsorted(one.seconds, places * (1 + 1e-9), side="right") - 1])
    return [(float(x), float(y)) for x, y in zip(places, np.median(curves, axis=0), strict=True)]


def _beside(row: Row, rows: Sequence[Row]) -> dict[str, Row]:
    """The rows of the same contestant and case, by metric."""
    return {other.metric: other for other in rows if other.key[:-1] == row.key[:-1]}


def _three(row: Row) -> str:
    return f"{number(row.median)} ({number(row.p20)} to {number(row.p80)})"


def _ratio(row: Row) -> str:
    if row.ratio is None or row.ratio_note == "reference":
        text = row.ratio_note
    else:
        spread = f"A/A ± {row.spread or 0:.0%}"
        text = f"{row.ratio_note} ({row.ratio:.2f}, {spread})" if row.ratio_note else f"{row.ratio:.2f} × ({spread})"
    return text if row.ratio_float32 is None else f"{text}; {row.ratio_float32:.2f} × the float32 reference"


def _restlessness(rows: Sequence[Row]) -> list[str]:
    """Which cases' times do not count, since something else was running."""
    cases = {row.case: row.baseline_excess or 0.0 for row in rows if not row.counts}
    return [
        f"The times of {case} **do not count**: the baseline's median lies {share:.0%} above its best, and up to "
        f"{MOST_EXCESS:.0%} is quiet."
        for case, share in cases.items()
    ]
