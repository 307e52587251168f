"""Facts about takes, and drawing them again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_support import heard, sound
from live_support import ManualClock, seeds_walk

from wplus.errors import ArtifactError, LatentMismatchError
from wplus.generator import Generator
from wplus.live.performance import Event, Performance, walk_length
from wplus.live.replay import render_take, take_frames, take_states
from wplus.live.take import Take, read_take, take_of_json, write_take
from wplus.live.timeline import Timeline
from wplus.media_metadata import read_metadata
from wplus.video import VideoOptions

WALK = seeds_walk(0, 1, 2, loop=True, seconds_per_keyframe=0.5, fps=10.0)


def performed() -> Take:
    events = (
        Event(at=0.3, changes={"speed": 2.0, "truncation_psi": 0.1 + 0.2}),
        Event(at=0.5, changes={"playing": False}),
        Event(at=0.8, changes={"fade": 0.5}),
        Event(at=1.0, changes={"playing": True, "speed": 1.0}, walk=seeds_walk(5, 6, fps=10.0)),
    )
    return Take(walk=WALK, events=events, duration=1.4, fps=10.0)


def test_a_take_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_take(tmp_path / "a.json", performed())
    assert read_take(tmp_path / "a.json") == performed()


def test_replaying_a_show_gives_the_states_that_were_drawn(tmp_path: Path) -> None:
    clock = ManualClock()
    line = Timeline(Performance(WALK, length=walk_length), clock, fps=10.0)
    line.begin()
    random = np.random.RandomState(0)
    drawn = []
    while line.now() < 20:
        clock.advance(random.uniform(0, 0.03))
        if random.rand() < 0.3:
            line.change({"speed": random.uniform(-16, 16), "truncation_psi": random.uniform(-1, 1)})
        if random.rand() < 0.03:
            line.change({"seeds": random.randint(0, 99, 3).tolist(), "freeze": bool(random.rand() < 0.5)})
        due = line.next(0.02)
        if due.state is not None:
            drawn.append((due.tick.number, due.state))
    write_take(tmp_path / "a.json", Take(walk=WALK, events=tuple(line.events()), duration=20.0, fps=10.0))
    again = list(take_states(read_take(tmp_path / "a.json"), 10.0))
    assert len(drawn) > 150
    assert [again[number] for number, _ in drawn if number < 200] == [state for number, state in drawn if number < 200]


def test_any_rate_samples_the_same_performance() -> None:
    slow, fast = list(take_states(performed(), 10)), list(take_states(performed(), 40))
    assert fast[::4] == slow
    assert (len(slow), len(fast)) == (14, 56)


def test_a_take_is_drawn_with_its_changes(tiny: Generator) -> None:
    frames = list(take_frames(tiny, performed(), fps=10))
    assert len(frames) == 14
    still = tiny.images(np.stack([tiny.map(np.zeros((1, 16), np.float32))[0]]))
    assert frames[0].shape == still[0].shape
    assert frames[6] is frames[5]
    assert np.abs(frames[8].astype(float) - frames[7] / 2).max() <= 1
    first_of_new = next(iter(tiny.sample([5]))).images[0]
    assert np.abs(frames[10].astype(int) - first_of_new).max() <= 1


def test_a_frozen_take_draws_the_same_picture_in_any_micro_batch(tiny: Generator) -> None:
    take = replace(performed(), events=(Event(at=0.2, changes={"freeze": True}),))
    frames = list(take_frames(tiny, take, fps=10))
    assert all(frame is frames[2] for frame in frames[2:])


def test_a_take_becomes_a_file_of_any_rate_and_size_that_says_what_it_is(tiny: Generator, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    render_take(tiny, performed(), tmp_path / "a.mp4", fps=20, size=(24, 36), facts={"take": "a.json", "size": "36x24"})
    with av.open(str(tmp_path / "a.mp4")) as container:
        pictures = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 20
    assert len(pictures) == 28
    assert pictures[0].shape == (24, 36, 3)
    assert read_metadata(tmp_path / "a.mp4")["take"] == "a.json"


def test_a_take_is_drawn_with_its_sound_unless_another_is_given(tiny: Generator, tmp_path: Path) -> None:
    sound(tmp_path / "own.wav", 2.0, codec="pcm_s16le")
    other = sound(tmp_path / "other.flac", 2.0, codec="flac")
    take = replace(performed(), audio="own.wav")
    render_take(tiny, take, tmp_path / "a.mkv", folder=tmp_path)
    codec, rate, samples = heard(tmp_path / "a.mkv")
    assert (codec, len(samples) / rate) == ("pcm_s16le", pytest.approx(1.4, abs=0.1))
    render_take(tiny, take, tmp_path / "b.mkv", folder=tmp_path, video=VideoOptions(audio=other))
    assert heard(tmp_path / "b.mkv")[0] == "flac"
    render_take(tiny, take, tmp_path / "a.gif", folder=tmp_path)  # which has no sound
    with pytest.raises(ArtifactError, match=r"gone\.wav"):
        render_take(tiny, replace(take, audio="gone.wav"), tmp_path / "c.mkv", folder=tmp_path)
    assert not (tmp_path / "c.mkv").exists()


def test_a_take_of_another_generator_is_refused(tiny: Generator) -> None:
    take = replace(performed(), generator="wplus1:0000000000000000")
    with pytest.raises(LatentMismatchError, match="wplus1:0000000000000000"):
        next(take_frames(tiny, take, fps=10))
    assert next(take_frames(tiny, take, fps=10, allow_mismatch=True)).shape == (16, 16, 3)


def wrong(**changes: Any) -> dict[str, Any]:
    good: dict[str, Any] = {
        "format": "wplus take",
        "version": 1,
        "walk": {"format": "wplus walk", "version": 1, "keyframes": [{"seed": 0}, {"seed": 1}]},
        "fps": 30,
        "duration": 2,
        "events": [[0.5, {"speed": 2}]],
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def test_a_take_may_be_written_by_hand() -> None:
    assert take_of_json(wrong()).events == (Event(at=0.5, changes={"speed": 2.0}),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "wplus walk"}, "format is not 'wplus take'"),
        ({"version": 2}, "version is 2"),
        ({"tempo": 1}, "field 'tempo'"),
        ({"fps": ...}, "lacks the field 'fps'"),
        ({"fps": 0}, "must be positive"),
        ({"fps": True}, "fps is True"),
        ({"duration": float("nan")}, "duration is nan"),
        ({"duration": -1}, "must be positive"),
        ({"events": {}}, "events is {}"),
        ({"events": [[1]]}, r"An event is \[1\]"),
        ({"events": [["1", {}]]}, "An event's time is '1'"),
        ({"events": [[2, {}], [1, {}]]}, "in order"),
        ({"events": [[-1, {}]]}, "from 0 on"),
        ({"events": [[1, {"speed": 99}]]}, "speed is 99"),
        ({"events": [[1, {"hype": 99}]]}, "no parameter 'hype'"),
        ({"audio": 3}, "audio is 3"),
    ],
)
def test_what_is_no_take_is_refused_in_words(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        take_of_json(wrong(**changes))
    (tmp_path / "a.json").write_text(json.dumps(wrong(**changes)))
    with pytest.raises(ArtifactError, match=rf"a\.json is no take that can be read: .*{said}"):
        read_take(tmp_path / "a.json")


@pytest.mark.parametrize("text", ["", "[" * 100_000, "{}", "[]", "nothing", '{"format": "wplus take"'])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"a\.json"):
        read_take(tmp_path / "a.json")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_take(tmp_path / "b.json")
