"""What a run found: as Markdown tables, as JSON, as files."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wplus.benchmarks.markdown import circumstances_of, number, table
from wplus.benchmarks.rows import MOST_EXCESS, Row, read_csv, write_csv
from wplus.files import whole_file

_SPEED = ("rate", "latency", "throughput")
_TITLES = {
    "load_safetensors": "loading .safetensors",
    "load_pkl": "loading .pkl as NVIDIA writes it",
    "load_bundle": "loading the bundle",
    "export": "export, with the certificate",
    "first_picture": "first picture of a fresh process",
    "copy_out": "copy-out: pictures to bytes",
    "peak_memory": "peak memory of the process",
    "matrix_product": "plain product (the fastest kind is the ceiling)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The rows of a run, the samples behind them, and what a reader has to know besides."""

    rows: tuple[Row, ...]
    samples: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Markdown: a heading, then of each case speed, what it is worth, and other costs, then the notes."""
        parts = [circumstances_of(self.rows[0])] if self.rows else ["Nothing was measured."]
        for case in dict.fromkeys(row.case for row in self.rows):
            rows = [row for row in self.rows if row.case == case]
            parts.append(f"## {case}, {rows[0].resolution} px, {rows[0].threads} threads")
            parts += [text for text in (speed_table(rows), quietness(rows), other_table(rows)) if text]
        parts += [f"Note: {note}" for note in self.notes]
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; a number that is not finite is None."""
        rows = [{key: _finite(value) for key, value in asdict(row).items()} for row in self.rows]
        return {"rows": rows, "notes": list(self.notes)}

    def write(self, path: str | Path) -> None:
        """Writes the rows as CSV to `path`, and the samples beside it as `.samples.json`."""
        write_csv(path, list(self.rows))
        with whole_file(samples_path(path)) as temporary:
            temporary.write_text(json.dumps(self.samples, indent=0) + "\n", encoding="utf-8")


def samples_path(path: str | Path) -> Path:
    """Where the raw samples of a CSV file lie."""
    return Path(path).with_suffix(".samples.json")


def tables_from_csv(path: str | Path) -> str:
    """The Markdown tables of a committed CSV file, for README and the documents."""
    return Report(rows=tuple(read_csv(path))).text


def speed_table(rows: Sequence[Row]) -> str:
    """Rate, latency and throughput, one line a contestant and batch size; empty if there are none."""
    lines = []
    for metric in _SPEED:
        lines += [_speed_line(row, rows) for row in rows if row.metric == metric]
    header = (
        "",
        "batch",
        "implementation",
        "dtype",
        "median (p20 to p80)",
        "ratio",
        "GFLOP/s",
        "of ceiling",
        "pictures",
    )
    return table(header, lines)


def quietness(rows: Sequence[Row]) -> str:
    """How quiet the machine was, for each batch size, and whether the measurements count; empty if nobody knows."""
    cells = {row.batch: row for row in rows if row.metric == "rate" and row.baseline_excess is not None}
    if not cells:
        return ""
    verdicts = [
        f"{row.baseline_excess:.1%} at batch {batch}{'' if row.counts else ' (**does not count**)'}"
        for batch, row in cells.items()
    ]
    return (
        f"The baseline's median lies above its best by {'; '.join(verdicts)}. A run counts up to {MOST_EXCESS:.0%}: "
        "beyond that, something else was running."
    )


def other_table(rows: Sequence[Row]) -> str:
    """Export, loading, memory and the ceiling; empty if there are none."""
    lines = [
        (_TITLES[row.metric], row.implementation, row.dtype, f"{number(row.median)} {row.unit}")
        for row in rows
        if row.metric in _TITLES
    ]
    return table(("", "implementation", "dtype", "median"), lines)


def _speed_line(row: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    inside = {r.metric: r for r in rows if r.key[:-1] == row.key[:-1]} if row.metric == "rate" else {}
    return (
        f"{row.metric}{' (best batch)' if row.metric == 'throughput' else ''}",
        str(row.batch),
        row.implementation + (f" (compiled in {number(row.compile_seconds)} s)" if row.compile_seconds else ""),
        row.dtype,
        f"{number(row.median)} {row.unit} ({number(row.p20)} to {number(row.p80)})",
        _ratio(row),
        number(inside["arithmetic"].median) if "arithmetic" in inside else "",
        f"{inside['share_of_matrix_product'].median:.0f} %" if "share_of_matrix_product" in inside else "",
        _pictures(row),
    )


def _ratio(row: Row) -> str:
    """The ratio with what it must be read with: the spread it lies in, or its other-dtype companion."""
    if row.ratio is None or row.ratio_note == "reference":
        text = row.ratio_note
    else:
        text = row.ratio_note or f"{row.ratio:.2f} ×"
        text += (
            f" ({row.ratio:.2f}, A/A ± {row.spread or 0:.0%})" if row.ratio_note else f" (A/A ± {row.spread or 0:.0%})"
        )
    if row.ratio_float32 is not None:
        text += f"; {row.ratio_float32:.2f} × the float32 reference"
    return text


def _pictures(row: Row) -> str:
    if row.ratio_note == "reference" and row.max_abs == 0:
        return "reference"
    parts = [] if row.psnr_db is None else ["equal" if math.isinf(row.psnr_db) else f"{row.psnr_db:.0f} dB"]
    if row.max_abs is not None:
        parts.append(f"max {row.max_abs:.1e}")
    if row.uint8_share is not None:
        parts.append(f"uint8 {row.uint8_share:.3%}")
    return ", ".join(parts)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
