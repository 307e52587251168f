"""Where a GPU benchmark runs, how it takes the time there, and what it says of the machine.

A dry run has everything on the CPU, with plain PyTorch in place of Triton: its numbers mean nothing.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from wplus.errors import UnsupportedError
from wplus.kernels.dispatch import Impl

_FLUSHED = 256 * 2**20  # bytes: more than any second-level cache holds
_AHEAD = 4_000_000  # clock ticks, about two milliseconds: for so long the GPU waits while launches queue up
_MIN_ROUNDS, _MAX_ROUNDS = 5, 101

OutOfMemory = (torch.OutOfMemoryError,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The GPU, or in a dry run the CPU."""

    name: str
    title: str  # what the machine's column says

    @property
    def is_dry(self) -> bool:
        """Whether nothing here is to be believed."""
        return self.name == "cpu"

    @property
    def fast(self) -> Impl:
        """How our operators run."""
        return "reference" if self.is_dry else "triton"

    def wait(self) -> None:
        """Until all that was launched is done."""
        if not self.is_dry:
            torch.cuda.synchronize()

    def free(self) -> None:
        """Gives cached memory back."""
        if not self.is_dry:
            torch.cuda.empty_cache()

    def peak_mib(self, run: Callable[[], object], *, before: int) -> float:
        """Most memory that tensors took while `run` ran, in MiB, beyond `before` bytes; 0 in a dry run."""
        if self.is_dry:
            run()
            return 0.0
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20

    def allocated(self) -> int:
        """Bytes that tensors take."""
        return 0 if self.is_dry else torch.cuda.memory_allocated()


def find_device(*, dry: bool) -> Device:
    """The GPU, or the CPU for a dry run.

    Raises:
        UnsupportedError: there is no NVIDIA GPU that PyTorch can use.
    """
    if dry:
        return Device(name="cpu", title="dry run without a GPU")
    if not torch.cuda.is_available() or torch.version.cuda is None:
        raise UnsupportedError(
            f"This PyTorch ({torch.__version__}) finds no NVIDIA GPU, and nothing can be measured without one. To see "
            "that the program works, run it with --dry."
        )
    major, minor = torch.cuda.get_device_capability()
    title = (
        f"{torch.cuda.get_device_name()} (sm_{major}{minor}), driver {_driver()}, CUDA {torch.version.cuda}, "
        f"cuDNN {cast(Any, torch.backends.cudnn).version()}"
    )
    return Device(name="cuda", title=title)


def time_alternately(
    runs: Mapping[str, Callable[[], object]], device: Device, *, seconds: float, queued: bool
) -> dict[str, list[float]]:
    """Seconds of each call on the device, one a round and name; a round calls each once, the next in reverse order.

    What is warm in the second-level cache is flushed before each call. What runs out of memory is left out.

    Args:
        runs: Warm functions.
        device: Where they run.
        seconds: For all of it; there are five rounds at least, two where a round alone takes longer.
        queued: Whether the GPU waits until launches are queued, so that its own time alone is taken; else the CPU's
            time to launch, as far as the GPU has to wait for it, is in.
    """
    samples: dict[str, list[float]] = {name: [] for name in runs}
    flushed = None if device.is_dry else torch.empty(_FLUSHED, dtype=torch.uint8, device=device.name)
    begin = time.perf_counter()
    for done in range(_MAX_ROUNDS):
        elapsed = time.perf_counter() - begin
        if elapsed > seconds and (done >= _MIN_ROUNDS or (done >= 2 and elapsed > 2 * seconds)):
            break
        names = list(samples) if done % 2 == 0 else list(reversed(list(samples)))
        for name in names:
            try:
                samples[name].append(_seconds(runs[name], flushed, queued=queued))
            except OutOfMemory:
                del samples[name]
                device.free()
    return samples


def _seconds(run: Callable[[], object], flushed: Tensor | None, *, queued: bool) -> float:
    if flushed is None:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    cuda: Any = torch.cuda
    first, last = (cuda.Event(enable_timing=True) for _ in range(2))
    flushed.zero_()
    if queued:
        cuda._sleep(_AHEAD)
    else:
        torch.cuda.synchronize()
    first.record()
    run()
    last.record()
    torch.cuda.synchronize()
    return float(first.elapsed_time(last)) / 1e3


@contextmanager
def one_thread() -> Iterator[None]:
    """The CPU's part, and in a dry run everything, in one thread: nobody waits for another where the CPU is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def exact_products() -> Iterator[None]:
    """No TF32 in float32; cuDNN measures which of its ways is the fastest."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        yield


def _driver() -> str:
    """The driver's version, which PyTorch does not tell."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "unknown"
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.split("\n")[0].strip() or "unknown"
