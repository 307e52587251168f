"""NVIDIA's TensorFlow pickles: StyleGAN1, StyleGAN2 and StyleGAN2-ADA, read without TensorFlow."""

from typing import Any

from wplus.checkpoints import tensorflow_stylegan1, tensorflow_stylegan2
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.checkpoints.nvidia_pickle import TensorFlowNetwork
from wplus.checkpoints.source import SourceFile
from wplus.checkpoints.tensorflow_network import Graph, read_network
from wplus.checkpoints.w_avg import complete_w_avg
from wplus.errors import CheckpointError, UnsupportedError

_FORMAT = "NVIDIA TensorFlow pickle"
_NETWORKS = ("G", "D", "Gs")  # Gs has the moving average of G's weights


def recognises(file: SourceFile) -> bool:
    """Whether the file is a pickle of `dnnlib.tflib` networks."""
    return file.kind == "pickle" and any(isinstance(item, TensorFlowNetwork) for item in _items(file.pickle[0]))


def read(file: SourceFile) -> Checkpoint:
    """The generator in the file: Gs of a (G, D, Gs), or a network by itself."""
    content, budget = file.pickle
    items = _items(content)
    if len(items) not in (1, len(_NETWORKS)) or not isinstance(items[-1], TensorFlowNetwork):
        kinds = ", ".join(type(item).__name__ for item in items[:6])
        raise CheckpointError(
            f"The pickle holds {len(items)} objects ({kinds}); the three networks G, D, Gs are needed."
        )
    graph = read_network(items[-1], budget)
    family = _family(graph)
    config, tensors, notes = family.convert(graph)
    graph.check_sizes(config)
    notes += complete_w_avg(config, tensors)
    used = "the pickled object" if len(items) == 1 else _NETWORKS[-1]
    return Checkpoint(
        config=config,
        tensors=tensors,
        provenance=file.provenance(_FORMAT),
        why=f"{used} is a TensorFlow network built by {graph.build_func} whose layers have {family.MARK}",
        contents=(*_contents(items), *notes),
    )


def _items(content: Any) -> list[Any]:
    return list(content) if isinstance(content, (tuple, list)) else [content]


def _family(graph: Graph) -> Any:
    for family in (tensorflow_stylegan1, tensorflow_stylegan2):
        if any(name.startswith("synthesis/") and family.MARK in name for name in graph.variables):
            return family
    raise UnsupportedError(
        f"The network is built by {graph.build_func} and its layers have neither {tensorflow_stylegan1.MARK} "
        f"(StyleGAN1) nor {tensorflow_stylegan2.MARK} (StyleGAN2)."
    )


def _contents(items: list[Any]) -> list[str]:
    """One line for each network in the file."""
    if len(items) == 1:
        return ["one TensorFlow network"]
    lines = []
    for name, item in zip(_NETWORKS, items, strict=True):
        kind = "TensorFlow network" if isinstance(item, TensorFlowNetwork) else type(item).__name__
        lines.append(f"{name}: {kind}{' (used)' if name == _NETWORKS[-1] else ''}")
    return lines
