"""The value and the gradient that an inversion follows, from the network in PyTorch."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wplus.inversion.adam import Arrays
from wplus.inversion.goals import Goal
from wplus.inversion.spaces import NOISE

if TYPE_CHECKING:
    from wplus.generator import Generator

_Losses = NDArray[np.float32]


class Objective(Protocol):
    """Losses and gradients of latents, whatever computes them."""

    def __call__(self, latents: Arrays, rows: NDArray[np.int64]) -> tuple[_Losses, Arrays]:
        """Losses `[R]`, and gradients of their sum by the latents' names; `rows` names each one's target."""
        ...


class TorchObjective:
    """By backpropagation.

    Args:
        G: A generator whose network is in PyTorch.
        goal: What pictures are compared with.
        c: `[1, c_dim]`, the label of every z in a conditional network.
        resolution: Of the pictures that are compared: the network's own, or, in a StyleGAN2 of the architecture skip,
            a lower one, at which the network stops.
    """

    def __init__(
        self, G: "Generator", goal: Goal, *, c: NDArray[np.float32] | None = None, resolution: int | None = None
    ) -> None:
        self._G = G
        self._goal = goal
        self._label = c
        self._resolution = resolution

    def __call__(self, latents: Arrays, rows: NDArray[np.int64]) -> tuple[_Losses, Arrays]:
        """See `Objective`."""
        inputs = {name: torch.from_numpy(value).requires_grad_() for name, value in latents.items()}
        losses = self._goal.loss(self._draw(inputs), rows)
        gradients = torch.autograd.grad(losses.sum(), list(inputs.values()), allow_unused=True)
        found = {
            name: np.zeros_like(latents[name]) if gradient is None else gradient.cpu().numpy()
            for name, gradient in zip(inputs, gradients, strict=True)
        }
        return losses.detach().cpu().numpy(), found

    def losses(self, latents: Arrays, rows: NDArray[np.int64]) -> _Losses:
        """Losses alone."""
        with torch.no_grad():
            drawn = self._draw({name: torch.from_numpy(value) for name, value in latents.items()})
            return self._goal.loss(drawn, rows).cpu().numpy()

    def _draw(self, inputs: dict[str, Tensor]) -> Tensor:
        options: dict[str, Any] = {}
        if noise := {name.removeprefix(NOISE): value for name, value in inputs.items() if name.startswith(NOISE)}:
            options["noise"] = noise
        if "transform" in inputs:
            options["transform"] = inputs["transform"]
        if self._resolution is not None:
            options["resolution"] = self._resolution
        if "ws" in inputs:
            drawn = inputs["ws"]
        elif self._G.has_w:
            drawn = self._G.map(inputs["z"], self._label)
        else:
            drawn, options["c"] = inputs["z"], self._label
        img: Tensor = self._G.synthesize(drawn, **options)
        return img
