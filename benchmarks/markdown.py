"""Rows as Markdown: tables, numbers, and where they come from."""

import math
from collections.abc import Iterable, Sequence

from wplus.benchmarks.rows import Row


def circumstances_of(row: Row) -> str:
    """Machine with its instructions, versions, commit and date of a row."""
    commit = f", commit {row.commit}" if row.commit else ""
    return f"{row.machine} ({row.cpu_flags}); {row.versions}{commit}; {row.date}"


def table(header: Iterable[str], lines: Sequence[Iterable[str]]) -> str:
    """Nothing where there are no lines."""
    if not lines:
        return ""
    header = tuple(header)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *lines))


def number(value: float) -> str:
    """Three significant digits, without exponents."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
