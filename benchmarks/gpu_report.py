"""What a GPU benchmark found, as Markdown."""

from collections.abc import Sequence

from wplus.benchmarks.gpu_contestants import BASELINE
from wplus.benchmarks.gpu_ops import BACKWARD, FORWARD, REFERENCE, TRITON
from wplus.benchmarks.markdown import circumstances_of, number, table
from wplus.benchmarks.rows import Row

_NVLABS = "nvlabs"
_DIRECTIONS = {FORWARD: "forward", BACKWARD: "forward and backward"}


def markdown(rows: Sequence[Row], notes: Sequence[str], checks: Sequence[str]) -> str:
    """Where it was, what was checked, bounds, operators, networks, notes.

    Args:
        rows: As the CSV has them.
        notes: Sentences.
        checks: A sentence for each kind of check.
    """
    parts = ["# Measured on a GPU", circumstances_of(rows[0]) if rows else "Nothing was measured."]
    parts += ["## Correctness", "\n".join(f"- {check}" for check in checks)] if checks else []
    if bounds := [row for row in rows if row.metric in ("copy_rate", "matrix_product")]:
        lines = [(row.implementation, row.dtype, f"{number(row.median)} {row.unit}") for row in bounds]
        parts += ["## Bounds", table(("", "dtype", "median"), lines)]
    if operators := _operators(rows):
        parts += ["## Operators", "The GPU's own time; launches were queued ahead.", operators]
    for case in dict.fromkeys(row.case for row in rows if row.metric == "rate"):
        inside = [row for row in rows if row.case == case]
        parts += [f"## {case}", "What a caller sees, launches included.", _network(inside)]
        if not any(row.implementation.startswith(_NVLABS) for row in inside):
            parts.append("NVIDIA's own code: not measured. Name a checkout: --nvlabs PATH.")
    parts += [f"Note: {note}" for note in notes]
    return "\n\n".join(parts) + "\n"


def _operators(rows: Sequence[Row]) -> str:
    """A line for each operator, direction and type."""
    found = {(row.case, row.dtype, row.metric, row.implementation): row for row in rows if row.metric in _DIRECTIONS}
    lines = []
    for (case, dtype, metric, implementation), row in found.items():
        slow = found.get((case, dtype, metric, REFERENCE))
        if implementation == TRITON and slow is not None:
            times = (number(slow.median), f"{number(row.median)} ({number(row.p20)} to {number(row.p80)})")
            lines.append((case, str(row.batch), dtype, _DIRECTIONS[metric], *times, _ratio(row)))
    return table(("operator", "batch", "dtype", "", "plain PyTorch, µs", "Triton, µs", "ratio"), lines)


def _network(rows: Sequence[Row]) -> str:
    """A line for each contestant, type and batch."""
    memory = {row.key[:-1]: row for row in rows if row.metric == "peak_memory"}
    products = {row.key[:-1]: row for row in rows if row.metric == "share_of_matrix_product"}
    lines = []
    for row in rows:
        if row.metric != "rate":
            continue
        key = row.key[:-1]
        across = "" if row.ratio_float32 is None else f"{row.ratio_float32:.2f} ×"
        lines.append(
            (
                row.dtype,
                str(row.batch),
                row.implementation,
                f"{number(row.median)} ({number(row.p20)} to {number(row.p80)})",
                _ratio(row),
                across,
                f"{products[key].median:.0f} %" if key in products else "",
                number(memory[key].median) if key in memory else "",
                "" if row.psnr_db is None else f"{row.psnr_db:.0f} dB",
            )
        )
    header = ("dtype", "batch", "implementation", "images/s", "ratio", f"to {BASELINE} float32", "of torch.mm")
    return table((*header, "peak MiB", "PSNR"), lines)


def _ratio(row: Row) -> str:
    if row.ratio is None or row.ratio_note == "reference":
        return row.ratio_note
    noise = f"A/A ± {row.spread or 0:.0%}"
    return f"{row.ratio_note} ({row.ratio:.2f}, {noise})" if row.ratio_note else f"{row.ratio:.2f} × ({noise})"
