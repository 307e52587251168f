"""Pivotal tuning: a generator's weights trained further, so that the latents found for some targets draw them better.

Source: Roich et al. 2021 (Pivotal Tuning for Latent-based Editing of Real Images), section 3.2 and 3.3.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wplus.backends.eager import choose_device, exact_arithmetic
from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint
from wplus.checkpoints.tuning import Tuning, add
from wplus.errors import UnsupportedError
from wplus.facts import Facts
from wplus.inputs import check_shape, matrices, merge_noise, noise_constants, one_hot
from wplus.inversion.config import DEFAULT_LOSS
from wplus.inversion.goals import make_goal
from wplus.inversion.losses import make_loss
from wplus.inversion.state_file import StateFile
from wplus.inversion.tuner import Pivots, Tuner, TuneReport
from wplus.latents import Latents, broadcast, check_generator, check_seed
from wplus.loading import display_name
from wplus.threads import usable_cpus

if TYPE_CHECKING:
    from wplus.inversion.operators import Operator

_Array = NDArray[np.float32]


def tune(
    source: str | Path | Checkpoint,
    latents: Latents | _Array,
    targets: Any,
    *,
    weights: _Array | None = None,
    operator: "Operator | None" = None,
    sigma: float = 0.0,
    class_index: int | None = None,
    steps: int = 350,
    learning_rate: float = 3e-4,
    loss: str | None = None,
    locality: float = 0.1,
    seed: int = 303,
    device: str = "auto",
    threads: int | None = None,
    sha256: str | None = None,
    checkpoint: str | Path | None = None,
    on_step: Callable[[TuneReport], None] | None = None,
) -> Tuning:
    """Trains a copy of a generator's synthesis so that the latents draw the targets; the generator stays what it is.

    The mapping, w_avg, noise maps and filters are left alone. All targets are tuned for together. Ctrl-C ends it early
    with the best so far, and so does a loss that is no number.

    Args:
        source: The checkpoint as `wplus.load` takes it, or one that was read.
        latents: The pivots, one a target: what `wplus.inversion.run.invert` found, or ws `[N, num_ws, w_dim]` (z in
            networks without W).
        targets: See `invert`, as are `weights`, `operator`, `sigma` and `loss`.
        class_index: Class of a z in a conditional network; a w has it in it already.
        steps: At most.
        learning_rate: Adam's; it falls to 0 over the last quarter.
        locality: How much it counts that pictures near the pivots stay what they were (eq. 3 and 4); 0: not at all,
            which is faster.
        seed: Of the random latents that locality looks at.
        device: See `wplus.load`, as are `threads` and `sha256`.
        checkpoint: File in which the state is kept every half minute, and from which an interrupted run goes on; four
            times the size of the weights.
        on_step: Called after each step.

    Raises:
        ArtifactError: `checkpoint` is damaged, or of a run with other options.
        LatentMismatchError: the latents belong to another generator.
        UnsupportedError: the source is a bundle or another thing that is no network.
        CheckpointError: the source cannot be read.
        ValueError: a shape or a number does not fit.
    """
    _check_numbers(steps, learning_rate, locality, seed)
    network = source if isinstance(source, Checkpoint) else _read(source, sha256)
    name = network.provenance.source if isinstance(source, Checkpoint) else display_name(source)
    own = _Own(network, name)
    goal = make_goal(own, targets, weights, operator, sigma, loss)
    pivots = _pivots(own, latents, goal.count, class_index)
    where = choose_device(device)
    with exact_arithmetic(where, threads or usable_cpus()):
        judge = make_loss(loss or DEFAULT_LOSS)
        numbers: dict[str, Any] = {"steps": steps, "learning_rate": learning_rate, "locality": locality, "seed": seed}
        tuner = Tuner(network, pivots, goal, judge, where, **numbers)
        path = None if checkpoint is None else Path(checkpoint)
        kept = StateFile(path, own.fingerprint, goal.digest(), loss, numbers, *pivots.arrays)
        kept.read(tuner.restore)
        is_interrupted = tuner.run(on_step, kept)
        losses, differences = tuner.losses, tuner.differences()
    notes = {
        "source": name,
        "targets": goal.count,
        "steps": min(len(losses), steps),
        "is_interrupted": is_interrupted,
        "first_loss": losses[0] if losses else None,
        "best_loss": min(losses, default=None),
        "loss": (loss or DEFAULT_LOSS) if operator is None else "data term",
        "learning_rate": learning_rate,
        "locality": locality,
        "seed": seed,
    }
    tuned = fingerprint(network.config, add(network.tensors, differences))  # of what the file will give
    return Tuning(differences=differences, parent=own.fingerprint, fingerprint=tuned, notes=notes)


class _Own(Facts):
    """A checkpoint, as what checks its latents and targets asks for it."""

    def __init__(self, checkpoint: Checkpoint, name: str) -> None:
        self.config, self.provenance, self.name = checkpoint.config, checkpoint.provenance, name
        self.fingerprint = fingerprint(checkpoint.config, checkpoint.tensors)
        self.noise_constants = noise_constants(checkpoint)


def _read(source: str | Path, sha256: str | None) -> Checkpoint:
    from wplus.bundle import is_bundle

    if is_bundle(Path(source).expanduser()):
        raise UnsupportedError(
            f"{source} is a bundle, and tuning trains a network: give the checkpoint it was made from."
        )
    return read_checkpoint(source, sha256=sha256)


def _check_numbers(steps: int, learning_rate: float, locality: float, seed: int) -> None:
    check_seed(seed)
    if steps < 1:
        raise ValueError(f"steps is {steps}; at least 1 is needed.")
    if not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate is {learning_rate}; a finite number above 0 is needed.")
    if not 0 <= locality < math.inf:
        raise ValueError(f"locality is {locality}; a finite number of at least 0 is needed.")


def _pivots(own: _Own, given: Latents | _Array, count: int, class_index: int | None) -> Pivots:
    """The latents checked, one a target."""
    latents = given if isinstance(given, Latents) else _without_passport(own, given)
    check_generator(latents, own)
    values = np.asarray(latents.values, np.float32)
    is_z = latents.space == "z"
    if not is_z and not own.has_w:
        raise UnsupportedError(f"{own.name} ({own.family}) has no W space; its latents are z.")
    if latents.space == "w":
        values = broadcast(values, num_ws=own.num_ws)
    check_shape("latents", values, own.z_shape if is_z else (own.num_ws, own.w_dim), owner=own)
    if len(values) != count:
        raise ValueError(f"There are {len(values)} latents for {count} targets; one a target is needed.")
    if latents.transform is not None and not own.has_transform:
        raise UnsupportedError(f"The latents have a transform, which is for StyleGAN3; {own.name} is {own.family}.")
    noise = merge_noise(own.noise_constants, "const", dict(latents.noise), None, count) if latents.noise else None
    return Pivots(
        values=values,
        is_z=is_z and own.has_w,
        c=_label(own, class_index) if is_z else None,
        noise=None if noise is None else {name: np.repeat(v, count // len(v), axis=0) for name, v in noise.items()},
        transform=None if latents.transform is None else matrices(latents.transform, count).astype(np.float32),
    )


def _without_passport(own: _Own, values: _Array) -> Latents:
    return Latents(values=np.asarray(values, np.float32), space="w+" if own.has_w else "z", generator=own.fingerprint)


def _label(own: _Own, class_index: int | None) -> _Array | None:
    if not own.c_dim:
        return None
    if class_index is None:
        raise ValueError(f"{own.name} is conditional and the latents are z: say which class (class_index, --class).")
    return one_hot(class_index, own.c_dim)
