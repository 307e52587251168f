"""How long a network takes to load, from our own format and from a pickle laid out as NVIDIA's."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import wplus
from wplus.benchmarks.nvidia_file import write_nvidia_pickle
from wplus.checkpoints import Checkpoint, write_checkpoint
from wplus.config import StyleGAN2Config

_REPEATS = 3
_WRITERS: dict[str, Callable[[Path, Checkpoint], None]] = {
    "safetensors": write_checkpoint,
    "pkl": lambda path, checkpoint: write_nvidia_pickle(checkpoint, path),
}


def time_loading(checkpoint: Checkpoint, *, threads: int) -> dict[str, list[float]]:
    """Seconds of `wplus.load` by kind of file; the file is in the system's cache and torch is imported already."""
    samples: dict[str, list[float]] = {}
    for suffix, write in _WRITERS.items():
        if suffix == "pkl" and not isinstance(checkpoint.config, StyleGAN2Config):
            continue  # nvidia_file lays out StyleGAN2 alone
        with tempfile.TemporaryDirectory(prefix="wplus-bench-") as folder:
            path = Path(folder) / f"network.{suffix}"
            write(path, checkpoint)
            samples[suffix] = [_seconds(path, threads) for _ in range(_REPEATS)]
    return samples


def _seconds(path: Path, threads: int) -> float:
    start = time.perf_counter()
    generator = wplus.load(path, device="cpu", backend="torch", threads=threads)
    seconds = time.perf_counter() - start
    generator.close()
    return seconds
