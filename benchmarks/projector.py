"""NVIDIA's projector on NVIDIA's formulation of the network: the procedure that inversion is compared with.

Written from the paper's description (Karras et al. 2020, StyleGAN2, appendix D) in the numbers of the published
program: from w_avg, Adam at 0.1 with ramps, noise on w that fades over three quarters of the way. The loss is whatever
is compared, in place of LPIPS, and noise maps stay at the stored constants.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.inversion.losses import Loss

_SAMPLES, _SEED = 10_000, 123  # of w, for its mean and spread
_RATE, _RAMPUP, _RAMPDOWN = 0.1, 0.05, 0.25
_NOISE, _NOISE_PART = 0.05, 0.75
_BETAS = (0.9, 0.999)


class Descent:
    """Adam on ws, or on one w for all slots, of one picture; a call takes a step.

    Args:
        baseline: The network.
        start: `[1, num_ws, w_dim]`, or `[1, 1, w_dim]`.
        target: `[1, C, H, W]`.
        loss: What compares.
    """

    def __init__(self, baseline: NvidiaFormulation, start: Tensor, target: Tensor, loss: Loss) -> None:
        self.ws = start.clone().requires_grad_()
        self._baseline, self._target, self._loss = baseline, target, loss
        self._adam = torch.optim.Adam([self.ws], lr=_RATE, betas=_BETAS)

    def __call__(self, rate: float = _RATE, shift: Tensor | None = None) -> float:
        """The loss before the step, with ws shifted; regularisers have no part in it."""
        for group in self._adam.param_groups:
            group["lr"] = rate
        loss = self.loss(self.ws if shift is None else self.ws + shift)
        self._adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam.step()
        return float(loss.detach())

    def loss(self, ws: Tensor) -> Tensor:
        """Of the picture, a scalar with its gradient."""
        slots = ws.repeat(1, self._baseline.config.num_ws // ws.shape[1], 1)
        return self._loss(self._baseline.synthesize_with_gradients(slots), self._target, None).sum()


class Projector:
    """The whole procedure for one network, whose w's are measured beforehand."""

    def __init__(self, baseline: NvidiaFormulation) -> None:
        self.baseline = baseline
        z = np.random.RandomState(_SEED).randn(_SAMPLES, baseline.config.z_dim).astype(np.float32)
        w = baseline.map(torch.from_numpy(z))[:, :1].clone().double()
        self.w_avg = w.mean(dim=0, keepdim=True).float()
        self.w_std = math.sqrt(float((w - w.mean(dim=0, keepdim=True)).square().sum()) / _SAMPLES)

    def descent(self, target: Tensor, loss: Loss) -> Descent:
        """At its start."""
        return Descent(self.baseline, self.w_avg, target, loss)

    def run(self, target: Tensor, loss: Loss, *, steps: int, seed: int) -> Iterator[float]:
        """The loss of every step, w's noise included. Noise is drawn as the preset "nvidia" draws it, to compare.

        The rate is that of the end of a step; in the published program it is that of its beginning, which is 0 at the
        first.
        """
        descent = self.descent(target, loss)
        for step in range(steps):
            t = step / steps
            ramp = 0.5 - 0.5 * math.cos(min(1.0, (1 - t) / _RAMPDOWN) * math.pi)
            rate = _RATE * ramp * min(1.0, (t + 1 / steps) / _RAMPUP)
            fade = max(0.0, 1 - t / _NOISE_PART)
            random = np.random.Generator(np.random.Philox(key=[seed, step]))
            drawn = random.standard_normal(self.w_avg.shape, dtype=np.float32)
            yield descent(rate, torch.from_numpy(drawn) * (_NOISE * self.w_std * fade**2) if fade else None)
