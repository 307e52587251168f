"""The fingerprint: which generator this is, whatever file it came from.

SHA-256 over, in this order, all text in UTF-8 and every line ended by one newline:

    family=stylegan2
    z_dim=512                 then c_dim, w_dim, num_ws, img_resolution, img_channels, those that the family has
    mapping.fc0.bias 512      for each tensor, sorted by name: name, space, sizes joined by x ("" for a single number)
    <its numbers, C order, little-endian float32, no newline>

FIR filters (`.resample_filter`, `.up_filter`, `.down_filter`) are left out, as are clamp, half-precision settings and
provenance. The fingerprint is "wplus1:" and the first 16 hex digits.
"""

import hashlib

import numpy as np

from wplus.checkpoints.checkpoint import Tensors
from wplus.config import Config

_FILTERS = (".resample_filter", ".up_filter", ".down_filter")
_SIZES = ("z_dim", "c_dim", "w_dim", "num_ws", "img_resolution", "img_channels")


def fingerprint(config: Config, tensors: Tensors) -> str:
    """ "wplus1:" and 16 hex digits over family, sizes, and every learned tensor, w_avg and noise constant."""
    digest = hashlib.sha256(f"family={config.family}\n".encode())
    for name in _SIZES:
        if hasattr(config, name):
            digest.update(f"{name}={getattr(config, name)}\n".encode())
    for name in sorted(tensors):
        if not name.endswith(_FILTERS):
            values = np.asarray(tensors[name], dtype="<f4", order="C")
            digest.update(f"{name} {'x'.join(map(str, values.shape))}\n".encode())
            digest.update(values.reshape(-1).view(np.uint8).data)
    return f"wplus1:{digest.hexdigest()[:16]}"
