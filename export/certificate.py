"""The certificate of a bundle: its graphs on every runtime that is here, against the network in PyTorch."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wplus.bundle import PARITY, REFERENCE, Bundle, write_json, write_manifest
from wplus.config import StyleConfig
from wplus.errors import ParityError
from wplus.export.emulation import OpenSession, emulated_backend, rounding
from wplus.export.step_reference import reference_steps
from wplus.generator import Generator
from wplus.machine import versions
from wplus.manifest import Certificate
from wplus.reference import Drawn, Stored, save_reference
from wplus.step_cases import StepCases, StepReference, make_step_cases
from wplus.step_trials import step_sentence, try_steps
from wplus.trial_cases import Cases, make_cases
from wplus.trials import Entry, entrant_of, is_proof, noise_of, sentence, try_one, try_runtimes

Run = Literal["quick", "full"]

_RUNS: dict[Run, tuple[int, tuple[int, ...]]] = {"quick": (8, (1, 3)), "full": (32, (1, 3, 8))}  # seeds, batch sizes
_SMALL = 128  # pixels up to which a certificate is always full
_KEPT_SEEDS = 4  # in reference.npz


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """What is drawn, and what the network made of it."""

    reference: Generator  # the network in PyTorch, exact
    run: Run
    cases: Cases
    batches: tuple[int, ...]
    drawn: Stored
    steps: tuple[StepCases, StepReference] | None  # of inversion, where the bundle has its graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What is known of a half-precision bundle since it was made."""

    layers: Sequence[dict[str, Any]]  # in float32, in order: the name of each, why, and the figure that says so
    emulated: Entry  # what `try_emulated` found of the bundle as it is


def certify(bundle: Bundle, exam: Exam, *, threads: int, audit: Audit | None = None) -> Bundle:
    """Proves a bundle, and writes the proof into it: parity.json, reference.npz, and the manifest's line.

    Args:
        bundle: Its graphs and its manifest are written.
        exam: As `examine` prepares it.
        threads: CPU threads of the runtimes.
        audit: Of this very bundle, where there was one; its emulation is not run again then.

    Raises:
        ParityError: no runtime draws what the network draws.
    """
    parity = _parity(bundle, exam, threads=threads, audit=audit)
    entries, steps = parity["runtimes"], parity.get("inversion", [])
    said = [*map(sentence, entries), *map(step_sentence, steps)]
    if not parity["passed"]:
        raise ParityError(
            f"The graphs draw other pictures than {exam.reference.name}, or give other gradients, or none that prove "
            f"they do not: {'; '.join(said) or 'no runtime is installed'}."
        )
    write_json(bundle.folder / PARITY, parity)
    rows = np.flatnonzero(exam.cases.seed < _KEPT_SEEDS).tolist()
    kept = ((exam.drawn.ws(row), exam.drawn.arrays["picture"][row]) for row in rows)
    arrays = {} if exam.steps is None else exam.steps[1].arrays()
    save_reference(bundle.folder / REFERENCE, bundle, exam.cases[rows], kept, steps=arrays)
    certificate = Certificate(run=exam.run, passed=True, summary="\n".join(said))
    return write_manifest(bundle.folder, replace(bundle.manifest, certificate=certificate))


def compare(bundle: Bundle, reference: Generator, *, full: bool, threads: int) -> dict[str, Any]:
    """What parity.json would say of a bundle, be it good or bad; see `certify`. Nothing is written."""
    with examine(bundle, reference, full=full) as exam:
        return _parity(bundle, exam, threads=threads, audit=None)


def try_emulated(bundle: Bundle, exam: Exam, open_session: OpenSession, *, batches: Sequence[int]) -> Entry:
    """What a half-precision bundle draws where it is computed as its graphs say."""
    with emulated_backend(bundle, open_session) as backend:
        emulated = entrant_of(bundle, backend, is_emulated=True)
        return try_one(bundle, emulated, exam.cases, exam.drawn, batches=batches)


def _parity(bundle: Bundle, exam: Exam, *, threads: int, audit: Audit | None) -> dict[str, Any]:
    entries = try_runtimes(bundle, exam.cases, exam.drawn, batches=exam.batches, threads=threads)
    if audit is not None:
        entries.append(audit.emulated)
    elif bundle.manifest.precision != "fp32":  # which no runtime on a CPU may compute in
        entries.append(try_emulated(bundle, exam, rounding(threads), batches=exam.batches))
    steps = None
    if exam.steps is not None:
        steps = try_steps(bundle, *exam.steps, batches=exam.batches[:2], threads=threads)
    proofs = [entries] if steps is None else [entries, steps]
    parity: dict[str, Any] = {
        "format_version": 1,
        "run": exam.run,
        "passed": all(any(is_proof(bundle, entry) for entry in every) for every in proofs),
        "reference": {
            "implementation": "wplus, PyTorch, float32",
            "device": exam.reference.device,
            **versions("torch"),
        },
        "graph": _graph(bundle),
        "cases": _facts(bundle, exam),
        "runtimes": entries,
        "audit": list(audit.layers) if audit else [],
    }
    return parity if steps is None else parity | {"inversion": steps}


@contextmanager
def examine(bundle: Bundle, reference: Generator, *, full: bool) -> Iterator[Exam]:
    """Cases, and what the network draws of them, once; the pictures lie in a file, and are gone afterwards.

    Args:
        bundle: Any of the network with these inputs and this output, whatever type its layers are in.
        reference: The network in PyTorch, exact.
        full: 32 seeds in batches of 1, 3 and 8, not 8 in batches of 1 and 3; always so for networks up to 128 px.
    """
    run: Run = "full" if full or bundle.config.img_resolution <= _SMALL else "quick"
    seeds, batches = _RUNS[run]
    most = bundle.manifest.max_batch or max(batches)
    cases = make_cases(bundle.config, range(seeds), random_noise=bool(bundle.noise_constants()))
    with tempfile.TemporaryDirectory(prefix="wplus-", ignore_cleanup_errors=True) as folder:
        drawn = _draw_all(bundle, reference, cases, Path(folder))
        batches = tuple(sorted({min(size, most) for size in batches}))
        steps = None
        if bundle.manifest.inversion is not None:
            step_cases = make_step_cases(bundle, cases, drawn.arrays.get("ws"))
            steps = step_cases, reference_steps(bundle, reference, step_cases)
        yield Exam(reference=reference, run=run, cases=cases, batches=batches, drawn=drawn, steps=steps)


def _draw_all(bundle: Bundle, reference: Generator, cases: Cases, folder: Path) -> Stored:
    """ws and pictures of all cases; the latter mapped into memory from a folder, since they may be a gigabyte."""
    constants = bundle.noise_constants()
    port = list(bundle.manifest.graphs.values())[-1].outputs[0]
    sides = [int(side) for side in port.shape[1:]]
    pictures = np.lib.format.open_memmap(
        folder / "pictures.npy", "w+", dtype=np.dtype(port.dtype), shape=(len(cases), *sides)
    )
    every_ws = []
    for start in range(0, len(cases), reference.micro_batch):
        rows = slice(start, start + reference.micro_batch)
        ws, pictures[rows] = _draw(bundle, reference, cases[rows], constants)
        if ws is not None:
            every_ws.append(ws)
    arrays: dict[str, NDArray[Any]] = {"picture": pictures}
    if every_ws:
        arrays["ws"] = np.concatenate(every_ws)
    return Stored(arrays=arrays)


def _draw(bundle: Bundle, generator: Generator, cases: Cases, constants: dict[str, NDArray[np.float32]]) -> Drawn:
    """ws, where there is a W, and pictures of some cases, as the bundle's graphs are to give them."""
    how: dict[str, Any] = {"noise_mode": "none" if bundle.manifest.noise == "none" else "const"}
    how |= {"noise": noise_of(cases, constants), "transform": cases.transform}
    run = generator.images if bundle.manifest.output == "uint8" else generator.synthesize
    if not generator.has_w:
        return None, run(cases.z, c=cases.c, **how)
    ws = generator.map(cases.z, cases.c, cases.truncation_psi, cases.truncation_cutoff)
    return ws, run(ws, **how)


def _graph(bundle: Bundle) -> dict[str, Any]:
    """What was compared."""
    manifest = bundle.manifest
    return {
        "fingerprint": manifest.fingerprint,
        "precision": manifest.precision,
        "opset": manifest.opset,
        "noise": manifest.noise,
        "output": manifest.output,
        "sha256": {
            graph.file: manifest.files[graph.file].sha256
            for graph in (*manifest.graphs.values(), manifest.inversion)
            if graph is not None
        },
    }


def _facts(bundle: Bundle, exam: Exam) -> dict[str, Any]:
    """On what it was compared."""
    cases = exam.cases
    facts: dict[str, Any] = {"seeds": _values(cases.seed), "batches": list(exam.batches)}
    if isinstance(bundle.config, StyleConfig):
        facts["truncation_psi"] = [float(f"{psi:g}") for psi in _values(cases.truncation_psi)]
        facts["truncation_cutoff"] = _values(cases.truncation_cutoff)
    if cases.c is not None:
        facts["classes"] = _values(cases.c.argmax(axis=1))
    if cases.transform is not None:
        facts["transforms"] = np.unique(cases.transform, axis=0).round(6).tolist()
    facts["noise"] = ["stored", "random"] if cases.random_noise.any() else [bundle.manifest.noise]
    return facts


def _values(array: NDArray[Any]) -> list[Any]:
    return list(np.unique(array).tolist())
