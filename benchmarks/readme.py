"""Writes the table of a committed CSV file into a Markdown page, between the marks that stand there for it."""

import sys
from pathlib import Path

from wplus.benchmarks.summary import summary
from wplus.files import whole_file

_OPEN, _CLOSE = "<!-- bench -->\n", "<!-- /bench -->"


def with_table(page: str, csv: str | Path) -> str:
    """The page with the table between its marks.

    Raises:
        ValueError: the marks are missing.
    """
    before, found, rest = page.partition(_OPEN)
    _, closed, after = rest.partition(_CLOSE)
    if not found or not closed:
        raise ValueError(f"The page lacks the marks {_OPEN.strip()} and {_CLOSE}.")
    return f"{before}{_OPEN}{summary(csv)}\n{_CLOSE}{after}"


def main(page: Path, csv: Path) -> None:
    """Brings `page` up to date."""
    text = with_table(page.read_text(encoding="utf-8"), csv)
    with whole_file(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
