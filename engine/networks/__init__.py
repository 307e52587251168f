"""The networks, one family a file, and the one list of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from wplus.checkpoints.checkpoint import Checkpoint
from wplus.config import Config, DCGANConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from wplus.errors import CheckpointError
from wplus.networks.plain import DCGAN
from wplus.networks.stylegan1 import StyleGAN1
from wplus.networks.stylegan2 import StyleGAN2
from wplus.networks.stylegan3 import StyleGAN3

__all__ = ["DCGAN", "StyleGAN1", "StyleGAN2", "StyleGAN3", "build_network"]

_NETWORKS: dict[type[Config], Callable[[Any], nn.Module]] = {
    StyleGAN1Config: StyleGAN1,
    StyleGAN2Config: StyleGAN2,
    StyleGAN3Config: StyleGAN3,
    DCGANConfig: DCGAN,
}


def build_network(checkpoint: Checkpoint) -> nn.Module:
    """The network of a checkpoint, on the CPU, its weights shared with the checkpoint's arrays and frozen.

    Raises:
        CheckpointError: a tensor is missing or has another shape than the configuration says.
    """
    with torch.device("meta"):  # nothing is allocated or initialised: the tensors come from the file
        network = _NETWORKS[type(checkpoint.config)](checkpoint.config)
    state = {}
    for name, expected in network.state_dict().items():
        array = checkpoint.tensors.get(name)
        if array is None:
            raise CheckpointError(f"The checkpoint lacks the tensor {name} {list(expected.shape)}.")
        if array.shape != tuple(expected.shape):
            raise CheckpointError(
                f"The tensor {name} is {list(array.shape)}; the configuration needs {list(expected.shape)}."
            )
        state[name] = torch.from_numpy(array)
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False).eval()
