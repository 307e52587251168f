"""What a network is, apart from its weights: one frozen description a family."""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, get_args

Architecture = Literal["skip", "orig", "resnet"]


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleGAN2Config:
    """A StyleGAN2 generator (Karras et al. 2020), StyleGAN2-ADA's options included."""

    family: ClassVar[str] = "stylegan2"

    z_dim: int
    c_dim: int  # 0: unconditional
    w_dim: int
    img_resolution: int  # pixels, a power of two from 4 up
    img_channels: int
    channels: tuple[int, ...]  # output channels of the blocks at 4, 8, ..., img_resolution pixels
    architecture: Architecture = "skip"
    num_mapping_layers: int = 8
    mapping_features: int | None = None  # width of the hidden mapping layers; None: w_dim
    embed_features: int | None = None  # width of the label embedding; None: w_dim
    lr_multiplier: float = 0.01  # of the mapping's layers
    conv_clamp: float | None = None  # outputs of convolutions are clamped to +-conv_clamp
    use_noise: bool = True

    def __post_init__(self) -> None:
        resolution = self.img_resolution
        _need(
            resolution >= 4 and resolution & (resolution - 1) == 0,
            f"img_resolution is {resolution}; StyleGAN2 needs a power of two, 4 or more",
        )
        blocks = resolution.bit_length() - 2
        _need(
            len(self.channels) == blocks, f"channels has {len(self.channels)} entries; {resolution} px needs {blocks}"
        )
        _need(min(self.channels) >= 1, f"channels are {self.channels}; each must be at least 1")
        _need(
            self.architecture in get_args(Architecture),
            f"architecture is {self.architecture!r}; known: skip, orig, resnet",
        )
        _need(1 <= self.img_channels <= 4, f"img_channels is {self.img_channels}; 1 to 4 are supported")
        _need(
            min(self.z_dim, self.w_dim) >= 1 and self.c_dim >= 0, "z_dim and w_dim must be at least 1, c_dim at least 0"
        )
        _need(self.num_mapping_layers >= 1, f"num_mapping_layers is {self.num_mapping_layers}; at least 1 is needed")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Side length of each block's output, in pixels: 4, 8, ..."""
        return tuple(4 << i for i in range(len(self.channels)))

    @property
    def num_ws(self) -> int:
        """Style inputs of the synthesis: two a block, 18 at 1024 px."""
        return 2 * len(self.channels)

    @property
    def z_shape(self) -> tuple[int, ...]:
        """Shape of one z."""
        return (self.z_dim,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DCGANConfig:
    """A DCGAN generator (Radford et al. 2016): transposed convolutions with batch norm and ReLU, tanh at the end."""

    family: ClassVar[str] = "plain"

    z_dim: int
    img_resolution: int
    img_channels: int
    channels: tuple[int, ...]  # output channels of every layer but the last
    strides: tuple[int, ...]  # of every layer, the last included
    paddings: tuple[int, ...]
    kernels: tuple[int, ...]
    norms: tuple[bool, ...]  # whether batch norm follows each layer
    biases: tuple[bool, ...]  # whether each layer adds a bias
    eps: float = 1e-5  # of the batch norms

    c_dim: ClassVar[int] = 0

    def __post_init__(self) -> None:
        layers = len(self.channels) + 1
        for name in ("strides", "paddings", "kernels", "norms", "biases"):
            _need(
                len(getattr(self, name)) == layers,
                f"{name} has {len(getattr(self, name))} entries; {layers} layers are described",
            )
        _need(1 <= self.img_channels <= 4, f"img_channels is {self.img_channels}; 1 to 4 are supported")
        size = 1
        for stride, padding, kernel in zip(self.strides, self.paddings, self.kernels, strict=True):
            size = (size - 1) * stride - 2 * padding + kernel
        _need(size == self.img_resolution, f"the layers make {size} px, img_resolution says {self.img_resolution}")

    @property
    def z_shape(self) -> tuple[int, ...]:
        """Shape of one z."""
        return (self.z_dim,)


Config = StyleGAN2Config | DCGANConfig

CONFIGS: dict[str, type[StyleGAN2Config] | type[DCGANConfig]] = {"stylegan2": StyleGAN2Config, "plain": DCGANConfig}


def config_to_dict(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON types, `family` excluded."""
    return asdict(config)


def config_from_dict(family: str, values: dict[str, Any]) -> Config:
    """The configuration that `config_to_dict` wrote.

    Raises:
        ValueError: the family or a field is unknown, a field is missing, or the values contradict each other.
    """
    if family not in CONFIGS:
        raise ValueError(f"family is {family!r}; known: {', '.join(CONFIGS)}")
    kind = CONFIGS[family]
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"the configuration has fields that {family} does not know: {', '.join(unknown)}")
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return kind(**plain)
    except TypeError as exc:
        raise ValueError(f"the configuration of {family} is incomplete: {exc}") from exc
