"""Writes TensorFlow pickles as `dnnlib.tflib` lays them out, from the tensors of our checkpoints."""

import io
import pickle
import sys
from types import ModuleType
from typing import Any

import numpy as np

from wplus.checkpoints import Checkpoint

Variables = dict[str, Any]

_MODULE = "dnnlib.tflib.network"


class Network:
    """Stands for the class of that name; pickled as `state` only."""

    def __init__(self, **state: Any) -> None:
        self.state = state

    def __getstate__(self) -> dict[str, Any]:
        return self.state


Network.__module__, Network.__qualname__ = _MODULE, "Network"


def dump(content: Any, protocol: int = 4) -> bytes:
    """The bytes of a pickle that names NVIDIA's class."""
    module = ModuleType(_MODULE)
    module.Network = Network  # type: ignore[attr-defined]
    added = {"dnnlib": ModuleType("dnnlib"), "dnnlib.tflib": ModuleType("dnnlib.tflib"), _MODULE: module}
    sys.modules.update(added)
    try:
        stream = io.BytesIO()
        pickle.Pickler(stream, protocol).dump(content)
        return stream.getvalue()
    finally:
        for name in added:
            del sys.modules[name]


def generator(variables: Variables, *, version: int = 4, build_func: str = "G_main", **options: Any) -> Network:
    """A generator with its components; `variables` carry "mapping/" and "synthesis/" before a component's names."""
    parts = {}
    for key, func in (("synthesis", "G_synthesis"), ("mapping", "G_mapping")):
        inside = [(n.removeprefix(f"{key}/"), v) for n, v in variables.items() if n.startswith(f"{key}/")]
        parts[key] = _network(version, func, options, {}, inside)
    own = [(name, value) for name, value in variables.items() if not name.startswith(tuple(parts))]
    return _network(version, build_func, options, parts, own)


def snapshot(network: Network) -> tuple[Network, Network, Network]:
    """(G, D, Gs), as training saves them; G and D are empty shells."""
    shell = _network(4, "G", {}, {}, [])
    return shell, shell, network


def _network(version: int, build_func: str, options: Any, components: Any, variables: Any) -> Network:
    return Network(
        version=version,
        name=build_func,
        static_kwargs=dict(options),
        components=components,
        build_module_src="raise SystemExit('never run')",
        build_func_name=build_func,
        variables=variables,
    )


def stylegan1_variables(checkpoint: Checkpoint) -> Variables:
    """TensorFlow's names and layouts of our StyleGAN1, with an output of a lower resolution and `lod` = 0."""
    variables: Variables = {"lod": np.float32(0), "synthesis/lod": np.float32(0)}
    variables["synthesis/ToRGB_lod1/weight"] = np.ones((1, 1, 4, 3), np.float32)
    parts = {"noise_weight": "Noise/weight", "style.weight": "StyleMod/weight", "style.bias": "StyleMod/bias"}
    for name, value in checkpoint.tensors.items():
        words = name.split(".")
        if name == "mapping.w_avg":
            variables["dlatent_avg"] = value
        elif name == "mapping.embed.weight":
            variables["mapping/LabelConcat/weight"] = value.T
        elif words[0] == "mapping":
            variables[f"mapping/Dense{words[1].removeprefix('fc')}/{words[2]}"] = value.T
        elif words[1].startswith("noise"):
            variables[f"synthesis/{words[1]}"] = value[None, None]
        elif name == "synthesis.const":
            variables["synthesis/4x4/Const/const"] = value[None]
        elif words[1] == "torgb":
            variables[f"synthesis/ToRGB_lod0/{words[2]}"] = _layout(value)
        else:
            index, part = int(words[1].removeprefix("layer")), ".".join(words[2:])
            layer = ("Const", "Conv")[index] if index < 2 else ("Conv0_up", "Conv1")[index % 2]
            side = 4 << index // 2
            variables[f"synthesis/{side}x{side}/{layer}/{parts.get(part, part)}"] = _layout(value)
    return variables


def stylegan2_variables(checkpoint: Checkpoint) -> Variables:
    """TensorFlow's names and layouts of our StyleGAN2."""
    variables: Variables = {"lod": np.float32(0)}
    layers = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB", "skip": "Skip"}
    parts = {"affine.weight": "mod_weight", "affine.bias": "mod_bias"}
    for name, value in checkpoint.tensors.items():
        words = name.split(".")
        if name == "mapping.w_avg":
            variables["dlatent_avg"] = value
        elif words[0] == "mapping":
            layer = "LabelEmbed" if words[1] == "embed" else f"Dense{words[1].removeprefix('fc')}"
            variables[f"mapping/{layer}/{words[2]}"] = value.T
        elif words[-1] == "noise_const":
            block = int(words[1].removeprefix("b")).bit_length() - 3
            variables[f"synthesis/noise{2 * block - (words[2] == 'conv0')}"] = value[None, None]
        elif words[-1] == "const":
            variables["synthesis/4x4/Const/const"] = value[None]
        elif words[-1] != "resample_filter":
            side, part = words[1].removeprefix("b"), ".".join(words[3:])
            value = _layout(value) - (1 if part == "affine.bias" else 0)
            value = value[::-1, ::-1] if words[2] in ("conv0", "skip") and part == "weight" else value
            layer = "Conv" if words[1:3] == ["b4", "conv1"] else layers[words[2]]
            variables[f"synthesis/{side}x{side}/{layer}/{parts.get(part, part)}"] = np.float32(value)
    return variables


def _layout(value: np.ndarray) -> np.ndarray:
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
