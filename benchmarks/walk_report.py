"""The tables of the benchmark of walks."""

from collections.abc import Sequence
from typing import Final

from wplus.benchmarks.markdown import circumstances_of, number, table
from wplus.benchmarks.report import quietness, speed_table
from wplus.benchmarks.rows import MOST_EXCESS, Row

BARS: Final = {256: 4.0, 1024: 12.0}  # ms a frame that all stages but a sleeping network may take, at p95
RACE_BAR: Final = 4.0  # times as many frames a second as today's way in float32
BESIDES: Final = "all but the network"
PERCENTILES: Final = ("p50", "p95", "p99")


def tables(rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """Markdown: what was measured on what, then a table a part."""
    if not rows:
        return "\n\n".join(["Nothing was measured.", *(f"Note: {note}" for note in notes)]) + "\n"
    parts = [f"{circumstances_of(rows[0])}; {rows[0].threads} threads"]
    if text := files_table(rows):
        parts += ["## Rendering to a file", text]
    if text := live_tables(rows):
        parts += ["## Live", text]
    if raced := [row for row in rows if row.case.startswith("video, ")]:
        parts += ["## Against what is done today", speed_table(raced), quietness(raced), race_verdict(raced)]
    restless = {
        row.case: row.baseline_excess or 0.0 for row in rows if not row.counts and row.metric in ("frame", *PERCENTILES)
    }
    parts += [
        f"Note: The times of {case} **do not count**: the network's median lies {share:.0%} above its best, and up to "
        f"{MOST_EXCESS:.0%} is quiet."
        for case, share in restless.items()
    ]
    parts += [f"Note: {note}" for note in notes]
    return "\n\n".join(parts) + "\n"


def files_table(rows: Sequence[Row]) -> str:
    """A line a stage and file; empty if no file was rendered."""
    lines = []
    for row in rows:
        if row.metric != "frame":
            continue
        beside = {other.metric: other for other in rows if other.key[:-1] == row.key[:-1]}
        cpu = number(beside["frame_cpu"].median) if "frame_cpu" in beside else ""
        share = f"{beside['share_of_bound'].median:.1f} %" if "share_of_bound" in beside else ""
        wall = f"{number(row.median)} ({number(row.p20)} to {number(row.p80)})"
        lines.append((row.case, row.implementation, row.dtype, wall, cpu, share))
    return table(("", "", "dtype", "ms a frame (p20 to p80)", "CPU ms a frame", "of the bound"), lines)


def live_tables(rows: Sequence[Row]) -> str:
    """A table a show, with the bar where there is one; empty if nothing was shown."""
    parts = []
    for case, side in dict.fromkeys((row.case, row.resolution) for row in rows if row.metric in PERCENTILES):
        shown = [row for row in rows if (row.case, row.resolution) == (case, side)]
        lines = []
        for name in dict.fromkeys(row.implementation for row in shown if row.metric in PERCENTILES):
            values = {row.metric: number(row.median) for row in shown if row.implementation == name}
            lines.append((name, *(values.get(percentile, "") for percentile in PERCENTILES)))
        others = "; ".join(
            f"{row.implementation.split(': ')[-1]}: {number(row.median)} {row.unit}".rstrip()
            for row in shown
            if row.metric not in PERCENTILES
        )
        text = table(("ms a frame", *PERCENTILES), lines)
        parts.append(f"### {case}, {side} px\n\n{text}\n\n{others}.{live_verdict(shown)}")
    return "\n\n".join(parts)


def live_verdict(rows: Sequence[Row]) -> str:
    """Whether the stages besides a sleeping network keep to the bar; nothing of a real one."""
    for row in rows:
        if row.metric == "p95" and row.implementation == f"wplus asleep: {BESIDES}" and row.resolution in BARS:
            bar = BARS[row.resolution]
            kept = "kept" if row.median <= bar else "**not kept**"
            return f" The bar of {bar:g} ms at p95 is {kept}: {number(row.median)} ms."
    return ""


def race_verdict(rows: Sequence[Row]) -> str:
    """Whether the fastest of ours reaches the bar."""
    ratios = [row.ratio_float32 or row.ratio or 0.0 for row in rows if row.implementation.startswith("wplus")]
    if not ratios:
        return ""
    kept = "reached" if max(ratios) >= RACE_BAR else "**not reached**"
    return f"The bar of {RACE_BAR:g} times today's frames a second, which is float32's, is {kept}: {max(ratios):.2f}."
