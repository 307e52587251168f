"""The families that can be benchmarked: what each is compared with, its random networks, its arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.baseline_stylegan1 import OriginalStyleGAN1
from wplus.benchmarks.baseline_stylegan3 import NvidiaFormulationStyleGAN3
from wplus.benchmarks.flops import stylegan1_flops, stylegan2_flops, stylegan3_flops
from wplus.benchmarks.random_networks import random_checkpoint
from wplus.benchmarks.random_stylegan1 import random_stylegan1
from wplus.benchmarks.random_stylegan3 import random_stylegan3
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.config import Config, StyleConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from wplus.errors import UnsupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How networks of one kind of configuration are benchmarked."""

    baseline: Callable[..., Any]  # (config, tensors, dtype=) to an object with synthesize(ws)
    random: Callable[[Any], Checkpoint]  # a network of that configuration, by the fixed recipe
    flops: Callable[[Any], int]  # of one picture from its ws


FAMILIES: dict[type[StyleConfig], Family] = {
    StyleGAN1Config: Family(baseline=OriginalStyleGAN1, random=random_stylegan1, flops=stylegan1_flops),
    StyleGAN2Config: Family(baseline=NvidiaFormulation, random=random_checkpoint, flops=stylegan2_flops),
    StyleGAN3Config: Family(baseline=NvidiaFormulationStyleGAN3, random=random_stylegan3, flops=stylegan3_flops),
}


def family_of(config: Config, name: str = "The network") -> Family:
    """The entry of a configuration.

    Raises:
        UnsupportedError: nothing is known to compare such a network with.
    """
    if isinstance(config, StyleConfig) and type(config) in FAMILIES:
        return FAMILIES[type(config)]
    known = ", ".join(sorted(kind.__name__.removesuffix("Config").lower() for kind in FAMILIES))
    raise UnsupportedError(
        f"{name} is of the family {config.family}; the benchmark compares with the originals' formulations, and "
        f"needs one of {known}."
    )
