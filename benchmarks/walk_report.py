"""The tables of the benchmark of walks."""

from collections.abc import Sequence

from wplus.benchmarks.markdown import circumstances_of, number, table
from wplus.benchmarks.rows import MOST_EXCESS, Row


def tables(rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """Markdown: what was measured on what, then a table a part."""
    if not rows:
        return "\n\n".join(["Nothing was measured.", *(f"Note: {note}" for note in notes)]) + "\n"
    parts = [f"{circumstances_of(rows[0])}; {rows[0].threads} threads"]
    if text := files_table(rows):
        parts += ["## Rendering to a file", text]
    restless = {row.case: row.baseline_excess or 0.0 for row in rows if not row.counts}
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
