"""A committed CSV file in short, as README has it: exact and fast ratios side by side, losses, and other costs."""

import math
from collections.abc import Sequence
from pathlib import Path

from wplus.benchmarks.contestants import BASELINE
from wplus.benchmarks.markdown import circumstances_of, number, table
from wplus.benchmarks.rows import MOST_EXCESS, NO_DIFFERENCE, Row, read_csv

_REFERENCE = BASELINE.implementation
_COSTS = {
    "export": "export with certificate, s",
    "load_safetensors": "load .safetensors, s",
    "load_pkl": "load .pkl, s",
    "load_bundle": "load the bundle, s",
    "first_picture": "first picture of a fresh process, s",
    "copy_out": "copy-out to bytes, ms a batch",
    "peak_memory": "peak memory, MiB",
}


def summary(path: str | Path) -> str:
    """The tables of a CSV file, in Markdown."""
    rows = read_csv(path)
    rates = [row for row in rows if row.metric == "rate"]
    exact, fast = ([row for row in rates if (row.dtype == "float32") == is_exact] for is_exact in (True, False))
    parts = [
        "Exact: float32, how many times as fast as NVIDIA's formulation, the best in bold.",
        _ratio_table(exact, rows),
        fast
        and "Fast: bfloat16, how many times as fast as NVIDIA's formulation in float32 (in brackets: as the same "
        "formulation in bfloat16), and how far the pictures are from the exact ones.",
        _ratio_table(fast, rows),
        _losses(rates),
        _doubts(rates),
        _cost_table(rows),
        _sampling(rows),
        f"Measured on {circumstances_of(rows[0])}.",
    ]
    return "\n\n".join(part for part in parts if part)


def _ratio_table(rates: Sequence[Row], rows: Sequence[Row]) -> str:
    """A line for each network and batch size, a column for each implementation, and the best with its rate."""
    names = list(dict.fromkeys(row.implementation for row in rates))
    lines = []
    for case, batch in dict.fromkeys((row.case, row.batch) for row in rates):
        cells = {row.implementation: row for row in rates if (row.case, row.batch) == (case, batch)}
        ours = [row for row in cells.values() if row.implementation != _REFERENCE and row.ratio is not None]
        best = max(ours, key=lambda row: row.ratio_float32 or row.ratio or 0, default=None)
        texts = [_cell(cells[name], is_best=cells[name] is best) if name in cells else "" for name in names]
        lines.append((case, str(batch), *texts, "" if best is None else _best(best, rows)))
    return table(("", "batch", *map(_short, names), "best"), lines)


def _cell(row: Row, *, is_best: bool) -> str:
    if row.ratio is None:
        return f"{number(row.median)} images/s"
    if row.dtype == "float32":
        if row.ratio_note == "reference":
            return f"{number(row.median)} images/s"
        text = f"{row.ratio:.2f} ×" + (f" ({NO_DIFFERENCE})" if row.ratio_note else "")
    else:
        across = "" if row.ratio_float32 is None else f"{row.ratio_float32:.2f} × "
        text = f"{across}({'reference' if row.ratio_note == 'reference' else f'{row.ratio:.2f} ×'})"
        text += "" if row.psnr_db is None or math.isinf(row.psnr_db) else f", {row.psnr_db:.0f} dB"
    return f"**{text}**" if is_best else text


def _best(row: Row, rows: Sequence[Row]) -> str:
    key = (*row.key[:-1], "share_of_matrix_product")
    share = next((f", {other.median:.0f} % of the ceiling" for other in rows if other.key == key), "")
    return f"{_short(row.implementation)}, {number(row.median)} images/s{share}"


def _losses(rates: Sequence[Row]) -> str:
    """What is slower than NVIDIA's formulation in its own type or in float32."""
    losses = [
        f"{_short(row.implementation)} {row.dtype} on {row.case} at batch {row.batch}"
        for row in rates
        if row.implementation != _REFERENCE
        and min(row.ratio or math.inf, row.ratio_float32 or math.inf) < 1 - (row.spread or 0)
    ]
    return f"Slower than NVIDIA's formulation, in the same type or in float32: {'; '.join(losses) or 'none'}."


def _doubts(rates: Sequence[Row]) -> str:
    """Which measurements do not count."""
    cells = dict.fromkeys(f"{row.case} at batch {row.batch}" for row in rates if not row.counts)
    if not cells:
        return ""
    return f"Not to be counted, the baseline's median lying over {MOST_EXCESS:.0%} above its best: {'; '.join(cells)}."


def _cost_table(rows: Sequence[Row]) -> str:
    """A line for each cost and implementation in float32, a column for each network."""
    costs = [row for row in rows if row.metric in _COSTS and row.dtype == "float32"]
    cases = list(dict.fromkeys(row.case for row in rows if row.metric == "rate"))
    found = {(row.metric, row.implementation, row.case): row for row in costs}
    kinds = dict.fromkeys((row.metric, row.implementation) for row in costs if row.case in cases)
    lines = []
    for metric, name in sorted(kinds, key=lambda kind: list(_COSTS).index(kind[0])):
        texts = [number(found[metric, name, case].median) if (metric, name, case) in found else "" for case in cases]
        lines.append((_COSTS[metric], _short(name), *texts))
    return table(("", "", *cases), lines)


def _sampling(rows: Sequence[Row]) -> str:
    """Peak memory of sampling many pictures."""
    cases = {row.case for row in rows if row.metric == "rate"}
    peaks = [f"{row.case} {number(row.median)} MiB" for row in rows if row.case not in cases]
    return f"Peak memory of sampling: {'; '.join(peaks)}." if peaks else ""


def _short(name: str) -> str:
    return "NVIDIA's formulation" if name == _REFERENCE else name.removeprefix("wplus ")
