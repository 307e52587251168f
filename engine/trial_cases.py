"""The cases on which a bundle is compared with its network: every input of its graphs is varied in them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wplus.config import Config, StyleConfig
from wplus.latents import seeds_to_z
from wplus.transforms import user_transform

TRUNCATION_PSI = (1.0, 0.7)

_MOVED = user_transform(translate=(0.1, -0.05), rotate=20.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cases:
    """Samples to draw, one a row."""

    seed: NDArray[np.int64]  # [N]
    z: NDArray[np.float32]  # [N, *z_shape]
    c: NDArray[np.float32] | None  # [N, c_dim], in a conditional network
    truncation_psi: NDArray[np.float32]  # [N]; 1 without W
    truncation_cutoff: NDArray[np.int64]  # [N]
    transform: NDArray[np.float32] | None  # [N, 3, 3], in a family that has one
    random_noise: NDArray[np.bool_]  # [N]: whether noise is drawn from the seed, not the stored one

    def __len__(self) -> int:
        return len(self.seed)

    def __getitem__(self, rows: Any) -> Self:
        """Some of them, `rows` as numpy takes them."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen: dict[str, Any] = {name: None if value is None else value[rows] for name, value in values.items()}
        return type(self)(**chosen)


def make_cases(config: Config, seeds: Sequence[int], *, random_noise: bool) -> Cases:
    """Each seed with each psi; classes, cutoffs, transforms and kinds of noise change from seed to seed.

    Args:
        config: What the network takes.
        seeds: From 0 on.
        random_noise: Whether noise is an input, so that some seeds draw their own.
    """
    psis = TRUNCATION_PSI if isinstance(config, StyleConfig) else (1.0,)
    seed = np.repeat(np.asarray(seeds, np.int64), len(psis))
    num_ws = config.num_ws if isinstance(config, StyleConfig) else 0
    moved = (seed % 2 == 1)[:, None, None]
    return Cases(
        seed=seed,
        z=np.repeat(seeds_to_z(seeds, config.z_shape), len(psis), axis=0),
        c=np.eye(config.c_dim, dtype=np.float32)[seed % config.c_dim] if config.c_dim else None,
        truncation_psi=np.tile(np.asarray(psis, np.float32), len(seeds)),
        truncation_cutoff=np.where(seed // 2 % 2 == 1, num_ws // 2, num_ws),
        transform=np.where(moved, _MOVED, np.eye(3, dtype=np.float32)) if config.has_transform else None,
        random_noise=(seed % 4 % 3 != 0) & random_noise,  # seeds 1, 2, 5, 6 ...: stored and drawn noise in one batch
    )
