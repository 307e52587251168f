"""StyleGAN2."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from wplus.config.base import StyleConfig, need

Architecture = Literal["skip", "orig", "resnet"]

_MAX_SIDE = 16384  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleGAN2Config(StyleConfig):
    """A StyleGAN2 generator (Karras et al. 2020), StyleGAN2-ADA's options and artists' rectangular ones included."""

    family: ClassVar[str] = "stylegan2"

    channels: tuple[int, ...]  # output channels of the blocks b4, b8, ...
    const_shape: tuple[int, int] = (4, 4)  # height and width of the constant input; each later block doubles them
    architecture: Architecture = "skip"
    conv_clamp: float | None = None  # outputs of convolutions are clamped to +-conv_clamp
    use_noise: bool = True

    def __post_init__(self) -> None:
        StyleConfig.__post_init__(self)
        need(min(self.channels, default=0) >= 1, f"channels are {self.channels}; each must be at least 1")
        sides = self.const_shape
        need(len(sides) == 2 and min(sides) >= 1, f"const_shape is {sides}; a height and a width are needed")
        longer = max(self.img_shape)
        need(longer <= _MAX_SIDE, f"the picture is {longer} px; {_MAX_SIDE} px a side are supported")
        need(
            self.img_resolution == longer,
            f"img_resolution is {self.img_resolution}; {len(self.channels)} blocks on a constant of "
            f"{sides[0]}×{sides[1]} make {longer} px",
        )
        known = get_args(Architecture)
        need(self.architecture in known, f"architecture is {self.architecture!r}; known: {', '.join(known)}")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """The numbers in the blocks' names, 4, 8, ...: in a square network the side of each one's output."""
        return tuple(4 << i for i in range(len(self.channels)))

    def block_shape(self, index: int) -> tuple[int, int]:
        """Height and width of a block's output, in pixels."""
        height, width = self.const_shape
        return (height << index, width << index)

    @property
    def img_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.block_shape(len(self.channels) - 1)

    @property
    def num_ws(self) -> int:
        """Style inputs of the synthesis: two a block, 18 at 1024 px."""
        return 2 * len(self.channels)
