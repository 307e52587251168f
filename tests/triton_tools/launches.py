"""The networks whose launches are recorded: real layers at real sizes, with the benchmarks' random weights."""

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch

from wplus.benchmarks.families import family_of
from wplus.benchmarks.random_networks import stylegan2_config
from wplus.benchmarks.random_stylegan3 import stylegan3_config
from wplus.config import StyleConfig
from wplus.kernels import latent_path, to_uint8
from wplus.networks import build_network

_ROTATING: dict[str, Any] = {"channel_max": 2 * 512, "is_rotating": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One picture of it is drawn."""

    name: str
    config: StyleConfig
    has_gradients: bool = False  # with respect to ws


NETWORKS = (
    Network(name="StyleGAN2-1024", config=stylegan2_config(1024, channel_base=32768)),
    Network(name="StyleGAN3-T-512", config=stylegan3_config(512, channel_base=32768)),
    Network(name="StyleGAN3-R-512", config=stylegan3_config(512, channel_base=2 * 32768, **_ROTATING)),
    Network(name="StyleGAN2-128-backward", config=stylegan2_config(128, channel_base=32768), has_gradients=True),
    Network(name="StyleGAN3-T-64-backward", config=stylegan3_config(64, channel_base=32768), has_gradients=True),
    Network(
        name="StyleGAN3-R-64-backward",
        config=stylegan3_config(64, channel_base=2 * 32768, **_ROTATING),
        has_gradients=True,
    ),
)


def launch_network(network: Network, dtype: torch.dtype) -> None:
    """Draws one picture as bytes, and where asked the gradient; called inside a recording, nothing runs on a GPU."""
    module = _build(network, dtype)
    ws = torch.zeros(1, network.config.num_ws, network.config.w_dim, requires_grad=network.has_gradients)
    with torch.set_grad_enabled(network.has_gradients):
        img = module.synthesize(ws, noise=None, dtype=dtype)
    to_uint8(img.detach())
    if network.has_gradients:
        img.sum().backward()


def launch_paths() -> None:
    """Sixty frames of each kind of path, truncated and mixed."""
    frames, times = torch.zeros(8, 18, 512), torch.linspace(0, 7, 60, dtype=torch.float64)
    for interp in ("linear", "slerp", "catmull-rom"):
        for loop in (False, True):
            latent_path(
                frames,
                times,
                interp=interp,  # type: ignore[arg-type]
                loop=loop,
                w_avg=torch.zeros(512),
                truncation_psi=torch.ones(18),
                mix=torch.zeros(18, 512),
                mix_mask=torch.zeros(60, 18, dtype=torch.bool),
            )


@cache
def _build(network: Network, dtype: torch.dtype) -> Any:
    module = cast(Any, build_network(family_of(network.config).random(network.config)))
    module.requires_grad_(False)
    module.prepare(dtype)
    return module
