"""StyleGAN2."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from wplus.config.base import StyleConfig, need

Architecture = Literal["skip", "orig", "resnet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleGAN2Config(StyleConfig):
    """A StyleGAN2 generator (Karras et al. 2020), StyleGAN2-ADA's options included."""

    family: ClassVar[str] = "stylegan2"

    channels: tuple[int, ...]  # output channels of the blocks at 4, 8, ..., img_resolution pixels
    architecture: Architecture = "skip"
    conv_clamp: float | None = None  # outputs of convolutions are clamped to +-conv_clamp
    use_noise: bool = True

    def __post_init__(self) -> None:
        StyleConfig.__post_init__(self)
        resolution = self.img_resolution
        need(
            resolution >= 4 and resolution & (resolution - 1) == 0,
            f"img_resolution is {resolution}; StyleGAN2 needs a power of two, 4 or more",
        )
        blocks = resolution.bit_length() - 2
        need(len(self.channels) == blocks, f"channels has {len(self.channels)} entries; {resolution} px needs {blocks}")
        need(min(self.channels) >= 1, f"channels are {self.channels}; each must be at least 1")
        known = get_args(Architecture)
        need(self.architecture in known, f"architecture is {self.architecture!r}; known: {', '.join(known)}")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Side length of each block's output, in pixels: 4, 8, ..."""
        return tuple(4 << i for i in range(len(self.channels)))

    @property
    def num_ws(self) -> int:
        """Style inputs of the synthesis: two a block, 18 at 1024 px."""
        return 2 * len(self.channels)
