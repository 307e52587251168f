"""What every reader returns: configuration, tensors under our key names, and where they came from."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wplus.config import Config

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a network came from."""

    source: str  # file name or URL, never a local folder
    sha256: str  # of the source file, 64 hex digits
    format: str  # what the source file was, in words
    licence: str = "unknown"  # of the weights, where the file says it
    description: str = ""  # of the weights, in a sentence, where the file says it
    parent: str | None = None  # fingerprint of the generator that this one was tuned from


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A generator as data.

    `tensors` are C-contiguous, writable float32 of their own memory under our key names (NVIDIA's state-dict names for
    StyleGAN2): learned tensors, `mapping.w_avg`, noise constants and FIR filters alike. `contents` says what is in the
    file, for `wplus info`.
    """

    config: Config
    tensors: Tensors
    provenance: Provenance
    why: str  # why the file was taken for this family
    contents: tuple[str, ...] = field(default=())
