"""Linear maps that are matrices, dense or sparse; `wplus.inversion.linear_maps` says what a map has."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from wplus.inversion.linear_maps import Constant, Shape, mean_square_norm


@dataclass(frozen=True, eq=False)
class Dense:
    """A matrix times the pixels.

    `channels` says what its columns stand for: "joined", all of the picture's numbers, channel by channel; "each", the
    pixels of a channel, so that every channel is measured; "summed", the pixels of the sum of the channels.
    """

    img_shape: Shape
    rows: int
    matrix: Constant  # [M, C*H*W] or [M, H*W]
    channels: Literal["joined", "each", "summed"]
    scale: float = 1.0

    @property
    def y_shape(self) -> tuple[int, ...]:
        """(C, M) where each channel is measured, else (M,)."""
        return (self.img_shape[0], self.rows) if self.channels == "each" else (self.rows,)

    @cached_property
    def row_power(self) -> float:
        """Of A: a matrix for the sum of the channels stands in it once for each of them."""
        copies = self.img_shape[0] if self.channels == "summed" else 1
        return copies * self.scale**2 * mean_square_norm(self.matrix.array)

    def forward(self, img: Tensor) -> Tensor:
        """The products."""
        return (_pixels(img, self.channels) @ self.matrix.like(img).mT) * self.scale

    def adjoint(self, y: Tensor) -> Tensor:
        """The transposed matrix times the measurements."""
        return _picture((y @ self.matrix.like(y)) * self.scale, self.channels, self.img_shape)


@dataclass(frozen=True, eq=False)
class Sparse:
    """`Dense` with a matrix of which few entries are kept."""

    img_shape: Shape
    shape: tuple[int, int]
    row: Constant  # [K] int64, of each entry
    column: Constant  # [K] int64
    value: Constant  # [K]; entries of one place add up
    channels: Literal["joined", "each"]

    @property
    def y_shape(self) -> tuple[int, ...]:
        """(C, M) where each channel is measured, else (M,)."""
        rows = self.shape[0]
        return (self.img_shape[0], rows) if self.channels == "each" else (rows,)

    @cached_property
    def row_power(self) -> float:
        """Of the matrix, after entries of one place were added."""
        place = self.row.array.astype(np.int64) * self.shape[1] + self.column.array
        _, which = np.unique(place, return_inverse=True)
        return float(np.square(np.bincount(which, self.value.array)).sum()) / self.shape[0]

    def forward(self, img: Tensor) -> Tensor:
        """The products."""
        return self._product(_pixels(img, self.channels), source=self.column, target=self.row, size=self.shape[0])

    def adjoint(self, y: Tensor) -> Tensor:
        """The transposed matrix times the measurements."""
        flat = self._product(y, source=self.row, target=self.column, size=self.shape[1])
        return _picture(flat, self.channels, self.img_shape)

    def _product(self, x: Tensor, *, source: Constant, target: Constant, size: int) -> Tensor:
        taken = x.index_select(-1, source.on(x.device, torch.int64)) * self.value.like(x)
        return x.new_zeros(*x.shape[:-1], size).index_add(-1, target.on(x.device, torch.int64), taken)


def _pixels(img: Tensor, channels: str) -> Tensor:
    if channels == "each":
        return img.flatten(2)
    return img.flatten(1) if channels == "joined" else img.sum(dim=1).flatten(1)


def _picture(flat: Tensor, channels: str, shape: Shape) -> Tensor:
    """The adjoint of `_pixels`."""
    if channels == "summed":
        return flat.view(-1, 1, *shape[1:]).expand(-1, shape[0], -1, -1)
    return flat.reshape(-1, *shape)
