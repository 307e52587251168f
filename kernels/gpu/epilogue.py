"""What follows a convolution or a filter before its result is stored: scales, noise, bias, leaky ReLU, clamp.

In Triton it is one function, `activate`, called by the kernel that made the numbers, so that they never travel to
memory and back. `Epilogue` is what the host knows of it.
"""

from dataclasses import dataclass
from typing import Any

import triton
import triton.language as tl
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Epilogue:
    """y = next_scale * clamp(lrelu(out_scale * x + noise + bias)); what is None is left out.

    All tensors are float32 and contiguous.
    """

    out_scale: Tensor | None = None  # [NO]
    noise: Tensor | None = None  # [N1HW] or [11HW]
    bias: Tensor | None = None  # [O]
    slope: float | None = None  # of the leaky ReLU
    clamp: float | None = None
    next_scale: Tensor | None = None  # [NO]

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return self is NOTHING

    def arguments(self) -> dict[str, Any]:
        """The arguments of a kernel that are the epilogue's."""
        noise = self.noise
        return {
            "out_scale_ptr": self.out_scale,
            "noise_ptr": noise,
            "bias_ptr": self.bias,
            "next_scale_ptr": self.next_scale,
            "stride_noise_n": 0 if noise is None or noise.shape[0] == 1 else noise.stride(0),
            "slope": 1.0 if self.slope is None else self.slope,
            "limit": 0.0 if self.clamp is None else self.clamp,
            "ACTIVATES": self.slope is not None,
            "CLAMPS": self.clamp is not None,
        }


NOTHING = Epilogue()


@triton.jit
def activate(
    acc,  # [MO], float32
    out_scale_ptr,
    noise_ptr,
    bias_ptr,
    next_scale_ptr,
    stride_noise_n,
    slope,
    limit,
    n,  # [M], the sample of each row
    place,  # [M], its pixel within the picture
    o,  # [O], the channels
    is_row,
    is_out,
    CHANNELS: tl.constexpr,
    ACTIVATES: tl.constexpr,
    CLAMPS: tl.constexpr,
):
    """The epilogue of a tile."""
    per_sample = n[:, None] * CHANNELS + o[None, :]
    is_inside = is_row[:, None] & is_out[None, :]
    if out_scale_ptr is not None:
        acc *= tl.load(out_scale_ptr + per_sample, mask=is_inside, other=0.0)
    if noise_ptr is not None:
        noise = tl.load(noise_ptr + n.to(tl.int64) * stride_noise_n + place, mask=is_row, other=0.0)
        acc += noise[:, None]
    if bias_ptr is not None:
        acc += tl.load(bias_ptr + o, mask=is_out, other=0.0)[None, :]
    if ACTIVATES:
        acc = tl.where(acc > 0, acc, acc * slope)
    if CLAMPS:
        # Not tl.clamp: a NaN is to stay one.
        acc = tl.where(acc > limit, limit, tl.where(acc < -limit, -limit, acc))
    if next_scale_ptr is not None:
        acc *= tl.load(next_scale_ptr + per_sample, mask=is_inside, other=0.0)
    return acc
