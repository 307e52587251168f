"""Which layers of a half-precision graph stay in float32: those that would overflow, then those that lose most."""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from wplus.bundle import Bundle
from wplus.errors import ParityError
from wplus.export.certificate import Exam, examine
from wplus.export.emulation import (
    EmulatedSession,
    MeasuringSession,
    OpenSession,
    emulated_backend,
    rounding,
    with_one_layer_rounded,
)
from wplus.generator import Generator
from wplus.trial_cases import Cases
from wplus.trials import entrant_of, try_one

_log = logging.getLogger(__name__)

_MOST = float(np.finfo(np.float16).max) / 2  # other seeds may reach further
_ENOUGH_DB = 42.0  # 2 more than the certificate asks for, as other seeds may lose more

Write = Callable[[Sequence[str]], Bundle]  # a bundle whose given layers are float32


def audit(
    write: Write, reference: Generator, layers: Sequence[str], *, full: bool, threads: int
) -> tuple[Bundle, list[dict[str, Any]]]:
    """Writes a half-precision bundle with as few layers in float32 as it needs.

    Args:
        write: Writes the bundle, once more at every call.
        reference: The network in PyTorch, exact.
        layers: Names of those that can be float32, in the order in which they run.
        full: As of `certify`, whose cases these are.
        threads: CPU threads.

    Returns:
        The bundle as it was written last, and for each layer in float32 its name, why, and the figure that says so.
    """
    bundle = write(())
    with examine(bundle, reference, full=full) as exam:
        return _audit(write, bundle, exam, layers, threads=threads)


def _audit(
    write: Write, bundle: Bundle, exam: Exam, layers: Sequence[str], *, threads: int
) -> tuple[Bundle, list[dict[str, Any]]]:
    found: dict[str, dict[str, Any]] = {}
    while bundle.manifest.precision == "fp16":
        largest = _too_large(bundle, layers, exam.cases, threads)
        if not (new := [layer for layer in largest if layer not in found]):
            break
        for layer in new:
            figure = float(f"{largest[layer]:.4g}") if np.isfinite(largest[layer]) else None
            found[layer] = {"layer": layer, "reason": "overflow", "largest": figure}
        bundle = write(_in_order(found, layers))
    count = 0
    losses: list[tuple[str, float]] = []
    while (reached := _psnr(bundle, exam, rounding(threads))) < _ENOUGH_DB and len(found) < len(layers):
        rest = [layer for layer in layers if layer not in found]
        losses = losses or _losses(write(layers), rest, exam, threads)
        count = max(2 * count, _fewest(losses, reached))
        for layer, psnr_db in losses[:count]:
            found[layer] = {"layer": layer, "reason": "loss", "psnr_db": float(f"{psnr_db:.4g}")}
        bundle = write(_in_order(found, layers))
    for entry in found.values():
        _log.info("%s stays in float32: %s", entry["layer"], entry["reason"])
    return bundle, [found[layer] for layer in _in_order(found, layers)]


def _layer_finder(layers: Sequence[str], model: onnx.ModelProto) -> Callable[[str], str | None]:
    """A function from a node's name to the layer that it belongs to; what stands between two belongs to the first."""
    owners: dict[str, str | None] = {}
    last: str | None = layers[0] if layers else None
    for node in model.graph.node:
        scope = node.name.rpartition("/")[0]
        last = next((layer for layer in layers if f"{scope}.".startswith(f"{layer}.")), last)
        owners[node.name] = last
    return owners.__getitem__


def _too_large(bundle: Bundle, layers: Sequence[str], cases: Cases, threads: int) -> dict[str, float]:
    """The largest magnitude of each layer that float16 may not hold; behind one that is not finite nothing is known."""
    found: dict[str, float] = {}

    def open_session(model: onnx.ModelProto, folder: Path) -> EmulatedSession:
        return MeasuringSession(model, _layer_finder(layers, model), found, folder, threads=threads)

    with emulated_backend(bundle, open_session) as backend:
        draw = entrant_of(bundle, backend).draw
        for row in range(len(cases)):
            with suppress(ParityError):  # numbers that are not finite, which is what is looked for
                draw(cases[[row]])
    finite = list(takewhile(lambda layer: np.isfinite(found[layer]), found))
    first = [layer for layer in found if layer not in finite][:1]
    return {layer: found[layer] for layer in (*finite, *first) if not found[layer] <= _MOST}


def _psnr(bundle: Bundle, exam: Exam, open_session: OpenSession) -> float:
    """How far the worst picture is off, in dB."""
    with emulated_backend(bundle, open_session) as backend:
        entry = try_one(bundle, entrant_of(bundle, backend), exam.cases, exam.drawn, batches=(1,))
    return float(entry.get("psnr_worst", 0.0))  # not one picture, as numbers were not finite


def _losses(bundle: Bundle, layers: Sequence[str], exam: Exam, threads: int) -> list[tuple[str, float]]:
    """The layers and the PSNR in dB where none but that one rounds, the worst first.

    Args:
        bundle: With every layer in float32.
    """

    def only(layer: str) -> OpenSession:
        return lambda model, folder: EmulatedSession(
            with_one_layer_rounded(model, layer, bundle.manifest.precision), folder, threads=threads
        )

    found = {layer: _psnr(bundle, exam, only(layer)) for layer in layers}
    return sorted(found.items(), key=lambda item: item[1])


def _fewest(losses: Sequence[tuple[str, float]], reached: float) -> int:
    """How many of the worst layers must go for the rest to be good enough, errors adding up as those of chance do."""
    errors = [10 ** (-psnr / 10) for _, psnr in losses]
    allowed = 10 ** (-_ENOUGH_DB / 10) * sum(errors) / 10 ** (-reached / 10)
    return next((count for count in range(1, len(errors)) if sum(errors[count:]) <= allowed), len(errors))


def _in_order(found: Collection[str], layers: Sequence[str]) -> list[str]:
    return [layer for layer in layers if layer in found]
