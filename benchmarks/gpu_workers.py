"""Work that many processes share, because each Triton kernel takes seconds of one CPU to compile.

Compiled kernels lie in Triton's cache on disk, where whoever needs them next finds them. Nothing is timed here: the
processes share the GPU. While they work, the choice between a convolution's ways is not made by measurement.
"""

import logging
import multiprocessing
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

import torch
from torch import Tensor

from wplus.backends.graphs import first_line
from wplus.benchmarks.families import family_of
from wplus.benchmarks.gpu_cases import NETWORKS, TINY
from wplus.benchmarks.gpu_device import Device, exact_products
from wplus.benchmarks.layers import Layer, layers_of
from wplus.networks import build_network
from wplus.threads import usable_cpus

_log = logging.getLogger(__name__)

_MOST_WORKERS = 14  # each holds a context on the GPU

Ways = Mapping[str, Callable[[], Tensor]]
T = TypeVar("T")

_networks: dict[tuple[str, torch.dtype], Any] = {}  # of this worker


def spread(
    function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], device: Device, *, seconds: float | None = None
) -> Iterator[T]:
    """`function(*job)` of each job, in processes and in any order; in a dry run one after the other, here.

    Args:
        function: Of a module, so that other processes find it.
        jobs: Its arguments.
        device: Where they work.
        seconds: After which no job is begun any more; None: all are done.
    """
    if device.is_dry:
        yield from (function(*job) for job in jobs)
        return
    workers = max(1, min(_MOST_WORKERS, usable_cpus() - 1, len(jobs)))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start) as pool:
        futures = [pool.submit(function, *job) for job in jobs]
        try:
            for future in as_completed(futures, timeout=seconds):
                yield future.result()
        except TimeoutError:
            pool.shutdown(cancel_futures=True)


def _start() -> None:
    torch.set_num_threads(1)


@contextmanager
def one_way_each() -> Iterator[None]:
    """A convolution takes one of its ways, which depends on its shape alone: all of them come about."""

    def choose(what: str, ways: Ways, *, device: torch.device) -> Tensor:  # noqa: ARG001
        return list(ways.values())[zlib.crc32(what.encode()) % len(ways)]()

    with _instead_of_measuring(choose):
        yield


@contextmanager
def every_way() -> Iterator[None]:
    """A convolution takes all of its ways, so that they are compiled; one that does not fit is passed over."""

    def run_all(what: str, ways: Ways, *, device: torch.device) -> Tensor:  # noqa: ARG001
        out_of_resources = import_module("triton.runtime.errors").OutOfResources
        results: list[Tensor] = []
        for way in ways.values():
            try:
                results[:] = [way()]
            except out_of_resources:
                continue
        return results[0]

    with _instead_of_measuring(run_all):
        yield


@contextmanager
def _instead_of_measuring(choose: Callable[..., Tensor]) -> Iterator[None]:
    try:
        from wplus.kernels.gpu import tuning
    except ImportError:  # no Triton: a dry run
        yield
        return
    measured = tuning.fastest
    vars(tuning)["fastest"] = choose
    try:
        yield
    finally:
        vars(tuning)["fastest"] = measured


def compile_networks(
    names: Sequence[str], dtype: torch.dtype, batches: Sequence[int], device: Device, *, seconds: float
) -> int:
    """Compiles what the networks' layers run, forward, as far as time goes; returns for how many layers it did."""
    if seconds <= 0:
        return 0
    jobs: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for name in names:
        for layer in layers_of((NETWORKS | TINY)[name]):
            if layer.name == "input":  # it has no operator of ours
                continue
            for batch in {_kind(batch): batch for batch in sorted(batches, reverse=True)}.values():
                jobs.setdefault((*_shape(layer), _kind(batch)), (name, layer.name, dtype, batch, device))
    return sum(spread(_compile_layer, list(jobs.values()), device, seconds=seconds))


def _kind(number: int) -> str:
    """What Triton compiles anew for: 1, multiples of 16, other integers."""
    return "1" if number == 1 else "16" if number % 16 == 0 else ""


def _shape(layer: Layer) -> tuple[Any, ...]:
    """What kernels are compiled for."""
    sizes = tuple(_kind(side) for side in (*layer.in_shape, *layer.out_shape))
    return (layer.in_channels, layer.out_channels, layer.kernel, layer.up, "torgb" in layer.name, *sizes)


def _compile_layer(name: str, layer_name: str, dtype: torch.dtype, batch: int, device: Device) -> int:
    """Runs one layer of a network once, its convolution in all ways; 0 if there is no memory for that."""
    config = (NETWORKS | TINY)[name]
    if (name, dtype) not in _networks:
        _networks.clear()
        network: Any = build_network(family_of(config).random(config))
        network.to(device.name).prepare(dtype, impl=device.fast)
        _networks[name, dtype] = network
    module = _networks[name, dtype].synthesis.get_submodule(layer_name)
    layer = next(layer for layer in layers_of(config) if layer.name == layer_name)
    try:
        with torch.inference_mode(), exact_products(), every_way():
            _run_layer(module, layer, config.w_dim, dtype, batch, device.name)
            device.wait()
    except Exception as exc:  # it is told where it is timed
        _log.info("gpu: compiling %s %s failed: %s", name, layer_name, first_line(exc))
        return 0
    finally:
        device.free()
    return 1


def _run_layer(module: Any, layer: Layer, w_dim: int, dtype: torch.dtype, batch: int, device: str) -> None:
    samples = 1 if layer.is_input_shared else batch
    x = torch.zeros(samples, layer.in_channels, *layer.in_shape, dtype=dtype, device=device)
    x = x.contiguous(memory_format=torch.channels_last)
    w = torch.randn(batch, w_dim, device=device)
    if layer.name.endswith(".torgb"):
        height, width = layer.in_shape
        img = torch.zeros(batch, layer.out_channels, height // 2, width // 2, device=device) if height > 4 else None
        module(x, w, img, torch.ones(4, 4, device=device))
    elif layer.name.endswith(".conv0"):  # as its block calls it
        next_styles = torch.ones(batch, layer.out_channels, device=device)
        module(x, module.affine(w), None, next_styles=next_styles)
    elif layer.name.startswith("b"):
        module(x, module.affine(w), None, x_is_scaled=not layer.is_input_shared)
    else:
        module(x, w)
