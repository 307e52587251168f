"""Peak memory, each measurement in a process of its own."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wplus.benchmarks.contestants import Entry
from wplus.config import StyleConfig, config_from_dict, config_to_dict
from wplus.errors import WplusError

_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisTask:
    """Load a network, draw one batch twice."""

    network: str | StyleConfig
    entry: Entry
    batch: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingTask:
    """Load a network, draw `count` seeds by `G.sample`, keep none."""

    network: str
    count: int
    threads: int


def peak_mib(task: SynthesisTask | SamplingTask) -> float:
    """Largest resident memory, in MiB, of a fresh process that did `task`; Python and torch included.

    Raises:
        WplusError: the process failed.
    """
    command = [sys.executable, "-c", f"import {__name__} as m; m.perform_and_print()", json.dumps(_to_json(task))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().rsplit("\n", 1)[-1] or f"exit code {done.returncode}"
        raise WplusError(f"The process whose memory was to be measured failed: {last}")
    return float(done.stdout)


def _to_json(task: SynthesisTask | SamplingTask) -> dict[str, Any]:
    values = asdict(task)
    if isinstance(task.network, StyleConfig):
        values["network"] = {"family": task.network.family, "config": config_to_dict(task.network)}
    return values


def _from_json(values: dict[str, Any]) -> SynthesisTask | SamplingTask:
    if "entry" not in values:
        return SamplingTask(**values)
    network = values["network"]
    if isinstance(network, dict):
        network = config_from_dict(network["family"], network["config"])
    return SynthesisTask(**values | {"network": network, "entry": Entry(**values["entry"])})


def perform_and_print() -> None:
    """What the fresh process runs: the task in its argument, then its own peak to its output."""
    _perform(_from_json(json.loads(sys.argv[1])))
    sys.stdout.write(f"{_own_peak() / _MIB:.1f}\n")


def _perform(task: SynthesisTask | SamplingTask) -> None:
    import torch

    torch.set_num_threads(task.threads)
    if isinstance(task, SamplingTask):
        import wplus

        with wplus.load(task.network, device="cpu", backend="torch", threads=task.threads) as generator:
            for _ in generator.sample(range(task.count)):
                pass
        return
    from wplus.benchmarks.cases import read_network
    from wplus.benchmarks.contestants import build

    checkpoint, config = read_network(task.network)
    contestant = build(task.entry, checkpoint, threads=task.threads)
    del checkpoint
    ws = torch.zeros(task.batch, config.num_ws, config.w_dim)
    for _ in range(2):
        contestant.synthesize(ws)


def _own_peak() -> int:
    """Bytes. Linux keeps a high-water mark for this program alone; getrusage's is never below that of the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
