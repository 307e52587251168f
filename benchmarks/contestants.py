"""Who takes part: what each contestant is, why it may be unable to, and how it is built."""

import shutil
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

import wplus
from wplus.backends import Array, BackendName, Precision
from wplus.backends.eager import cpu_has_bfloat16
from wplus.backends.graphs import first_line
from wplus.benchmarks.families import family_of
from wplus.bundle import Bundle
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.errors import UnsupportedError
from wplus.generator import Generator
from wplus.inputs import NoiseMode
from wplus.networks import build_network

Kind = Literal["nvidia", "wplus", "compiled"]
Synthesize = Callable[
    [Tensor], Array
]  # ws [N, num_ws, w_dim] to pictures [N, C, H, W], float32, where a caller has them

_CPU_RUNTIMES: tuple[BackendName, ...] = ("onnxruntime", "openvino")


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

    @property
    def is_runtime(self) -> bool:
        """Whether it draws a bundle, and everything else the checkpoint."""
        return self.backend != "torch"

    @property
    def compiles(self) -> bool:
        """Whether the first call of each batch size compiles for it."""
        return self.kind == "compiled" or self.backend == "openvino"


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


def entries(backends: Sequence[BackendName], precisions: Sequence[Precision], *, compiled: bool) -> list[Entry]:
    """The contestants of a run: the baseline in float32 first, then each in each precision.

    With one in another type there is always NVIDIA's formulation in that type, to compare it with.
    """
    chosen = [BASELINE]
    chosen += [Entry(kind="nvidia", precision=precision) for precision in precisions if precision != "exact"]
    for backend in backends:
        chosen += [Entry(kind="wplus", backend=backend, precision=precision) for precision in precisions]
    if compiled:
        chosen += [Entry(kind="compiled", precision=precision) for precision in precisions]
    return chosen


def installed_runtimes() -> tuple[BackendName, ...]:
    """What draws bundles on the CPU here."""
    return tuple(name for name in _CPU_RUNTIMES if util.find_spec(name) is not None)


def unsupported_reasons(entry: Entry) -> list[str]:
    """Why a contestant cannot take part here, whatever the network, in sentences; empty if it can."""
    reasons = []
    if entry.precision == "fast" and not entry.is_runtime and not cpu_has_bfloat16():
        reasons.append("this CPU has no instructions for bfloat16")
    if entry.kind != "compiled":
        return reasons
    if not any(map(shutil.which, ("c++", "g++", "clang++", "cl"))):
        reasons.append("torch.compile needs a C++ compiler, and none is installed (Debian: apt-get install g++)")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        reasons.append(
            "torch.compile needs Python's headers, and they are missing (Debian: apt-get install python3-dev)"
        )
    return reasons


def build(entry: Entry, checkpoint: Checkpoint, *, threads: int) -> Contestant:
    """A contestant that draws a checkpoint, loaded on the CPU."""
    dtype = torch.float32 if entry.precision == "exact" else torch.bfloat16
    if entry.kind == "nvidia":
        baseline = family_of(checkpoint.config).baseline(checkpoint.config, checkpoint.tensors, dtype=dtype)
        return Contestant(entry=entry, dtype=dtype, synthesize=baseline.synthesize)
    if entry.kind == "compiled":
        close = torch.compiler.reset  # it keeps few compilations of one function, and every network of a family is one
        return Contestant(entry=entry, dtype=dtype, synthesize=_compiled(checkpoint, dtype), close=close)
    generator = Generator(checkpoint, device="cpu", backend=entry.backend, precision=entry.precision, threads=threads)
    dtype = getattr(torch, generator.dtype)
    return Contestant(entry=entry, dtype=dtype, synthesize=generator.synthesize, close=generator.close)


def build_runtime(entry: Entry, bundle: Bundle, *, threads: int) -> Contestant:
    """A contestant that draws a bundle on the CPU, numpy to numpy, as a user without torch has it; bytes if it does.

    Raises:
        UnsupportedError: the runtime is missing or cannot draw the bundle, or computes as it does in "exact".
        ParityError: the bundle's certificate says that it draws other pictures.
    """
    how: dict[str, Any] = {"backend": entry.backend, "precision": entry.precision, "device": "cpu"}
    generator = wplus.load(bundle.folder, threads=threads, **how)
    if entry.precision == "fast" and bundle.manifest.precision == "fp32" and generator.dtype == "float32":
        generator.close()
        raise UnsupportedError(f"{entry.backend} computes in float32 here, in fast as in exact")
    draw = generator.images if bundle.manifest.output == "uint8" else generator.synthesize
    noise_mode: NoiseMode = "none" if bundle.manifest.noise == "none" else "const"
    label = torch.eye(generator.c_dim).numpy()[:1] if generator.c_dim and not generator.has_w else None
    return Contestant(
        entry=entry,
        dtype=getattr(torch, generator.dtype),
        synthesize=lambda latents: draw(latents.numpy(), noise_mode, c=label),
        close=generator.close,
    )


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def _compiled(checkpoint: Checkpoint, dtype: torch.dtype) -> Synthesize:
    """Our network under torch.compile, which compiles at the first call of each batch size.

    As one graph or not at all: where it gives up it would run eagerly, and be called compiled.
    """
    network = cast(Any, build_network(checkpoint))
    network.prepare(dtype)
    compiled: Callable[..., Tensor] = torch.compile(network.synthesis, fullgraph=True, dynamic=False)

    @torch.inference_mode()
    def synthesize(ws: Tensor) -> Tensor:
        try:
            return compiled(ws, dtype=dtype)
        except Exception as exc:  # of the tracer, the code generator or the C++ compiler
            raise UnsupportedError(f"torch.compile fails: {type(exc).__name__}: {first_line(exc)}") from exc

    return synthesize
