"""The operators that generators are made of."""

from wplus.kernels.reference import bias_act, modulated_conv2d, to_uint8, upfirdn2d

__all__ = ["bias_act", "modulated_conv2d", "to_uint8", "upfirdn2d"]
