"""One queue of work behind the caller's back: bounded, in order, and honest about failures."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Background:
    """Runs jobs in threads, while at most `depth` of them wait or run.

    A failed job ends the work: later jobs are dropped, and its error rises from the next `submit` or at the end of the
    `with` block. A block that ends by an exception (Ctrl-C too) drops the waiting jobs and lets the running ones end.

    Args:
        workers: Threads. With 1, jobs run in the order of submission.
        depth: Jobs in flight before `submit` waits.
    """

    def __init__(self, *, workers: int = 1, depth: int = 4) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="wplus-background")
        self._slots = threading.BoundedSemaphore(depth)
        self._failure: BaseException | None = None
        self._aborted = False

    def submit(self, job: Callable[[], None]) -> None:
        """Queues a job, and waits while the queue is full.

        Raises:
            BaseException: what an earlier job raised.
        """
        self._slots.acquire()
        if self._failure is not None:
            self._slots.release()
            raise self._failure
        self._pool.submit(self._run, job)

    def _run(self, job: Callable[[], None]) -> None:
        try:
            if self._failure is None and not self._aborted:
                job()
        except BaseException as exc:
            self._failure = exc
        finally:
            self._slots.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._aborted = kind is not None
        try:
            self._pool.shutdown(wait=True)
        except BaseException:  # Ctrl-C while the last jobs run
            self._aborted = True
            self._pool.shutdown(wait=True)
            raise
        if kind is None and self._failure is not None:
            raise self._failure
