"""A StyleGAN2 configuration from NVIDIA's keyword arguments, for state dicts that travel with them."""

from typing import Any

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer import infer_stylegan2
from wplus.config import StyleGAN2Config
from wplus.errors import CheckpointError, UnsupportedError

_STATED = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")
_SHAPED = ("channel_base", "channel_max", "num_fp16_res", "use_noise", "fused_modconv_default")  # the tensors show them
_MAPPING = ("num_layers", "embed_features", "layer_features", "lr_multiplier", "w_avg_beta", "activation")


def config_from_kwargs(kwargs: dict[str, Any], tensors: Tensors) -> StyleGAN2Config:
    """The configuration of tensors with NVIDIA's names, checked against the arguments that made them.

    Raises:
        CheckpointError: the arguments contradict the tensors.
        UnsupportedError: there is an argument that would change the picture and is not known.
    """
    synthesis = {**kwargs, **kwargs.get("synthesis_kwargs", {})}
    mapping = dict(kwargs.get("mapping_kwargs", {}))
    known = {*_STATED, *_SHAPED, "mapping_kwargs", "synthesis_kwargs", "conv_clamp", "architecture"}
    unknown = sorted((set(synthesis) - known) | (set(mapping) - set(_MAPPING)))
    if unknown or mapping.get("activation", "lrelu") != "lrelu":
        raise UnsupportedError(f"Not supported among the keyword arguments: {', '.join(unknown) or 'activation'}.")
    if "conv_clamp" not in synthesis:  # None in one repository and 256 in the other
        raise CheckpointError("The keyword arguments lack conv_clamp, whose default differs between repositories.")
    clamp, lr_multiplier = synthesis["conv_clamp"], mapping.get("lr_multiplier", 0.01)
    config = infer_stylegan2(
        tensors, conv_clamp=None if clamp is None else float(clamp), lr_multiplier=float(lr_multiplier)
    )
    for name in (*_STATED, "architecture"):
        if name == "img_resolution" and synthesis.get(name) in (config.resolutions[-1], *config.img_shape):
            continue  # forks that draw rectangles keep the side of a square network there
        if name in synthesis and synthesis[name] != getattr(config, name):
            raise CheckpointError(
                f"The keyword arguments say {name} = {synthesis[name]!r}; the tensors say {getattr(config, name)}."
            )
    return config
