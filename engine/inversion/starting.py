"""The variables that a target's rows start from: the best random latents, w_avg, or latents that were given."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wplus.inversion.adam import Arrays
from wplus.inversion.config import InvertConfig
from wplus.inversion.goals import Goal
from wplus.inversion.regularizers import whitened
from wplus.inversion.spaces import NOISE, Parametrization
from wplus.inversion.starts import Candidates, default_candidates
from wplus.inversion.statistics import WStatistics
from wplus.latents import Latents, check_generator

if TYPE_CHECKING:
    from wplus.generator import Generator

_Array = NDArray[np.float32]


def starts_of(
    G: "Generator",
    goal: Goal,
    config: InvertConfig,
    label: _Array | None,
    init: Latents | _Array | None,
    space: Parametrization,
    statistics: WStatistics | None,
    coarse: int | None,
) -> Callable[[int, int], Arrays]:
    """What gives each target the variables that it starts from."""
    given = None if init is None else _given(G, init, goal.count, config)
    wanted = 0 if given is not None else config.candidates
    height, width = G.img_shape
    count = default_candidates(height, width) if wanted is None else wanted
    drawn: list[Candidates] = []  # at the first target that asks

    def candidates() -> Candidates:
        if not drawn:
            many = max(count, config.starts)
            is_small = goal.is_scalable
            drawn.append(Candidates(G, count=many, seed=config.seed, c=label, resolution=coarse, is_small=is_small))
        return drawn[0]

    def starts(target: int, rows: int) -> Arrays:
        if given is not None:
            latent = np.repeat(given[target % len(given)][None], rows, axis=0)
        elif count == 0 and statistics is not None:
            latent = np.repeat(statistics.mean[None, None], rows, axis=0)
        else:
            best = candidates().best(goal, target, rows)
            ws = candidates().ws
            latent = candidates().z[best] if config.space == "z" or ws is None else ws[best, :1]
        variables = {"z": latent} if config.space == "z" else {"v": space.coordinates(latent)}
        return variables | _extra_variables(G, config, rows)

    return starts


def _extra_variables(G: "Generator", config: InvertConfig, rows: int) -> Arrays:
    """Noise maps and place, where they are optimised."""
    found: Arrays = {}
    if config.optimizes_noise:
        for layer, (name, value) in enumerate(G.noise_constants.items()):
            own = value
            if config.starts_from_random_noise:
                random = np.random.Generator(np.random.Philox(key=[config.seed, layer]))
                own = random.standard_normal(value.shape, dtype=np.float32)
            found[f"{NOISE}{name}"] = whitened(np.repeat(own[None, None], rows, axis=0))
    if config.optimizes_transform:
        found["place"] = np.zeros((rows, 3), np.float32)
    return found


def _given(G: "Generator", init: Latents | _Array, count: int, config: InvertConfig) -> _Array:
    """Latents to start from: ws `[1 or N, 1 or num_ws, w_dim]`, or z."""
    if isinstance(init, Latents):
        check_generator(init, G)
        values, kind = init.values, init.space
        if kind == "z" and config.space != "z":
            values, kind = G.map(values), "w+"
        values = values[:, None] if kind == "w" else values
        if (kind == "z") != (config.space == "z"):
            raise ValueError(f"init is of the space {kind}; it cannot start a search in {config.space}.")
    else:
        values = np.asarray(init, np.float32)
    expected = G.z_shape if config.space == "z" else (G.num_ws, G.w_dim)
    alone = None if config.space == "z" else (1, G.w_dim)
    if len(values) not in (1, count) or values.shape[1:] not in (expected, alone):
        raise ValueError(
            f"init is {list(values.shape)}; [{count}, {', '.join(map(str, expected))}], or one for all, is needed."
        )
    if config.space == "w" and values.shape[1] != 1:
        values = values.mean(axis=1, keepdims=True)
    if config.space == "w+" and values.shape[1] == 1:
        values = np.repeat(values, G.num_ws, axis=1)
    return np.ascontiguousarray(values, np.float32)
