"""The training of pivotal tuning: a network that learns beside the one that it was, and where the training is.

Source: Roich et al. 2021 (Pivotal Tuning for Latent-based Editing of Real Images), section 3.2 and 3.3.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wplus.checkpoints import Checkpoint
from wplus.checkpoints.tuning import Differences
from wplus.inputs import one_hot
from wplus.inversion.goals import Goal
from wplus.inversion.losses import Loss
from wplus.inversion.state_file import StateFile
from wplus.networks import build_network
from wplus.sampling import default_micro_batch

_log = logging.getLogger(__name__)

_Array = NDArray[np.float32]

_RAMPDOWN = 0.25  # part of the steps in which the rate falls to 0
_WAY = 0.5  # from a pivot to a random latent: how far off a picture is held to what it was
_MOMENTS = ("exp_avg", "exp_avg_sq")  # Adam's, by PyTorch's names


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneReport:
    """One step."""

    step: int  # from 1
    num_steps: int
    loss: float  # the best so far, of the targets' mean


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pivots:
    """The latents as the network takes them; all of N rows."""

    values: _Array
    is_z: bool  # on its way to w
    c: _Array | None  # of a z
    noise: dict[str, _Array] | None
    transform: _Array | None

    @property
    def arrays(self) -> list[_Array | None]:
        """All of it."""
        return [self.values, self.c, self.transform, *(self.noise or {}).values()]


class Tuner:
    """Two networks of one checkpoint: one that learns, and one that says what pictures were, as `judge` sees them."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        pivots: Pivots,
        goal: Goal,
        judge: Loss,
        device: torch.device,
        *,
        steps: int,
        learning_rate: float,
        locality: float,
        seed: int,
    ) -> None:
        self._checkpoint, self._goal, self._judge, self._device = checkpoint, goal, judge, device
        self._steps, self._rate = steps, learning_rate
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
        self._best = self._weights()
        self._adam = torch.optim.Adam(self._learned.values(), lr=learning_rate)
        self._taken = 0  # steps
        self._is_whole = True  # not in the middle of a step of Adam's
        self.losses: list[float] = []  # the targets' mean by step, the last one after all of them
        self._pivots = pivots
        self._c = None if pivots.c is None else torch.from_numpy(pivots.c).to(device)
        values = torch.from_numpy(pivots.values).to(device)
        self._latents = self._to_ws(values, self._c) if pivots.is_z else values

    def run(self, on_step: Callable[[TuneReport], None] | None, kept: StateFile) -> bool:
        """Takes the steps that are left; whether Ctrl-C came before the last.

        Args:
            on_step: Called after each step.
            kept: Where the state is written now and then, and at Ctrl-C.
        """
        try:
            while self._step():
                kept.keep(self.arrays)
                if on_step is not None:
                    on_step(TuneReport(step=self._taken, num_steps=self._steps, loss=min(self.losses)))
        except KeyboardInterrupt:
            if self._is_whole:
                kept.keep(self.arrays, at_once=True)
            return True
        return False

    def _step(self) -> bool:
        """Judges the weights, and takes a step if one is left and there is a loss to go by; whether it did."""
        self._adam.zero_grad()
        is_left = self._taken < self._steps
        loss = self._pull(with_gradient=is_left)
        if not math.isfinite(loss):
            _log.warning("The loss is no number after %d steps; the best so far is kept.", self._taken)
            return False
        if loss <= min(self.losses, default=loss):
            self._best = self._weights()
        self.losses.append(loss)
        if not is_left:
            return False
        if self._locality:
            self._hold(self._taken)
        for group in self._adam.param_groups:
            group["lr"] = self._rate * min(1.0, (1 - self._taken / self._steps) / _RAMPDOWN)
        self._is_whole = False
        self._adam.step()
        self._taken += 1
        self._is_whole = True
        return True

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that `restore` needs."""
        found: dict[str, NDArray[Any]] = {"losses": np.array(self.losses[: self._taken], np.float64)}
        for name, value in self._learned.items():
            tensors = {"now": value.detach(), "best": self._best[name]}
            state = self._adam.state.get(value, {})  # none of a weight that no picture depends on
            tensors |= {moment: state[moment] for moment in _MOMENTS if moment in state}
            found |= {f"{kind}:{name}": tensor.cpu().numpy() for kind, tensor in tensors.items()}
        return found

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `arrays` gave.

        Raises:
            KeyError: something is missing.
            ValueError: something has another shape.
        """
        self.losses = arrays["losses"].tolist()
        self._taken = len(self.losses)

        def of(kind: str, name: str) -> Tensor:
            like, given = self._best[name], arrays[f"{kind}:{name}"]
            if given.shape != like.shape:
                raise ValueError(f"{kind}:{name} is {list(given.shape)}; {list(like.shape)} is needed.")
            return torch.from_numpy(given).to(like)

        for name, value in self._learned.items():
            with torch.no_grad():
                value.copy_(of("now", name))
            if f"{_MOMENTS[0]}:{name}" in arrays:
                moments = {moment: of(moment, name) for moment in _MOMENTS}
                self._adam.state[value] = {"step": torch.tensor(float(self._taken)), **moments}
        self._best = {name: of("best", name) for name in self._best}

    def differences(self) -> Differences:
        """What the best weights have on the checkpoint's, where a float16 shows it."""
        found: Differences = {}
        for name, value in self._best.items():
            tuned = value.cpu().numpy()
            difference = np.asarray(tuned - self._checkpoint.tensors[name], dtype=np.float16, order="C")
            if difference.any():
                found[name] = difference
        return found

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self._learned.items()}

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
