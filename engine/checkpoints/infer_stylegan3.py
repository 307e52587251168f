"""The configuration of a StyleGAN3 generator, read off its tensors where they show it."""

from typing import Any

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer import infer_mapping, shape_of
from wplus.config import StyleGAN3Config
from wplus.errors import CheckpointError, UnsupportedError

# Fields that no tensor shows
HIDDEN = (
    "img_resolution",
    "num_critical",
    "first_cutoff",
    "first_stopband",
    "last_stopband_rel",
    "margin_size",
    "output_scale",
    "filter_size",
    "lrelu_upsampling",
    "conv_clamp",
    "lr_multiplier",
)


def infer_stylegan3(tensors: Tensors, hidden: dict[str, Any]) -> StyleGAN3Config:
    """The configuration of tensors that carry NVIDIA's state-dict names.

    Args:
        tensors: The whole generator.
        hidden: Fields that no tensor shows, by name; those left out have NVIDIA's defaults.

    Raises:
        CheckpointError: a tensor that every StyleGAN3 has is missing or has the wrong number of dimensions.
        UnsupportedError: a size is outside what StyleGAN3 allows.
    """
    names = _layer_names(tensors)
    shapes = [shape_of(tensors, f"synthesis.{name}.weight", 4) for name in names]
    down_filter = tensors.get(f"synthesis.{names[0]}.down_filter")
    try:
        return StyleGAN3Config(
            **infer_mapping(tensors),
            **hidden,
            img_channels=shapes[-1][0],
            channels=tuple(shape[0] for shape in shapes[:-1]),
            conv_kernel=shapes[0][2],
            use_radial_filters=down_filter is not None and down_filter.ndim == 2,
        )
    except (ValueError, TypeError, OverflowError) as exc:
        raise UnsupportedError(f"This StyleGAN3 is outside what wplus draws: {exc}.") from exc


def _layer_names(tensors: Tensors) -> list[str]:
    """L0_36_512, L1_36_512, ... in order."""
    parts = {name.split(".")[1] for name in tensors if name.startswith("synthesis.L") and name.endswith(".weight")}
    by_index = {name.split("_")[0]: name for name in parts}
    names = [by_index[f"L{i}"] for i in range(len(parts)) if f"L{i}" in by_index]
    if len(names) < 2 or len(names) != len(parts):
        raise CheckpointError(
            f"The synthesis has {len(parts)} layers; StyleGAN3's are called L0_..., L1_..., in order."
        )
    return names
