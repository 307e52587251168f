"""The server: pages, pictures, and the WebSocket, with good, bad and hostile clients."""

import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image
from served_support import Served, next_frame, next_word, read_to_the_end, seeds_walk, served, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from wplus.checkpoints import Checkpoint
from wplus.errors import UnsupportedError
from wplus.generator import Generator
from wplus.latent_files import load_latents
from wplus.live.server import listen
from wplus.media_metadata import read_metadata


@pytest.fixture(scope="module")
def open_tiny(tiny_checkpoint: Checkpoint) -> Callable[[], Generator]:
    return lambda: Generator(tiny_checkpoint, device="cpu", batch=1, name="tiny")


@pytest.fixture(scope="module")
def show(open_tiny: Callable[[], Generator], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(open_tiny, seeds_walk(1, 2, 3), tmp_path_factory.mktemp("show")) as running:
        yield running


def _get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urlopen(Request(url, headers=headers), timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except HTTPError as exc:
        with exc:
            return exc.code, dict(exc.headers), exc.read()


def _set(viewer: ClientConnection, **values: Any) -> None:
    viewer.send(json.dumps({"set": values}))


def _state_where(viewer: ClientConnection, **values: Any) -> dict[str, Any]:
    while True:
        state: dict[str, Any] = next_word(viewer, "state")
        if all(state[name] == value for name, value in values.items()):
            return state


# Pages


@pytest.mark.parametrize("path", ["", "output"])
def test_pages_load_nothing_from_elsewhere(show: Served, path: str) -> None:
    status, headers, page = _get(show.url(path))
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    linked = re.findall(r'(?:src|href)="(static/[^"]+)"', page.decode())
    assert linked
    for name in linked:
        assert _get(show.url(name))[0] == 200


def test_no_page_names_another_site() -> None:
    for path in (Path(__file__).parents[2] / "engine" / "live" / "pages").iterdir():
        assert not re.search(r"(https?:)?//[a-z]", path.read_text().replace("// ", ""), re.IGNORECASE), path.name


@pytest.mark.parametrize("path", ["static/../server.py", "static/%2e%2e/server.py", "files/..%2fa.png", "files/.a.png"])
def test_nothing_outside_is_served(show: Served, path: str) -> None:
    assert _get(show.url(path))[0] == 404


def test_another_host_is_refused_in_words(show: Served) -> None:
    status, _, text = _get(show.url(), Host="evil.example")
    assert status == 403
    assert b"this machine alone" in text


def test_thumbnails_are_small_pictures_of_seeds_and_keyframes(show: Served) -> None:
    for path in ("thumb/5.jpg?width=32", "keyframe/0.jpg?width=32"):
        status, headers, data = _get(show.url(path))
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(data)).size == (32, 32)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("thumb/4294967296.jpg", 400),
        ("thumb/5.jpg?width=x", 400),
        ("thumb/5.jpg?width=99999", 400),
        ("thumb/5.jpg?width=2", 400),
        ("keyframe/3.jpg", 400),
        ("thumb/a.jpg", 404),
        ("thumb/-1.jpg", 404),
    ],
)
def test_a_thumbnail_that_cannot_be_is_refused(show: Served, path: str, status: int) -> None:
    assert _get(show.url(path))[0] == status


def test_the_snapshot_says_how_it_was_made(show: Served, tmp_path: Path) -> None:
    status, _, data = _get(show.url("snapshot.png"))
    (tmp_path / "a.png").write_bytes(data)
    facts = read_metadata(tmp_path / "a.png")
    assert status == 200
    assert facts is not None
    assert facts["network"] == "tiny"


# Viewers


def test_a_newcomer_is_told_the_state_and_sees_the_picture_at_once(show: Served) -> None:
    with show.connect() as viewer:
        state = next_word(viewer, "state")
        assert state["generator"]["name"] == "tiny"
    with show.connect() as viewer:
        _, data = next_frame(viewer)
        assert Image.open(io.BytesIO(data)).size == (16, 16)


def test_frames_wait_for_the_acknowledgement(show: Served) -> None:
    with show.connect() as viewer:
        header, _ = next_frame(viewer, acknowledge=False)
        _set(viewer, position=0.5)
        time.sleep(0.5)
        viewer.send('{"do": "tap"}')
        while isinstance(message := viewer.recv(timeout=20), str) and '"tap"' not in message:
            pass
        assert isinstance(message, str)  # the answer to what was asked later came first
        viewer.send(json.dumps({"ack": header[1]}))
        assert next_frame(viewer)[0][1] > header[1]


def test_a_change_by_one_is_seen_by_all(show: Served) -> None:
    with show.connect() as one, show.connect() as other:
        next_frame(one)
        _, before = next_frame(other)
        _set(one, position=1.5, speed=3)
        _state_where(other, speed=3.0)
        _set(one, position=2.25)
        _state_where(one, position=2.25)
        _, after = next_frame(other)
        assert before != after


def test_webp_is_sent_to_those_who_ask(show: Served) -> None:
    with show.connect("ws?format=webp") as viewer:
        header, data = next_frame(viewer)
        assert (header[5], Image.open(io.BytesIO(data)).format) == (1, "WEBP")
        viewer.send('{"do": "format", "format": "jpeg"}')
        header, data = next_frame(viewer)
        assert (header[5], Image.open(io.BytesIO(data)).format) == (0, "JPEG")


def test_figures_come_once_a_second(show: Served) -> None:
    with show.connect() as viewer:
        next_word(viewer, "stats")
        stats = next_word(viewer, "stats")
    assert {"fps", "reaches", "dropped", "stages", "latency", "viewers", "here", "position"} <= stats.keys()
    assert stats["stages"]["encode"]["p50"] > 0


def test_a_right_value_that_does_not_suit_is_an_error_in_words_and_no_violation(show: Served) -> None:
    with show.connect() as viewer:
        _set(viewer, **{"direction/smile": 1})
        assert "no direction 'smile'" in next_word(viewer, "error")
        next_word(viewer, "stats")


# What is kept


def _done(viewer: ClientConnection, command: str, **arguments: Any) -> dict[str, Any]:
    viewer.send(json.dumps({"do": command, **arguments}))
    while (event := next_word(viewer, "event"))["event"] != command:
        pass
    return dict(event)


def test_a_snapshot_is_a_picture_and_its_latent(show: Served, tmp_path: Path) -> None:
    with show.connect() as viewer:
        png, npz = _done(viewer, "snapshot")["files"]
    for name in (png, npz):
        (tmp_path / name).write_bytes(_get(show.url(f"files/{name}"))[2])
    with Image.open(tmp_path / png) as image:
        assert image.size == (16, 16)
    assert load_latents(tmp_path / npz).space == "w+"


def test_a_preset_is_saved_as_a_walk_file_and_loaded_again(show: Served) -> None:
    with show.connect() as viewer:
        _set(viewer, truncation_psi=0.25, seeds=[7, 8])
        _state_where(viewer, truncation_psi=0.25)
        event = _done(viewer, "save_preset", name="calm one")
        assert "calm one" in event["names"]
        preset = json.loads(_get(show.url("files/calm%20one.walk.json"))[2])
        assert preset["format"] == "wplus walk"
        _set(viewer, truncation_psi=1, seeds=[1, 2, 3])
        _state_where(viewer, truncation_psi=1.0)
        _done(viewer, "load_preset", name="calm one")
        assert _state_where(viewer, truncation_psi=0.25)["seeds"] == [7, 8]
        _done(viewer, "load_preset", preset={**preset, "live": {"parameters": {"truncation_psi": 0.5}}})
        _state_where(viewer, truncation_psi=0.5)


def test_a_preset_that_is_none_is_an_error_in_words(show: Served) -> None:
    with show.connect() as viewer:
        viewer.send('{"do": "load_preset", "preset": {"format": "wplus walk", "version": 1, "sedes": [1]}}')
        assert "sedes" in next_word(viewer, "error")
        viewer.send('{"do": "load_preset", "name": "never saved"}')
        assert "never saved" in next_word(viewer, "error")
        viewer.send('{"do": "learn", "parameter": "speed"}')
        assert "--midi or --osc" in next_word(viewer, "error")


def test_a_take_is_kept(show: Served) -> None:
    with show.connect() as viewer:
        (name,) = _done(viewer, "take")["files"]
    assert json.loads(_get(show.url(f"files/{name}"))[2])["format"] == "wplus take"


def test_a_recording_is_made_and_offered(show: Served) -> None:
    pytest.importorskip("av")
    with show.connect() as viewer:
        _done(viewer, "record")
        _set(viewer, playing=True)
        _state_where(viewer, playing=True)
        frames = show.show.stats()["frames"]
        wait_until(lambda: show.show.stats()["frames"] > frames + 5)
        (name,) = _done(viewer, "stop")["files"]
        _set(viewer, playing=False)
        _state_where(viewer, playing=False)
    assert _get(show.url(f"files/{name}"))[2][4:8] == b"ftyp"


# Hostile


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        "{",
        "[" * 16_000,
        b"\x00\x01",
        '{"set": {"speed": 1e9}}',
        '{"set": {"speed": "x"}}',
        '{"ack": 4294967295}',
        '{"do": "shutdown"}',
        '{"do": "save_preset", "name": "../../x"}',
        '{"set": {}, "pad": "' + "x" * 20_000 + '"}',
    ],
    ids=lambda message: repr(message)[:30],
)
def test_a_hostile_message_closes_that_connection_and_nothing_else(show: Served, message: str | bytes) -> None:
    with show.connect() as good, show.connect() as bad:
        next_frame(good)
        bad.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            read_to_the_end(bad)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        assert closed.value.rcvd.reason
        next_word(good, "stats")
        _set(good, position=float(np.random.default_rng(len(message)).uniform(0, 3)))
        next_word(good, "state")


def test_an_absurdly_long_message_and_a_flood_are_ended_too(show: Served) -> None:
    for messages in (['{"set": {"fade": 0}}' + " " * 10_000_000], ['{"set": {}}'] * 3000):
        with show.connect() as good, show.connect() as bad:
            with suppress(ConnectionClosed):
                for message in messages:
                    bad.send(message)
            with pytest.raises(ConnectionClosed):
                read_to_the_end(bad)
            next_word(good, "stats")


def test_many_who_come_and_go_leave_nothing_behind(show: Served) -> None:
    before = threading.active_count()
    for _ in range(30):
        with show.connect():
            pass
    with show.connect() as viewer:
        wait_until(lambda: next_word(viewer, "stats")["viewers"] == 1)
    assert threading.active_count() <= before + 4


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_page_of_another_site_gets_no_connection(show: Served, origin: str) -> None:
    with pytest.raises(InvalidStatus), show.connect(origin=origin):
        pass


def test_a_token_is_needed_where_there_is_one(open_tiny: Callable[[], Generator], tmp_path: Path) -> None:
    with served(open_tiny, seeds_walk(1, 2), tmp_path, token="a-secret") as show:
        bare = f"127.0.0.1:{show.port}"
        for path in ("", "output", "snapshot.png", "thumb/1.jpg", "?token=wrong"):
            assert _get(f"http://{bare}/{path}")[0] == 403
        assert _get(show.url("output"))[0] == 200
        with show.connect() as viewer:
            next_frame(viewer)
        stranger = Served(show=show.show, port=show.port, folder=tmp_path, token=None)
        with pytest.raises(InvalidStatus), stranger.connect():
            pass


# Starting and ending


def test_a_port_in_use_is_said_with_what_to_do() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(UnsupportedError, match=r"another wplus live running.*--port="):
        listen("127.0.0.1", taken.getsockname()[1])


def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(UnsupportedError, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", 0)
    with pytest.raises(UnsupportedError, match="no address of this machine"):
        listen("no.such.host.invalid", 0)


def test_the_server_ends_while_viewers_look_on(open_tiny: Callable[[], Generator], tmp_path: Path) -> None:
    with ExitStack() as viewers:
        with served(open_tiny, seeds_walk(1, 2), tmp_path) as show:
            viewer = viewers.enter_context(show.connect())
            next_frame(viewer)
        with pytest.raises(ConnectionClosed):
            read_to_the_end(viewer)
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", show.port)) != 0
