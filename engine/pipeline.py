"""Stages that work at once: each makes its items in a thread of its own, a few ahead of whoever takes them."""

import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final, TypeAlias, TypeVar

_T = TypeVar("_T")

Stage: TypeAlias = Generator[_T, None, None]  # an iterator that can be closed before its end

_END: Final = object()


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


def ahead(items: Iterable[_T], *, depth: int) -> Stage[_T]:
    """The items in their order, made in a thread, `depth` of them at most waiting or in the making.

    Stages chain: in `ahead(draw(ahead(latents, depth=8)), depth=8)` three work at once, and the slowest sets the pace.
    What making an item raises rises here, after the items before it. Close the generator where not all items are taken
    (`contextlib.closing`): it waits for the item in the making, and then closes `items` too, in the thread.

    Args:
        items: An iterator is used by the thread alone from here on.
        depth: 0: no thread, and each item is made when it is asked for.
    """
    if depth < 0:
        raise ValueError(f"depth is {depth}; it must not be negative.")
    return _in_turn(iter(items)) if depth == 0 else _ahead(iter(items), depth)


def _in_turn(items: Iterator[_T]) -> Stage[_T]:
    yield from items


def _ahead(items: Iterator[_T], depth: int) -> Stage[_T]:
    made: SimpleQueue[_T | _Failure | object] = SimpleQueue()
    slots = threading.Semaphore(depth)
    is_over = threading.Event()
    # A daemon: Ctrl-C while it is being started leaves it without an end, and the process is to have one.
    thread = threading.Thread(target=_make, args=(items, made, slots, is_over), name="wplus-stage", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            slots.release()
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]  # neither a failure nor the end
            del item  # it would live until the next one is there
    finally:
        is_over.set()
        slots.release()
        thread.join()


def _make(
    items: Iterator[_T],
    made: "SimpleQueue[_T | _Failure | object]",
    slots: threading.Semaphore,
    is_over: threading.Event,
) -> None:
    """What the thread does, until the items end, fail, or are wanted no more."""
    try:
        with closing(items) if isinstance(items, Generator) else nullcontext():
            while slots.acquire() and not is_over.is_set():
                made.put(next(items))
    except StopIteration:
        made.put(_END)
    except BaseException as exc:
        made.put(_Failure(exc))
