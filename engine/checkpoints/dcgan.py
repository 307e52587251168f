"""DCGAN generators in torch files: a plain stack of transposed convolutions and batch norms.

The stack's form is that of Radford et al. 2016 and PyTorch's tutorial: the first layer makes k×k pixels of z, each
later one doubles the side with a 4×4 kernel. Strides, ReLU and tanh are in no file and are taken to be as there.

A label stands behind z in the first layer's input: embedded where the file has an embedding, one-hot where it says
how many classes there are. That z comes first is in no file either, and the checkpoint's contents say so.
"""

import argparse
from typing import Any

from wplus.checkpoints.checkpoint import Checkpoint, Tensors
from wplus.checkpoints.infer import infer_dcgan
from wplus.checkpoints.source import SourceFile
from wplus.checkpoints.torch_zip import to_float32
from wplus.errors import UnsupportedError

_KEYS = ("netG_state_dict", "netG", "generator", "generator_state_dict", "G", "g_ema", "state_dict", "model_state_dict")
_CLASSES = ("n_classes", "num_classes", "n_class", "c_dim")
_SETTINGS = ("args", "opt", "config", "hparams", "options", "params")  # where training scripts keep them
_MAX_CLASSES = 100_000
_NORM = {"weight", "bias", "running_mean", "running_var"}

Layers = list[dict[str, Any]]


def recognises(file: SourceFile) -> bool:
    """Whether the file is a torch file with a state dict that begins with a convolution over z."""
    return file.kind == "torch" and _find(file.torch) is not None


def read(file: SourceFile) -> Checkpoint:
    """The generator in the file."""
    found = _find(file.torch)
    assert found is not None
    key, layers, embedding = found
    tensors = _rename(layers, file.size)
    if embedding is not None:
        tensors["embed.weight"] = to_float32("embed.weight", embedding, file_bytes=file.size)
    config = infer_dcgan(tensors, c_dim=_said_classes(file.torch) if embedding is None else 0)
    notes = ["strides, ReLU and tanh are no part of the file: DCGAN's"]
    if config.c_dim:
        how = "one-hot" if embedding is None else "embedded"
        notes.append(f"the label ({config.c_dim} classes, {how}) is taken to stand behind z: that is in no file either")
    return Checkpoint(
        config=config,
        tensors=tensors,
        provenance=file.provenance("torch state dict of a DCGAN generator"),
        why=f"{key} holds transposed convolutions and batch norms in turn",
        contents=(f"{key}: {len(tensors)} tensors (used)", *notes),
    )


def _find(content: Any) -> tuple[str, Layers, Any] | None:
    """Where a stack of layers was found, its layers in order, and the label's embedding if there is one."""
    if not isinstance(content, dict):
        return None
    for key in (*_KEYS, None):
        state = content if key is None else content.get(key)
        if not isinstance(state, dict):
            continue
        embeddings = [name for name in state if _is_embedding(name)]
        if len(embeddings) > 1:
            continue
        layers = _layers({name: value for name, value in state.items() if name not in embeddings})
        if layers:
            return ("the file" if key is None else key), layers, state[embeddings[0]] if embeddings else None
    return None


def _is_embedding(name: Any) -> bool:
    parts = name.rsplit(".", 2) if isinstance(name, str) else []
    return len(parts) > 1 and parts[-1] == "weight" and "emb" in parts[-2].lower()


def _said_classes(content: dict[Any, Any]) -> int:
    """How many classes the file says that there are; 0 where it says nothing."""
    settings: list[Any] = [content]
    for key in _SETTINGS:
        value = content.get(key)
        settings.append(vars(value) if isinstance(value, argparse.Namespace) else value)
    said = [part.get(name) for part in settings if isinstance(part, dict) for name in _CLASSES]
    counts = {number for number in said if type(number) is int and 1 < number < _MAX_CLASSES}
    if len(counts) > 1:
        raise UnsupportedError(f"The file says that there are {' and '.join(map(str, sorted(counts)))} classes.")
    return next(iter(counts), 0)


def _layers(state: dict[Any, Any]) -> Layers | None:
    """The tensors of each layer of one numbered sequence; None when the state dict is anything else."""
    layers: dict[int, dict[str, Any]] = {}
    prefixes = set()
    for name, value in state.items():
        parts = name.rsplit(".", 2) if isinstance(name, str) else []
        if len(parts) < 2 or not parts[-2].isdecimal() or len(parts[-2]) > 4:
            return None
        prefixes.add(parts[0] if len(parts) == 3 else "")
        layers.setdefault(int(parts[-2]), {})[parts[-1]] = value
    ordered = [layers[index] for index in sorted(layers)]
    is_stack = len(prefixes) == 1 and getattr(ordered[0].get("weight"), "ndim", 0) == 4
    return ordered if is_stack else None


def _rename(layers: Layers, file_bytes: int) -> Tensors:
    """Our names: conv0.weight, norm0.weight, norm0.bias, norm0.running_mean, norm0.running_var, conv1.weight, ..."""
    tensors: Tensors = {}
    count, can_norm = 0, False
    for layer in layers:
        parts = {name: value for name, value in layer.items() if name != "num_batches_tracked"}
        if getattr(parts.get("weight"), "ndim", 0) == 4 and set(parts) <= {"weight", "bias"}:
            kind, can_norm = f"conv{count}", True
            count += 1
        elif set(parts) == _NORM and can_norm:
            kind, can_norm = f"norm{count - 1}", False
        else:
            raise UnsupportedError(
                f"A layer after conv{count - 1} holds {', '.join(sorted(layer))[:80]}; a DCGAN generator has "
                "transposed convolutions, each followed by at most one batch norm with statistics."
            )
        for name, value in parts.items():
            tensors[f"{kind}.{name}"] = to_float32(f"{kind}.{name}", value, file_bytes=file_bytes)
    return tensors
