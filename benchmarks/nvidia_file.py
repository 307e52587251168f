"""Writes a StyleGAN2 as a pickle laid out as NVIDIA's, to time the loading of one.

Only the layout is theirs: persistent objects with their attributes, tensors as torch pickles them. In place of the
source text that their files embed stands a placeholder; nothing can execute such a file.
"""

import math
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from wplus.checkpoints.checkpoint import Checkpoint
from wplus.config import StyleGAN2Config
from wplus.files import whole_file

_MODULE = "torch_utils.persistence"
_FUNCTION = "_reconstruct_persistent_obj"


def write_nvidia_pickle(checkpoint: Checkpoint, path: str | Path) -> None:
    """Writes the network under `G_ema`, as `network-snapshot-*.pkl` has it without G, D and training state."""
    config = checkpoint.config
    assert isinstance(config, StyleGAN2Config)
    root = _Node()
    for name, value in checkpoint.tensors.items():
        root.put(name.split("."), torch.from_numpy(value))
    for node_path, node in root.walk():
        node.describe(node_path, config)
    content = {"G": None, "D": None, "G_ema": root, "augment_pipe": None, "training_set_kwargs": None}
    with _persistence_module(), whole_file(path) as temporary, temporary.open("wb") as file:
        pickle.dump(content, file, protocol=4)


class _Node:
    """A module of the network: its tensors, its children, and what NVIDIA's class of it remembers."""

    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self.children: dict[str, _Node] = {}
        self.class_name = ""
        self.attributes: dict[str, Any] = {}

    def put(self, parts: list[str], tensor: torch.Tensor) -> None:
        """Files a tensor under its dotted name."""
        if len(parts) == 1:
            self.tensors[parts[0]] = tensor
        else:
            self.children.setdefault(parts[0], _Node()).put(parts[1:], tensor)

    def walk(self, path: tuple[str, ...] = ()) -> "Iterator[tuple[tuple[str, ...], _Node]]":
        """This module and all below it, each with its path."""
        yield path, self
        for name, child in self.children.items():
            yield from child.walk((*path, name))

    def describe(self, path: tuple[str, ...], config: StyleGAN2Config) -> None:
        """Sets class and attributes by the place in the network."""
        last = path[-1] if path else ""
        inputs = math.prod(self.tensors["weight"].shape[1:]) if "weight" in self.tensors else 1
        if not path:
            names = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_ws")
            self.class_name, self.attributes = "Generator", {name: getattr(config, name) for name in names}
        elif path[0] == "mapping":
            lr = config.lr_multiplier if last.startswith("fc") else 1
            self._describe_mapping(last, config, lr / math.sqrt(inputs), lr)
        elif last == "affine":
            self.class_name = "FullyConnectedLayer"
            self.attributes = {"activation": "linear", "weight_gain": 1 / math.sqrt(inputs), "bias_gain": 1}
        elif last in ("conv0", "conv1"):
            self.class_name = "SynthesisLayer"
            self.attributes = {"activation": "lrelu", "up": 2 if last == "conv0" else 1, "act_gain": math.sqrt(2)}
            self.attributes |= {"use_noise": config.use_noise, "conv_clamp": config.conv_clamp}
        elif last == "skip":
            self.class_name, gains = "Conv2dLayer", {"act_gain": 1, "weight_gain": 1 / math.sqrt(inputs)}
            self.attributes = {"activation": "linear", "up": 2, "down": 1, "conv_clamp": None, **gains}
        elif last == "torgb":
            self.class_name = "ToRGBLayer"
            self.attributes = {"weight_gain": 1 / math.sqrt(inputs), "conv_clamp": config.conv_clamp}
        else:
            self.class_name = "SynthesisNetwork" if last == "synthesis" else "SynthesisBlock"
            self.attributes = {"architecture": config.architecture}

    def _describe_mapping(self, last: str, config: StyleGAN2Config, weight_gain: float, bias_gain: float) -> None:
        if last == "mapping":
            self.class_name, self.attributes = "MappingNetwork", {"num_layers": config.num_mapping_layers}
        else:
            self.class_name = "FullyConnectedLayer"
            activation = "lrelu" if last.startswith("fc") else "linear"
            self.attributes = {"activation": activation, "weight_gain": weight_gain, "bias_gain": bias_gain}

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        buffers = {name for name in self.tensors if name in ("w_avg", "noise_const", "resample_filter")}
        state = {
            "training": False,
            "_parameters": {name: torch.nn.Parameter(t) for name, t in self.tensors.items() if name not in buffers},
            "_buffers": {name: self.tensors[name] for name in self.tensors if name in buffers},
            "_non_persistent_buffers_set": set(),
            "_modules": self.children,
            "_init_args": (),
            "_init_kwargs": {},
            **self.attributes,
        }
        meta = {"type": "class", "version": 6, "module_src": "# placeholder", "class_name": self.class_name}
        meta["state"] = state
        return getattr(sys.modules[_MODULE], _FUNCTION), (meta,)


@contextmanager
def _persistence_module() -> Iterator[None]:
    """Something of the name that the pickle has to refer to; pickle looks it up when it writes."""
    module = ModuleType(_MODULE)

    def reconstruct(meta: dict[str, Any]) -> None:
        raise NotImplementedError("this file is read as data")

    reconstruct.__module__, reconstruct.__name__, reconstruct.__qualname__ = _MODULE, _FUNCTION, _FUNCTION
    setattr(module, _FUNCTION, reconstruct)
    before = {name: sys.modules.get(name) for name in ("torch_utils", _MODULE)}
    sys.modules.update({"torch_utils": ModuleType("torch_utils"), _MODULE: module})
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old
