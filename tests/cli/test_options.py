"""What users type, read as they mean it or refused with the words that mend it."""

from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wplus.cli.options import FiniteNumber, GridShape, Numbers, UserPath


def _read(kind: click.ParamType[Any], text: str) -> Any:
    return kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0", [0]), ("0,1,4-6", [0, 1, 4, 5, 6]), ("7-7", [7]), (" 3 , 1-2", [3, 1, 2]), ("4294967295", [2**32 - 1])],
)
def test_seeds_are_numbers_and_inclusive_ranges(text: str, numbers: list[int]) -> None:
    assert _read(Numbers(), text) == numbers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is neither a number nor a range; write them like 0,1,4-6"),
        ("1,,2", "'' is neither"),
        ("-3", "'-3' is neither"),
        ("1.5", "'1.5' is neither"),
        ("1-2-3", "'1-2-3' is neither"),
        ("9" * 5000, "is neither"),
        ("5-3", "the range '5-3' runs backwards"),
        ("4294967296", "too high; 4294967295 is the highest"),
        ("0-4294967295", "more than 10,000,000 numbers"),
        ("0-1,0-9999998", "more than 10,000,000 numbers"),
    ],
)
def test_other_seeds_are_refused(text: str, message: str) -> None:
    with pytest.raises(click.BadParameter, match=message):
        _read(Numbers(), text)


@given(st.text(alphabet="0123456789-, x", max_size=7))  # longer ranges may hold millions
def test_any_text_is_numbers_or_a_usage_error(text: str) -> None:
    try:
        numbers = _read(Numbers(), text)
    except click.BadParameter:
        return
    assert numbers
    assert all(0 <= number < 2**32 for number in numbers)


def test_a_grid_is_columns_and_rows() -> None:
    assert _read(GridShape(), "4x2") == (4, 2)
    for text in ("4", "0x2", "4x", "axb", "4x2x1", "-1x2"):
        with pytest.raises(click.BadParameter, match="is no grid; write columns and rows like 4x2"):
            _read(GridShape(), text)


def test_numbers_are_finite() -> None:
    assert _read(FiniteNumber(), "-0.5") == -0.5
    for text in ("nan", "inf", "1e999", "much"):
        with pytest.raises(click.BadParameter, match=f"'{text}' is not a finite number"):
            _read(FiniteNumber(), text)


def test_a_tilde_is_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/artist")
    assert _read(UserPath(), "~/out") == Path("/home/artist/out")
    assert _read(UserPath(), "a/~/out") == Path("a/~/out")
