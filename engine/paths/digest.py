"""What tells a walk's pictures from another's, whatever names its files have."""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from wplus.paths.drawing import Moment
from wplus.paths.path import UNTOUCHED, Path

_FRAMES: Final = 64  # that are looked at; a change to a latent, direction or track file moves some of them


def walk_digest(path: Path, positions: Sequence[float]) -> str:
    """16 hex digits over all that the network is given at some frames, spread over the positions (in keyframes)."""
    places = np.unique(np.linspace(0, len(positions) - 1, min(_FRAMES, len(positions))).astype(int))
    digest = hashlib.sha256()
    for moments in path.along((float(positions[place]), UNTOUCHED) for place in places):
        for moment in moments:
            _add(digest, moment)
    return digest.hexdigest()[:16]


def _add(digest: "hashlib._Hash", moment: Moment) -> None:
    arrays = {"latent": moment.latent, "transform": moment.transform, **(moment.noise or {})}
    for name, array in sorted(arrays.items()):
        digest.update(name.encode())
        if array is not None:
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
    settings = {name: np.asarray(value).tolist() for name, value in sorted(moment.options.items())}
    digest.update(repr((moment.noise_mode, moment.noise_seed, settings)).encode())
