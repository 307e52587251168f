"""Facts about what happens between a control and a show: coalescing, smoothing, learning."""

import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from steered_show import SteeredShow, wait_until

from wplus.live.changes import Changes
from wplus.live.controls import Controls
from wplus.live.mapping import Binding

_KNOB = "midi/cc/1/74"
_OTHER = "midi/cc/1/75"
_PAD = "midi/note/10/36"


@pytest.fixture
def show() -> SteeredShow:
    return SteeredShow()


@pytest.fixture
def changes(show: SteeredShow) -> Iterator[Changes]:
    with Changes(show) as changes:
        yield changes


def test_a_value_is_applied(show: SteeredShow, changes: Changes) -> None:
    changes.put("fade", 0.5)
    show.wait_for("fade", 0.5)


def test_many_values_become_one_change_with_the_newest(show: SteeredShow, changes: Changes) -> None:
    show.gate.clear()
    changes.put("fade", 1)
    assert show.entered.wait(5)
    for number in range(1000):
        changes.put("fade", number / 1000)
        changes.put("truncation_psi", number / 1000)
    show.gate.set()
    show.wait_for("fade", 0.999)
    assert show.changes == [{"fade": 1.0}, {"fade": 0.999, "truncation_psi": 0.999}]


def test_changes_keep_their_distance(show: SteeredShow) -> None:
    with Changes(show, interval=0.02) as changes:
        stop = threading.Event()
        threading.Timer(0.2, stop.set).start()
        sent = 0
        while not stop.is_set():
            sent += 1
            changes.put("position", sent)
        show.wait_for("position", sent)
    assert len(show.changes) <= 13
    assert sent > 100


def test_one_refused_value_takes_no_other_along(show: SteeredShow, changes: Changes) -> None:
    show.gate.clear()
    changes.put("freeze", True)
    assert show.entered.wait(5)
    changes.put("direction/nose", 1)
    changes.put("direction/smile", 2)
    changes.put("fade", 0.25)
    show.gate.set()
    show.wait_for("direction/smile", 2)
    show.wait_for("fade", 0.25)
    assert changes.refused == 1
    assert changes.last_refusal == "There is no direction/nose."


def test_a_wrong_value_is_refused_at_once(changes: Changes) -> None:
    with pytest.raises(ValueError, match="fade is 2; a number from 0 to 1 is needed"):
        changes.put("fade", 2)


def test_a_flood_of_invented_directions_stops(show: SteeredShow, changes: Changes) -> None:
    show.gate.clear()
    changes.put("fade", 1)
    assert show.entered.wait(5)
    for number in range(256):
        changes.put(f"direction/{number}", 1)
    with pytest.raises(ValueError, match="256 parameters are changing at once"):
        changes.put("direction/256", 1)
    changes.put("direction/0", 2)  # what waits already may have a newer value
    show.gate.set()


def test_a_show_that_fails_once_is_steered_on(show: SteeredShow, monkeypatch: pytest.MonkeyPatch) -> None:
    change, fails = show.change, [True]

    def failing(changes: dict[str, Any]) -> None:
        if fails.pop() if fails else False:
            raise RuntimeError("the renderer is gone")
        change(changes)

    monkeypatch.setattr(show, "change", failing)
    with Changes(show) as changes:
        changes.put("fade", 0.5)
        wait_until(lambda: not fails)
        changes.put("fade", 0.75)
        show.wait_for("fade", 0.75)


class Ticking:
    """A clock that goes on by 5 ms whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.005
        return self.now


def test_a_glide_is_exponential_and_ends(show: SteeredShow) -> None:
    clock = Ticking()
    show.values["fade"] = 1.0
    times: list[float] = []
    change = show.change

    def timed(changes: dict[str, Any]) -> None:
        times.append(clock.now)
        change(changes)

    show.change = timed  # type: ignore[method-assign]
    with Changes(show, clock=clock) as changes:
        changes.glide("fade", 0.0, constant=0.1, span=1.0)
        show.wait_for("fade", 0.0)
        wait_until(lambda: not changes.gliding)
        looked = clock.now
    for at, changed in zip(times[:-1], show.changes[:-1], strict=True):
        assert changed["fade"] == pytest.approx(math.exp(-(at - 0.005) / 0.1), rel=1e-9)
    assert 0.65 < times[-1] < 0.75  # 7 time constants leave a thousandth
    assert clock.now - looked < 0.006  # closing looked once; nobody does while nothing moves


def test_a_parameter_that_nobody_knows_does_not_glide(show: SteeredShow, changes: Changes) -> None:
    changes.glide("speed", 3.0, constant=30.0, span=8.0)
    show.wait_for("speed", 3.0)
    wait_until(lambda: not changes.gliding)


def test_a_parameter_as_the_walk_has_it_glides_from_there(show: SteeredShow, changes: Changes) -> None:
    changes.glide("truncation_psi", 0.0, constant=60.0, span=1.0)
    wait_until(lambda: bool(show.changes))
    assert 0.6 < show.changes[0]["truncation_psi"] <= 0.7
    assert changes.gliding


def test_whoever_moves_a_gliding_parameter_ends_the_glide(show: SteeredShow, changes: Changes) -> None:
    show.values |= {"fade": 1.0, "rotate": 0.0}
    changes.glide("fade", 0.0, constant=60.0, span=1.0)
    changes.glide("rotate", 90.0, constant=60.0, span=180.0)
    wait_until(lambda: len(show.changes) > 3)

    def page_wins() -> bool:  # unless the glide was just between looking and changing
        show.change({"fade": 0.123})
        seen = len(show.changes)
        wait_until(lambda: len(show.changes) > seen + 1)
        return show.values["fade"] == 0.123

    wait_until(page_wins)
    assert show.changes[-1].keys() == {"rotate"}
    assert changes.gliding


def test_a_glide_of_the_position_goes_on_while_time_moves_it(show: SteeredShow, changes: Changes) -> None:
    show.values["position"] = 0.0
    changes.glide("position", 4.0, constant=0.02, span=8.0)
    wait_until(lambda: len(show.changes) > 1)
    show.values["position"] = 3.0
    show.wait_for("position", 4.0)


def test_a_direct_value_ends_a_glide(show: SteeredShow, changes: Changes) -> None:
    show.values["fade"] = 1.0
    changes.glide("fade", 0.0, constant=60.0, span=1.0)
    wait_until(lambda: len(show.changes) > 3)
    changes.put("fade", 0.5)
    assert not changes.gliding
    show.wait_for("fade", 0.5)
    assert show.changes[-1] == {"fade": 0.5}


def test_closing_ends_the_thread(show: SteeredShow) -> None:
    before = threading.active_count()
    with Changes(show):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_one_control_moves_several_parameters(show: SteeredShow, changes: Changes) -> None:
    controls = Controls(
        changes,
        [
            Binding(control=_KNOB, parameter="fade"),
            Binding(control=_KNOB, parameter="truncation_psi", output=(1, 0)),
            Binding(control=_OTHER, parameter="rotate"),
        ],
    )
    assert controls.moved(_KNOB, 127)
    show.wait_for("fade", 1.0)
    show.wait_for("truncation_psi", 0.0)
    assert "rotate" not in show.values


def test_a_control_without_a_binding_moves_nothing(changes: Changes) -> None:
    assert not Controls(changes).moved(_KNOB, 5)


@pytest.mark.parametrize("raw", [math.nan, math.inf])
def test_no_number_is_refused(changes: Changes, raw: float) -> None:
    with pytest.raises(ValueError, match="a finite number is needed"):
        Controls(changes, [Binding(control=_KNOB, parameter="fade")]).moved(_KNOB, raw)


def test_each_press_turns_a_switch_over(show: SteeredShow, changes: Changes) -> None:
    controls = Controls(changes, [Binding(control=_PAD, parameter="playing", curve="toggle")])
    show.values["playing"] = True
    for expected in (False, True, False):
        for raw in (100, 90, 0):  # one stroke
            controls.moved(_PAD, raw)
        show.wait_for("playing", expected)


def test_a_pad_chooses_when_struck_and_not_when_let_go(show: SteeredShow, changes: Changes) -> None:
    controls = Controls(changes, [Binding(control=_PAD, parameter="seeds", curve="steps", steps=([1, 2], [3, 4]))])
    controls.moved(_PAD, 127)
    show.wait_for("seeds", (3, 4))
    controls.moved(_PAD, 0)
    changes.put("fade", 1)
    show.wait_for("fade", 1)
    assert show.values["seeds"] == (3, 4)


def test_a_smoothed_control_glides(show: SteeredShow, changes: Changes) -> None:
    controls = Controls(changes, [Binding(control=_KNOB, parameter="fade", smoothing=0.01)])
    show.values["fade"] = 0.0
    controls.moved(_KNOB, 127)
    show.wait_for("fade", 1.0)
    values = [change["fade"] for change in show.changes]
    assert values == sorted(values)
    assert len(values) > 3


def test_the_next_control_that_moves_is_learned(show: SteeredShow, changes: Changes) -> None:
    told: list[Binding] = []
    controls = Controls(changes, [Binding(control=_OTHER, parameter="fade")], on_learned=told.append)
    controls.moved(_KNOB, 5)
    controls.learn("fade", output=[0, 0.5], smoothing=0)
    assert controls.learning == "fade"
    assert not controls.moved(_KNOB, 5)  # repeats itself, as some do while nobody touches them
    assert controls.moved(_KNOB, 6)
    assert controls.learning is None
    assert told == [Binding(control=_KNOB, parameter="fade", output=(0, 0.5), smoothing=0)]
    assert controls.bindings == tuple(told)  # what moved it before does not any more
    assert not show.changes  # the move that was learned from moves nothing
    controls.moved(_KNOB, 127)
    show.wait_for("fade", 0.5)


def test_a_pad_is_learned_when_struck(changes: Changes) -> None:
    controls = Controls(changes)
    controls.learn("freeze")
    assert not controls.moved(_PAD, 0)
    assert controls.moved(_PAD, 1)
    assert controls.bindings[0].curve == "toggle"


def test_learning_can_be_given_up_and_forgotten(changes: Changes) -> None:
    controls = Controls(changes, [Binding(control=_KNOB, parameter="fade"), Binding(control=_KNOB, parameter="speed")])
    controls.learn("speed")
    controls.stop_learning()
    controls.moved(_OTHER, 1)
    controls.forget("fade")
    assert controls.bindings == (Binding(control=_KNOB, parameter="speed"),)


def test_what_cannot_be_learned_is_said_before_a_control_moves(changes: Changes) -> None:
    controls = Controls(changes)
    with pytest.raises(ValueError, match="There is no parameter 'zoom'"):
        controls.learn("zoom")
    with pytest.raises(ValueError, match="without the field 'control'"):
        controls.learn("fade", control=_KNOB)
    with pytest.raises(ValueError, match="fade is 2"):
        controls.learn("fade", output=[0, 2])
    assert controls.learning is None


def test_a_bad_preset_leaves_the_bindings(changes: Changes) -> None:
    controls = Controls(changes, [Binding(control=_KNOB, parameter="fade")])
    with pytest.raises(ValueError, match="bindings"):
        controls.load({"bindings": [{"control": _OTHER}]})
    kept = controls.json()
    assert kept == {"bindings": [{"control": _KNOB, "parameter": "fade"}]}
    controls.load({})
    assert controls.bindings == ()
    controls.load(kept)
    assert controls.json() == kept
