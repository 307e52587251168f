"""Facts about the table of parameters."""

import math
from typing import Any, get_args

import pytest

from wplus.interpolation import Interp
from wplus.live.parameters import PARAMETERS, check, parameter
from wplus.paths.description import ConstantSpeed
from wplus.paths.easing import Easing


@pytest.mark.parametrize(("name", "kinds"), [("interp", Interp), ("easing", Easing), ("constant_speed", ConstantSpeed)])
def test_choices_are_those_of_walks(name: str, kinds: Any) -> None:
    assert set(PARAMETERS[name].choices) == set(get_args(kinds))


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_default_is_a_value_that_is_taken_or_left_to_the_walk(name: str) -> None:
    default = PARAMETERS[name].default
    assert default is None or check(name, default) == default


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("speed", -16, -16.0),
        ("speed", 16, 16.0),
        ("truncation_cutoff", 4.0, 4),
        ("truncation_cutoff", None, None),
        ("seeds", [1, 2.0, 2**32 - 1], (1, 2, 2**32 - 1)),
        ("mix_layers", [3, 1, 3], (1, 3)),
        ("playing", False, False),
        ("interp", "catmull-rom", "catmull-rom"),
        ("direction/smile", 2, 2.0),
    ],
)
def test_values_are_held_in_one_form(name: str, value: Any, held: Any) -> None:
    assert check(name, value) == held
    assert type(check(name, value)) is type(held)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speed", 16.001),
        ("speed", math.nan),
        ("speed", math.inf),
        ("speed", True),
        ("speed", "1"),
        ("speed", None),
        ("speed", 10**400),
        ("playing", 1),
        ("truncation_cutoff", 1.5),
        ("seeds", [1]),
        ("seeds", [1] * 257),
        ("seeds", [1, -1]),
        ("seeds", [1, 2**32]),
        ("seeds", "12"),
        ("seeds", {"a": 1}),
        ("interp", "cubic"),
        ("interp", ["linear"]),
        ("mix_layers", [64]),
        ("direction/smile", 51),
    ],
)
def test_other_values_are_errors_that_say_what_is_needed(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is .*needed\.$"):
        check(name, value)


@pytest.mark.parametrize("name", ["spede", "direction/", "direction/" + "a" * 100, ""])
def test_an_unknown_name_is_an_error_that_lists_those_known(name: str) -> None:
    with pytest.raises(ValueError, match=r"There is no parameter .* Known: playing, "):
        parameter(name)


def test_an_error_neither_fills_nor_steers_a_terminal() -> None:
    with pytest.raises(ValueError, match="fade is") as error:
        check("fade", "\x1b[2J" * 1000)
    assert len(str(error.value)) < 150
    assert "\x1b" not in str(error.value)
