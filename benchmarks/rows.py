"""One measurement, and the CSV file of many."""

import csv
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path

from wplus.files import whole_file

NO_DIFFERENCE = "no difference"
MOST_EXCESS = 0.15  # of a baseline in a run that counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement of one implementation. A column that does not apply is None, in the file an empty cell."""

    case: str
    implementation: str
    dtype: str
    batch: int
    resolution: int  # pixels
    threads: int
    metric: str
    unit: str
    p20: float
    median: float
    p80: float
    ratio: float | None = None  # how many times as fast as the first row's contestant of the same dtype, in this run
    ratio_note: str = ""
    ratio_float32: float | None = None  # against the baseline in float32, where dtype is another
    spread: float | None = None  # of the baseline against itself: ratios nearer to 1 are no difference
    baseline_excess: float | None = None  # by which share the baseline's median lies above its best, here and then
    psnr_db: float | None = None  # of the timed pictures against the baseline's in float32, peak 2.0
    max_abs: float | None = None  # largest difference of the timed pictures from the baseline's in float32
    uint8_share: float | None = None  # share of uint8 values that differ
    compile_seconds: float | None = None
    machine: str
    cpu_flags: str
    versions: str
    commit: str
    date: str

    @property
    def key(self) -> tuple[str, str, str, int, int, int, str]:
        """What must agree for two rows to measure the same thing."""
        return (self.case, self.implementation, self.dtype, self.batch, self.resolution, self.threads, self.metric)

    @property
    def counts(self) -> bool:
        """Whether the machine was quiet enough: the baseline's median lay near its best."""
        return self.baseline_excess is None or self.baseline_excess <= MOST_EXCESS


_NEEDED = {field.name for field in fields(Row) if field.default is MISSING}


def write_csv(path: str | Path, rows: list[Row]) -> None:
    """Writes rows as a CSV file with a header, whole or not at all."""
    names = [field.name for field in fields(Row)]
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in asdict(row).items()} for row in rows)


def read_csv(path: str | Path) -> list[Row]:
    """The rows that `write_csv` wrote, now or before a column was added.

    Raises:
        ValueError: the file is missing or is not such a table.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            if not _NEEDED <= set(table.fieldnames or ()) <= {field.name for field in fields(Row)}:
                raise ValueError("its columns are others")
            return [_parse(line) for line in table]
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as exc:
        raise ValueError(
            f"{path} is not a table that `wplus bench` wrote: {exc!r}. Give the CSV of an older run."
        ) from exc


def _cell(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _parse(line: dict[str, str]) -> Row:
    values: dict[str, object] = {}
    for field in fields(Row):
        if field.name not in line:
            continue
        text, kind = line[field.name], str(field.type)
        if text == "" and "None" in kind:
            values[field.name] = None
        else:
            values[field.name] = float(text) if "float" in kind else int(text) if "int" in kind else text
    return Row(**values)  # type: ignore[arg-type]
