"""Turns what a run measured into rows, and keeps the raw samples behind them."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from wplus.benchmarks.cell import Cell
from wplus.benchmarks.contestants import BASELINE, Contestant, Entry, dtype_name
from wplus.benchmarks.machine import circumstances
from wplus.benchmarks.rows import NO_DIFFERENCE, Row
from wplus.benchmarks.timing import ratios, summarize


class Timed(Protocol):
    """A contestant, whatever it does."""

    @property
    def entry(self) -> Entry: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def label(self) -> str: ...


class Series(Protocol):
    """Samples of contestants that were timed in turn, the first one twice."""

    @property
    def samples(self) -> dict[str, list[float]]: ...

    @property
    def again(self) -> list[float]: ...

    @property
    def spread(self) -> float: ...


class Recorder:
    """The rows, samples and notes of one run; `begin` says which case they belong to.

    Args:
        threads: Of the CPU.
        device: What the machine's column names before the CPU; nothing where that is what was measured.
    """

    def __init__(self, threads: int, *, device: str = "") -> None:
        self.rows: list[Row] = []
        self.samples: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.threads = threads
        self._circumstances = circumstances()
        if device:
            self._circumstances["machine"] = f"{device}; {self._circumstances['machine']}"
        self._case = ""
        self._resolution = 0

    def begin(self, case: str, resolution: int) -> None:
        """Names the case of the rows to come, and its resolution in pixels."""
        self._case, self._resolution = case, resolution

    def note(self, sentence: str) -> None:
        """Something that a reader of the table has to know; said once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def add(
        self,
        implementation: str,
        dtype: torch.dtype,
        batch: int,
        metric: str,
        unit: str,
        samples: list[float],
        **more: Any,
    ) -> None:
        """One row and its samples, in `unit`; `more` are further columns of `Row`."""
        summary = summarize(samples)
        row = Row(
            case=self._case,
            implementation=implementation,
            dtype=dtype_name(dtype),
            batch=batch,
            resolution=self._resolution,
            threads=self.threads,
            metric=metric,
            unit=unit,
            p20=summary.p20,
            median=summary.median,
            p80=summary.p80,
            **more,
            **self._circumstances,
        )
        self.rows.append(row)
        self.samples.append({"key": row.key, "unit": unit, "samples": samples})

    def add_products(self, measured: Sequence[dict[torch.dtype, dict[str, float]]]) -> dict[torch.dtype, float]:
        """The rows of plain matrix products, GFLOP/s by what computed them; returns the fastest of each dtype."""
        for dtype, kinds in measured[0].items():
            for kind in kinds:
                self.add(kind, dtype, 1, "matrix_product", "GFLOP/s", [rates[dtype][kind] for rates in measured])
        return {dtype: max(max(rates[dtype].values()) for rates in measured) for dtype in measured[0]}

    def add_cell(
        self, cell: Cell, contestants: Sequence[Contestant], flops: int | None, ceilings: dict[torch.dtype, float]
    ) -> None:
        """The rows of one batch size: pictures a second, latency where the batch is 1, arithmetic where it is known."""
        for label, why in cell.left_out.items():
            self.note(f"{label} was not timed on {self._case} at batch {cell.batch}: {why}.")
        contestants = [contestant for contestant in contestants if contestant.label in cell.samples]
        for contestant in contestants:
            label = contestant.label
            seconds, found = cell.samples[label], cell.differences[label]
            name, dtype, batch = contestant.entry.implementation, contestant.dtype, cell.batch
            rates = [batch / second for second in seconds]
            columns = {
                **ratio_columns(cell, contestant, contestants),
                "spread": cell.spread,
                "baseline_excess": cell.excess,
                "psnr_db": found.psnr_db,
                "max_abs": found.max_abs,
                "uint8_share": found.uint8_share,
                "compile_seconds": cell.first_seconds[label] if contestant.entry.compiles else None,
            }
            self.add(name, dtype, batch, "rate", "images/s", rates, **columns)
            if batch == 1:
                self.add(name, dtype, batch, "latency", "ms", [1e3 * second for second in seconds], **columns)
            if flops is None:
                continue
            gflops = [flops * rate / 1e9 for rate in rates]
            self.add(name, dtype, batch, "arithmetic", "GFLOP/s", gflops)
            share = [100 * rate / ceilings[dtype] for rate in gflops]
            self.add(name, dtype, batch, "share_of_matrix_product", "%", share)

    def add_throughput(self, cells: Sequence[Cell], contestants: Sequence[Contestant]) -> None:
        """The best batch size of each contestant, each compared with the best of its reference."""
        contestants = [one for one in contestants if any(one.label in cell.samples for cell in cells)]
        best = {contestant.label: _best(cells, contestant) for contestant in contestants}
        for contestant in contestants:
            cell, reference = best[contestant.label], _reference(contestant, contestants)
            against = best[reference.label]
            spread = max(cell.spread, against.spread)
            ratio = _rate(cell, contestant) / _rate(against, reference)
            rates = [cell.batch / second for second in cell.samples[contestant.label]]
            columns = {"ratio": ratio, "ratio_note": _note(ratio, spread, contestant is reference), "spread": spread}
            columns["baseline_excess"] = max(cell.excess, against.excess)
            if _is_across(contestant, reference, contestants):
                columns["ratio_float32"] = _rate(cell, contestant) / _rate(best[contestants[0].label], contestants[0])
            columns["psnr_db"] = cell.differences[contestant.label].psnr_db
            name, dtype = contestant.entry.implementation, contestant.dtype
            self.add(name, dtype, cell.batch, "throughput", "images/s", rates, **columns)


def _best(cells: Sequence[Cell], contestant: Contestant) -> Cell:
    timed = [cell for cell in cells if contestant.label in cell.samples]
    return max(timed, key=lambda cell: _rate(cell, contestant))


def _rate(cell: Cell, contestant: Timed) -> float:
    return cell.batch / summarize(cell.samples[contestant.label]).median


def _reference(contestant: Timed, contestants: Sequence[Timed]) -> Timed:
    """NVIDIA's formulation in the contestant's own dtype; where it takes no part, the first of that dtype."""
    same = [other for other in contestants if other.dtype == contestant.dtype]
    return next((other for other in same if other.entry.kind == BASELINE.kind), same[0])


def _is_across(contestant: Timed, reference: Timed, contestants: Sequence[Timed]) -> bool:
    """Whether a ratio to the baseline in another dtype is told: only beside one to a reference in its own."""
    has_own = contestant is not reference or contestant.entry.kind == BASELINE.kind
    return has_own and contestant.dtype != contestants[0].dtype


def ratio_columns(cell: Series, contestant: Timed, contestants: Sequence[Timed]) -> dict[str, Any]:
    """Medians of the rounds' ratios, against the same dtype and, where that is another one, against float32."""
    baseline, reference = contestants[0], _reference(contestant, contestants)
    ratio = _ratio(cell, baseline, reference, contestant)
    across = _is_across(contestant, reference, contestants)
    return {
        "ratio": ratio,
        "ratio_note": _note(ratio, cell.spread, contestant is reference),
        "ratio_float32": _ratio(cell, baseline, baseline, contestant) if across else None,
    }


def _ratio(cell: Series, baseline: Timed, reference: Timed, contestant: Timed) -> float:
    if contestant is reference:
        return 1.0
    slow = cell.samples[reference.label]
    if reference is baseline:
        slow = [(first + second) / 2 for first, second in zip(slow, cell.again, strict=True)]
    return summarize(ratios(slow, cell.samples[contestant.label])).median


def _note(ratio: float, spread: float, is_reference: bool) -> str:
    if is_reference:
        return "reference"
    return NO_DIFFERENCE if abs(ratio - 1) <= spread else ""
