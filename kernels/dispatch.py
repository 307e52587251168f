"""Whether an operator runs in Triton, by reasons: an empty list means that it can."""

import logging
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Literal, get_args

import torch
from torch import Tensor

_log = logging.getLogger(__name__)

Impl = Literal["auto", "reference", "triton"]

_TYPES = (torch.float32, torch.float16, torch.bfloat16)
_OLDEST = (8, 0)  # compute capability from which Triton uses tensor cores; before, cuDNN is faster
_MOST_PIXELS = 2**28  # of all samples: four times up-sampled, they still fit in 31 bits


def unsupported_reasons(x: Tensor) -> list[str]:
    """Sentences that say why Triton's kernels cannot run on x."""
    if torch.compiler.is_compiling() or torch.compiler.is_exporting():
        return ["A compiler or exporter traces this; it is to see plain PyTorch."]
    reasons = [] if has_triton() else ["Triton is not installed; it comes with PyTorch for NVIDIA's GPUs on Linux."]
    if not reasons and not _runs_on(x.device):
        reasons.append(f"x is on {x.device}; Triton's kernels run on an NVIDIA GPU of compute capability 8.0 or newer.")
    if x.dtype not in _TYPES:
        reasons.append(f"x is {x.dtype}; Triton's kernels compute in float32, float16 and bfloat16.")
    if x.ndim == 4 and x.shape[0] * x.shape[2] * x.shape[3] >= _MOST_PIXELS:
        reasons.append(f"x is {list(x.shape)}; Triton's kernels count up to {_MOST_PIXELS} pixels.")
    return reasons


def uses_triton(impl: Impl, what: str, reasons: Sequence[str]) -> bool:
    """Whether `impl` means Triton.

    Raises:
        ValueError: `impl` is unknown, or "triton" where it cannot run.
    """
    if impl not in get_args(Impl):
        raise ValueError(f"impl is {impl!r}; known: {', '.join(get_args(Impl))}.")
    if impl == "triton" and reasons:
        raise ValueError(f"{what} cannot run in Triton. {' '.join(reasons)}")
    if impl == "auto" and reasons and not torch.compiler.is_compiling():  # a compiler traces no log
        _say(" ".join(reasons))
    return impl != "reference" and not reasons


@cache
def _say(reasons: str) -> None:
    """Once for each set of reasons."""
    _log.debug("The operators run in plain PyTorch: %s", reasons)


@cache
def has_triton() -> bool:
    """Whether Triton is installed."""
    return find_spec("triton") is not None


def _runs_on(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.version.hip is None and torch.cuda.get_device_capability(device) >= _OLDEST
    import triton

    return bool(triton.knobs.runtime.interpret)
