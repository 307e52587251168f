"""What a fresh process runs to be measured, as a script: it says when the first picture is there, then its own peak.

It imports what its task needs and no more, so that a runtime is measured without PyTorch.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FIRST_PICTURE, PEAK = "first picture", "peak bytes"  # the lines that it prints


def main() -> None:
    """Performs the task in the first argument."""
    values = json.loads(sys.argv[1])
    tasks: dict[str, Callable[..., None]] = {
        "load": _load,
        "synthesis": _synthesis,
        "sampling": _sampling,
        "step": _step,
    }
    tasks[values.pop("task")](**values)
    _say(f"{PEAK} {_own_peak()}")


def _load(*, source: str, batch: int, method: str, noise_mode: str, how: dict[str, Any]) -> None:
    """A generator by `wplus.load`, which draws one batch twice."""
    import numpy as np

    import wplus

    with wplus.load(source, device="cpu", **how) as G:
        latents: Any = wplus.latents.seeds_to_z(range(batch), G.z_shape)
        label = np.eye(G.c_dim, dtype=np.float32)[:1] if G.c_dim else None
        if G.has_w:
            latents, label = G.map(latents, label), None
        for _ in range(2):
            getattr(G, method)(latents, c=label, noise_mode=noise_mode)
            _say(FIRST_PICTURE)


def _synthesis(*, network: Any, entry: dict[str, Any], batch: int, threads: int) -> None:
    """A contestant of the benchmark that draws a checkpoint: one batch, twice."""
    import torch

    from wplus.benchmarks.cases import read_network
    from wplus.benchmarks.contestants import Entry, build
    from wplus.config import config_from_dict

    torch.set_num_threads(threads)
    if isinstance(network, dict):
        network = config_from_dict(network["family"], network["config"])
    checkpoint, config = read_network(network)
    contestant = build(Entry(**entry), checkpoint, threads=threads)
    del checkpoint
    ws = torch.zeros(batch, config.num_ws, config.w_dim)
    for _ in range(2):
        contestant.synthesize(ws)


def _step(*, network: Any, entry: dict[str, Any], threads: int, bundle: str) -> None:
    """A contestant of the benchmark of inversion: two steps."""
    import torch

    from wplus.benchmarks.cases import read_network
    from wplus.benchmarks.contestants import Entry
    from wplus.benchmarks.inversion_contestants import build_step
    from wplus.config import config_from_dict

    torch.set_num_threads(threads)
    if isinstance(network, dict):
        network = config_from_dict(network["family"], network["config"])
    checkpoint, config = read_network(network)
    start = torch.zeros(1, config.num_ws, config.w_dim)
    target = torch.zeros(1, config.img_channels, *config.img_shape)
    contestant = build_step(Entry(**entry), checkpoint, start, target, threads=threads, bundle=Path(bundle))
    del checkpoint
    for _ in range(2):
        contestant.step()


def _sampling(*, network: str, count: int, threads: int) -> None:
    """`G.sample` over `count` seeds, in PyTorch; no picture is kept."""
    import wplus

    with wplus.load(network, device="cpu", backend="torch", threads=threads) as generator:
        for _ in generator.sample(range(count)):
            pass


def _own_peak() -> int:
    """Bytes. Linux keeps a high-water mark for this program alone; getrusage's is never below that of the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
