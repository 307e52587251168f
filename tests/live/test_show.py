"""Facts about whole shows, with a small network, real threads and the wall clock."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_support import Events, ManualClock, Remembering, seeds_walk
from PIL import Image

from wplus.checkpoints import Checkpoint
from wplus.errors import ArtifactError, WplusError
from wplus.generator import Generator
from wplus.live.config import LiveConfig
from wplus.live.replay import take_frames
from wplus.live.show import Show
from wplus.media_metadata import read_metadata

WALK = seeds_walk(0, 1, 2, loop=True, seconds_per_keyframe=0.5, fps=60.0)
Open = Callable[[], Generator]


@pytest.fixture
def opener(tiny_checkpoint: Checkpoint) -> Open:
    return lambda: Generator(tiny_checkpoint, device="cpu", batch=1, threads=1, name="tiny")


@pytest.fixture
def show(opener: Open) -> Iterator[tuple[Show, Remembering, Events]]:
    """One that is being drawn."""
    with watched(opener, LiveConfig(retry_seconds=0.01)) as running:
        yield running


class watched:  # noqa: N801
    """A show with a sink and a subscriber, drawn until the block ends."""

    def __init__(self, opener: Open, config: LiveConfig | None = None, **options: Any) -> None:
        self.show, self.sink, self.events = Show(opener, WALK, config, **options), Remembering(), Events()
        self.show.add(self.sink)
        self.show.subscribe(self.events)

    def __enter__(self) -> tuple[Show, Remembering, Events]:
        self.show.start()
        self.sink.wait_for(1)
        return self.show, self.sink, self.events

    def __exit__(self, *_: object) -> None:
        self.show.close()


class Breaking:
    """Opens a generator whose pictures fail on demand."""

    def __init__(self, opener: Open) -> None:
        self.opener, self.opened = opener, 0
        self.error: Exception | None = None

    def __call__(self) -> Generator:
        self.opened += 1
        G = self.opener()
        draw = G.images

        def images(*args: Any, **kwargs: Any) -> Any:
            error, self.error = self.error, None
            if error is not None:
                raise error
            return draw(*args, **kwargs)

        G.images = images  # type: ignore[method-assign]
        return G


def test_a_take_is_drawn_again_with_the_pictures_that_the_show_drew(
    show: tuple[Show, Remembering, Events], tiny_checkpoint: Checkpoint
) -> None:
    running, sink, _ = show
    for number, change in enumerate(({"speed": 3.0}, {"truncation_psi": 0.4, "seeds": [7, 8]}, {"fade": 0.5}), 1):
        running.change(change)
        sink.wait_for(8 * number)
    take = running.take()
    with Generator(tiny_checkpoint, device="cpu", batch=4, threads=1, name="tiny") as G:
        again = list(take_frames(G, take, fps=take.fps))
    shown = {frame.number: frame.picture for frame in list(sink.frames) if frame.number < len(again)}
    assert len(shown) >= 20
    assert all(np.array_equal(again[number], picture) for number, picture in shown.items())


@pytest.mark.parametrize("ends_in_time", [True, False])
def test_a_show_that_ends_waits_for_what_is_being_prepared_and_says_whether_it_ended(
    opener: Open, monkeypatch: pytest.MonkeyPatch, ends_in_time: bool
) -> None:
    monkeypatch.setattr("wplus.live.supervisor._PATIENCE", 60.0 if ends_in_time else 0.05)
    started, go_on, opened = threading.Event(), threading.Event(), []

    def open_faster() -> Generator:
        started.set()
        go_on.wait(60)
        opened.append(opener())
        return opened[0]

    with watched(opener, open_faster=open_faster) as (show, _, _):
        assert started.wait(60)
        if ends_in_time:
            threading.Timer(0.1, go_on.set).start()
    assert show.is_over == ends_in_time
    assert len(opened) == ends_in_time
    go_on.set()


def test_a_show_draws_frames_of_the_walk(show: tuple[Show, Remembering, Events]) -> None:
    _, sink, _ = show
    frames = sink.wait_for(10)
    assert frames[0].picture.shape == (16, 16, 3)
    assert any(not np.array_equal(frame.picture, frames[0].picture) for frame in frames)


def test_the_state_is_json_and_says_all_parameters(show: tuple[Show, Remembering, Events]) -> None:
    state = json.loads(json.dumps(show[0].state()))
    assert state["seeds"] == [0, 1, 2]
    assert (state["length"], state["duration"], state["error"], state["recording"]) == (3, 1.5, None, None)
    assert state["generator"]["family"] == "stylegan2"
    assert state["generator"]["name"] == "tiny"
    assert state["keyframes"][2] == {"seed": 2, "file": None, "index": 0, "class_index": None}


def test_stats_are_json(show: tuple[Show, Remembering, Events]) -> None:
    show[1].wait_for(5)
    show[0].measured("encode", 0.001)
    stats = json.loads(json.dumps(show[0].stats()))
    assert stats["drawn"] >= 4
    assert stats["stages"]["network"]["p50"] > 0
    assert stats["stages"]["encode"] == {"p50": 1, "p95": 1, "p99": 1}
    assert stats["reaches"] > 0


def test_a_change_is_told_and_drawn(show: tuple[Show, Remembering, Events]) -> None:
    running, sink, events = show
    running.change({"playing": False, "position": 1.0, "truncation_psi": 0.5})
    events.wait_for_state(lambda state: state["truncation_psi"] == 0.5)
    frame = sink.wait_until(lambda frame: frame.changed_at > 0)
    with running._ready().borrowed() as G:
        drawn = next(iter(G.sample([1], truncation_psi=0.5))).images[0]
    assert np.abs(frame.picture.astype(int) - drawn).max() <= 1


def test_a_wrong_change_is_an_error_and_changes_nothing(show: tuple[Show, Remembering, Events]) -> None:
    with pytest.raises(ValueError, match="speed is 99"):
        show[0].change({"speed": 99, "fade": 1.0})
    assert show[0].state()["fade"] == 0


def test_a_walk_is_no_parameter(show: tuple[Show, Remembering, Events]) -> None:
    with pytest.raises(ValueError, match="There is no parameter 'walk'"):
        show[0].change({"walk": {}})


@pytest.mark.parametrize("error", [RuntimeError("device lost"), MemoryError(), WplusError("closed")])
def test_a_killed_renderer_comes_back_with_the_state_while_the_last_frame_stays_up(
    opener: Open, error: Exception
) -> None:
    breaking = Breaking(opener)
    with watched(breaking, LiveConfig(retry_seconds=0.01)) as (show, sink, events):
        show.change({"playing": False, "position": 2.0, "truncation_psi": 0.25})
        before = sink.wait_until(lambda frame: frame.changed_at > 0)
        breaking.error = error
        show.change({"position": 1.0})
        assert type(error).__name__ in events.wait_for("renderer failed")["error"]
        events.wait_for("renderer restarted")
        assert breaking.opened == 2
        show.change({"position": 2.0})
        made = sink.frames[-1].changed_at
        after = sink.wait_until(lambda frame: frame.changed_at > made)
        assert np.array_equal(after.picture, before.picture)
        state = show.state()
        assert (state["truncation_psi"], state["error"]) == (0.25, None)
        assert show.stats()["failures"] == 1


def test_a_generator_that_cannot_be_opened_is_tried_again(opener: Open) -> None:
    tries = []

    def reluctant() -> Generator:
        tries.append(1)
        if len(tries) < 3:
            raise ArtifactError("the disk is not there yet")
        return opener()

    with watched(reluctant, LiveConfig(retry_seconds=0.001)) as (show, sink, _):
        sink.wait_for(3)
        assert len(tries) == 3
        assert show.state()["error"] is None


def test_a_faster_generator_is_swapped_in_between_two_frames(opener: Open) -> None:
    def slow() -> Generator:
        G = opener()
        draw, pause = G.images, threading.Event()
        G.images = lambda *args, **kwargs: pause.wait(0.05) or draw(*args, **kwargs)  # type: ignore[method-assign]
        return G

    with watched(slow, open_faster=opener) as (show, sink, events):
        assert events.wait_for("faster")["fps"] > 20
        count = len(sink.frames)
        sink.wait_for(count + 5)
        assert show.stats()["failures"] == 0


def test_a_slower_or_broken_alternative_changes_nothing(opener: Open) -> None:
    def broken() -> Generator:
        raise ArtifactError("no driver")

    with watched(opener, open_faster=broken) as (show, sink, events):
        assert events.wait_for("faster failed")["error"] == "no driver"
        sink.wait_for(len(sink.frames) + 3)
        assert show.state()["error"] is None


def test_thumbnails_are_small_jpegs_drawn_once(show: tuple[Show, Remembering, Events]) -> None:
    first = show[0].thumbnail(7, 8)
    assert Image.open(io.BytesIO(first)).size == (8, 8)
    assert show[0].thumbnail(7, 8) is first
    assert show[0].thumbnail_of(1, 8) == show[0].thumbnail(1, 8)
    with pytest.raises(ValueError, match="0 to 2"):
        show[0].thumbnail_of(3, 8)
    with pytest.raises(ValueError, match="The width is 100000"):
        show[0].thumbnail(7, 100000)


def test_a_snapshot_is_what_is_shown_with_its_latent(show: tuple[Show, Remembering, Events], tmp_path: Path) -> None:
    running, sink, _ = show
    running.change({"playing": False, "position": 0.5, "fade": 1.0})
    sink.wait_until(lambda frame: frame.changed_at > 0)
    png, latents = running.snapshot()
    (tmp_path / "a.png").write_bytes(png)
    assert read_metadata(tmp_path / "a.png")["latents"] == ["snapshot.npz"]
    with running._ready().borrowed() as G:
        drawn = G.images(latents)[0]
    assert np.abs(np.asarray(Image.open(io.BytesIO(png))).astype(int) - drawn).max() <= 1
    assert latents.space == "w+"


def test_a_preset_is_a_walk_file_and_brings_everything_back(opener: Open) -> None:
    with watched(opener) as (show, _, _):
        show.controls = {"bindings": [{"control": "osc/1/fader1", "parameter": "speed"}]}
        show.change({"seeds": [5, 6], "speed": 0.25, "truncation_psi": 0.5, "position": 0.75, "playing": False})
        preset = json.loads(json.dumps(show.preset()))
    from wplus.paths.walk_files import walk_of_json

    assert [keyframe.seed for keyframe in walk_of_json(preset).keyframes] == [5, 6]
    with watched(opener) as (other, _, _):
        other.load_preset(preset)
        state = other.state()
        assert other.controls == {"bindings": [{"control": "osc/1/fader1", "parameter": "speed"}]}
        spoilt = {**preset, "live": {"controls": {"bindings": [{"control": "osc/1/fader1"}]}}}
        with pytest.raises(ValueError, match="parameter"):
            other.load_preset({**spoilt, "keyframes": [{"seed": 7}, {"seed": 8}]})
        assert other.state()["seeds"] == state["seeds"]
        with pytest.raises((ValueError, WplusError), match="format"):
            other.load_preset({"live": {}})
    assert [state[name] for name in ("seeds", "speed", "truncation_psi", "position", "playing")] == [
        [5, 6],
        0.25,
        0.5,
        0.75,
        False,
    ]


def test_the_autosave_brings_a_show_back_by_choice(opener: Open, tmp_path: Path) -> None:
    saved = tmp_path / "state.json"
    with watched(opener, LiveConfig(autosave=saved, autosave_seconds=0.05)) as (show, _, _):
        show.change({"speed": 3.0, "fade": 0.5})
    with watched(opener, LiveConfig(autosave=saved)) as (other, _, _):
        assert other.state()["speed"] == 1
    with watched(opener, LiveConfig(autosave=saved, autosave_seconds=0.05)) as (show, _, _):
        show.change({"speed": 3.0, "fade": 0.5})
    with watched(opener, LiveConfig(autosave=saved, restore=True)) as (other, _, _):
        assert (other.state()["speed"], other.state()["fade"]) == (3.0, 0.5)


def test_a_show_that_never_began_leaves_the_last_ones_autosave(opener: Open, tmp_path: Path) -> None:
    saved = tmp_path / "state.json"
    saved.write_text("what the last show left")
    Show(opener, WALK, LiveConfig(autosave=saved)).close()
    assert saved.read_text() == "what the last show left"


def test_a_damaged_autosave_says_so(opener: Open, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"format": "wplus wa')
    with pytest.raises(ArtifactError, match=r"state\.json is no preset"):
        Show(opener, WALK, LiveConfig(autosave=tmp_path / "state.json", restore=True))


def test_taps_set_the_tempo(opener: Open) -> None:
    clock = ManualClock()
    show = Show(opener, WALK, clock=clock)
    assert show.tap() == 120  # of half a second a keyframe
    for _ in range(3):
        clock.advance(0.4)
        bpm = show.tap()
    assert bpm == pytest.approx(150)
    assert show.state()["seconds_per_keyframe"] == pytest.approx(0.4)
    clock.advance(5.0)
    assert show.tap() == pytest.approx(150)
    show.close()


def test_a_recording_runs_until_it_is_stopped(opener: Open, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with watched(opener, LiveConfig(record_dir=tmp_path)) as (show, sink, _):
        with pytest.raises(WplusError, match="Nothing is being recorded"):
            show.stop_recording()
        path = show.start_recording(Path("a.mp4"))
        assert show.state()["recording"] == str(path)
        with pytest.raises(WplusError, match="is being recorded already"):
            show.start_recording()
        sink.wait_for(len(sink.frames) + 20)
        assert show.stop_recording() == path
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 18


def test_a_take_is_the_show_until_now(show: tuple[Show, Remembering, Events]) -> None:
    running, sink, _ = show
    running.change({"speed": 2.0})
    sink.wait_for(len(sink.frames) + 3)
    take = running.take()
    assert [event.changes for event in take.events] == [{"speed": 2.0}]
    assert take.duration > take.events[0].at
    assert take.generator == running._ready().G.fingerprint


def test_closing_closes_the_sinks_and_ends_all_threads(opener: Open) -> None:
    before = set(threading.enumerate())
    with watched(opener) as (_, sink, _):
        pass
    assert sink.closed
    assert {thread.name for thread in set(threading.enumerate()) - before} <= set()
