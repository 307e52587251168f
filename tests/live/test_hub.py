"""Frames to viewers: one in flight, the newest wins, each encoded once."""

import asyncio
import io
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from wplus.live.encoding import HEADER, MAGIC, FrameFormat, encode_frame
from wplus.live.frames import Frame
from wplus.live.hub import Hub
from wplus.live.messages import ViolationError
from wplus.live.viewer import Viewer


def _frame(number: int, level: int = 100, channels: int = 3) -> Frame:
    picture = np.full((8, 8, channels), level, np.uint8)
    now = time.perf_counter()
    return Frame(picture=picture, number=number, time=number / 30, drawn_at=now, changed_at=now)


class _Wire:
    """A connection that keeps what is sent, and can be slow."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.texts: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send_text(self, data: str) -> None:
        await self.open.wait()
        self.texts.append(data)

    async def send_bytes(self, data: bytes) -> None:
        await self.open.wait()
        self.frames.append(data)

    @property
    def numbers(self) -> list[int]:
        return [HEADER.unpack_from(frame)[1] for frame in self.frames]


class _Theatre:
    """A hub, its viewers, and what it measured."""

    def __init__(self) -> None:
        self.measured: list[tuple[str, float]] = []
        self.hub = Hub(lambda stage, seconds: self.measured.append((stage, seconds)))
        self.hub.start()
        self._senders: list[asyncio.Task[None]] = []

    def enter(self, image_format: FrameFormat = "jpeg") -> tuple[Viewer, _Wire]:
        viewer, wire = Viewer(image_format), _Wire()
        self._senders.append(asyncio.create_task(viewer.send_all(wire, self.hub.measure)))
        self.hub.join(viewer)
        return viewer, wire

    def count(self, stage: str) -> int:
        return sum(name == stage for name, _ in self.measured)

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(2000):
            if holds():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("it never came to hold")

    async def close(self) -> None:
        await asyncio.to_thread(self.hub.close)
        for sender in self._senders:
            sender.cancel()


def _run(play: "Callable[[_Theatre], object]") -> None:
    async def run() -> None:
        theatre = _Theatre()
        try:
            await play(theatre)  # type: ignore[misc]
        finally:
            await theatre.close()

    asyncio.run(run())


def test_a_viewer_has_one_frame_in_flight_and_then_the_newest() -> None:
    async def play(theatre: _Theatre) -> None:
        viewer, wire = theatre.enter()
        theatre.hub.show(_frame(1, 10))
        await theatre.until(lambda: wire.numbers == [1])
        for number in range(2, 10):
            theatre.hub.show(_frame(number, 10 * number))
        await asyncio.sleep(0.05)
        assert wire.numbers == [1]
        theatre.hub.painted(viewer, 1)
        await theatre.until(lambda: wire.numbers == [1, 9])
        assert (viewer.sent, viewer.dropped) == (2, 7)

    _run(play)


def test_a_slow_viewer_holds_up_nobody() -> None:
    async def play(theatre: _Theatre) -> None:
        _, slow = theatre.enter()
        slow.open.clear()
        viewer, fast = theatre.enter()
        for number in range(1, 6):
            theatre.hub.show(_frame(number, 20 * number))
            await theatre.until(lambda number=number: number in fast.numbers)
            theatre.hub.painted(viewer, number)
        assert fast.numbers == [1, 2, 3, 4, 5]
        assert slow.numbers == []

    _run(play)


def test_a_frame_is_encoded_once_for_each_format_however_many_look_on() -> None:
    async def play(theatre: _Theatre) -> None:
        wires = [theatre.enter()[1] for _ in range(3)] + [theatre.enter("webp")[1]]
        theatre.hub.show(_frame(1))
        await theatre.until(lambda: all(wire.numbers == [1] for wire in wires))
        assert wires[0].frames[0] is wires[2].frames[0]
        newcomer = theatre.enter()[1]
        await theatre.until(lambda: newcomer.numbers == [1])
        assert theatre.count("encode") == 2

    _run(play)


def test_nothing_is_encoded_for_nobody_nor_again_while_the_picture_stays() -> None:
    async def play(theatre: _Theatre) -> None:
        frame = _frame(1)
        theatre.hub.show(frame)
        await asyncio.sleep(0.05)
        assert theatre.count("encode") == 0
        viewer, wire = theatre.enter()
        await theatre.until(lambda: wire.numbers == [1])
        theatre.hub.painted(viewer, 1)
        same = Frame(picture=frame.picture, number=2, time=1.0, drawn_at=1.0, changed_at=0.0)
        theatre.hub.show(same)
        await asyncio.sleep(0.05)
        assert wire.numbers == [1]
        assert viewer.dropped == 0

    _run(play)


def test_only_the_frame_that_is_on_its_way_can_be_acknowledged() -> None:
    async def play(theatre: _Theatre) -> None:
        viewer, wire = theatre.enter()
        with pytest.raises(ViolationError):
            theatre.hub.painted(viewer, 1)
        theatre.hub.show(_frame(1))
        await theatre.until(lambda: wire.numbers == [1])
        with pytest.raises(ViolationError):
            theatre.hub.painted(viewer, 2)
        theatre.hub.painted(viewer, 1)
        with pytest.raises(ViolationError):
            theatre.hub.painted(viewer, 1)

    _run(play)


def test_latency_is_counted_once_for_each_change_and_not_for_those_before_a_viewer_came() -> None:
    async def play(theatre: _Theatre) -> None:
        old = _frame(1)
        viewer, wire = theatre.enter()
        theatre.hub.show(old)
        await theatre.until(lambda: wire.numbers == [1])
        theatre.hub.painted(viewer, 1)
        assert theatre.count("latency") == 0
        new = _frame(2, 50)
        theatre.hub.show(new)
        await theatre.until(lambda: wire.numbers == [1, 2])
        theatre.hub.painted(viewer, 2)
        again = Frame(picture=_frame(3, 70).picture, number=3, time=1, drawn_at=1, changed_at=new.changed_at)
        theatre.hub.show(again)
        await theatre.until(lambda: wire.numbers == [1, 2, 3])
        theatre.hub.painted(viewer, 3)
        assert theatre.count("latency") == 1

    _run(play)


def test_a_picture_that_cannot_be_encoded_costs_one_frame() -> None:
    async def play(theatre: _Theatre) -> None:
        _, wire = theatre.enter()
        bad = Frame(picture=np.zeros((8, 8, 7), np.uint8), number=1, time=0, drawn_at=0, changed_at=0)
        theatre.hub.show(bad)
        await asyncio.sleep(0.05)
        theatre.hub.show(_frame(2))
        await theatre.until(lambda: wire.numbers == [2])

    _run(play)


def test_another_format_is_sent_at_once() -> None:
    async def play(theatre: _Theatre) -> None:
        viewer, wire = theatre.enter()
        theatre.hub.show(_frame(1))
        await theatre.until(lambda: wire.numbers == [1])
        theatre.hub.painted(viewer, 1)
        theatre.hub.set_format(viewer, "webp")
        await theatre.until(lambda: len(wire.frames) == 2)
        assert HEADER.unpack_from(wire.frames[1])[5] == 1

    _run(play)


def test_what_waits_for_a_viewer_that_does_not_read_never_grows() -> None:
    async def play(theatre: _Theatre) -> None:
        viewer, wire = theatre.enter()
        wire.open.clear()
        for number in range(1000):
            viewer.note({"event": number})
            viewer.update("state", f'{{"state": {number}}}')
        await asyncio.sleep(0.01)
        wire.open.set()
        await theatre.until(lambda: any("state" in text for text in wire.texts))
        assert len(wire.texts) <= 34
        assert wire.texts[-1] == '{"state": 999}'

    _run(play)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("image_format", ["jpeg", "webp"])
def test_a_message_is_a_header_and_a_picture(image_format: FrameFormat, channels: int) -> None:
    frame = _frame(5_000_000_000, 90, channels)
    message = encode_frame(frame, image_format)
    magic, number, due, drawn, changed, kind = HEADER.unpack_from(message)
    assert (magic, number, kind) == (MAGIC, 5_000_000_000 % 2**32, 0 if image_format == "jpeg" else 1)
    assert (due, drawn, changed) == (frame.time, frame.drawn_at, frame.changed_at)
    image = Image.open(io.BytesIO(message[34:]))
    assert image.format == image_format.upper()
    assert image.size == (8, 8)
