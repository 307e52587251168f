"""Linear maps from pictures to measurements, each with its adjoint, in PyTorch: what measurement operators do.

Each has `img_shape` (C, H, W), `y_shape`, and:

- `forward`: img `[N, C, H, W]` to y `[N, *y_shape]`;
- `adjoint`: y to what has the picture's shape, so that <A img, y> = <img, A^T y>;
- `row_power`: the mean squared norm of A's rows, |A|^2 / M: the variance that a measurement of white noise has.

They run on the device and in the type of what they are given, and are differentiable.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Shape = tuple[int, int, int]  # channels, height, width


class LinearMap(Protocol):
    """What all of them have; see the module."""

    @property
    def img_shape(self) -> Shape: ...
    @property
    def y_shape(self) -> tuple[int, ...]: ...
    @property
    def row_power(self) -> float: ...
    def forward(self, img: Tensor, /) -> Tensor: ...
    def adjoint(self, y: Tensor, /) -> Tensor: ...


class Constant:
    """An array that is made when it is first needed, and kept as a tensor for each device and type."""

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        self._make = make
        self._placed: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    @cached_property
    def array(self) -> NDArray[Any]:
        """The array itself."""
        return self._make()

    def like(self, tensor: Tensor) -> Tensor:
        """A tensor of it, on the device of `tensor` and of its type."""
        return self.on(tensor.device, tensor.dtype)

    def on(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """A tensor of it."""
        key = (device, dtype)
        if key not in self._placed:
            self._placed[key] = torch.from_numpy(np.ascontiguousarray(self.array)).to(device, dtype)
        return self._placed[key]


@dataclass(frozen=True, eq=False)
class Identity:
    """All pixels as they are."""

    img_shape: Shape
    row_power: float = 1.0

    @property
    def y_shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return self.img_shape

    def forward(self, img: Tensor) -> Tensor:
        """The picture."""
        return img

    def adjoint(self, y: Tensor) -> Tensor:
        """The same."""
        return y


@dataclass(frozen=True, eq=False)
class ChannelSum:
    """One channel: a weighted sum of all."""

    img_shape: Shape
    weights: tuple[float, ...]

    @property
    def y_shape(self) -> tuple[int, ...]:
        """(1, H, W)."""
        return (1, *self.img_shape[1:])

    @property
    def row_power(self) -> float:
        """Of any row."""
        return math.fsum(weight**2 for weight in self.weights)

    def forward(self, img: Tensor) -> Tensor:
        """The sum."""
        return (img * self._column(img)).sum(dim=1, keepdim=True)

    def adjoint(self, y: Tensor) -> Tensor:
        """The sum spread over the channels, by weight."""
        return y * self._column(y)

    def _column(self, like: Tensor) -> Tensor:
        return like.new_tensor(self.weights)[:, None, None]


@dataclass(frozen=True, eq=False)
class Pixels:
    """Some of the pixels, row by row, in all channels."""

    img_shape: Shape
    count: int
    places: Constant  # [K] int64, of the pixels in the picture
    row_power: float = 1.0

    @property
    def y_shape(self) -> tuple[int, ...]:
        """(C, K)."""
        return (self.img_shape[0], self.count)

    def forward(self, img: Tensor) -> Tensor:
        """The pixels."""
        return img.flatten(2).index_select(2, self._on(img))

    def adjoint(self, y: Tensor) -> Tensor:
        """A picture with the pixels in their places, and 0 elsewhere."""
        channels, height, width = self.img_shape
        flat = y.new_zeros(len(y), channels, height * width).index_copy(2, self._on(y), y)
        return flat.view(-1, channels, height, width)

    def _on(self, tensor: Tensor) -> Tensor:
        return self.places.on(tensor.device, torch.int64)


@dataclass(frozen=True, eq=False)
class Crop:
    """A rectangle of the picture."""

    img_shape: Shape
    rectangle: tuple[int, int, int, int]  # left, top, width, height
    row_power: float = 1.0

    @property
    def y_shape(self) -> tuple[int, ...]:
        """(C, height, width)."""
        _, _, width, height = self.rectangle
        return (self.img_shape[0], height, width)

    def forward(self, img: Tensor) -> Tensor:
        """The rectangle."""
        left, top, width, height = self.rectangle
        return img[:, :, top : top + height, left : left + width]

    def adjoint(self, y: Tensor) -> Tensor:
        """The rectangle in its place, with 0 around it."""
        left, top, width, height = self.rectangle
        right, below = self.img_shape[2] - left - width, self.img_shape[1] - top - height
        return torch.nn.functional.pad(y, (left, right, top, below))


@dataclass(frozen=True, eq=False)
class Separable:
    """Every channel resampled along its height and along its width: L img R^T."""

    img_shape: Shape
    out_shape: tuple[int, int]
    left: Constant  # L [h, H]
    right: Constant  # R [w, W]

    @property
    def y_shape(self) -> tuple[int, ...]:
        """(C, h, w)."""
        return (self.img_shape[0], *self.out_shape)

    @cached_property
    def row_power(self) -> float:
        """Of a row of the Kronecker product: the product of both."""
        return mean_square_norm(self.left.array) * mean_square_norm(self.right.array)

    def forward(self, img: Tensor) -> Tensor:
        """The resampled picture."""
        return self.left.like(img) @ img @ self.right.like(img).mT

    def adjoint(self, y: Tensor) -> Tensor:
        """L^T y R."""
        return self.left.like(y).mT @ y @ self.right.like(y)


def mean_square_norm(matrix: NDArray[Any]) -> float:
    """|A|^2 / M, the mean squared norm of the rows of A `[M, K]`."""
    return math.fsum(float(np.square(row, dtype=np.float64).sum()) for row in matrix) / len(matrix)
