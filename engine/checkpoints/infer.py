"""The configuration of a generator, read off the names and shapes of its tensors."""

from itertools import pairwise
from typing import Any

from wplus.checkpoints.checkpoint import Tensors
from wplus.config import Architecture, DCGANConfig, StyleGAN2Config
from wplus.errors import CheckpointError, UnsupportedError


def infer_stylegan2(tensors: Tensors, *, conv_clamp: float | None, lr_multiplier: float = 0.01) -> StyleGAN2Config:
    """The configuration of tensors that carry NVIDIA's state-dict names.

    Args:
        tensors: The whole generator.
        conv_clamp: Which no tensor shows.
        lr_multiplier: Of the mapping; no tensor shows it either.

    Raises:
        CheckpointError: a tensor that every StyleGAN2 has is missing or has the wrong number of dimensions.
        UnsupportedError: a size is outside what StyleGAN2 allows.
    """
    resolutions = _resolutions(tensors)
    last = resolutions[-1]
    _, *const_shape = shape_of(tensors, "synthesis.b4.const", 3)
    mapping = infer_mapping(tensors)
    try:
        return StyleGAN2Config(
            **mapping,
            img_resolution=max(const_shape) << (len(resolutions) - 1),
            img_channels=shape_of(tensors, f"synthesis.b{last}.torgb.weight", 4)[0],
            channels=tuple(shape_of(tensors, f"synthesis.b{r}.conv1.weight", 4)[0] for r in resolutions),
            const_shape=(const_shape[0], const_shape[1]),
            architecture=_architecture(tensors),
            lr_multiplier=lr_multiplier,
            conv_clamp=conv_clamp,
            use_noise=f"synthesis.b{last}.conv1.noise_strength" in tensors,
        )
    except ValueError as exc:
        raise UnsupportedError(f"This StyleGAN2 is outside what wplus draws: {exc}.") from exc


def infer_mapping(tensors: Tensors) -> dict[str, Any]:
    """What the mapping's tensors say of a `StyleConfig`, by the names of its fields."""
    layers = sum(f"mapping.fc{i}.weight" in tensors for i in range(len(tensors)))
    width, features = shape_of(tensors, "mapping.fc0.weight", 2)
    w_dim = shape_of(tensors, f"mapping.fc{layers - 1}.weight", 2)[0]
    embed, c_dim = shape_of(tensors, "mapping.embed.weight", 2) if "mapping.embed.weight" in tensors else (0, 0)
    return {
        "z_dim": features - embed,
        "c_dim": c_dim,
        "w_dim": w_dim,
        "num_mapping_layers": layers,
        "mapping_features": width if layers > 1 and width != w_dim else None,
        "embed_features": embed if c_dim and embed != w_dim else None,
    }


def infer_dcgan(tensors: Tensors, *, c_dim: int = 0) -> DCGANConfig:
    """The configuration of a stack of layers named conv0.weight, norm0.weight, ..., with DCGAN's strides and paddings.

    Args:
        c_dim: Classes of a label that is not embedded, which no tensor shows.

    Raises:
        CheckpointError: the layers do not follow each other.
        UnsupportedError: a kernel or size is outside what DCGAN has.
    """
    count = 1
    while f"conv{count}.weight" in tensors:
        count += 1
    shapes = [shape_of(tensors, f"conv{i}.weight", 4) for i in range(count)]  # [in, out, k, k]
    _check_chain(shapes)
    embed = 0
    if "embed.weight" in tensors:
        c_dim, embed = shape_of(tensors, "embed.weight", 2)
        if embed >= shapes[0][0]:
            raise UnsupportedError(
                f"The label's embedding is {embed} wide and the first layer takes {shapes[0][0]} numbers: the label is "
                "not put behind z, and how it acts is in no tensor. Wrap the module: wplus.wrap(module, z_dim=..., "
                f"c_dim={c_dim})."
            )
    try:
        return DCGANConfig(
            z_dim=shapes[0][0] - (embed or c_dim),
            c_dim=c_dim,
            embed_features=embed or None,
            img_resolution=shapes[0][2] << (count - 1),
            img_channels=shapes[-1][1],
            channels=tuple(shape[1] for shape in shapes[:-1]),
            strides=(1, *[2] * (count - 1)),
            paddings=(0, *[1] * (count - 1)),
            kernels=tuple(shape[2] for shape in shapes),
            norms=tuple(f"norm{i}.weight" in tensors for i in range(count)),
            biases=tuple(f"conv{i}.bias" in tensors for i in range(count)),
        )
    except ValueError as exc:
        raise UnsupportedError(f"This generator is outside what wplus draws: {exc}.") from exc


def shape_of(tensors: Tensors, name: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor that must be there, with as many dimensions as told."""
    if name not in tensors:
        raise CheckpointError(f"The generator lacks the tensor {name}.")
    shape = tensors[name].shape
    if len(shape) != dimensions:
        raise CheckpointError(f"{name} is {list(shape)}; {dimensions} dimensions are needed there.")
    return shape


def _resolutions(tensors: Tensors) -> list[int]:
    resolutions = [4]
    while f"synthesis.b{2 * resolutions[-1]}.conv1.weight" in tensors:
        resolutions.append(2 * resolutions[-1])
    return resolutions


def _architecture(tensors: Tensors) -> Architecture:
    if "synthesis.b8.skip.weight" in tensors:
        return "resnet"
    return "skip" if "synthesis.b4.torgb.weight" in tensors else "orig"


def _check_chain(shapes: list[tuple[int, ...]]) -> None:
    """Refuses layers that do not follow each other, and kernels whose strides nobody could guess."""
    pairs = list(pairwise(shapes))
    if pairs and any(a[1] != b[0] for a, b in pairs) and all(a[0] == b[1] for a, b in pairs):
        raise CheckpointError("The state dict is a discriminator's: its convolutions lead from picture to score.")
    for i, (before, after) in enumerate(pairs, start=1):
        if before[1] != after[0]:
            raise CheckpointError(f"conv{i} takes {after[0]} channels; the layer before it gives {before[1]}.")
    for i, (_, _, height, width) in enumerate(shapes):
        if height != width or (i > 0 and height != 4):
            raise UnsupportedError(f"conv{i} has a {height}×{width} kernel; DCGAN's layers after the first have 4×4.")
