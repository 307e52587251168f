"""Plain generators: z to picture, without W."""

import math
from dataclasses import dataclass
from typing import ClassVar

from wplus.config.base import Config, need


@dataclass(frozen=True, slots=True, kw_only=True)
class DCGANConfig(Config):
    """A DCGAN generator (Radford et al. 2016): transposed convolutions with batch norm and ReLU, tanh at the end.

    A conditional one takes z with the label behind it, as it is (one-hot) or embedded.
    """

    family: ClassVar[str] = "plain"

    channels: tuple[int, ...]  # output channels of every layer but the last
    strides: tuple[int, ...]  # of every layer, the last included, as all that follow
    paddings: tuple[int, ...]
    kernels: tuple[int, ...]
    norms: tuple[bool, ...]  # whether batch norm follows
    biases: tuple[bool, ...]  # whether a bias is added
    eps: float = 1e-5  # of the batch norms
    embed_features: int | None = None  # width of the embedded label; None: it is not embedded

    @property
    def in_channels(self) -> int:
        """What the first layer takes: z and label together."""
        return self.z_dim + (self.embed_features or self.c_dim)

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        need(self.embed_features is None or self.c_dim > 0, "embed_features needs classes, and c_dim is 0")
        layers = len(self.channels) + 1
        for name in ("strides", "paddings", "kernels", "norms", "biases"):
            given = len(getattr(self, name))
            need(given == layers, f"{name} has {given} entries; {layers} layers are described")
        size = 1
        for stride, padding, kernel in zip(self.strides, self.paddings, self.kernels, strict=True):
            size = (size - 1) * stride - 2 * padding + kernel
        need(size == self.img_resolution, f"the layers make {size} px, img_resolution says {self.img_resolution}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedConfig(Config):
    """Somebody's own network, known by what goes in and what comes out."""

    family: ClassVar[str] = "plain"

    latent_shape: tuple[int, ...]  # of one z
    picture_shape: tuple[int, int]  # height and width in pixels

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        numbers, side = math.prod(self.latent_shape), max(self.picture_shape)
        need(
            numbers == self.z_dim, f"z_dim is {self.z_dim}, and latent_shape {self.latent_shape} has {numbers} numbers"
        )
        need(side == self.img_resolution, f"img_resolution is {self.img_resolution}, the longer side {side}")

    @property
    def z_shape(self) -> tuple[int, ...]:
        """Shape of one z."""
        return self.latent_shape

    @property
    def img_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.picture_shape
