"""Trials: a bundle's graphs on every runtime that is here, against what the network itself drew."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Precision
from wplus.backends.choice import RUNTIMES
from wplus.backends.graphs import GraphBackend
from wplus.bundle import Bundle
from wplus.errors import UnsupportedError, WplusError
from wplus.latents import noise_maps
from wplus.machine import versions
from wplus.parity import Tally, is_hopeless, unacceptable_reasons
from wplus.reference import Drawn, Reference
from wplus.trial_cases import Cases

_log = logging.getLogger(__name__)

Entry = dict[str, Any]  # of one runtime in parity.json
Noise = dict[str, NDArray[np.float32]]

GRAPH_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}

DEVICES = ("cpu", "cuda", "tensorrt", "coreml", "directml")  # those of all runtimes
_EQUAL_DB = 200.0  # what a file says of equal pictures, since JSON has no infinity


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """What draws in a trial."""

    backend: str
    device: str
    precision: Precision
    dtype: str  # of the feature maps
    is_emulated: bool = False
    draw: Callable[[Cases], Drawn]  # ws, where there is a W, and pictures of all cases


def try_runtimes(
    bundle: Bundle, cases: Cases, reference: Reference, *, batches: Sequence[int], threads: int
) -> list[Entry]:
    """What became of each runtime that is installed here, on each device, in each precision that makes a difference."""
    entries = [_try_runtime(bundle, *way, cases, reference, batches=batches, threads=threads) for way in _ways(bundle)]
    return [entry for entry in entries if entry is not None]


def try_one(bundle: Bundle, entrant: Entrant, cases: Cases, reference: Reference, *, batches: Sequence[int]) -> Entry:
    """Draws the cases in batches of each size and compares them; failing is a result, too."""
    _log.info("Comparing %s on %s, %s (%s) ...", entrant.backend, entrant.device, entrant.precision, entrant.dtype)
    trial, family = _Trial(entrant, cases, reference), bundle.config.family
    reasons = []
    try:
        trial.run(batches, family)
    except WplusError as exc:
        reasons.append(str(exc))
    if trial.tally.count:
        reasons = unacceptable_reasons(trial.tally.result(), entrant.precision, family) + reasons
    entry = runtime_entry(entrant.backend, entrant.device, entrant.precision, entrant.dtype, reasons)
    return entry | {"emulated": entrant.is_emulated} | trial.figures()


def is_proof(bundle: Bundle, entry: Entry) -> bool:
    """Whether the entry shows that the graphs are right: float32 ones exactly, others in the type that they are in."""
    precision = bundle.manifest.precision
    wanted = ("exact" if precision == "fp32" else "fast", GRAPH_DTYPES[precision])
    return bool(entry["passed"]) and (entry["precision"], entry["dtype"]) == wanted


def sentence(entry: Entry) -> str:
    """An entry in a line."""
    name = f"{entry['backend']} on {entry['device']} ({entry['precision']}, {entry['dtype']})"
    if not entry["passed"]:
        return f"{name} falls short: {'; '.join(entry['reasons'])}"
    return f"{name}: {entry['psnr_worst']:.1f} dB, {entry['uint8_share']:.4%} of the bytes differ"


def noise_of(cases: Cases, constants: Noise) -> Noise | None:
    """The noise of cases by name, `[N, 1, H, W]`; None where every one of them has what is stored."""
    if not cases.random_noise.any():
        return None
    drawn = noise_maps(
        {name: (value.shape[-2], value.shape[-1]) for name, value in constants.items()}, cases.seed.tolist()
    )
    is_random = cases.random_noise[:, None, None, None]
    return {name: np.where(is_random, drawn[name], value) for name, value in constants.items()}


class _Trial:
    """One entrant at work: what was drawn so far, added up."""

    def __init__(self, entrant: Entrant, cases: Cases, reference: Reference) -> None:
        self.tally = Tally()
        self._entrant, self._cases, self._reference = entrant, cases, reference
        self._rows: list[int] = []  # the case of each picture in the tally
        self._spread = 0.0  # by how much a picture changes with the size of its batch

    def run(self, batches: Sequence[int], family: str) -> None:
        """Draws the cases in batches of each size, until it is clear that the entrant will not do.

        Some are drawn at a time, so that memory does not grow with their number.
        """
        step = max(batches)
        for start in range(0, len(self._cases), step):
            chunk = range(start, min(start + step, len(self._cases)))
            first: dict[int, NDArray[Any]] = {}
            for size in batches:
                for row, (ws, img) in zip(chunk, self._draw(chunk, size), strict=True):
                    self._add(row, ws, img)
                    self._spread = max(self._spread, _largest(img, first.setdefault(row, img)))
            if is_hopeless(self.tally.result(), self._entrant.precision, family):
                return

    def figures(self) -> dict[str, Any]:
        """What parity.json says of it; nothing where not one picture was drawn."""
        if not self.tally.count:
            return {}
        found = self.tally.result()
        row = self._rows[found.worst]
        figures = {
            "max_abs": found.max_abs,
            "mean_abs": found.mean_abs,
            "psnr_worst": min(found.psnr_db, _EQUAL_DB),
            "uint8_share": found.uint8_share,
            "ws_rms": found.ws_rms,
            "batch_invariance": self._spread,
            "worst_psi": float(self._cases.truncation_psi[row]),
        }
        return {name: None if value is None else float(f"{value:.4g}") for name, value in figures.items()} | {
            "uint8_max": found.uint8_max,
            "non_finite": found.non_finite,
            "worst_seed": int(self._cases.seed[row]),
            "pictures": found.pictures,
        }

    def _draw(self, chunk: range, size: int) -> Iterator[Drawn]:
        """The cases of a chunk, `size` at a time; the last batch is filled up with its last case."""
        for start in range(chunk.start, chunk.stop, size):
            stop = min(start + size, chunk.stop)
            rows = np.minimum(np.arange(start, start + size), stop - 1)
            every_ws, pictures = self._entrant.draw(self._cases[rows])
            for i in range(stop - start):
                yield None if every_ws is None else every_ws[i], pictures[i]

    def _add(self, row: int, ws: NDArray[np.float32] | None, img: NDArray[Any]) -> None:
        self.tally.add(self._reference.same_of(row, img), self._reference.picture(row))
        self._rows.append(row)
        expected = self._reference.ws(row)
        if ws is not None and expected is not None:
            self.tally.add_ws(ws, expected)


def _largest(img: NDArray[Any], other: NDArray[Any]) -> float:
    """The largest difference of two pictures in image units, as far as their values are finite."""
    if img is other:
        return 0.0
    if img.dtype == np.uint8:
        return float(np.abs(img.astype(np.int16) - other).max()) / 127.5
    finite = np.isfinite(img) & np.isfinite(other)
    return float(np.abs(np.subtract(img, other, where=finite, out=np.zeros_like(img))).max())


def _ways(bundle: Bundle) -> Iterator[tuple[Any, str, str, Precision]]:
    """Module, backend, device and precision of all that can run the bundle here."""
    for backend, modules in RUNTIMES.items():
        for module in map(import_module, modules):
            for device, precision in product(DEVICES, get_args(Precision)):
                way = (backend, device, precision, bundle.manifest.precision)
                if way == ("onnxruntime", "cpu", "fast", "fp32"):
                    continue  # it computes in float32, as exact does, and would say so in the log
                if not module.unsupported_reasons(bundle, device=device, precision=precision):
                    yield module, backend, device, precision


def _try_runtime(
    bundle: Bundle,
    module: Any,
    backend: str,
    device: str,
    precision: Precision,
    cases: Cases,
    reference: Reference,
    *,
    batches: Sequence[int],
    threads: int,
) -> Entry | None:
    """What became of it; None where it cannot start, or computes as it does in another precision."""
    try:
        opened: GraphBackend = module.open_backend(bundle, device=device, precision=precision, threads=threads)
    except UnsupportedError as exc:
        _log.info("%s", exc)
        return None
    except WplusError as exc:
        return runtime_entry(backend, device, precision, GRAPH_DTYPES[bundle.manifest.precision], [str(exc)])
    with closing(opened):
        way = (opened.device, opened.precision, opened.dtype, bundle.manifest.precision)
        if way == ("cpu", "fast", "float32", "fp32"):
            return None
        return try_one(bundle, entrant_of(bundle, opened), cases, reference, batches=batches)


def entrant_of(bundle: Bundle, backend: GraphBackend, *, is_emulated: bool = False) -> Entrant:
    """A backend that draws a bundle's graphs, for a trial."""
    constants = bundle.noise_constants()
    return Entrant(
        backend=backend.name,
        device=backend.device,
        precision=backend.precision,
        dtype=backend.dtype,
        is_emulated=is_emulated,
        draw=lambda cases: _draw(bundle, backend, cases, noise_of(cases, constants)),
    )


def _draw(bundle: Bundle, backend: GraphBackend, cases: Cases, noise: Noise | None) -> Drawn:
    run = backend.images if bundle.manifest.output == "uint8" else backend.synthesize
    if "mapping" in bundle.manifest.graphs:
        ws = backend.map(cases.z, cases.c, cases.truncation_psi, cases.truncation_cutoff)
        return ws, run(ws, noise, transform=cases.transform)
    truncation = {"psi": cases.truncation_psi, "cutoff": cases.truncation_cutoff} if bundle.config.has_w else {}
    return None, run(cases.z, noise, c=cases.c, transform=cases.transform, **truncation)


def runtime_entry(backend: str, device: str, precision: Precision, dtype: str, reasons: list[str]) -> Entry:
    """What became of a runtime, apart from its figures."""
    return {
        "backend": backend,
        "version": versions(backend).get(backend, "unknown"),
        "device": device,
        "precision": precision,
        "dtype": dtype,
        "emulated": False,
        "passed": not reasons,
        "reasons": reasons,
    }
