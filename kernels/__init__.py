"""The operators that generators are made of."""

from wplus.kernels.alias_free_conv import alias_free_conv2d, normalized_weight
from wplus.kernels.filtered_lrelu import filtered_lrelu
from wplus.kernels.reference import bias_act, modulated_conv2d, normalized_for_half, to_uint8, upfirdn2d

__all__ = [
    "alias_free_conv2d",
    "bias_act",
    "filtered_lrelu",
    "modulated_conv2d",
    "normalized_for_half",
    "normalized_weight",
    "to_uint8",
    "upfirdn2d",
]
