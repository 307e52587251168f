"""Which layers of a half-precision graph stay in float32: those that would overflow, then those that lose most."""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

import numpy as np
import onnx

from wplus.bundle import Bundle
from wplus.errors import ParityError
from wplus.export.certificate import Audit, Exam, try_emulated
from wplus.export.emulation import (
    EmulatedSession,
    MeasuringSession,
    OpenSession,
    emulated_backend,
    rounding,
    with_one_layer_rounded,
)
from wplus.trials import Entry, entrant_of

_log = logging.getLogger(__name__)

_MOST = float(np.finfo(np.float16).max) / 2  # other seeds may reach further
_ENOUGH_DB = 42.0  # 2 more than the certificate asks for, as other seeds may lose more

Write = Callable[[Sequence[str]], Bundle]  # a bundle whose given layers are float32


def audit(bundle: Bundle, write: Write, exam: Exam, *, threads: int) -> tuple[Bundle, Audit]:
    """Gives a half-precision bundle as few layers in float32 as it needs.

    Args:
        bundle: With none.
        write: Writes it anew, over what is there.
        exam: That of the certificate.
        threads: CPU threads.

    Returns:
        The bundle as it was written last, and what was found of it.
    """
    layers: Sequence[str] = exam.reference.network.layer_names
    found: dict[str, dict[str, Any]] = {}
    losses: list[tuple[str, float]] = []
    count = 0
    while True:
        emulated, largest = _try(bundle, layers, exam, threads)
        if new := [layer for layer in largest if layer not in found]:
            for layer in new:
                figure = float(f"{largest[layer]:.4g}") if np.isfinite(largest[layer]) else None
                found[layer] = {"layer": layer, "reason": "overflow", "largest": figure}
        elif _is_enough(emulated) or len(found) == len(layers):
            break
        else:
            rest = [layer for layer in layers if layer not in found]
            losses = losses or _losses(write(layers), rest, exam, threads)
            count = max(2 * count, _fewest(losses, _psnr(emulated)))
            for layer, psnr_db in losses[:count]:
                found.setdefault(layer, {"layer": layer, "reason": "loss", "psnr_db": float(f"{psnr_db:.4g}")})
        bundle = write(_in_order(found, layers))
    for entry in found.values():
        _log.info("%s stays in float32: %s", entry["layer"], entry["reason"])
    return bundle, Audit(layers=[found[layer] for layer in _in_order(found, layers)], emulated=emulated)


def _layer_finder(layers: Sequence[str], model: onnx.ModelProto) -> Callable[[str], str | None]:
    """A function from a node's name to the layer that it belongs to; what stands between two belongs to the first."""
    owners: dict[str, str | None] = {}
    last: str | None = layers[0] if layers else None
    for node in model.graph.node:
        scope = node.name.rpartition("/")[0]
        last = next((layer for layer in layers if f"{scope}.".startswith(f"{layer}.")), last)
        owners[node.name] = last
    return owners.__getitem__


def _try(bundle: Bundle, layers: Sequence[str], exam: Exam, threads: int) -> tuple[Entry, dict[str, float]]:
    """The trial for the certificate, and the largest magnitude of each layer that float16 may not hold."""
    if bundle.manifest.precision != "fp16":  # bfloat16 holds what float32 does
        return try_emulated(bundle, exam, rounding(threads), batches=exam.batches), {}
    found: dict[str, float] = {}
    emulated = try_emulated(bundle, exam, _measuring(layers, found, threads, rounds=True), batches=exam.batches)
    if not all(map(np.isfinite, found.values())):  # a layer took the ones behind it along
        found = _unrounded(bundle, layers, exam, threads)
    finite = list(takewhile(lambda layer: np.isfinite(found[layer]), found))
    first = [layer for layer in found if layer not in finite][:1]  # nothing is known of those behind it
    return emulated, {layer: found[layer] for layer in (*finite, *first) if not found[layer] <= _MOST}


def _unrounded(bundle: Bundle, layers: Sequence[str], exam: Exam, threads: int) -> dict[str, float]:
    """The largest magnitude of each layer where those before it hold theirs in float32."""
    found: dict[str, float] = {}
    with emulated_backend(bundle, _measuring(layers, found, threads, rounds=False)) as backend:
        draw = entrant_of(bundle, backend).draw
        for row in range(len(exam.cases)):
            with suppress(ParityError):  # numbers that are not finite, which is what is looked for
                draw(exam.cases[[row]])
    return found


def _measuring(layers: Sequence[str], found: dict[str, float], threads: int, *, rounds: bool) -> OpenSession:
    return lambda model, folder: MeasuringSession(
        model, _layer_finder(layers, model), found, folder, rounds=rounds, threads=threads
    )


def _is_enough(entry: Entry) -> bool:
    """Whether all pictures were drawn, and well."""
    return bool(entry["passed"]) and _psnr(entry) >= _ENOUGH_DB


def _psnr(entry: Entry) -> float:
    """How far the worst picture is off, in dB."""
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

    found = {layer: _psnr(try_emulated(bundle, exam, only(layer), batches=(1,))) for layer in layers}
    return sorted(found.items(), key=lambda item: item[1])


def _fewest(losses: Sequence[tuple[str, float]], reached: float) -> int:
    """How many of the worst layers must go for the rest to be good enough, errors adding up as those of chance do."""
    errors = [10 ** (-psnr / 10) for _, psnr in losses]
    allowed = 10 ** (-_ENOUGH_DB / 10) * sum(errors) / 10 ** (-reached / 10)
    return next((count for count in range(1, len(errors)) if sum(errors[count:]) <= allowed), len(errors))


def _in_order(found: Collection[str], layers: Sequence[str]) -> list[str]:
    return [layer for layer in layers if layer in found]
