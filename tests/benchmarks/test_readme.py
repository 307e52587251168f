"""README's figures are those of the committed CSV."""

from pathlib import Path

import pytest

from wplus.benchmarks.readme import with_table

_ROOT = Path(__file__).parents[2]
_CSV = _ROOT / "benchmarks" / "results" / "cpu.csv"


def test_readme_has_the_table_of_the_committed_csv() -> None:
    page = (_ROOT / "README.md").read_text()
    assert with_table(page, _CSV) == page


def test_a_page_without_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        with_table("# A page\n", _CSV)
