"""Facts about performances."""

from typing import Any

import pytest
from live_support import seeds_walk

from wplus.live.performance import Performance, walk_length
from wplus.paths.description import DirectionUse, Walk


def performed(walk: Walk | None = None) -> Performance:
    return Performance(walk or seeds_walk(0, 1, 2, 3, loop=True, seconds_per_keyframe=2.0), length=walk_length)


def positions(performance: Performance, *times: float) -> list[float]:
    return [performance.state(at).values["position"] for at in times]


def test_the_position_is_the_integral_of_speed_over_seconds_per_keyframe() -> None:
    performance = performed()
    performance.change({"speed": 2.0}, 1.0)
    performance.change({"seconds_per_keyframe": 4.0}, 2.0)
    performance.change({"speed": -1.0}, 4.0)
    assert positions(performance, 0, 1, 2, 4, 6) == [0, 0.5, 1.5, 2.5, 2.0]


def test_a_loop_wraps_both_ways_and_counts_its_laps() -> None:
    performance = performed()
    assert positions(performance, 9.0) == [0.5]
    assert performance.state(9.0).laps == 1
    performance.change({"speed": -1.0}, 9.0)
    assert positions(performance, 11.0) == [3.5]
    assert performance.state(11.0).laps == 0


def test_an_open_walk_stops_at_its_ends() -> None:
    performance = performed(seeds_walk(0, 1, 2, seconds_per_keyframe=1.0))
    assert positions(performance, 1.5, 2.0, 99.0) == [1.5, 2.0, 2.0]
    performance.change({"speed": -1.0}, 100.0)
    assert positions(performance, 101.0, 200.0) == [1.0, 0.0]


def test_a_pause_holds_the_position_and_going_on_goes_on_from_there() -> None:
    performance = performed()
    performance.change({"playing": False}, 1.0)
    performance.change({"playing": True}, 5.0)
    assert positions(performance, 1.0, 3.0, 5.0, 6.0) == [0.5, 0.5, 0.5, 1.0]


def test_scrubbing_goes_to_a_position_within_the_walk() -> None:
    performance = performed()
    performance.change({"playing": False, "position": 2.25}, 1.0)
    assert positions(performance, 1.0, 9.0) == [2.25, 2.25]
    performance.change({"position": 5.0}, 10.0)
    assert positions(performance, 10.0) == [1.0]
    performance.change({"loop": False}, 11.0)
    performance.change({"position": 99.0}, 12.0)
    assert positions(performance, 12.0) == [3.0]


def test_a_change_never_alters_what_was_before() -> None:
    performance = performed()
    times = [i / 7 for i in range(35)]
    before = [performance.state(at) for at in times]
    performance.change({"speed": 3.0, "fade": 0.5, "seeds": [9, 8], "truncation_psi": 0.5, "position": 0.1}, 5.0)
    assert [performance.state(at) for at in times] == before


def test_a_wrong_change_changes_nothing() -> None:
    performance = performed()
    before = performance.state(3.0)
    for wrong in ({"speed": 2.0, "fade": 3.0}, {"speed": 2.0, "hype": 1}, {"speed": 2.0, "direction/smile": 1.0}):
        with pytest.raises(ValueError, match=r"fade|hype|smile"):
            performance.change(wrong, 1.0)
    with pytest.raises(ValueError, match=r"1 keyframes and 4 cells|do not divide"):
        performed(seeds_walk(*range(8), grid=(2, 2))).change({"seeds": [1, 2, 3]}, 1.0)
    assert performance.state(3.0) == before
    assert performance.events == []


def test_changes_are_made_in_order() -> None:
    performance = performed()
    performance.change({"speed": 2.0}, 2.0)
    with pytest.raises(ValueError, match="A change at 1 s comes after one at 2 s"):
        performance.change({"speed": 3.0}, 1.0)


def test_freezing_keeps_the_picture_while_time_goes_on_underneath() -> None:
    performance = performed()
    performance.change({"freeze": True}, 1.0)
    performance.change({"truncation_psi": 0.3}, 1.5)
    frozen = performance.state(3.0)
    assert frozen.look == performance.state(1.0).look
    assert frozen.look.position == 0.5
    assert frozen.values["position"] == 1.5
    performance.change({"freeze": False}, 3.0)
    assert performance.state(3.0).look.position == 1.5
    assert performance.state(3.0).look.controls.truncation_psi == 0.3


def test_a_pause_repeats_one_look_and_time_another() -> None:
    performance = performed()
    assert performance.state(0.5).look != performance.state(0.6).look
    performance.change({"playing": False}, 1.0)
    assert performance.state(1.5).look == performance.state(9.0).look


def test_other_seeds_make_another_walk_and_keep_class_and_place() -> None:
    performance = performed()
    performance.change({"seeds": [7, 8, 9]}, 3.0)
    state = performance.state(3.0)
    assert [keyframe.seed for keyframe in state.walk.keyframes] == [7, 8, 9]
    assert state.length == 3
    assert state.look.position == 1.5
    assert performance.state(2.9).walk.keyframes[0].seed == 0


def test_tempo_and_seconds_per_keyframe_are_one_thing_said_two_ways() -> None:
    performance = performed()
    assert performance.state(1.0).beat is None
    performance.change({"bpm": 120.0}, 1.0)
    assert performance.state(1.0).values["seconds_per_keyframe"] == 0.5
    assert [performance.state(at).beat for at in (1.0, 1.4, 1.5, 3.1)] == [0, 0, 1, 4]
    performance.change({"seconds_per_keyframe": 3.0}, 4.0)
    assert performance.state(4.0).values["bpm"] is None


def test_what_a_performer_has_not_touched_is_as_the_walk_has_it() -> None:
    walk = seeds_walk(0, 1, directions={"smile": DirectionUse(file="smile.npy")})
    performance = performed(walk)
    assert performance.state(0.0).look.controls.directions == {}
    performance.change({"direction/smile": 2.0, "translate_x": 0.5}, 1.0)
    controls = performance.state(1.0).look.controls
    assert controls.directions == {"smile": 2.0}
    assert controls.translate == (0.5, 0.0)
    assert controls.truncation_psi is None
    performance.change({"direction/smile": None}, 2.0)
    assert performance.state(2.0).look.controls.directions == {}


def test_changes_of_one_moment_are_one_event_as_if_made_together() -> None:
    apart, together = performed(), performed()
    apart.change({"freeze": True, "bpm": 60.0}, 2.0)
    apart.change({"truncation_psi": 0.5, "seconds_per_keyframe": 4.0}, 2.0)
    assert len(apart.events) == 1
    together.change(apart.events[0].changes, 2.0)
    assert [apart.state(at) for at in (1.9, 2.0, 7.0)] == [together.state(at) for at in (1.9, 2.0, 7.0)]


def test_another_walk_resets_what_the_last_one_was_given() -> None:
    performance = performed()
    performance.change({"fade": 0.5, "speed": 3.0}, 1.0)
    performance.change({"speed": 2.0}, 2.0, seeds_walk(5, 6, truncation_cutoff=2))
    state = performance.state(2.0)
    assert (state.values["fade"], state.values["speed"], state.look.position) == (0.0, 2.0, 0.0)
    assert state.walk.truncation_cutoff == 2
    assert performance.state(1.5).values["fade"] == 0.5


@pytest.mark.parametrize("changes", [{"speed": 2.0}, {"seeds": [4, 5, 6]}, {"freeze": True}])
def test_forgetting_alters_nothing_that_is_still_to_come(changes: dict[str, Any]) -> None:
    remembering, forgetting = performed(), performed()
    gone = []
    for i in range(20):
        for performance in (remembering, forgetting):
            performance.change({"fade": i / 20, **(changes if i == 10 else {})}, i * 0.7)
        gone += forgetting.forget(i * 0.7)
        forgetting.change({"mix_amount": 0.5}, i * 0.7)
        remembering.change({"mix_amount": 0.5}, i * 0.7)
    assert len(forgetting.events) < 4
    assert gone + forgetting.events == remembering.events
    assert forgetting.state(20.0) == remembering.state(20.0)
