"""Whether a run is slower or larger than an older one by more than noise.

The rule. Speed is judged by each contestant's ratio to the baseline of its own run, since the same machine is faster or
slower from hour to hour: it regressed if the ratio fell by more than 10 %, or than the sum of both runs' A/A spreads
where that is more. Loading and the first picture of a process regressed if their 20th percentile lies more than 25 %
above the older 80th, memory if it grew by more than 10 %; these are judged only on the same machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wplus.benchmarks.rows import Row, read_csv

_RATIO_TOLERANCE = 0.10
_LOAD_TOLERANCE = 0.25
_MEMORY_TOLERANCE = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One sentence for each thing that got worse, and how many were compared."""

    compared: int
    regressions: tuple[str, ...]

    @property
    def is_worse(self) -> bool:
        """Whether anything regressed."""
        return bool(self.regressions)

    @property
    def text(self) -> str:
        """The verdict in words."""
        if not self.regressions:
            return f"No regression in {self.compared} measurements.\n"
        head = f"{len(self.regressions)} of {self.compared} measurements regressed:"
        return "\n".join([head, *(f"- {line}" for line in self.regressions)]) + "\n"


def compare(old: str | Path | Sequence[Row], new: Sequence[Row]) -> Comparison:
    """Judges the rows of a new run by those of an older one, or by its CSV file; the module says the rule.

    Raises:
        ValueError: the file is no table of ours, or the two runs measured nothing in common.
    """
    before = read_csv(old) if isinstance(old, (str, Path)) else old
    known = {row.key: row for row in before}
    pairs = [(known[row.key], row) for row in new if row.key in known and _is_judged(known[row.key], row)]
    if not pairs:
        raise ValueError(
            "The older run measured nothing that this one did. Compare runs of the same cases, batches and threads: "
            f"the older has {_what(before)}; this one {_what(new)}."
        )
    sentences = tuple(sentence for earlier, later in pairs if (sentence := _regression(earlier, later)))
    return Comparison(compared=len(pairs), regressions=sentences)


def _is_judged(old: Row, new: Row) -> bool:
    if new.metric in ("rate", "throughput"):
        return old.ratio is not None and new.ratio is not None and new.ratio_note != "reference"
    is_cost = _is_duration(new) or new.metric == "peak_memory"
    return is_cost and old.machine == new.machine


def _is_duration(row: Row) -> bool:
    return row.metric.startswith("load_") or row.metric == "first_picture"


def _regression(old: Row, new: Row) -> str:
    """What got worse, or nothing."""
    what = f"{new.case}, {new.implementation} {new.dtype}, batch {new.batch}: {new.metric}"
    if _is_duration(new):
        limit, found = old.p80 * (1 + _LOAD_TOLERANCE), new.p20
        return f"{what} takes {new.median:.2f} s; it took {old.median:.2f} s" if found > limit else ""
    if new.metric == "peak_memory":
        limit = old.median * (1 + _MEMORY_TOLERANCE)
        return f"{what} is {new.median:.0f} MiB; it was {old.median:.0f} MiB" if new.median > limit else ""
    assert old.ratio is not None
    assert new.ratio is not None
    tolerance = max(_RATIO_TOLERANCE, (old.spread or 0) + (new.spread or 0))
    if new.ratio >= old.ratio * (1 - tolerance):
        return ""
    return f"{what} is {new.ratio:.2f} times the reference; it was {old.ratio:.2f} (tolerance {tolerance:.0%})"


def _what(rows: Sequence[Row]) -> str:
    cases = sorted({f"{row.case} at batch {row.batch} with {row.threads} threads" for row in rows})
    return "; ".join(cases) or "nothing"
