"""The networks, one family a file; `wplus.config.FAMILIES` lists them."""

from importlib import import_module

import torch
from torch import nn

from wplus.checkpoints.checkpoint import Checkpoint
from wplus.config import FAMILIES
from wplus.errors import CheckpointError

__all__ = ["build_network"]


def build_network(checkpoint: Checkpoint) -> nn.Module:
    """The network of a checkpoint, on the CPU, its weights shared with the checkpoint's arrays and frozen.

    Raises:
        CheckpointError: a tensor is missing or has another shape than the configuration says.
    """
    module, _, class_name = FAMILIES[checkpoint.config.family][1].partition(".")
    network_class = getattr(import_module(f"wplus.networks.{module}"), class_name)
    with torch.device("meta"):  # nothing is allocated or initialised: the tensors come from the file
        network: nn.Module = network_class(checkpoint.config)
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
