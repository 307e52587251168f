"""Whole networks on a GPU: checked when small, then timed at their real size, all contestants in turn."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wplus.backends import Precision
from wplus.backends.graphs import first_line
from wplus.benchmarks.contestants import dtype_name
from wplus.benchmarks.families import family_of
from wplus.benchmarks.gpu_cases import NETWORKS, SMALL, TINY
from wplus.benchmarks.gpu_contestants import BASELINE, Choice, Contestant, builders
from wplus.benchmarks.gpu_device import Device, OutOfMemory, exact_products, time_alternately
from wplus.benchmarks.gpu_workers import one_way_each, spread
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.rows import NO_DIFFERENCE
from wplus.benchmarks.timing import ratios, summarize
from wplus.benchmarks.timing import spread as noise_of
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.config import StyleConfig
from wplus.errors import WplusError
from wplus.latents import seeds_to_z
from wplus.networks import build_network
from wplus.parity import Difference, difference, unacceptable_reasons

_log = logging.getLogger(__name__)

_TRUNCATION_PSI = 0.7
_COMPARED = 2  # pictures of a batch
_AGAIN = "baseline again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a small network draws, against the same in plain PyTorch, float32, on the CPU."""

    name: str
    dtype: torch.dtype
    contestant: str
    found: Difference
    reasons: tuple[str, ...]  # why it will not do; empty if it will

    def __str__(self) -> str:
        text = f"{self.name}, {dtype_name(self.dtype)}, {self.contestant}: PSNR {self.found.psnr_db:.1f} dB"
        return f"{text}. {'; '.join(self.reasons)}" if self.reasons else text


def check_networks(device: Device, dtypes: Sequence[torch.dtype]) -> Iterator[Verdict]:
    """Small networks of each family in each type, with and without a CUDA graph."""
    jobs = [(device, name, dtype) for name in (TINY if device.is_dry else SMALL) for dtype in dtypes]
    for verdicts in spread(_check_network, jobs, device):
        yield from verdicts


def _check_network(device: Device, name: str, dtype: torch.dtype) -> list[Verdict]:
    config = (TINY | SMALL)[name]
    checkpoint = family_of(config).random(config)
    ws = _ws(checkpoint, 3)
    with torch.inference_mode():
        network: Any = build_network(checkpoint)
        network.prepare(torch.float32, impl="reference")
        expected = network.synthesize(ws, noise=None, dtype=torch.float32).numpy()
    verdicts = []
    made = builders(checkpoint, dtype, device, Choice())
    with exact_products(), one_way_each():
        for contestant in (made["wplus triton"](), made["wplus torch (CUDA graph)"]()):
            for count in (3, 2):  # where graphs are recorded, the second time by another one
                img = contestant.synthesize(ws[:count].to(device.name)).cpu().numpy()
            found = difference(img, expected[:count])
            reasons = tuple(unacceptable_reasons(found, _precision(dtype), config.family))
            verdicts.append(Verdict(name=name, dtype=dtype, contestant=contestant.name, found=found, reasons=reasons))
            contestant.close()
    return verdicts


@dataclass(slots=True, kw_only=True)
class NetworkRun:
    """Times networks, one cell after the other, and remembers what later cells are compared with."""

    recorder: Recorder
    device: Device
    choice: Choice
    seconds: float  # for all contestants of a cell
    deadline: float  # when, on `time.monotonic()`, no cell is begun any more
    is_red: bool = False  # whether one drew wrong pictures
    _checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    _pictures: dict[str, Any] = field(default_factory=dict)  # of the baseline in float32, by case
    _float32: dict[tuple[str, int], float] = field(default_factory=dict)  # the baseline's seconds

    def time_cell(self, name: str, dtype: torch.dtype, batch: int) -> None:
        """The rows of a network in one type at one batch size."""
        cell = _Cell(name=name, dtype=dtype, batch=batch)
        if time.monotonic() > self.deadline:
            self.recorder.note(f"Time was up: {cell} was not timed.")
            return
        _log.info("gpu: %s", cell)
        checkpoint = self._checkpoint(name)
        self.recorder.begin(name, checkpoint.config.img_resolution)
        ws = _ws(checkpoint, batch).to(self.device.name)
        ready: list[_Ready] = []
        try:
            for title, make in builders(checkpoint, dtype, self.device, self.choice).items():
                ready += self._prepare(cell, title, make, ws)
            if ready:
                self._time(cell, ready, ws)
        finally:
            for one in ready:
                one.contestant.close()
            ready.clear()
            self.device.free()

    def _checkpoint(self, name: str) -> Checkpoint:
        if name not in self._checkpoints:
            config = (NETWORKS | TINY)[name]
            self._checkpoints[name] = family_of(config).random(config)
        return self._checkpoints[name]

    def _prepare(self, cell: "_Cell", title: str, make: Callable[[], Contestant], ws: Tensor) -> "list[_Ready]":
        """A contestant, warm and compared; none, and a note, if it cannot take part."""
        is_nvidias = title.startswith("nv")
        try:
            one = self._warm(cell, make, ws)
            reasons = unacceptable_reasons(one.found, _precision(cell.dtype), (NETWORKS | TINY)[cell.name].family)
            # NVIDIA's in half precision is what others are compared with: however much it rounds, it is timed.
            if not reasons or (is_nvidias and cell.dtype != torch.float32 and not one.found.non_finite):
                return [one]
            one.contestant.close()
            why = f"its pictures are wrong: {'; '.join(reasons)}"
            self.is_red |= not is_nvidias
        except OutOfMemory:
            why = "out of memory"
        except WplusError as exc:
            why = str(exc).removesuffix(".")
        except Exception as exc:  # of a kernel or a compiler: others can be timed all the same
            why = f"it failed with {type(exc).__name__}: {first_line(exc)}"
            self.is_red |= not is_nvidias
        self.device.free()
        self.recorder.note(f"{title} was not measured on {cell}: {why}.")
        return []

    def _warm(self, cell: "_Cell", make: Callable[[], Contestant], ws: Tensor) -> "_Ready":
        before = self.device.allocated()
        contestant = make()
        draw = contestant.synthesize
        try:
            begin = time.perf_counter()
            first_peak = self.device.peak_mib(lambda: draw(ws), before=before)
            first = time.perf_counter() - begin
            later_peak = self.device.peak_mib(lambda: draw(ws), before=before)
            img = draw(ws)[:_COMPARED].cpu().numpy()
            found = difference(img, self._picture(cell.name, ws))
        except BaseException:
            contestant.close()
            raise
        peak = first_peak if contestant.is_recorded else later_peak
        return _Ready(contestant=contestant, found=found, first_seconds=first, peak_mib=peak)

    def _picture(self, name: str, ws: Tensor) -> Any:
        """The first pictures as the baseline draws them in float32."""
        known = self._pictures.get(name)
        count = min(len(ws), _COMPARED)
        if known is None or len(known) < count:
            checkpoint = self._checkpoint(name)
            device = self.device.name
            baseline = family_of(checkpoint.config).baseline(checkpoint.config, checkpoint.tensors, device=device)
            self._pictures[name] = known = baseline.synthesize(ws[:count]).cpu().numpy()
        return known[:count]

    def _time(self, cell: "_Cell", ready: "list[_Ready]", ws: Tensor) -> None:
        runs: dict[str, Callable[[], object]] = {
            one.contestant.name: partial(one.contestant.synthesize, ws) for one in ready
        }
        reference = next(iter(runs))
        runs[_AGAIN] = runs[reference]
        samples = time_alternately(runs, self.device, seconds=self.seconds, queued=False)
        again = samples.pop(_AGAIN, None)
        for name in [name for name in runs if name != _AGAIN and name not in samples]:
            self.recorder.note(f"{name} was not timed on {cell}: out of memory.")
        if reference not in samples or again is None:
            self.recorder.note(f"Nothing was timed on {cell}: no memory for {reference}, which all are compared with.")
            return
        if cell.dtype == torch.float32 and reference == BASELINE:
            self._float32[cell.name, cell.batch] = summarize(samples[reference]).median
        noise = noise_of(samples[reference], again)
        for one in ready:
            if one.contestant.name in samples:
                self._add(cell, one, samples[one.contestant.name], samples[reference], noise, reference=reference)

    def _add(
        self,
        cell: "_Cell",
        one: "_Ready",
        seconds: list[float],
        against: list[float],
        noise: float,
        *,
        reference: str,
    ) -> None:
        title, dtype, batch = one.contestant.name, cell.dtype, cell.batch
        ratio = summarize(ratios(against, seconds)).median
        is_across = dtype != torch.float32 and reference == BASELINE
        across = self._float32.get((cell.name, batch)) if is_across else None
        columns = {
            "ratio": ratio,
            "ratio_note": "reference" if title == reference else NO_DIFFERENCE if abs(ratio - 1) <= noise else "",
            "ratio_float32": None if across is None else across / summarize(seconds).median,
            "spread": noise,
            "psnr_db": one.found.psnr_db,
            "max_abs": one.found.max_abs,
            "uint8_share": one.found.uint8_share,
            "compile_seconds": one.first_seconds if one.contestant.compiles else None,
        }
        add = self.recorder.add
        add(title, dtype, batch, "rate", "images/s", [batch / second for second in seconds], **columns)
        if batch == 1:
            add(title, dtype, batch, "latency", "ms", [1e3 * second for second in seconds], **columns)
        add(title, dtype, batch, "peak_memory", "MiB", [one.peak_mib])
        config = self._checkpoint(cell.name).config
        rates = [batch * family_of(config).flops(config) / second / 1e9 for second in seconds]
        add(title, dtype, batch, "arithmetic", "GFLOP/s", rates)
        rows = self.recorder.rows
        products = [row.median for row in rows if (row.metric, row.dtype) == ("matrix_product", dtype_name(dtype))]
        if products:
            add(title, dtype, batch, "share_of_matrix_product", "%", [100 * rate / products[0] for rate in rates])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """One network in one type at one batch size."""

    name: str
    dtype: torch.dtype
    batch: int

    def __str__(self) -> str:
        return f"{self.name}, {dtype_name(self.dtype)}, batch {self.batch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A contestant that is warm, with what was seen of it on the way."""

    contestant: Contestant
    found: Difference
    first_seconds: float  # of its first call
    peak_mib: float


def _ws(checkpoint: Checkpoint, count: int) -> Tensor:
    """The ws `[count, num_ws, w_dim]` of seeds 0, 1, ..., truncated."""
    config = checkpoint.config
    assert isinstance(config, StyleConfig)
    z = torch.from_numpy(np.asarray(seeds_to_z(range(count), config.z_shape)))
    psi, cutoff = torch.full((count,), _TRUNCATION_PSI), torch.full((count,), config.num_ws)
    with torch.no_grad():
        network: Any = build_network(checkpoint)
        ws: Tensor = network.map(z, None, psi, cutoff)
        return ws.clone()


def _precision(dtype: torch.dtype) -> Precision:
    return "exact" if dtype == torch.float32 else "fast"
