"""Following a plan: a request of `load` becomes the runtime that was the fastest when it was measured here."""

import logging
import shlex
from pathlib import Path

from wplus.backends import BackendName, Precision
from wplus.bundle import Bundle, read_bundle
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.checkpoints.fingerprint import fingerprint
from wplus.errors import ArtifactError, UnsupportedError
from wplus.plan import PLAN_FILE, Choice, Plan, read_plan

_log = logging.getLogger(__name__)


def follow(
    bundle: Bundle,
    plan: Plan | str | Path,
    *,
    wish: Precision,
    backend: BackendName,
    device: str,
    threads: int,
    with_torch: bool = False,
) -> Choice:
    """What a plan that the user named says to run.

    Args:
        bundle: What is to run.
        plan: A plan, its file, or the bundle that it is in.
        wish: The precision asked for.
        backend: "auto", or the one that it must be.
        device: "auto", or the one that it must be.
        threads: CPU threads asked for.
        with_torch: Whether the network itself is at hand, so that torch can run it.

    Raises:
        ArtifactError: there is no plan that can be read.
        UnsupportedError: it was made for another machine, bundle, number of threads or other versions, or has nothing
            for this request.
    """
    plan = plan if isinstance(plan, Plan) else read_plan(plan)
    again = f"Measure here with: wplus prepare {shlex.quote(str(bundle.folder))} --threads={threads}"
    if differences := plan.differences(bundle, threads=threads, with_torch=with_torch):
        raise UnsupportedError(f"The plan {plan.path or ''} does not hold: {'; '.join(differences)}. {again}")
    choice = plan.choose(wish, backend=backend, device=device, with_torch=with_torch)
    if choice is None:
        wanted = f"precision={wish}, backend={backend}, device={device}"
        left_out = f" Left out: {' '.join(plan.left_out)}" if plan.left_out else ""
        raise UnsupportedError(f"The plan {plan.path or ''} measured nothing for {wanted}.{left_out} {again}")
    if not _is_built(bundle, choice):
        raise UnsupportedError(f"The plan {plan.path or ''} counts on engines of TensorRT that are gone. {again}")
    return choice


def own_choice(
    bundle: Bundle, *, wish: Precision, device: str, threads: int, with_torch: bool = False
) -> Choice | None:
    """What the bundle's own plan says to run; None, with a line in the log, where it has none that holds here."""
    path = bundle.folder / PLAN_FILE
    if not path.exists():
        return None
    try:
        plan = read_plan(path)
    except ArtifactError as exc:
        _log.warning("%s", exc)
        return None
    if differences := plan.differences(bundle, threads=threads, with_torch=with_torch):
        _log.info("The plan in %s is not followed: %s.", bundle.folder, "; ".join(differences))
        return None
    choice = plan.choose(wish, backend="auto", device=device, with_torch=with_torch)
    if choice is not None and not _is_built(bundle, choice):
        _log.info("The plan in %s is not followed: its engines of TensorRT are gone.", bundle.folder)
        return None
    return choice


def follow_for(
    checkpoint: Checkpoint, plan: Plan | str | Path, *, wish: Precision, backend: BackendName, device: str, threads: int
) -> tuple[Bundle, Choice]:
    """What a plan that the user named says to run for a checkpoint, torch included, and the bundle that it lies in.

    Raises:
        ArtifactError: the plan or its bundle cannot be read.
        UnsupportedError: the bundle is another network's, or see `follow`.
    """
    plan = plan if isinstance(plan, Plan) else read_plan(plan)
    if plan.path is None:
        raise ValueError("This plan was not read from a file, so nobody knows its bundle. Pass the bundle's folder.")
    bundle = read_bundle(plan.path.parent)
    own = fingerprint(checkpoint.config, checkpoint.tensors)
    if bundle.manifest.fingerprint != own:
        raise UnsupportedError(
            f"The plan {plan.path} is for {bundle.manifest.fingerprint}, and {checkpoint.provenance.source} "
            f"is {own}. Make its own: wplus prepare NETWORK."
        )
    choice = follow(bundle, plan, wish=wish, backend=backend, device=device, threads=threads, with_torch=True)
    return bundle, choice


def _is_built(bundle: Bundle, choice: Choice) -> bool:
    """Whether running the choice builds nothing."""
    if choice.backend != "tensorrt":
        return True
    from wplus.backends.tensorrt_opening import is_built

    return is_built(bundle, device=choice.device, precision=choice.precision)
