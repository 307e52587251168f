"""Trials of a bundle's step of inversion: its loss and gradients on every runtime, against those of the network."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from importlib import import_module
from itertools import product
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Precision
from wplus.bundle import STEP, Bundle
from wplus.errors import UnsupportedError, WplusError
from wplus.inversion.graph_objective import RUNTIMES, GraphObjective, open_objective
from wplus.inversion.spaces import NOISE
from wplus.parity import LEAST_COSINE, MOST_GRADIENT_RMS
from wplus.step_cases import Floats, StepCases, StepReference, kept
from wplus.trials import DEVICES, Entry, runtime_entry

_log = logging.getLogger(__name__)


def try_steps(
    bundle: Bundle, cases: StepCases, reference: StepReference, *, batches: Sequence[int], threads: int
) -> list[Entry]:
    """What became of each runtime that is installed here; failing is a result, too."""
    entries = []
    for backend, device, precision in _ways(bundle):
        try:
            objective = open_objective(bundle, backend, device=device, precision=precision, threads=threads)
        except UnsupportedError as exc:
            _log.info("%s", exc)
            continue
        except WplusError as exc:
            entries.append(runtime_entry(backend, device, precision, "float32", [str(exc)]))
            continue
        with closing(objective):
            if (device, precision, objective.dtype) != ("cpu", "fast", "float32"):  # which "exact" computes already
                entries.append(_try_step(objective, cases, reference, batches))
    return entries


def step_sentence(entry: Entry) -> str:
    """An entry in a line."""
    name = f"{STEP} by {entry['backend']} on {entry['device']} ({entry['precision']}, {entry['dtype']})"
    if not entry["passed"]:
        return f"{name} falls short: {'; '.join(entry['reasons'])}"
    return f"{name}: gradients off by {entry['gradient_rms']:.1e}, cosine {entry['gradient_cosine']:.6f}"


def _ways(bundle: Bundle) -> Iterator[tuple[str, str, Precision]]:
    """Runtime, device and precision of all that can run the graph here."""
    for backend, name in RUNTIMES.items():
        module: Any = import_module(name)
        for device, precision in product(DEVICES, get_args(Precision)):
            if (backend, device, precision) == ("onnxruntime", "cpu", "fast"):
                continue  # it computes in float32, as exact does
            if not module.unsupported_reasons(bundle, device=device, precision=precision):
                yield backend, device, precision


def _try_step(objective: GraphObjective, cases: StepCases, reference: StepReference, batches: Sequence[int]) -> Entry:
    """Steps from the cases in batches of each size."""
    way = (objective.name, objective.device, objective.precision, objective.dtype)
    _log.info("Comparing %s of %s on %s, %s (%s) ...", STEP, *way)
    figures: dict[str, Any] = {"loss_off": 0.0, "gradient_rms": 0.0, "gradient_cosine": 1.0, "worst": ""}
    try:
        for size in batches:
            for start in range(0, len(cases), size):
                _compare(objective, cases, reference, np.arange(start, start + size), figures)
    except WplusError as exc:
        return runtime_entry(*way, [str(exc)])
    rounded = {name: value if name == "worst" else float(f"{value:.7g}") for name, value in figures.items()}
    return runtime_entry(*way, _reasons(figures, objective.precision)) | rounded


def _compare(
    objective: GraphObjective,
    cases: StepCases,
    reference: StepReference,
    wanted: NDArray[np.int64],
    figures: dict[str, Any],
) -> None:
    """Adds one batch to the figures; where the cases are at an end, its last one fills it up."""
    rows = np.minimum(wanted, len(cases) - 1)
    latents = {key: value[rows] for key, value in cases.latents.items()}
    loss, gradients = objective(latents, cases.target[rows], cases.weight[rows], cases.factors[rows])
    for i, row in enumerate(rows):
        expected = float(reference.loss[row])
        figures["loss_off"] = max(figures["loss_off"], abs(float(loss[i]) - expected) / expected)
        for name, keys in _groups(reference.gradients).items():
            found = np.concatenate([kept(key, gradients[key][i : i + 1]).ravel() for key in keys]).astype(np.float64)
            right = np.concatenate([reference.gradients[key][row].ravel() for key in keys]).astype(np.float64)
            size = math.sqrt(float(right @ right)) + 1e-300
            off = math.sqrt(float((found - right) @ (found - right))) / size
            cosine = float(found @ right) / (size * (math.sqrt(float(found @ found)) + 1e-300))
            figures["gradient_cosine"] = min(figures["gradient_cosine"], cosine)
            if off > figures["gradient_rms"]:
                figures["gradient_rms"], figures["worst"] = off, f"{name} of case {int(cases.rows[row])}"


def _groups(keys: Mapping[str, Floats]) -> dict[str, list[str]]:
    """Gradients that are compared as one: all noise maps are, as a step goes along all of them at once."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(NOISE.rstrip("/") if key.startswith(NOISE) else key, []).append(key)
    return groups


def _reasons(figures: dict[str, Any], precision: Precision) -> list[str]:
    """Why such gradients will not do, with figures; empty if they will."""
    rms, cosine, loss = figures["gradient_rms"], figures["gradient_cosine"], figures["loss_off"]
    if precision == "fast":
        if cosine >= LEAST_COSINE:
            return []
        return [f"the cosine of its gradients is {cosine:.5f}; at least {LEAST_COSINE} is needed"]
    reasons = []
    if rms > MOST_GRADIENT_RMS:
        worst = f"its gradients are off by {rms:.1e} of their size ({figures['worst']})"
        reasons.append(f"{worst}; at most {MOST_GRADIENT_RMS:.0e} is allowed")
    if loss > MOST_GRADIENT_RMS:
        reasons.append(f"its loss is off by {loss:.1e} of its size; at most {MOST_GRADIENT_RMS:.0e} is allowed")
    return reasons
