"""How long a network takes to load, from our own format, from a pickle laid out as NVIDIA's, and as a bundle."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import wplus
from wplus.backends import BackendName, Precision
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
            samples[suffix] = _seconds(path, "torch", "exact", threads)
    return samples


def time_bundle_loading(folder: Path, backend: BackendName, precision: Precision, *, threads: int) -> list[float]:
    """Seconds of `wplus.load` of a bundle, its files' sums included; what compiles later is not in it."""
    return _seconds(folder, backend, precision, threads)


def _seconds(path: Path, backend: BackendName, precision: Precision, threads: int) -> list[float]:
    samples = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        generator = wplus.load(path, device="cpu", backend=backend, precision=precision, threads=threads)
        samples.append(time.perf_counter() - start)
        generator.close()
    return samples
