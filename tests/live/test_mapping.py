"""Facts about bindings, and about what they look like in a preset."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wplus.live.mapping import Binding, learned, usual_range
from wplus.live.mapping_json import bindings_of_json, json_of_bindings
from wplus.live.parameters import PARAMETERS, check, parameter

_KNOB = "midi/cc/1/74"
_PAD = "midi/note/10/36"
_NUMBERS = [name for name, known in PARAMETERS.items() if known.kind == "number"] + ["direction/smile"]


def bound(**fields: Any) -> Binding:
    return Binding(**({"control": _KNOB, "parameter": "fade"} | fields))


def test_a_knobs_ends_are_the_ends_of_the_output() -> None:
    knob = bound(parameter="truncation_psi", output=(-0.5, 1.5))
    assert knob.value(0) == -0.5
    assert knob.value(127) == 1.5
    assert knob.value(63.5) == pytest.approx(0.5)


def test_beyond_its_input_range_a_control_stays_at_its_ends() -> None:
    fader = bound(control="osc/1/fader1", input=(0.2, 0.8))
    assert fader.value(-9) == 0
    assert fader.value(0.5) == pytest.approx(0.5)
    assert fader.value(1e9) == 1


def test_invert_exchanges_the_ends() -> None:
    assert bound(invert=True).value(0) == 1
    assert bound(invert=True).value(127) == 0


def test_an_exponential_curve_has_equal_ratios() -> None:
    knob = bound(parameter="seconds_per_keyframe", curve="exponential", output=(0.5, 8), input=(0, 4))
    assert [knob.value(raw) for raw in range(5)] == pytest.approx([0.5, 1, 2, 4, 8])


def test_an_exponential_curve_may_be_below_zero() -> None:
    knob = bound(parameter="speed", curve="exponential", output=(-8, -0.5), input=(0, 4))
    assert [knob.value(raw) for raw in range(5)] == pytest.approx([-8, -4, -2, -1, -0.5])


def test_steps_cut_the_input_into_equal_parts() -> None:
    knob = bound(parameter="interp", curve="steps", steps=("linear", "slerp", "spline"))
    assert [knob.value(raw) for raw in (0, 42, 43, 84, 85, 127)] == ["linear"] * 2 + ["slerp"] * 2 + ["spline"] * 2


def test_steps_of_a_choice_are_all_its_choices() -> None:
    choices = PARAMETERS["easing"].choices
    knob = bound(parameter="easing", curve="steps", input=(0, len(choices)))
    assert [knob.value(place + 0.5) for place in range(len(choices))] == list(choices)


def test_steps_reach_lists_and_nothing() -> None:
    pads = bound(control="midi/program/1", parameter="seeds", curve="steps", steps=([1, 2], [3, 4, 5]))
    assert [pads.value(program) for program in (0, 1, 9)] == [[1, 2], [3, 4, 5], [3, 4, 5]]
    assert bound(parameter="mix_seed", curve="steps", steps=(None, 7)).value(0) is None


@pytest.mark.parametrize("count", range(1, 129))
def test_program_n_is_the_nth_step(count: int) -> None:
    programs = bound(control="midi/program/1", parameter="mix_seed", curve="steps", steps=tuple(range(count)))
    assert [programs.value(program) for program in range(count)] == list(range(count))


def test_whole_numbers_are_rounded() -> None:
    knob = bound(parameter="truncation_cutoff", output=(0, 18))
    assert [knob.value(raw) for raw in (0, 64, 127)] == [0, 9, 18]
    assert isinstance(knob.value(64), int)


def test_a_switch_turns_at_half_the_way_and_at_any_stroke_of_a_pad() -> None:
    assert [bound(parameter="freeze").value(raw) for raw in (0, 63, 64, 127)] == [False, False, True, True]
    assert [bound(control=_PAD, parameter="freeze").value(raw) for raw in (0, 1, 127)] == [False, True, True]
    assert bound(control=_PAD, parameter="freeze", invert=True).value(0) is True


def test_pitch_bend_rests_in_the_middle() -> None:
    assert bound(control="midi/pitch/1", parameter="speed", output=(-2, 2)).value(0) == pytest.approx(0, abs=1e-3)


@given(
    st.sampled_from(_NUMBERS),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)).filter(lambda ends: ends[0] < ends[1]),
)
def test_whatever_a_control_sends_the_parameter_takes_it(
    name: str, raw: float, invert: bool, ends: tuple[float, float]
) -> None:
    known = parameter(name)
    value = bound(parameter=name, input=ends, output=(known.low, known.high), invert=invert).value(raw)
    assert check(name, value) == value


@pytest.mark.parametrize("name", [*PARAMETERS, "direction/smile"])
@pytest.mark.parametrize("control", [_KNOB, _PAD, "midi/pitch/3", "midi/program/16", "osc/1/xy#1"])
def test_every_parameter_can_be_learned(name: str, control: str) -> None:
    fields = {"seeds": {"steps": ([1, 2],)}, "mix_layers": {"steps": ([1],)}}.get(name, {})
    binding = learned(control, name, **fields)
    for raw in (-8192, 0, 1, 127, 8191):
        check(name, binding.value(raw))


@pytest.mark.parametrize("name", _NUMBERS)
def test_usual_ranges_are_within_what_the_parameter_takes(name: str) -> None:
    for end in usual_range(name):
        assert check(name, end) == end


def test_lists_are_learned_with_steps_alone() -> None:
    with pytest.raises(ValueError, match="steps are missing: list the values of seeds"):
        learned(_KNOB, "seeds")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"control": "midi/cc/0/74"}, "control is 'midi/cc/0/74'; midi/cc/CHANNEL/NUMBER"),
        ({"control": "midi/cc/1/128"}, "control is"),
        ({"control": "keyboard/a"}, "control is"),
        ({"parameter": "zoom"}, "There is no parameter 'zoom'"),
        ({"curve": "expo"}, "curve is 'expo'; one of linear, exponential, steps, toggle is needed"),
        ({"curve": "toggle"}, "curve is 'toggle'; fade takes 'linear' or 'exponential' or 'steps'"),
        ({"parameter": "interp"}, "interp takes 'steps'"),
        ({"curve": "steps"}, "steps are missing"),
        ({"curve": "steps", "steps": (0.5, 3)}, "fade is 3; a number from 0 to 1 is needed"),
        ({"steps": (1,)}, "set curve to 'steps'"),
        ({"output": (0, 2)}, "fade is 2; a number from 0 to 1"),
        ({"output": (0, 0)}, "output is .*; a list of two different numbers is needed"),
        ({"output": (0, math.nan)}, "two different numbers"),
        ({"output": (0, 1), "curve": "exponential"}, "both ends above 0, or both below"),
        ({"parameter": "freeze", "output": (0, 1)}, "has no range of values"),
        ({"input": (5, 1)}, "the smaller number comes first"),
        ({"input": (0, 10**400)}, "two different numbers"),
        ({"input": (0, True)}, "two different numbers"),
        ({"smoothing": -1}, "smoothing is -1; 0 to 60 seconds"),
        ({"smoothing": math.inf}, "smoothing is inf"),
        ({"parameter": "freeze", "smoothing": 1}, "freeze does not move gradually"),
        ({"invert": 1}, "invert is 1; true or false"),
    ],
)
def test_what_does_not_fit_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bound(**fields)


_MANY = (
    bound(),
    bound(parameter="truncation_psi", output=(0, 1), smoothing=0.2, invert=True),
    bound(control="midi/program/2", parameter="seeds", curve="steps", steps=([1, 2], [3, 4])),
    bound(control=_PAD, parameter="freeze", curve="toggle"),
    bound(control="osc/1/xy#1", parameter="direction/smile", input=(-1, 1)),
)


def test_a_preset_keeps_bindings() -> None:
    data = json.loads(json.dumps(json_of_bindings(_MANY)))
    assert bindings_of_json(data) == _MANY
    assert data["bindings"][0] == {"control": _KNOB, "parameter": "fade"}
    assert bindings_of_json({}) == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "controls is .*; an object with bindings alone is needed"),
        ({"bindings": [], "binding": []}, "an object with bindings alone"),
        ({"bindings": {}}, "bindings is {}; a list of at most 1000 objects"),
        ({"bindings": [{}] * 1001}, "a list of at most 1000"),
        ({"bindings": [7]}, r"bindings\[0\]: it is 7; an object is needed"),
        ({"bindings": [{"control": _KNOB}]}, r"bindings\[0\]: parameter is None; text is needed"),
        (
            {"bindings": [{"control": _KNOB, "parameter": "fade", "curv": 1}]},
            "the field 'curv' is unknown. Known: control",
        ),
        ({"bindings": [{"control": _KNOB, "parameter": "fade"}] * 2}, r"bindings\[1\]: .* moves fade already"),
        ({"bindings": [{"control": _KNOB, "parameter": "fade", "output": "01"}]}, "output is '01'"),
    ],
)
def test_a_presets_mistakes_are_named(data: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bindings_of_json(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50)
@given(
    st.fixed_dictionaries(
        {"control": st.just(_KNOB) | _JSON, "parameter": st.sampled_from([*PARAMETERS]) | _JSON},
        optional=dict.fromkeys(("input", "output", "curve", "steps", "smoothing", "invert"), _JSON),
    )
)
def test_any_json_is_read_or_refused(entry: dict[str, Any]) -> None:
    try:
        bindings = bindings_of_json({"bindings": [entry]})
    except ValueError:
        return
    assert bindings_of_json(json_of_bindings(bindings)) == bindings
    check(bindings[0].parameter, bindings[0].value(64))
