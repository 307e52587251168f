"""Who takes part where whole networks are timed on a GPU, and how each is built."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

import wplus
from wplus.backends.cuda_graph import CudaGraphs
from wplus.backends.eager import EagerBackend
from wplus.backends.graphs import first_line
from wplus.benchmarks.families import family_of
from wplus.benchmarks.gpu_device import Device
from wplus.benchmarks.gpu_nvlabs import Operators, nvlabs_synthesis
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.errors import UnsupportedError
from wplus.kernels.dispatch import Impl
from wplus.networks import build_network
from wplus.threads import usable_cpus

BASELINE = "nvidia-formulation eager"
_HALF = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}

Synthesize = Callable[[Tensor], Tensor]  # ws on the device to float32 pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One that is ready to draw."""

    name: str
    synthesize: Synthesize
    is_recorded: bool = False  # whether its first call records a graph, and others take no memory of their own
    compiles: bool = False  # whether its first call compiles for it
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Who takes part beside those that always do."""

    compiled: bool = False  # torch.compile
    tensorrt: bool = False
    nvlabs: Path | None = None  # a checkout of stylegan2-ada-pytorch or stylegan3


def builders(
    checkpoint: Checkpoint, dtype: torch.dtype, device: Device, choice: Choice
) -> dict[str, Callable[[], Contestant]]:
    """What makes each contestant, by name; the first is the baseline."""
    given = (checkpoint, dtype, device)
    made: dict[str, Callable[[str], Contestant]] = {
        BASELINE: partial(_baseline, *given),
        "wplus eager": partial(_network, *given, "reference"),
        "wplus triton": partial(_network, *given, device.fast),
        "wplus torch (CUDA graph)": partial(_backend, *given),
    }
    if choice.compiled:
        made["wplus torch.compile"] = partial(_compiled, *given)
    if choice.tensorrt:
        made["wplus tensorrt (host to host)"] = partial(_tensorrt, checkpoint, dtype)
    if choice.nvlabs is not None:
        kinds: Mapping[str, Operators] = {"compiled": "cuda", "reference": "ref"}
        for title, operators in kinds.items():
            made[f"nvlabs, {title} operators"] = partial(_nvlabs, choice.nvlabs, *given, operators)
    return {name: partial(make, name) for name, make in made.items()}


def _baseline(checkpoint: Checkpoint, dtype: torch.dtype, device: Device, name: str) -> Contestant:
    family = family_of(checkpoint.config)
    network = family.baseline(checkpoint.config, checkpoint.tensors, dtype=dtype, device=device.name)
    return Contestant(name=name, synthesize=network.synthesize)


def _network(checkpoint: Checkpoint, dtype: torch.dtype, device: Device, impl: Impl, name: str) -> Contestant:
    network = _prepared(checkpoint, dtype, device, impl)

    @torch.inference_mode()
    def synthesize(ws: Tensor) -> Tensor:
        img: Tensor = network.synthesize(ws, noise=None, dtype=dtype)
        return img

    return Contestant(name=name, synthesize=synthesize)


def _backend(checkpoint: Checkpoint, dtype: torch.dtype, device: Device, name: str) -> Contestant:
    """As `wplus.load` runs it on a GPU; in bfloat16, which it does not offer there, recorded in the same way."""
    if dtype == torch.float32 or (dtype == torch.float16 and not device.is_dry):
        backend = EagerBackend(
            build_network(checkpoint),
            device=device.name,
            precision="exact" if dtype == torch.float32 else "fast",
            threads=torch.get_num_threads(),
        )
        draw: Synthesize = partial(backend.synthesize, noise=None)
        return Contestant(name=name, synthesize=draw, is_recorded=True, close=backend.close)
    network = _prepared(checkpoint, dtype, device, "auto")

    @torch.inference_mode()
    def run(inputs: Mapping[str, Tensor]) -> Tensor:
        img: Tensor = network.synthesize(inputs["latents"], noise=None, dtype=dtype)
        return img

    if device.is_dry:
        return Contestant(name=name, synthesize=lambda ws: run({"latents": ws}), is_recorded=True)
    graphs = CudaGraphs(run)

    @torch.inference_mode()
    def synthesize(ws: Tensor) -> Tensor:
        return graphs({"latents": ws})

    return Contestant(name=name, synthesize=synthesize, is_recorded=True, close=graphs.close)


def _compiled(checkpoint: Checkpoint, dtype: torch.dtype, device: Device, name: str) -> Contestant:
    """As one graph or not at all: where it gives up it would run eagerly, and be called compiled."""
    network = _prepared(checkpoint, dtype, device, "auto")
    compiled: Callable[..., Tensor] = torch.compile(network.synthesis, fullgraph=True, dynamic=False)

    @torch.inference_mode()
    def synthesize(ws: Tensor) -> Tensor:
        try:
            return compiled(ws, dtype=dtype)
        except torch.OutOfMemoryError:
            raise
        except Exception as exc:  # of the tracer, the code generator or a compiler
            raise UnsupportedError(f"torch.compile fails: {type(exc).__name__}: {first_line(exc)}") from exc

    return Contestant(name=name, synthesize=synthesize, compiles=True, close=torch.compiler.reset)


def _tensorrt(checkpoint: Checkpoint, dtype: torch.dtype, name: str) -> Contestant:
    """An exported bundle in TensorRT: from numbers in the CPU's memory to numbers there, as users have it."""
    from wplus.export import ExportOptions, export_bundle

    folder = tempfile.TemporaryDirectory(prefix="wplus-gpu-")
    options = ExportOptions(precision=cast(Any, _HALF[dtype]))
    bundle = export_bundle(checkpoint, Path(folder.name) / "bundle", options, threads=usable_cpus())
    precision: Any = "exact" if dtype == torch.float32 else "fast"
    generator = wplus.load(bundle.folder, backend="tensorrt", device="cuda", precision=precision)

    def synthesize(ws: Tensor) -> Tensor:
        return torch.from_numpy(generator.synthesize(ws.cpu().numpy()))

    def close() -> None:
        generator.close()
        folder.cleanup()

    return Contestant(name=name, synthesize=synthesize, compiles=True, close=close)


def _nvlabs(
    path: Path, checkpoint: Checkpoint, dtype: torch.dtype, device: Device, operators: Operators, name: str
) -> Contestant:
    draw = nvlabs_synthesis(path, checkpoint, dtype=dtype, device=device, operators=operators)
    return Contestant(name=name, synthesize=draw)


def _prepared(checkpoint: Checkpoint, dtype: torch.dtype, device: Device, impl: Impl) -> Any:
    network: Any = build_network(checkpoint)
    network.to(device.name)
    network.prepare(dtype, impl=impl)
    return network
