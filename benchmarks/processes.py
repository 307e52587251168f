"""Measurements that take a process of their own: peak memory, and how soon the first picture is there."""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from wplus.backends import BackendName, Precision
from wplus.benchmarks.contestants import Entry
from wplus.benchmarks.fresh import FIRST_PICTURE, PEAK
from wplus.config import StyleConfig, config_to_dict
from wplus.errors import WplusError

_MIB = 2**20
_SCRIPT = Path(__file__).with_name("fresh.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTask:
    """`wplus.load` of a file or a bundle, then one batch, twice."""

    source: str
    backend: BackendName
    precision: Precision
    batch: int
    threads: int
    method: Literal["synthesize", "images"] = "synthesize"
    noise_mode: Literal["const", "none"] = "const"

    def to_json(self) -> dict[str, Any]:
        """As `fresh` takes it."""
        values = asdict(self)
        how = {name: values.pop(name) for name in ("backend", "precision", "threads")}
        return {"task": "load", "how": how, **values}


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisTask:
    """A contestant that draws a checkpoint: one batch, twice."""

    network: str | StyleConfig
    entry: Entry
    batch: int
    threads: int

    def to_json(self) -> dict[str, Any]:
        """As `fresh` takes it."""
        return {"task": "synthesis", **asdict(self), "network": _network(self.network)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTask:
    """A contestant of the benchmark of inversion: two steps on one picture."""

    network: str | StyleConfig
    entry: Entry
    threads: int
    bundle: str  # folder of the bundle with the graph of a step, where the contestant runs one

    def to_json(self) -> dict[str, Any]:
        """As `fresh` takes it."""
        return {"task": "step", **asdict(self), "network": _network(self.network)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingTask:
    """Load a network, draw `count` seeds by `G.sample`, keep none."""

    network: str
    count: int
    threads: int

    def to_json(self) -> dict[str, Any]:
        """As `fresh` takes it."""
        return {"task": "sampling", **asdict(self)}


def peak_mib(task: LoadTask | SynthesisTask | StepTask | SamplingTask) -> float:
    """Largest resident memory, in MiB, of a fresh process that did `task`; Python and all imports included.

    Raises:
        WplusError: the process failed.
    """
    lines = _run(task.to_json())
    return next(int(line.removeprefix(PEAK)) for line in lines if line.startswith(PEAK)) / _MIB


def first_picture_seconds(task: LoadTask) -> float:
    """From the start of a fresh process to the end of its first batch: Python, imports, loading, drawing.

    Raises:
        WplusError: the process failed.
    """
    return _run(task.to_json())[FIRST_PICTURE]


def _network(network: str | StyleConfig) -> Any:
    if isinstance(network, StyleConfig):
        return {"family": network.family, "config": config_to_dict(network)}
    return network


def _run(values: dict[str, Any]) -> dict[str, float]:
    """When the process printed each line first, in seconds since it was started."""
    start, lines = time.perf_counter(), dict[str, float]()
    command = [sys.executable, "-P", str(_SCRIPT), json.dumps(values)]  # -P: its folder has no modules to import from
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.setdefault(line.strip(), time.perf_counter() - start)
    if process.returncode:
        last = next((line for line in reversed(lines) if line), f"exit code {process.returncode}")
        raise WplusError(f"The process that was to be measured failed: {last}")
    return lines
