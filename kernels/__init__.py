"""The operators that generators are made of."""

from wplus.kernels.alias_free_conv import normalized_weight
from wplus.kernels.ends import latent_path, to_uint8
from wplus.kernels.ops import alias_free_conv2d, filtered_lrelu, modulated_conv2d, torgb, upfirdn2d
from wplus.kernels.reference import bias_act, normalized_for_half

__all__ = [
    "alias_free_conv2d",
    "bias_act",
    "filtered_lrelu",
    "latent_path",
    "modulated_conv2d",
    "normalized_for_half",
    "normalized_weight",
    "to_uint8",
    "torgb",
    "upfirdn2d",
]
