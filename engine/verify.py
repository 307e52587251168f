"""A bundle checked by itself: the sums of its files, and its reference pictures drawn again."""

from collections.abc import Sequence
from typing import Any

from wplus.bundle import REFERENCE, STEP, Bundle
from wplus.errors import ArtifactError
from wplus.reference import load_reference
from wplus.step_cases import make_step_cases, stored_steps
from wplus.step_trials import try_steps
from wplus.trials import Entry, try_runtimes

_BATCHES = (1, 3)


def verify_bundle(bundle: Bundle, *, threads: int) -> list[Entry]:
    """What every runtime that is installed here makes of the reference pictures; needs neither torch nor the network.

    Args:
        bundle: As `read_bundle` gives it, its sums checked.
        threads: CPU threads.

    Returns:
        Entries as in parity.json.

    Raises:
        ArtifactError: it has no reference pictures.
    """
    if REFERENCE not in bundle.manifest.files:
        raise ArtifactError(
            f"{bundle.folder} has no {REFERENCE}, so it was never certified. Make it again: wplus export."
        )
    cases, drawn = load_reference(bundle.folder / REFERENCE, bundle)
    return try_runtimes(bundle, cases, drawn, batches=_BATCHES, threads=threads)


def verify_steps(bundle: Bundle, *, threads: int) -> list[Entry]:
    """What every runtime here makes of the kept losses and gradients; nothing where the bundle has no step.

    Args:
        bundle: With a reference.npz; see `verify_bundle`.
        threads: CPU threads.

    Raises:
        ArtifactError: they cannot be read.
    """
    if bundle.manifest.inversion is None:
        return []
    cases, drawn = load_reference(bundle.folder / REFERENCE, bundle)
    steps = make_step_cases(bundle, cases, drawn.arrays.get("ws"))
    return try_steps(bundle, steps, stored_steps(bundle, drawn.arrays, steps), batches=_BATCHES, threads=threads)


def shortfalls(bundle: Bundle, entries: Sequence[Entry], steps: Sequence[Entry] = ()) -> list[str]:
    """Why the bundle does not hold what its certificate promises, in sentences; empty if it does.

    A runtime that fell short when the bundle was made is refused when it is loaded, and may do so again.

    Args:
        bundle: With a parity.json.
        entries: As `verify_bundle` gives them.
        steps: As `verify_steps` gives them.
    """
    parity = bundle.parity()
    reasons = _broken_promises(parity["runtimes"], entries)
    if not any(entry["passed"] for entry in entries):
        reasons.append("no runtime that is installed here draws the reference pictures")
    reasons += [f"{STEP}: {reason}" for reason in _broken_promises(parity.get("inversion", []), steps)]
    if steps and not any(entry["passed"] for entry in steps):
        reasons.append(f"no runtime that is installed here gives the gradients of {STEP}")
    return reasons


def _broken_promises(records: Sequence[Entry], entries: Sequence[Entry]) -> list[str]:
    known = {_key(record): record["passed"] for record in records}
    return [
        f"{entry['backend']} on {entry['device']} ({entry['precision']}): {reason}"
        for entry in entries
        if not entry["passed"] and known.get(_key(entry), True)
        for reason in entry["reasons"]
    ]


def _key(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["backend"], entry["device"], entry["precision"], entry["dtype"]
