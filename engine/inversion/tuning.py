"""Pivotal tuning: a generator's weights trained further, so that the latents found for some targets draw them better.

Source: Roich et al. 2021 (Pivotal Tuning for Latent-based Editing of Real Images), section 3.2 and 3.3.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wplus.backends.eager import choose_device, exact_arithmetic
from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint
from wplus.checkpoints.tuning import Differences, Tuning, add
from wplus.errors import UnsupportedError
from wplus.facts import Facts
from wplus.inputs import check_shape, matrices, merge_noise, noise_constants, one_hot
from wplus.inversion.config import DEFAULT_LOSS
from wplus.inversion.goals import Goal, make_goal
from wplus.inversion.losses import Loss, make_loss
from wplus.latents import Latents, broadcast, check_generator, check_seed
from wplus.loading import display_name
from wplus.networks import build_network
from wplus.sampling import default_micro_batch
from wplus.threads import usable_cpus

if TYPE_CHECKING:
    from wplus.inversion.operators import Operator

_log = logging.getLogger(__name__)

_Array = NDArray[np.float32]

_RAMPDOWN = 0.25  # part of the steps in which the rate falls to 0
_WAY = 0.5  # from a pivot to a random latent: how far off a picture is held to what it was


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneReport:
    """One step."""

    step: int  # from 1
    num_steps: int
    loss: float  # the best so far, of the targets' mean


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
        on_step: Called after each step.

    Raises:
        LatentMismatchError: the latents belong to another generator.
        UnsupportedError: the source is a bundle or another thing that is no network.
        CheckpointError: the source cannot be read.
        ValueError: a shape or a number does not fit.
    """
    _check_numbers(steps, learning_rate, locality, seed)
    checkpoint = source if isinstance(source, Checkpoint) else _read(source, sha256)
    name = checkpoint.provenance.source if isinstance(source, Checkpoint) else display_name(source)
    own = _Own(checkpoint, name)
    goal = make_goal(own, targets, weights, operator, sigma, loss)
    pivots = _pivots(own, latents, goal.count, class_index)
    where = choose_device(device)
    with exact_arithmetic(where, threads or usable_cpus()):
        tuner = _Tuner(checkpoint, pivots, goal, make_loss(loss or DEFAULT_LOSS), where, locality=locality, seed=seed)
        losses, is_interrupted = tuner.run(steps, learning_rate, on_step)
        differences = tuner.differences()
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
    tuned = fingerprint(checkpoint.config, add(checkpoint.tensors, differences))  # of what the file will give
    return Tuning(differences=differences, parent=own.fingerprint, fingerprint=tuned, notes=notes)


class _Own(Facts):
    """A checkpoint, as what checks its latents and targets asks for it."""

    def __init__(self, checkpoint: Checkpoint, name: str) -> None:
        self.config, self.provenance, self.name = checkpoint.config, checkpoint.provenance, name
        self.fingerprint = fingerprint(checkpoint.config, checkpoint.tensors)
        self.noise_constants = noise_constants(checkpoint)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pivots:
    """The latents as the network takes them; all of N rows."""

    values: _Array
    is_z: bool  # on its way to w
    c: _Array | None  # of a z
    noise: dict[str, _Array] | None
    transform: _Array | None


class _Tuner:
    """Two networks of one checkpoint: one that learns, and one that says what pictures were, as `judge` sees them."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        pivots: _Pivots,
        goal: Goal,
        judge: Loss,
        device: torch.device,
        *,
        locality: float,
        seed: int,
    ) -> None:
        self._checkpoint, self._goal, self._judge, self._device = checkpoint, goal, judge, device
        self._locality, self._seed = locality, seed
        self._z_shape = checkpoint.config.z_shape
        self._batch = default_micro_batch(checkpoint.config)
        self._was = cast(Any, build_network(checkpoint).to(device))
        # build_network shares the checkpoint's memory: what learns has its own.
        tensors = {name: value.copy() for name, value in checkpoint.tensors.items()}
        self._network = cast(Any, build_network(replace(checkpoint, tensors=tensors)).to(device))
        self._learned = _learned(self._network)
        for value in self._learned.values():
            value.requires_grad_()
        self._best = {name: value.detach().clone() for name, value in self._learned.items()}
        self._pivots = pivots
        self._c = None if pivots.c is None else torch.from_numpy(pivots.c).to(device)
        values = torch.from_numpy(pivots.values).to(device)
        self._latents = self._to_ws(values, self._c) if pivots.is_z else values

    def run(
        self, steps: int, learning_rate: float, on_step: Callable[[TuneReport], None] | None
    ) -> tuple[list[float], bool]:
        """The targets' mean loss by step, the last one after all of them; and whether Ctrl-C came."""
        adam = torch.optim.Adam(self._learned.values(), lr=learning_rate)
        losses: list[float] = []
        try:
            for step in range(steps + 1):
                adam.zero_grad()
                loss = self._pull(with_gradient=step < steps)
                if not math.isfinite(loss):
                    _log.warning("The loss is no number after %d steps; the best so far is kept.", step)
                    break
                losses.append(loss)
                if loss <= min(losses):
                    self._best = {name: value.detach().clone() for name, value in self._learned.items()}
                if step == steps:
                    break
                if self._locality:
                    self._hold(step)
                for group in adam.param_groups:
                    group["lr"] = learning_rate * min(1.0, (1 - step / steps) / _RAMPDOWN)
                adam.step()
                if on_step is not None:
                    on_step(TuneReport(step=step + 1, num_steps=steps, loss=min(losses)))
        except KeyboardInterrupt:
            return losses, True
        return losses, False

    def differences(self) -> Differences:
        """What the best weights have on the checkpoint's, where a float16 shows it."""
        found: Differences = {}
        for name, value in self._best.items():
            tuned = value.cpu().numpy()
            difference = np.asarray(tuned - self._checkpoint.tensors[name], dtype=np.float16, order="C")
            if difference.any():
                found[name] = difference
        return found

    def _pull(self, *, with_gradient: bool) -> float:
        """The targets' mean loss, its gradient added to the weights'; a micro-batch at a time."""
        count, total = self._goal.count, 0.0
        for start in range(0, count, self._batch):
            rows = np.arange(start, min(start + self._batch, count))
            with torch.set_grad_enabled(with_gradient):
                loss = self._goal.loss(self._draw(self._network, rows), rows).sum() / count
            if with_gradient:
                torch.autograd.backward(loss)
            total += loss.item()
        return total

    def _hold(self, step: int) -> None:
        """Adds the gradient of how far the picture of a latent near a pivot is from what it was (eq. 3 and 4)."""
        random = np.random.Generator(np.random.Philox(key=[self._seed, step]))
        z = torch.from_numpy(random.standard_normal((1, *self._z_shape), dtype=np.float32)).to(self._device)
        row = int(random.integers(self._goal.count))
        c = self._random_class(random)
        other = z if self._is_plain else self._to_ws(z, c)
        latent = self._latents[row : row + 1].lerp(other, _WAY)
        options = {"c": self._c} if self._is_plain else {}
        with torch.no_grad():
            was = self._was.synthesize(latent, noise=None, dtype=torch.float32, **options)
        img = self._network.synthesize(latent, noise=None, dtype=torch.float32, **options)
        torch.autograd.backward(self._locality * self._judge(img, was, None).mean())

    def _random_class(self, random: np.random.Generator) -> Tensor | None:
        c_dim = self._checkpoint.config.c_dim
        if not c_dim:
            return None
        return torch.from_numpy(one_hot(int(random.integers(c_dim)), c_dim)).to(self._device)

    @property
    def _is_plain(self) -> bool:
        return not hasattr(self._network, "map")

    def _to_ws(self, z: Tensor, c: Tensor | None) -> Tensor:
        count = len(z)
        psi = torch.ones(count, device=self._device)
        cutoff = torch.zeros(count, dtype=torch.int64, device=self._device)
        with torch.no_grad():
            ws: Tensor = self._was.map(z, None if c is None else c.expand(count, -1), psi, cutoff)
            return ws

    def _draw(self, network: Any, rows: NDArray[np.int64]) -> Tensor:
        """Pictures `[R, C, H, W]` of some pivots."""
        pivots = self._pivots
        options: dict[str, Any] = {}
        if self._is_plain and self._c is not None:
            options["c"] = self._c.expand(len(rows), -1)
        if pivots.transform is not None:
            options["transform"] = torch.from_numpy(pivots.transform[rows]).to(self._device)
        noise = None
        if pivots.noise is not None:
            noise = {name: torch.from_numpy(value[rows]).to(self._device) for name, value in pivots.noise.items()}
        latents = self._latents[torch.from_numpy(rows).to(self._device)]
        img: Tensor = network.synthesize(latents, noise=noise, dtype=torch.float32, **options)
        return img


def _learned(network: nn.Module) -> Mapping[str, nn.Parameter]:
    """The parameters of what turns a w (where there is none, a z) into a picture; statistics and filters are none."""
    return {name: value for name, value in network.named_parameters() if not name.startswith(("mapping.", "embed."))}


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


def _pivots(own: _Own, given: Latents | _Array, count: int, class_index: int | None) -> _Pivots:
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
    return _Pivots(
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
