"""Facts about stages that work at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from wplus.pipeline import ahead


def numbers(count: int, made: list[int] | None = None) -> Iterator[int]:
    for i in range(count):
        if made is not None:
            made.append(i)
        yield i


def stages() -> int:
    return sum(thread.name == "wplus-stage" for thread in threading.enumerate())


@pytest.mark.parametrize("depth", [0, 1, 7])
def test_items_come_in_order_through_any_number_of_stages(depth: int) -> None:
    squares = (i * i for i in ahead(numbers(1000), depth=depth))
    assert list(ahead(ahead(squares, depth=depth), depth=depth)) == [i * i for i in range(1000)]
    assert stages() == 0


def test_a_stage_works_in_a_thread_of_its_own_unless_its_depth_is_zero() -> None:
    def names() -> Iterator[str]:
        yield threading.current_thread().name

    assert list(ahead(names(), depth=1)) == ["wplus-stage"]
    assert list(ahead(names(), depth=0)) == [threading.current_thread().name]


def test_a_stage_is_no_further_ahead_than_its_depth() -> None:
    made: list[int] = []
    with closing(ahead(numbers(100, made), depth=3)) as items:
        assert next(items) == 0
        time.sleep(0.05)
        assert len(made) == 4
        assert next(items) == 1
        time.sleep(0.05)
        assert len(made) == 5


def test_stages_overlap() -> None:
    def slow(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            time.sleep(0.01)
            yield item

    start = time.perf_counter()
    first = slow(numbers(20))
    assert list(ahead(slow(ahead(slow(ahead(first, depth=2)), depth=2)), depth=2)) == list(range(20))
    assert time.perf_counter() - start < 0.45  # one after the other: 0.6 s


def test_an_error_comes_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield from numbers(5)
        raise OSError("the disk is full")

    got: list[int] = []

    def take() -> None:
        for item in ahead(ahead(failing(), depth=2), depth=2):
            got.append(item)

    with pytest.raises(OSError, match="the disk is full"):
        take()
    assert got == [0, 1, 2, 3, 4]
    assert stages() == 0


def test_closing_a_stage_closes_those_before_it_in_their_threads() -> None:
    closed: list[str] = []

    def source() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.append(threading.current_thread().name)

    def second(items: Iterator[int]) -> Iterator[int]:
        yield from items

    with closing(ahead(second(ahead(source(), depth=2)), depth=2)) as items:
        next(items)
    assert closed == ["wplus-stage"]
    assert stages() == 0


def test_an_interrupt_while_waiting_ends_every_stage() -> None:
    def walk() -> None:
        with closing(ahead(ahead(numbers(10**9), depth=4), depth=4)) as items:
            for item in items:
                if item == 10:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk()
    assert stages() == 0


def test_a_stage_that_nobody_takes_from_never_starts() -> None:
    made: list[int] = []
    ahead(numbers(5, made), depth=2).close()
    assert made == []


def test_a_negative_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="depth is -1"):
        ahead([], depth=-1)
