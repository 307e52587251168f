"""Pictures on their way from a GPU to the host, each batch while the next one is drawn."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Array

if TYPE_CHECKING:
    import torch

_IN_FLIGHT = 2


def downloaded(batches: Iterable[Array]) -> Iterator[NDArray[Any]]:
    """The batches in their order, as numpy arrays.

    Those on a CUDA device are copied to pinned memory, which the GPU writes by itself: two are on their way at once, so
    that one is copied while the next is drawn. Other batches are given on before the next is asked for.

    Not yet run on a GPU by us: the tests replace CUDA's streams by ones that write down what they are told.
    """
    waiting: deque[Callable[[], NDArray[Any]]] = deque()
    for batch in batches:
        if isinstance(batch, np.ndarray):
            yield batch
            continue
        waiting.append(_download(batch))
        if len(waiting) == _IN_FLIGHT:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()


def _download(batch: "torch.Tensor") -> Callable[[], NDArray[Any]]:
    """Queues the copy; what comes back waits for it."""
    import torch

    host = batch.to("cpu", non_blocking=True)  # pinned, by PyTorch's allocator, which keeps it for later batches
    done = torch.cuda.current_stream(batch.device).record_event()

    def arrived() -> NDArray[Any]:
        done.synchronize()
        return host.numpy()

    return arrived
