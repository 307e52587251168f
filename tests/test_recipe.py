"""What pictures say, and the commands that come of it; that they make the same bytes, tests/cli/test_info.py shows."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wplus.cli.options import Numbers
from wplus.errors import ArtifactError
from wplus.generator import Generator
from wplus.recipe import command_for, ranges, recipe

_FACTS = {"verb": "sample", "network": "demo:portraits", "seed": 3}


def test_a_recipe_names_all_that_may_change_the_last_bits(tiny: Generator) -> None:
    said = recipe(tiny, "sample", {"seed": 3})
    assert (said["verb"], said["seed"], said["fingerprint"]) == ("sample", 3, tiny.fingerprint)
    assert (said["batch"], said["backend"], said["device"], said["precision"]) == (4, "torch", "cpu", "exact")
    assert said["threads"] == tiny.threads


def test_defaults_are_left_out() -> None:
    plain = "wplus sample --network=demo:portraits --seeds=3 --outdir=again"
    assert command_for(_FACTS, Path("x.png")) == plain
    assert command_for(_FACTS | {"truncation_psi": 1.0, "class": None, "precision": "exact"}, Path("x.png")) == plain


def test_words_are_quoted_for_the_shell() -> None:
    command = command_for(_FACTS | {"network": "my net; rm -rf ~.pkl"}, Path("x.png"))
    assert "'--network=my net; rm -rf ~.pkl'" in command


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"verb": "sample"},
        _FACTS | {"verb": 3},
        _FACTS | {"seed": "x"},
        _FACTS | {"latents": 3},
        _FACTS | {"rows": {}},
    ],
)
def test_what_others_wrote_is_an_error_of_ours(facts: dict[str, object]) -> None:
    with pytest.raises(ArtifactError, match=r"x\.png says how it was made in a way that this version cannot read"):
        command_for(facts, Path("x.png"))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_ranges_read_back_as_the_numbers(numbers: list[int]) -> None:
    assert Numbers().convert(ranges(numbers), None, None) == numbers
