"""What a picture is to be like: a target picture, or measurements; as a loss `[R]` of pictures `[R, C, H, W]`."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wplus.inversion.config import DEFAULT_LOSS
from wplus.inversion.state_file import digest

if TYPE_CHECKING:
    from torch import Tensor

    from wplus.facts import Facts
    from wplus.inversion.losses import Loss
    from wplus.inversion.operators import Operator

_Array = NDArray[np.float32]


class Goal(Protocol):
    """Targets `[N, ...]`, and how far pictures are from them."""

    count: int

    def loss(self, img: "Tensor", rows: NDArray[np.int64]) -> "Tensor":
        """Losses `[R]` of img `[R, C, H, W]`, each against the target that `rows` `[R]` names.

        The pictures may be smaller than the network's by a power of two, where `is_scalable`.
        """
        ...

    def distances(self, pictures: _Array, target: int) -> _Array:
        """How far many pictures `[M, C, H, W]` are from one target, `[M]`: enough to order them by."""
        ...

    def digest(self) -> str:
        """SHA-256 over the targets and how they are compared."""
        ...

    @property
    def is_scalable(self) -> bool:
        """Whether smaller pictures can be judged."""
        ...


def reduced(img: _Array, factor: int) -> _Array:
    """Means over squares of `factor` pixels a side, of `[N, C, H, W]`."""
    n, channels, height, width = img.shape
    means: _Array = img.reshape(n, channels, height // factor, factor, width // factor, factor).mean(axis=(3, 5))
    return means


class PictureGoal:
    """Pictures, compared by a loss.

    Args:
        targets: `[N, C, H, W]`, in [-1, 1].
        weights: `[N, 1, H, W]` of at least 0, or None: every pixel counts.
        loss: What compares; see `losses.make_loss`.
    """

    is_scalable = True

    def __init__(self, targets: _Array, weights: _Array | None, loss: str) -> None:
        self.count = len(targets)
        self.targets, self.weights = targets, weights
        self.loss_name = loss

    @cached_property
    def _loss(self) -> "Loss":
        from wplus.inversion.losses import make_loss

        return make_loss(self.loss_name)

    def distances(self, pictures: _Array, target: int) -> _Array:
        """See `Goal.distances`: the mean absolute difference, by weight."""
        wanted = self.targets[target]
        weight = np.ones_like(wanted[:1]) if self.weights is None else self.weights[target]
        factor = wanted.shape[-1] // pictures.shape[-1]
        covered = reduced(weight[None], factor)
        wanted = reduced((wanted * weight)[None], factor) / np.maximum(covered, 1e-12)
        found: _Array = (np.abs(pictures - wanted) * covered).mean(axis=(1, 2, 3))
        return found

    def digest(self) -> str:
        """See `Goal.digest`."""
        return digest(self.loss_name, self.targets, self.weights)

    def compared_by(self, loss: str) -> "PictureGoal":
        """The same pictures, compared by another loss."""
        return self if loss == self.loss_name else PictureGoal(self.targets, self.weights, loss)

    def loss(self, img: "Tensor", rows: NDArray[np.int64]) -> "Tensor":
        """See `Goal.loss`."""
        import torch
        import torch.nn.functional as F

        factor = self.targets.shape[-1] // img.shape[-1]
        target = torch.from_numpy(self.targets[rows]).to(img.device)
        weight = None if self.weights is None else torch.from_numpy(self.weights[rows]).to(img.device)
        if factor > 1:
            whole = target if weight is None else target * weight
            target = F.avg_pool2d(whole, factor)
            if weight is not None:
                weight = F.avg_pool2d(weight, factor)
                target = target / weight.clamp(min=1e-12)
        return self._loss(img, target, weight)


class MeasurementGoal:
    """Measurements of pictures: y = A(x) + noise of a known deviation.

    Args:
        y: `[N, ...]`, as the operator gives them.
        operator: A.
        sigma: Standard deviation of the noise, in y's unit; 0: none.
    """

    is_scalable = False

    def __init__(self, y: _Array, operator: "Operator", sigma: float) -> None:
        self.count = len(y)
        self.y, self.operator, self.sigma = y, operator, sigma

    def loss(self, img: "Tensor", rows: NDArray[np.int64]) -> "Tensor":
        """See `Goal.loss`."""
        import torch

        from wplus.inversion.data_term import data_loss

        y: Any = torch.from_numpy(self.y[rows]).to(img.device)
        return data_loss(self.operator, img, y, self.sigma)

    def digest(self) -> str:
        """See `Goal.digest`."""
        stored = [item for name in sorted(self.operator.stored) for item in (name, self.operator.stored[name])]
        return digest(self.operator.spec, self.operator.seed, self.sigma, self.y, *stored)

    def distances(self, pictures: _Array, target: int) -> _Array:
        """See `Goal.distances`."""
        import torch

        with torch.no_grad():
            found: _Array = self.loss(torch.from_numpy(pictures), np.full(len(pictures), target)).numpy()
        return found


def make_goal(
    G: "Facts",
    targets: Any,
    weights: _Array | None,
    operator: "Operator | None",
    sigma: float,
    loss: str | None,
) -> Goal:
    """What pictures are to be like.

    Args:
        G: Who draws them.
        targets: See `wplus.invert`, as are the others.

    Raises:
        ValueError: something does not fit.
    """
    if operator is not None:
        if weights is not None or loss is not None:
            raise ValueError("weights and loss are for pictures; measurements have their operator and sigma.")
        y = np.asarray(targets, np.float32)
        if y.shape[1:] != tuple(operator.y_shape):
            raise ValueError(
                f"The measurements are {list(y.shape)}; the operator {operator.spec} gives "
                f"[N, {', '.join(map(str, operator.y_shape))}]."
            )
        return MeasurementGoal(y, operator, sigma)
    pictures = as_pictures(G, targets)
    shape = (1, *G.img_shape)
    if weights is not None:
        weights = np.asarray(weights, np.float32)
        if weights.shape[1:] != shape or len(weights) not in (1, len(pictures)) or not (weights >= 0).all():
            raise ValueError(f"weights is {list(weights.shape)}; [{len(pictures)}, 1, H, W] of at least 0 is needed.")
        if not (weights.reshape(len(weights), -1).sum(axis=1) > 0).all():
            raise ValueError("weights are 0 everywhere; nothing would be compared.")
        weights = np.repeat(weights, len(pictures) // len(weights), axis=0)
    return PictureGoal(pictures, weights, loss or DEFAULT_LOSS)


def as_pictures(G: "Facts", targets: Any) -> _Array:
    """Targets as float32 `[N, C, H, W]` in [-1, 1].

    Raises:
        ValueError: they are not pictures of the generator's size.
    """
    values = np.asarray(targets.detach().cpu() if hasattr(targets, "detach") else targets)
    if values.dtype == np.uint8 and values.ndim == 4:
        values = (values.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 127.5
    expected = (G.img_channels, *G.img_shape)
    if values.shape[1:] != expected or not np.issubdtype(values.dtype, np.floating) or not len(values):
        raise ValueError(
            f"The targets are {values.dtype} {list(values.shape)}; {G.name} needs float "
            f"[N, {', '.join(map(str, expected))}] in [-1, 1], or uint8 [N, H, W, C]. "
            "wplus.inversion.targets.read_targets reads and fits picture files."
        )
    if not np.isfinite(values).all() or np.abs(values).max() > 2:
        raise ValueError("The targets have values that are not finite, or far outside of [-1, 1].")
    return np.ascontiguousarray(values, np.float32)
