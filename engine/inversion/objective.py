"""The value and the gradient that an inversion follows: from the network in PyTorch, or from a bundle's graph."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wplus.errors import UnsupportedError
from wplus.inversion.adam import Arrays
from wplus.inversion.goals import Goal, PictureGoal
from wplus.inversion.spaces import NOISE

if TYPE_CHECKING:
    from torch import Tensor

    from wplus.generator import Generator
    from wplus.inversion.graph_objective import GraphObjective

_Losses = NDArray[np.float32]


class Objective(Protocol):
    """Losses and gradients of latents, whatever computes them."""

    def __call__(self, latents: Arrays, rows: NDArray[np.int64]) -> tuple[_Losses, Arrays]:
        """Losses `[R]`, and gradients of their sum by the latents' names; `rows` names each one's target."""
        ...

    def losses(self, latents: Arrays, rows: NDArray[np.int64]) -> _Losses:
        """Losses alone."""
        ...

    def close(self) -> None:
        """Frees what it holds besides the generator."""
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
        import torch

        inputs = {name: torch.from_numpy(value).requires_grad_() for name, value in latents.items()}
        losses = self._goal.loss(self._draw(inputs), rows)
        gradients = torch.autograd.grad(losses.sum(), list(inputs.values()), allow_unused=True)
        found = {
            name: np.zeros_like(latents[name]) if gradient is None else gradient.cpu().numpy()
            for name, gradient in zip(inputs, gradients, strict=True)
        }
        return losses.detach().cpu().numpy(), found

    def losses(self, latents: Arrays, rows: NDArray[np.int64]) -> _Losses:
        """See `Objective`."""
        import torch

        with torch.no_grad():
            drawn = self._draw({name: torch.from_numpy(value) for name, value in latents.items()})
            found: _Losses = self._goal.loss(drawn, rows).cpu().numpy()
        return found

    def close(self) -> None:
        """See `Objective`."""

    def _draw(self, inputs: "dict[str, Tensor]") -> "Tensor":
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


class GraphSteps:
    """By a bundle's graph of a step, in ONNX Runtime or OpenVINO, without torch.

    Args:
        G: A bundle's generator.
        step: Its graph, which is closed with this.
        goal: Pictures, compared by a loss that is in the graph.
        names: Of the latents that are optimised.

    Raises:
        UnsupportedError: the graph lacks what is asked for.
    """

    def __init__(
        self, G: "Generator", step: "GraphObjective", goal: Goal, *, names: set[str], c: NDArray[np.float32] | None
    ) -> None:
        self._step = step
        if not isinstance(goal, PictureGoal) or goal.loss_name not in step.losses:
            raise UnsupportedError(
                f"The graph of {G.name} compares pictures by {' or '.join(step.losses)}. Other losses, and "
                "measurements, need the checkpoint, in PyTorch."
            )
        self._goal, self._factors = goal, step.factors(goal.loss_name)
        if missing := sorted(names - set(step.gradient_keys)):
            raise UnsupportedError(
                f"The graph of {G.name} has no gradient by {missing[0]}; it has {', '.join(step.gradient_keys)}. "
                "Noise maps need a bundle of --noise=input, z of a network with W the checkpoint."
            )
        noise = {f"{NOISE}{name}": value[None, None] for name, value in G.noise_constants.items()}
        self._fixed: Arrays = {name: value for name, value in noise.items() if name in step.keys}
        if c is not None and "c" in step.keys:
            self._fixed["c"] = c

    def __call__(self, latents: Arrays, rows: NDArray[np.int64]) -> tuple[_Losses, Arrays]:
        """See `Objective`."""
        weights = None if self._goal.weights is None else self._goal.weights[rows]
        losses, gradients = self._step(self._fixed | latents, self._goal.targets[rows], weights, self._factors)
        return losses, {name: gradients[name] for name in latents}

    def losses(self, latents: Arrays, rows: NDArray[np.int64]) -> _Losses:
        """See `Objective`."""
        return self(latents, rows)[0]

    def close(self) -> None:
        """See `Objective`."""
        self._step.close()
