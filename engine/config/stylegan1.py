"""StyleGAN1."""

from dataclasses import dataclass
from typing import ClassVar

from wplus.config.base import StyleConfig, need


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleGAN1Config(StyleConfig):
    """A StyleGAN1 generator (Karras et al. 2019) at its full resolution."""

    family: ClassVar[str] = "stylegan1"

    channels: tuple[int, ...]  # output channels of the layers at 4, 8, ..., img_resolution pixels
    fused_resolution: int | None = 128  # from here up the weights of up-sampling layers are flipped; None: nowhere
    cutoff: int = 8  # slots that truncation acts on where nobody says how many
    use_noise: bool = True

    def __post_init__(self) -> None:
        StyleConfig.__post_init__(self)
        resolution = self.img_resolution
        need(
            resolution >= 8 and resolution & (resolution - 1) == 0,
            f"img_resolution is {resolution}; StyleGAN1 needs a power of two, 8 or more",
        )
        count = resolution.bit_length() - 2
        need(len(self.channels) == count, f"channels has {len(self.channels)} entries; {resolution} px needs {count}")
        need(min(self.channels) >= 1, f"channels are {self.channels}; each must be at least 1")
        need(self.cutoff >= 0, f"cutoff is {self.cutoff}; it must not be negative")
        need(self.embed_features is None, "embed_features is given; StyleGAN1 embeds labels in z_dim numbers")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Side lengths in pixels: 4, 8, ..."""
        return tuple(4 << i for i in range(len(self.channels)))

    @property
    def num_ws(self) -> int:
        """Style inputs of the synthesis: two a resolution, 18 at 1024 px."""
        return 2 * len(self.channels)

    @property
    def truncation_cutoff(self) -> int | None:
        """Slots that truncation acts on where nobody says how many."""
        return min(self.cutoff, self.num_ws)
