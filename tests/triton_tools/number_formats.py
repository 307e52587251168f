"""What a GPU makes of a float32: bfloat16 as its 16 bits, and the part of it that a tf32 product reads."""

import numpy as np
from numpy.typing import NDArray

_BF16_NAN = np.uint16(0x7FC0)
_TF32_BITS = np.uint32(0xFFFFE000)  # sign, 8 of exponent, 10 of mantissa

Bits16 = NDArray[np.uint16]
Float32 = NDArray[np.float32]


def bf16_to_float32(bits: Bits16) -> Float32:
    """The float32 with these upper halves: exact."""
    return (np.ascontiguousarray(bits).astype(np.uint32) << np.uint32(16)).view(np.float32).reshape(np.shape(bits))


def float32_to_bf16(values: Float32) -> Bits16:
    """The nearest bfloat16, ties to even, as bits; every NaN becomes the quiet one."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).reshape(np.shape(values))
    tie_to_even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = ((bits + np.uint32(0x7FFF) + tie_to_even) >> np.uint32(16)).astype(np.uint16)
    return np.where(np.isnan(values), _BF16_NAN, rounded)


def float32_to_tf32(values: Float32) -> Float32:
    """What a tensor core reads of a float32: Triton hands it over as it is, and the 13 lowest bits are ignored."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return (bits & _TF32_BITS).view(np.float32).reshape(np.shape(values))
