"""Facts about OSC in and out, over real UDP on the loopback interface."""

import math
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import build_msg
from pythonosc.udp_client import SimpleUDPClient
from steered_show import SteeredShow, wait_until

from wplus.errors import UnsupportedError
from wplus.live.changes import Changes
from wplus.live.controls import Controls
from wplus.live.mapping import Binding
from wplus.live.osc import OscIn, endpoint, osc_value
from wplus.live.osc_out import OscOut
from wplus.live.osc_packets import MOST_PACKET, read_packet
from wplus.live.parameters import PARAMETERS

_HERE = "127.0.0.1"


@pytest.fixture
def show() -> SteeredShow:
    return SteeredShow()


@pytest.fixture
def controls(show: SteeredShow) -> Iterator[Controls]:
    with Changes(show) as changes:
        yield Controls(changes)


@pytest.fixture
def osc(controls: Controls) -> Iterator[OscIn]:
    with OscIn(controls, _HERE, 0) as osc:
        yield osc


@pytest.fixture
def client(osc: OscIn) -> Iterator[SimpleUDPClient]:
    with SimpleUDPClient(*osc.address) as client:
        yield client


_SAMPLES: list[tuple[str, Any, Any]] = [
    ("playing", False, False),
    ("playing", 1, True),
    ("position", 2.5, 2.5),
    ("speed", -2, -2.0),
    ("seconds_per_keyframe", 0.5, 0.5),
    ("bpm", 120.0, 120.0),
    ("bpm", [None], None),
    ("seeds", [3, 1, 4_000_000_000], (3, 1, 4_000_000_000)),
    ("seeds", [[5, 6]], (5, 6)),
    ("seeds", list(range(256)), tuple(range(256))),
    ("interp", "spline", "spline"),
    ("interp", 1, "slerp"),
    ("interp", "none", None),
    ("easing", "none", "none"),
    ("constant_speed", "w", "w"),
    ("loop", 0.0, False),
    ("truncation_psi", 0.25, 0.25),
    ("truncation_psi", "none", None),
    ("truncation_cutoff", 8, 8),
    ("truncation_cutoff", 8.0, 8),
    ("mix_seed", 4_294_967_295, 4_294_967_295),
    ("mix_layers", [4, 2, 3], (2, 3, 4)),
    ("mix_layers", [], ()),
    ("mix_amount", 0.5, 0.5),
    ("translate_x", -0.5, -0.5),
    ("translate_y", 0.5, 0.5),
    ("rotate", 90, 90.0),
    ("noise_radius", 1.5, 1.5),
    ("freeze", True, True),
    ("fade", 1, 1.0),
    ("fps", 25, 25.0),
    ("direction/smile", -3.5, -3.5),
]


def test_the_samples_have_every_parameter() -> None:
    assert {name for name, _, _ in _SAMPLES} == {*PARAMETERS, "direction/smile"}


@pytest.mark.parametrize(("name", "sent", "value"), _SAMPLES, ids=lambda value: str(value)[:20])
def test_every_parameter_is_reached(
    show: SteeredShow, client: SimpleUDPClient, name: str, sent: Any, value: Any
) -> None:
    client.send_message(f"/wplus/{name}", sent)
    show.wait_for(name, value)
    assert type(show.values[name]) is type(value)


@pytest.mark.parametrize(
    ("address", "sent", "problem"),
    [
        ("/wplus/zoom", 1, "There is no parameter 'zoom'"),
        ("/wplus/fade", 7, "fade is 7; a number from 0 to 1 is needed"),
        ("/wplus/fade", True, "fade is True"),
        ("/wplus/fade", math.nan, "fade is nan"),
        ("/wplus/fade", [], "/wplus/fade has 0 arguments; a number from 0 to 1"),
        ("/wplus/fade", [0.1, 0.2], "has 2 arguments"),
        ("/wplus/playing", 0.5, "playing is 0.5; true or false is needed"),
        ("/wplus/interp", 4, "interp is 4; one of linear"),
        ("/wplus/seeds", [1], "seeds is"),
        ("/wplus/seeds", [1, "2"], "seeds is"),
        ("/wplus/fade", [[0.5]], "fade is"),
        ("/wplus/", 1, "There is no parameter ''"),
        ("/wplus/*", 1, r"There is no parameter '\*'"),
    ],
)
def test_a_refused_value_is_counted_and_said(
    osc: OscIn, client: SimpleUDPClient, show: SteeredShow, address: str, sent: Any, problem: str
) -> None:
    client.send_message(address, sent)
    wait_until(lambda: osc.counts.refused == 1)
    assert re.search(problem, osc.last_problem), osc.last_problem
    client.send_message("/wplus/fade", 0.5)
    show.wait_for("fade", 0.5)
    assert len(show.changes) == 1


def test_a_bundle_is_taken_at_once_whatever_its_time(show: SteeredShow, client: SimpleUDPClient) -> None:
    inner = OscBundleBuilder(time.time() + 1e6)
    inner.add_content(build_msg("/wplus/fade", 0.5))
    outer = OscBundleBuilder(time.time() + 1e6)
    outer.add_content(inner.build())
    outer.add_content(build_msg("/wplus/speed", 2))
    client.send(outer.build())
    show.wait_for("fade", 0.5)
    show.wait_for("speed", 2.0)


def test_many_messages_a_second_coalesce_and_the_newest_wins(
    show: SteeredShow, osc: OscIn, client: SimpleUDPClient
) -> None:
    start = time.monotonic()
    for number in range(5000):
        client.send_message("/wplus/position", number)
    while show.values.get("position") != 5000:  # the system may drop a packet, this one too
        client.send_message("/wplus/position", 5000)
        time.sleep(0.01)
        assert time.monotonic() - start < 5
    seconds = time.monotonic() - start
    positions = [change["position"] for change in show.changes]
    assert positions == sorted(positions)
    assert len(positions) <= seconds / 0.005 + 2
    assert osc.counts.malformed == osc.counts.refused == 0


def test_other_addresses_are_controls(
    show: SteeredShow, osc: OscIn, client: SimpleUDPClient, controls: Controls
) -> None:
    controls.learn("fade")
    client.send_message("/3/xy", [0.5, 0.5])
    wait_until(lambda: controls.learning is None)
    assert controls.bindings == (Binding(control="osc/3/xy", parameter="fade"),)
    controls.load({"bindings": [{"control": "osc/3/xy#1", "parameter": "fade"}]})
    client.send_message("/3/xy", ["x", 0.75])
    show.wait_for("fade", 0.75)
    client.send_message("/1/nobody", 1)
    wait_until(lambda: osc.counts.unbound >= 1)


def test_only_allowed_senders_are_heard(controls: Controls, show: SteeredShow) -> None:
    osc = OscIn(controls, _HERE, 0, senders=["10.0.0.0/8", "192.168.1.20", "fe80::/10"])
    packet = build_msg("/wplus/fade", 0.5).dgram
    for stranger in ("127.0.0.1", "192.168.1.21", "::1", "11.0.0.1"):
        osc.take(packet, stranger)
    assert osc.counts.strangers == 4
    for allowed in ("10.1.2.3", "192.168.1.20", "fe80::1%eth0", "::ffff:10.0.0.1"):
        osc.take(packet, allowed)
    assert osc.counts.messages == 4
    osc.close()
    with OscIn(controls, _HERE, 0, senders=["127.0.0.0/8"]) as osc, SimpleUDPClient(*osc.address) as client:
        client.send_message("/wplus/fade", 0.25)
        show.wait_for("fade", 0.25)


def test_a_wrong_sender_is_said(controls: Controls) -> None:
    with pytest.raises(ValueError, match=r"'my laptop' is no address of a sender; one like 192.168.1.20"):
        OscIn(controls, _HERE, 0, senders=["my laptop"])


def test_a_port_in_use_is_said(controls: Controls, osc: OscIn) -> None:
    port = osc.address[1]
    with pytest.raises(UnsupportedError, match=f"OSC cannot listen on 127.0.0.1:{port}: .* name another port"):
        OscIn(controls, _HERE, port)


def test_an_address_of_another_machine_is_said(controls: Controls) -> None:
    with pytest.raises(UnsupportedError, match=r"OSC cannot listen on 192\.0\.2\.1"):
        OscIn(controls, "192.0.2.1", 0)


def test_listening_to_everybody_is_warned_of(controls: Controls, caplog: pytest.LogCaptureFixture) -> None:
    OscIn(controls, "0.0.0.0", 0).close()
    assert "everybody in that network can steer the show" in caplog.text
    caplog.clear()
    OscIn(controls, "0.0.0.0", 0, senders=["127.0.0.1"]).close()
    OscIn(controls, _HERE, 0).close()
    assert not caplog.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9000", (_HERE, 9000)),
        ("[::1]:9000", ("::1", 9000)),
        ("9000", (_HERE, 9000)),
        (":9000", (_HERE, 9000)),
        ("show.local:1", ("show.local", 1)),
    ],
)
def test_endpoints_are_read(text: str, expected: tuple[str, int]) -> None:
    assert endpoint(text) == expected


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "host:65536", "::1:9000", "host:-1", "host:٣"])
def test_what_is_no_endpoint_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no HOST:PORT, such as 127\.0\.0\.1:9000"):
        endpoint(text)


def padded(text: bytes) -> bytes:
    return text + b"\0" * (4 - len(text) % 4)


_BUNDLE = b"#bundle\0" + bytes(8)
_FADE = build_msg("/wplus/fade", 0.5).dgram


def element(packet: bytes) -> bytes:
    return struct.pack(">i", len(packet)) + packet


def nested(levels: int) -> bytes:
    packet = _FADE
    for _ in range(levels):
        packet = _BUNDLE + element(packet)
    return packet


_MALFORMED = {
    "nothing": b"",
    "no slash": padded(b"wplus/fade") + padded(b",f") + bytes(4),
    "odd length": _FADE[:-1],
    "no end of text": b"/wplus/fade1",
    "not utf-8": padded(b"/wplus/\xff\xfe") + padded(b",f") + bytes(4),
    "no comma": padded(b"/wplus/fade") + padded(b"xf") + bytes(4),
    "unknown type": padded(b"/wplus/fade") + padded(b",Q") + bytes(4),
    "blob": padded(b"/wplus/fade") + padded(b",b") + struct.pack(">i", -4),
    "argument missing": padded(b"/wplus/fade") + padded(b",ff") + bytes(4),
    "string without end": padded(b"/wplus/interp") + padded(b",s") + b"slerp...",
    "bracket open": padded(b"/wplus/seeds") + padded(b",[ii") + bytes(8),
    "bracket closed twice": padded(b"/wplus/seeds") + padded(b",ii]") + bytes(8),
    "too long": padded(b"/wplus/seeds") + padded(b"," + b"i" * 2000) + bytes(8000),
    "long address": padded(b"/" + b"x" * 201) + padded(b",f") + bytes(4),
    "unprintable address": padded(b"/wplus/\x1b[2J") + padded(b",f") + bytes(4),
    "bundle cut": _BUNDLE[:-4],
    "element of no length": _BUNDLE + struct.pack(">i", 0),
    "element of negative length": _BUNDLE + struct.pack(">i", -4),
    "element beyond the end": _BUNDLE + struct.pack(">i", 400) + _FADE,
    "half a length": _BUNDLE + b"\0\0",
    "nested too deeply": nested(5),
    "too many messages": _BUNDLE + element(padded(b"/a") + padded(b",")) * 257,
}


@pytest.mark.parametrize("packet", _MALFORMED.values(), ids=_MALFORMED.keys())
def test_malformed_packets_are_counted_and_the_show_goes_on(
    osc: OscIn, client: SimpleUDPClient, show: SteeredShow, packet: bytes
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hostile:
        hostile.sendto(packet, osc.address)
    wait_until(lambda: osc.counts.packets == 1)
    client.send_message("/wplus/speed", 3)
    show.wait_for("speed", 3.0)
    assert osc.counts.malformed == 1
    assert show.changes == [{"speed": 3.0}]


def test_four_levels_of_bundles_are_read() -> None:
    assert read_packet(nested(4)) == [("/wplus/fade", [0.5])]


def test_the_largest_packet_is_read() -> None:
    packet = build_msg("/wplus/seeds", [2**32 - 1] * 256).dgram
    assert len(packet) < MOST_PACKET
    assert read_packet(packet) == [("/wplus/seeds", [2**32 - 1] * 256)]


_VALID = [
    _FADE,
    nested(2),
    build_msg("/wplus/seeds", [1, 2, 3]).dgram,
    build_msg("/wplus/seeds", [[1, 2], "a", None, True, 1.5]).dgram,
    _BUNDLE + element(_FADE) * 3,
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid packet with a few bytes changed, cut or repeated."""
    packet = bytearray(draw(st.sampled_from(_VALID)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(packet)))
        packet[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=8))
    return bytes(packet)


class Nothing:
    """Controls that lead nowhere."""

    def set(self, name: str, value: Any) -> None:
        assert name
        assert value is not Nothing

    def moved(self, control: str, raw: float) -> bool:
        return bool(control) and raw > 0


@settings(max_examples=300, deadline=None)
@given(damaged() | st.binary(max_size=64) | st.binary(max_size=64).map(lambda tail: _BUNDLE + tail))
@example(_BUNDLE + struct.pack(">i", -4) + b"/a\0\0,\0\0\0")
def test_no_packet_raises_or_is_lost_count_of(packet: bytes) -> None:
    osc = OscIn(Nothing(), _HERE, 0)  # type: ignore[arg-type]
    try:
        osc.take(packet, _HERE)
        counts = osc.counts
        assert counts.packets == 1
        try:
            messages = len(read_packet(packet))
        except ValueError:
            assert counts.malformed == 1
            messages = 0
        assert counts.messages + counts.unbound + counts.refused == messages
    finally:
        osc.close()


@given(st.sampled_from([*PARAMETERS, "direction/x"]), st.lists(st.none() | st.booleans() | st.integers() | st.floats()))
def test_any_arguments_give_a_value_or_a_value_error(name: str, arguments: list[Any]) -> None:
    with suppress(ValueError):
        osc_value(name, arguments)


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((_HERE, 0))
        receiver.settimeout(5)
        yield receiver


def received(receiver: socket.socket) -> tuple[str, list[Any]]:
    message = OscMessage(receiver.recv(1000))
    return message.address, message.params


def test_loops_and_beats_are_told_to_every_target(show: SteeredShow, receiver: socket.socket) -> None:
    target = receiver.getsockname()
    with OscOut(show, [target, target]) as out:
        show.tell({"state": {}})
        show.tell({"event": "loop", "laps": 3, "time": 1.0})
        show.tell({"event": "renderer restarted"})
        show.tell({"event": "beat", "beat": 17, "time": 1.0})
        got = [received(receiver) for _ in range(4)]
        assert got == [("/wplus/out/loop", [3])] * 2 + [("/wplus/out/beat", [17])] * 2
        assert out.sent == 4
    assert show.listeners == 0


def test_frames_a_second_are_told_again_and_again(show: SteeredShow, receiver: socket.socket) -> None:
    with OscOut(show, [receiver.getsockname()], fps=lambda: 29.5, every=0.01):
        assert [received(receiver) for _ in range(2)] == [("/wplus/out/fps", [29.5])] * 2


def test_a_target_that_cannot_be_reached_stops_nothing(show: SteeredShow, receiver: socket.socket) -> None:
    unreachable = ("255.255.255.255", 9)  # a broadcast, which the socket may not send
    with OscOut(show, [unreachable, receiver.getsockname()]) as out:
        show.tell({"event": "beat", "beat": 1})
        assert received(receiver) == ("/wplus/out/beat", [1])
        assert out.failed == 1


def test_an_unknown_target_is_said(show: SteeredShow) -> None:
    with pytest.raises(UnsupportedError, match="OSC out: no host at all is unknown here"):
        OscOut(show, [("no host at all", 9)])
