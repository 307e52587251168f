"""Timings of single operators at the shapes of real networks: Triton against plain PyTorch, and what bounds both."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from wplus.backends.graphs import first_line
from wplus.benchmarks.contestants import dtype_name
from wplus.benchmarks.gpu_device import Device, OutOfMemory, exact_products, time_alternately
from wplus.benchmarks.gpu_operations import Operation, operations
from wplus.benchmarks.gpu_workers import every_way, spread
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.rows import NO_DIFFERENCE
from wplus.benchmarks.timing import ratios, summarize
from wplus.benchmarks.timing import spread as noise_of

_log = logging.getLogger(__name__)

REFERENCE, TRITON = "wplus reference", "wplus triton"
FORWARD, BACKWARD = "op_forward", "op_forward_backward"
_AGAIN = "again"
_COPIED = 2**30  # bytes
_SIDE = 8192  # of the matrices in a plain product


def time_operators(recorder: Recorder, device: Device, dtype: torch.dtype, *, seconds: float, deadline: float) -> bool:
    """The rows of every operator; returns whether none failed.

    Args:
        recorder: Gets the rows.
        device: Where.
        dtype: Of feature maps.
        seconds: For each operator and direction.
        deadline: When, on `time.monotonic()`, nothing is begun any more.
    """
    is_fine = True
    for make in operations(dtype, device):
        if time.monotonic() > deadline:
            recorder.note(f"Time was up: not all operators were timed in {dtype_name(dtype)}.")
            break
        is_fine &= _time_operator(recorder, make, dtype, device, seconds)
        device.free()
    return is_fine


def compile_operators(dtype: torch.dtype, device: Device, *, seconds: float) -> int:
    """Compiles what the operators run, as far as time goes; returns of how many it did."""
    if seconds <= 0:
        return 0
    jobs = [(index, dtype, device) for index in range(len(list(operations(dtype, device))))]
    return sum(spread(_compile_operator, jobs, device, seconds=seconds))


def _compile_operator(index: int, dtype: torch.dtype, device: Device) -> int:
    with exact_products(), every_way():
        try:
            operation = list(operations(dtype, device))[index]()
            _forward(operation, device.fast)()
            if operation.needs_grad:
                _backward(operation, device.fast)()
            device.wait()
        except Exception as exc:  # it is told where it is timed
            _log.info("gpu: compiling operator %d failed: %s", index, first_line(exc))
            return 0
    return 1


def _time_operator(
    recorder: Recorder, make: Callable[[], Operation], dtype: torch.dtype, device: Device, seconds: float
) -> bool:
    """The rows of one, or a note why there are none; False if it failed otherwise than for want of memory."""
    name = "An operator"
    try:
        operation = make()
        name = f"{operation.network} {operation.name}"
        _time_directions(recorder, operation, dtype, device, seconds)
    except OutOfMemory:
        recorder.note(f"{name} was not timed in {dtype_name(dtype)}: out of memory.")
    except Exception as exc:  # of a kernel or a compiler: others can be timed all the same
        recorder.note(f"{name} failed in {dtype_name(dtype)}: {type(exc).__name__}: {first_line(exc)}.")
        return False
    return True


def _time_directions(
    recorder: Recorder, operation: Operation, dtype: torch.dtype, device: Device, seconds: float
) -> None:
    _log.info("gpu: %s %s, %s", operation.network, operation.name, dtype_name(dtype))
    recorder.begin(f"{operation.network} {operation.name}", operation.resolution)
    runs = {
        REFERENCE: _forward(operation, "reference"),
        TRITON: _forward(operation, device.fast),
        _AGAIN: _forward(operation, "reference"),
    }
    _time_both(recorder, FORWARD, runs, operation.batch, dtype, device, seconds)
    if operation.needs_grad:
        runs = {
            REFERENCE: _backward(operation, "reference"),
            TRITON: _backward(operation, device.fast),
            _AGAIN: _backward(operation, "reference"),
        }
        _time_both(recorder, BACKWARD, runs, operation.batch, dtype, device, seconds)


def _time_both(
    recorder: Recorder,
    metric: str,
    runs: dict[str, Callable[[], object]],
    batch: int,
    dtype: torch.dtype,
    device: Device,
    seconds: float,
) -> None:
    for _ in range(2):
        for run in runs.values():
            run()
    device.wait()
    samples = time_alternately(runs, device, seconds=seconds, queued=True)
    if len(samples) < len(runs):
        raise torch.OutOfMemoryError
    again = samples.pop(_AGAIN)
    noise = noise_of(samples[REFERENCE], again)
    for name, taken in samples.items():
        ratio = summarize(ratios(samples[REFERENCE], taken)).median
        is_same = abs(ratio - 1) <= noise
        note = "reference" if name == REFERENCE else NO_DIFFERENCE if is_same else ""
        microseconds = [1e6 * one for one in taken]
        recorder.add(name, dtype, batch, metric, "us", microseconds, ratio=ratio, ratio_note=note, spread=noise)


def _forward(operation: Operation, impl: str) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return operation.run(*operation.tensors, impl=impl)

    return run


def _backward(operation: Operation, impl: str) -> Callable[[], object]:
    """Forward and backward, of what inversion differentiates with respect to: not the weights."""
    tensors = [tensor.detach().requires_grad_(i in operation.needs_grad) for i, tensor in enumerate(operation.tensors)]
    with torch.no_grad():
        grad = torch.ones_like(operation.run(*tensors, impl="reference"))

    def run() -> object:
        y = operation.run(*tensors, impl=impl)
        return torch.autograd.grad(y, [tensors[i] for i in operation.needs_grad], grad)

    return run


def time_bounds(recorder: Recorder, device: Device, dtypes: Sequence[torch.dtype], *, seconds: float) -> None:
    """What any operator is bounded by: a copy within the device's memory, and a plain matrix product."""
    recorder.begin("plain copy and product", 0)
    size, side = (2**16, 64) if device.is_dry else (_COPIED, _SIDE)
    source = torch.empty(size, dtype=torch.uint8, device=device.name).fill_(1)
    target = torch.empty_like(source)
    runs: dict[str, Callable[[], object]] = {"copy": lambda: target.copy_(source)}
    for dtype in dtypes:
        a, b = (torch.ones(side, side, dtype=dtype, device=device.name) for _ in range(2))
        runs[dtype_name(dtype)] = partial(torch.mm, a, b)
    for run in runs.values():
        run()
    samples = time_alternately(runs, device, seconds=len(runs) * seconds, queued=True)
    rates = [2 * size / second / 1e9 for second in samples["copy"]]  # read and written
    recorder.add("torch copy", torch.uint8, 1, "copy_rate", "GB/s", rates)
    for dtype in dtypes:
        rates = [2 * side**3 / second / 1e9 for second in samples[dtype_name(dtype)]]
        recorder.add("torch.mm", dtype, 1, "matrix_product", "GFLOP/s", rates)
