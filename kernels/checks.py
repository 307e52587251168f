"""What the operators refuse, and with which words."""

import math

import torch
from torch import Tensor


def picture(x: Tensor) -> None:
    """Four axes, none of them empty but the first, and floating point."""
    if x.ndim != 4 or 0 in x.shape[1:] or not x.is_floating_point():
        raise ValueError(f"x is {x.dtype} {list(x.shape)}; a floating-point [N, C, H, W] is needed.")


def same_device(x: Tensor, **others: Tensor | None) -> None:
    """Everything lies where x does."""
    for name, other in others.items():
        if other is not None and other.device != x.device:
            raise ValueError(f"{name} is on {other.device}, and x on {x.device}; move one of them.")


def finite(**numbers: float) -> None:
    """No infinity, no NaN."""
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise ValueError(f"{name} is {number}; a finite number is needed.")


def activation(act: str, gain: float, clamp: float | None, *, slope: float = 0.2) -> None:
    """A known activation, positive factors, a slope from 0 to 1."""
    if act not in ("linear", "lrelu"):
        raise ValueError(f"act is {act!r}; known: linear, lrelu.")
    if not (math.isfinite(gain) and gain > 0):
        raise ValueError(f"gain is {gain}; a positive number is needed.")
    if clamp is not None and not clamp >= 0:
        raise ValueError(f"clamp is {clamp}; a number of 0 or more is needed, or None.")
    if not 0 <= slope <= 1:
        raise ValueError(f"slope is {slope}; a number from 0 to 1 is needed.")


def convolution(x: Tensor, weight: Tensor, styles: Tensor, bias: Tensor | None) -> None:
    """Channels and samples agree."""
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3] or weight.shape[2] % 2 == 0:
        raise ValueError(f"weight is {list(weight.shape)}; [out_channels, in_channels, k, k] is needed, k odd.")
    if x.shape[1] != weight.shape[1]:
        raise ValueError(
            f"x is {list(x.shape)} and weight {list(weight.shape)}: {x.shape[1]} channels meet {weight.shape[1]}."
        )
    if styles.ndim != 2 or styles.shape[1] != x.shape[1] or x.shape[0] not in (styles.shape[0], 1):
        raise ValueError(f"styles are {list(styles.shape)}; x, {list(x.shape)}, needs [{x.shape[0]}, {x.shape[1]}].")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias is {list(bias.shape)}; weight, {list(weight.shape)}, needs [{len(weight)}].")


def up_sampling(up: int, resample_filter: Tensor | None) -> None:
    """1, or 2 with a filter."""
    if up not in (1, 2):
        raise ValueError(f"up is {up}; 1 or 2 is needed.")
    if up == 2 and resample_filter is None:
        raise ValueError("up is 2, which needs a resample_filter; none was given.")


def running_picture(x: Tensor, weight: Tensor, img: Tensor | None, resample_filter: Tensor | None) -> None:
    """Half the size of x, with a filter for it."""
    if img is None:
        return
    channels, height, width = len(weight), x.shape[2] / 2, x.shape[3] / 2
    if img.ndim != 4 or tuple(img.shape[1:]) != (channels, height, width):
        raise ValueError(
            f"img is {list(img.shape)}; beside x, {list(x.shape)}, it needs [N, {channels}, {height:g}, {width:g}]."
        )
    if resample_filter is None or resample_filter.ndim != 2:
        raise ValueError("img is given, which needs a resample_filter [fh, fw].")


def filtering(
    x: Tensor, first: Tensor, last: Tensor, *, up: int, down: int, padding: tuple[int, int, int, int]
) -> None:
    """Factors of 1 or more, filters of one or two axes, and something left of the picture.

    Args:
        x: `[N, C, H, W]`.
        first: The filter that x meets.
        last: The one after it, if there are two; else the first again.
        up: Factor.
        down: Factor.
        padding: On the left, right, top and bottom.
    """
    if min(up, down) < 1:
        raise ValueError(f"up is {up} and down {down}; whole numbers of 1 or more are needed.")
    for f in (first, last):
        if f.ndim not in (1, 2) or f.numel() == 0:
            raise ValueError(f"A filter is {list(f.shape)}; [taps] or [height, width] is needed.")
    left, right, top, bottom = padding
    taps = [first.shape[axis] + (0 if last is first else last.shape[axis] - 1) for axis in (0, -1)]
    sizes = [x.shape[2] * up + top + bottom, x.shape[3] * up + left + right]
    if sizes[0] < taps[0] or sizes[1] < taps[1]:
        raise ValueError(
            f"A picture of {x.shape[2]}×{x.shape[3]}, up-sampled by {up} and padded by {padding}, is smaller than the "
            f"filters of {first.shape[0]} and {last.shape[0]} taps."
        )


def without_gradient(**tensors: Tensor | None) -> list[str]:
    """Sentences about those that need a gradient, which Triton's kernels do not give."""
    if not torch.is_grad_enabled():
        return []
    return [
        f"{name} needs a gradient, which only plain PyTorch gives."
        for name, tensor in tensors.items()
        if tensor is not None and tensor.requires_grad
    ]


def path(
    keyframes: Tensor,
    times: Tensor,
    *,
    w_avg: Tensor | None,
    truncation_psi: Tensor | None,
    mix: Tensor | None,
    mix_mask: Tensor | None,
) -> None:
    """Shapes that belong together; values of times are the caller's."""
    if keyframes.ndim != 3 or 0 in keyframes.shape or not keyframes.is_floating_point():
        raise ValueError(
            f"keyframes are {keyframes.dtype} {list(keyframes.shape)}; floating-point [K, num_ws, w_dim] are needed."
        )
    _, num_ws, w_dim = keyframes.shape
    needed = {
        "times": (times, (times.numel(),)),
        "w_avg": (w_avg, (w_dim,)),
        "truncation_psi": (truncation_psi, (num_ws,)),
        "mix": (mix, (num_ws, w_dim)),
        "mix_mask": (mix_mask, (times.numel(), num_ws)),
    }
    for name, (tensor, shape) in needed.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ValueError(
                f"{name} is {list(tensor.shape)}; with keyframes {list(keyframes.shape)} it needs {list(shape)}."
            )
    for one, other in (("w_avg", "truncation_psi"), ("mix", "mix_mask")):
        if (needed[one][0] is None) != (needed[other][0] is None):
            raise ValueError(f"{one} and {other} go together; one of them is missing.")
