"""One queue of work behind the caller's back: bounded, in order, and honest about failures."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
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
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        names = (f"wplus-background-{i}" for i in range(workers))
        # Daemons: Ctrl-C while they are being started leaves them without an end, and the process is to have one.
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]
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
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if self._failure is None and not self._aborted:
                    job()
            except BaseException as exc:
                self._failure = exc
            finally:
                del job  # and what it holds
                self._slots.release()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._aborted = kind is not None
        for _ in self._threads:
            self._jobs.put(None)
        try:
            self._join()
        except BaseException:  # Ctrl-C while the last jobs run
            self._aborted = True
            self._join()
            raise
        if kind is None and self._failure is not None:
            raise self._failure

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()
