"""Plain convolutional generators."""

from dataclasses import dataclass
from typing import ClassVar

from wplus.config.base import Config, need


@dataclass(frozen=True, slots=True, kw_only=True)
class DCGANConfig(Config):
    """A DCGAN generator (Radford et al. 2016): transposed convolutions with batch norm and ReLU, tanh at the end."""

    family: ClassVar[str] = "plain"

    channels: tuple[int, ...]  # output channels of every layer but the last
    strides: tuple[int, ...]  # of every layer, the last included, as all that follow
    paddings: tuple[int, ...]
    kernels: tuple[int, ...]
    norms: tuple[bool, ...]  # whether batch norm follows
    biases: tuple[bool, ...]  # whether a bias is added
    eps: float = 1e-5  # of the batch norms

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        layers = len(self.channels) + 1
        for name in ("strides", "paddings", "kernels", "norms", "biases"):
            given = len(getattr(self, name))
            need(given == layers, f"{name} has {given} entries; {layers} layers are described")
        size = 1
        for stride, padding, kernel in zip(self.strides, self.paddings, self.kernels, strict=True):
            size = (size - 1) * stride - 2 * padding + kernel
        need(size == self.img_resolution, f"the layers make {size} px, img_resolution says {self.img_resolution}")
