"""What pages ask for, without a page: learned controls, and the files that may be downloaded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from served_support import seeds_walk

from wplus.generator import Generator
from wplus.live.changes import Changes
from wplus.live.commands import Commands
from wplus.live.config import LiveConfig
from wplus.live.controls import Controls
from wplus.live.show import Show
from wplus.live.take import read_take


@pytest.fixture
def show(tiny: Generator, tmp_path: Path) -> Iterator[Show]:
    """A show that does not run."""
    running = Show(lambda: tiny, seeds_walk(1, 2), LiveConfig(record_dir=tmp_path))
    yield running
    running.close()


def test_a_control_is_learned_kept_in_presets_and_forgotten(show: Show, tmp_path: Path) -> None:
    with Changes(show) as changes:
        controls = Controls(changes, on_learned=lambda _: setattr(show, "controls", controls.json()))
        commands = Commands(show, tmp_path, controls=controls)
        assert commands.run("learn", {"parameter": "speed"}) == {"event": "learn", "parameter": "speed"}
        assert commands.state()["learning"] == "speed"
        controls.moved("midi/cc/1/7", 64.0)
        (binding,) = commands.state()["controls"]["bindings"]
        assert (binding["control"], binding["parameter"]) == ("midi/cc/1/7", "speed")
        commands.run("save_preset", {"name": "with a knob"})
        commands.run("forget", {"parameter": "speed"})
        assert commands.state() == {"controls": {"bindings": []}, "learning": None}
        commands.run("load_preset", {"name": "with a knob"})
        assert commands.state()["controls"]["bindings"] == [binding]


def test_learning_can_be_given_up(show: Show, tmp_path: Path) -> None:
    with Changes(show) as changes:
        commands = Commands(show, tmp_path, controls=Controls(changes))
        commands.run("learn", {"parameter": "speed"})
        commands.run("learn", {"parameter": None})
        assert commands.state()["learning"] is None
        with pytest.raises(ValueError, match="velocity"):
            commands.run("learn", {"parameter": "velocity"})


@pytest.mark.parametrize(
    ("audio", "said"), [(None, None), ("kept/music/song.wav", "music/song.wav"), ("song.wav", "{}/song.wav")]
)
def test_a_take_names_the_sound_of_the_show(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audio: str | None, said: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kept").mkdir()
    commands = Commands(show, Path("kept"), audio=None if audio is None else Path(audio))
    (name,) = commands.run("take", {})["files"]
    assert read_take(tmp_path / "kept" / name).audio == (said and said.format(tmp_path))


def test_only_what_was_kept_can_be_downloaded(show: Show, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    (folder / "inner").mkdir(parents=True)
    for name in ("a.png", "inner/b.png", "../c.png", ".d.png", "e.sh"):
        (folder / name).write_bytes(b"")
    commands = Commands(show, folder)
    assert commands.file("a.png") == folder / "a.png"
    for name in ("inner/b.png", "../c.png", ".d.png", "e.sh", "none.png", "", "a.png\n", "..", "/etc/passwd"):
        assert commands.file(name) is None


def test_recordings_lie_beside_the_rest_where_the_folder_is_relative(
    tiny: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    show = Show(lambda: tiny, seeds_walk(1, 2), LiveConfig(record_dir=Path("kept")))
    name = Commands(show, Path("kept")).run("record", {})["recording"]
    assert Path(show.state()["recording"]) == Path("kept") / name
    show.close()
