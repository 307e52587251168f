"""Who takes part: what each contestant is, why it may be unable to, and how it is built."""

import shutil
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from wplus.backends import BackendName, Precision
from wplus.benchmarks.families import family_of
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.generator import Generator
from wplus.networks import build_network

Kind = Literal["nvidia", "wplus", "compiled"]
Synthesize = Callable[[Tensor], Tensor]  # ws [N, num_ws, w_dim] to pictures [N, C, H, W], both float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A contestant by name, before it is built."""

    kind: Kind
    backend: BackendName = "torch"
    precision: Precision = "exact"

    @property
    def implementation(self) -> str:
        """How the contestant is called in rows and tables."""
        if self.kind == "nvidia":
            return "nvidia-formulation eager"
        return "wplus torch.compile" if self.kind == "compiled" else f"wplus {self.backend}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A contestant that is ready to draw; `close` frees what it holds."""

    entry: Entry
    dtype: torch.dtype
    synthesize: Synthesize
    close: Callable[[], None] = lambda: None

    @property
    def label(self) -> str:
        """Name and type: unique within a run."""
        return f"{self.entry.implementation} {dtype_name(self.dtype)}"


BASELINE = Entry(kind="nvidia")


def entries(backends: tuple[BackendName, ...], precision: Precision, *, compiled: bool) -> list[Entry]:
    """The contestants of a run, the baselines first: in float32, and in the other type where one is asked for."""
    chosen = [BASELINE]
    if precision != "exact":
        chosen.append(Entry(kind="nvidia", precision=precision))
    chosen += [Entry(kind="wplus", backend=backend, precision=precision) for backend in backends]
    if compiled:
        chosen.append(Entry(kind="compiled", precision=precision))
    return chosen


def unsupported_reasons(entry: Entry) -> list[str]:
    """Why a contestant cannot take part here, in sentences; empty if it can."""
    if entry.kind != "compiled":
        return []
    reasons = []
    if not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
        reasons.append("torch.compile needs a C++ compiler, and none is installed (Debian: apt-get install g++)")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        reasons.append(
            "torch.compile needs Python's headers, and they are missing (Debian: apt-get install python3-dev)"
        )
    return reasons


def build(entry: Entry, checkpoint: Checkpoint, *, threads: int) -> Contestant:
    """The contestant, its network loaded on the CPU."""
    dtype = torch.float32 if entry.precision == "exact" else torch.bfloat16
    if entry.kind == "nvidia":
        baseline = family_of(checkpoint.config).baseline(checkpoint.config, checkpoint.tensors, dtype=dtype)
        return Contestant(entry=entry, dtype=dtype, synthesize=baseline.synthesize)
    if entry.kind == "compiled":
        return Contestant(entry=entry, dtype=dtype, synthesize=_compiled(checkpoint, dtype))
    generator = Generator(checkpoint, device="cpu", backend=entry.backend, precision=entry.precision, threads=threads)
    dtype = getattr(torch, generator.dtype)
    return Contestant(entry=entry, dtype=dtype, synthesize=generator.synthesize, close=generator.close)


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def _compiled(checkpoint: Checkpoint, dtype: torch.dtype) -> Synthesize:
    """Our network under torch.compile, which compiles at the first call of each batch size."""
    network = cast(Any, build_network(checkpoint))
    network.prepare(dtype)
    compiled: Callable[..., Tensor] = torch.compile(network.synthesis, dynamic=False)

    @torch.inference_mode()
    def synthesize(ws: Tensor) -> Tensor:
        return compiled(ws, dtype=dtype)

    return synthesize
