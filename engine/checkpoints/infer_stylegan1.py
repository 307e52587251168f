"""The configuration of a StyleGAN1, read off the names and shapes of its tensors."""

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer import shape_of
from wplus.config import StyleGAN1Config
from wplus.errors import CheckpointError, UnsupportedError


def infer_stylegan1(
    tensors: Tensors, *, fused_resolution: int | None = 128, cutoff: int = 8, lr_multiplier: float = 0.01
) -> StyleGAN1Config:
    """The configuration of tensors that carry our names of a StyleGAN1.

    Args:
        tensors: The whole generator.
        fused_resolution: Which no tensor shows, like the two that follow; the original's default.
        cutoff: Slots that truncation acts on.
        lr_multiplier: Of the mapping.

    Raises:
        CheckpointError: a tensor that every StyleGAN1 has is missing or has the wrong number of dimensions.
        UnsupportedError: a size is outside what StyleGAN1 allows.
    """
    count = 1
    while f"synthesis.layer{2 * count}.weight" in tensors:
        count += 1
    layers = sum(f"mapping.fc{i}.weight" in tensors for i in range(len(tensors)))
    width, features = shape_of(tensors, "mapping.fc0.weight", 2)
    w_dim = shape_of(tensors, f"mapping.fc{layers - 1}.weight", 2)[0]
    embed, c_dim = shape_of(tensors, "mapping.embed.weight", 2) if "mapping.embed.weight" in tensors else (0, 0)
    try:
        return StyleGAN1Config(
            z_dim=features - embed,
            c_dim=c_dim,
            w_dim=w_dim,
            img_resolution=2 << count,
            img_channels=shape_of(tensors, "synthesis.torgb.weight", 4)[0],
            channels=tuple(shape_of(tensors, f"synthesis.layer{2 * i + 1}.weight", 4)[0] for i in range(count)),
            num_mapping_layers=layers,
            mapping_features=width if layers > 1 and width != w_dim else None,
            lr_multiplier=lr_multiplier,
            fused_resolution=fused_resolution,
            cutoff=cutoff,
            use_noise="synthesis.layer0.noise_weight" in tensors,
        )
    except ValueError as exc:
        raise UnsupportedError(f"This StyleGAN1 is outside what wplus draws: {exc}.") from exc


def check_full_resolution(lod: float) -> None:
    """Refuses a network whose growth is not finished: `lod` counts the doublings that it leaves out.

    Raises:
        CheckpointError: it is negative or no number.
        UnsupportedError: it is not 0.
    """
    if not lod >= 0:
        raise CheckpointError(f"lod is {lod}; a number of doublings left out, 0 or more, is needed.")
    if lod > 0:
        raise UnsupportedError(
            f"The network was saved before it had grown to its full resolution (lod = {lod:g}); only lod = 0 is drawn. "
            "A later snapshot is needed."
        )
