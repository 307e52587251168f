"""What the configurations of all families share."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A generator apart from its weights."""

    family: ClassVar[str]
    has_w: ClassVar[bool] = False
    has_transform: ClassVar[bool] = False  # whether the picture can be moved and turned by the network itself

    z_dim: int  # numbers in one z
    c_dim: int = 0  # classes; 0: unconditional
    img_resolution: int  # pixels of the longer side
    img_channels: int  # 1 to 4

    @property
    def z_shape(self) -> tuple[int, ...]:
        """Shape of one z."""
        return (self.z_dim,)

    @property
    def img_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.img_resolution, self.img_resolution)

    def __post_init__(self) -> None:
        need(self.z_dim >= 1 and self.c_dim >= 0, "z_dim must be at least 1, c_dim at least 0")
        need(1 <= self.img_channels <= 4, f"img_channels is {self.img_channels}; 1 to 4 are supported")
        need(self.img_resolution >= 1, f"img_resolution is {self.img_resolution}; at least 1 is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleConfig(Config):
    """A generator with a mapping network, and so with W."""

    has_w: ClassVar[bool] = True
    w_dim: int  # numbers in one w
    num_mapping_layers: int = 8
    mapping_features: int | None = None  # width of the hidden mapping layers; None: w_dim
    embed_features: int | None = None  # width of the label embedding; None: w_dim
    lr_multiplier: float = 0.01  # of the mapping's layers

    @property
    def num_ws(self) -> int:
        """Style inputs of the synthesis."""
        raise NotImplementedError

    @property
    def truncation_cutoff(self) -> int | None:
        """Slots that truncation acts on where nobody says how many; None: all."""
        return None

    def __post_init__(self) -> None:
        Config.__post_init__(self)
        need(self.w_dim >= 1, f"w_dim is {self.w_dim}; at least 1 is needed")
        need(self.num_mapping_layers >= 1, f"num_mapping_layers is {self.num_mapping_layers}; at least 1 is needed")


def need(condition: bool, message: str) -> None:
    """Raises `ValueError` unless the condition holds."""
    if not condition:
        raise ValueError(message)
