"""StyleGAN1 from its TensorFlow variables."""

import re

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer_stylegan1 import check_full_resolution, infer_stylegan1
from wplus.checkpoints.pickle_machine import shown
from wplus.checkpoints.tensorflow_network import Graph, drop_axes, layout
from wplus.config import StyleGAN1Config
from wplus.errors import CheckpointError, UnsupportedError

MARK = "/StyleMod/"  # in the names of variables that no other family has

_SUPPORTED = {
    "mapping_nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "use_wscale": (True,),
    "use_styles": (True,),
    "const_input_layer": (True,),
    "nonlinearity": ("lrelu",),
    "use_pixel_norm": (False,),
    "use_instance_norm": (True,),
    "blur_filter": ([1, 2, 1], (1, 2, 1)),
    "structure": ("auto", "fixed", "linear", "recursive"),  # alike at full resolution
    "dtype": ("float32",),
}
_READ = ("fused_scale", "mapping_lrmul", "use_noise")
_PSI, _CUTOFF = 0.7, 8
_FUSED: dict[str | bool, int | None] = {"auto": 128, True: 4, False: None}

_LAYER = re.compile(r"synthesis/(\d{1,5})x(\d{1,5})/(Const|Conv0_up|Conv1|Conv)/(.+)")
_PARTS = {
    "bias": "bias",
    "weight": "weight",
    "Noise/weight": "noise_weight",
    "StyleMod/weight": "style.weight",
    "StyleMod/bias": "style.bias",
}
_UNUSED = re.compile(r"lod|synthesis/lod|synthesis/ToRGB_lod[1-9]\d?/(weight|bias)")

Array = NDArray[np.float32]


def convert(graph: Graph) -> tuple[StyleGAN1Config, Tensors, list[str]]:
    """Configuration, tensors under our names, and notes on what is in the file.

    Raises:
        CheckpointError: the file contradicts itself.
        UnsupportedError: the network has an option or a variable that StyleGAN1 as drawn here does not have.
    """
    graph.check_options(_SUPPORTED, read=_READ)
    lod = graph.variables.get("lod", graph.variables.get("synthesis/lod"))
    check_full_resolution(0.0 if lod is None or lod.size != 1 else float(lod.reshape(())))
    tensors = dict(_rename(name, value) for name, value in graph.variables.items() if not _UNUSED.fullmatch(name))
    config = infer_stylegan1(
        tensors,
        fused_resolution=_fused_resolution(graph),
        cutoff=_cutoff(graph),
        lr_multiplier=graph.number("mapping_lrmul", 0.01),
    )
    graph.check("use_noise", config.use_noise, default=True)
    return config, tensors, [graph.truncation_note(_PSI, _CUTOFF)]


def _rename(name: str, value: Array) -> tuple[str, Array]:
    """Our name and layout of one variable."""
    if name == "dlatent_avg":
        return "mapping.w_avg", value
    if name == "mapping/LabelConcat/weight":
        return "mapping.embed.weight", layout(value)
    if match := re.fullmatch(r"mapping/Dense(\d{1,3})/(weight|bias)", name):
        return f"mapping.fc{int(match[1])}.{match[2]}", layout(value)
    if match := re.fullmatch(r"synthesis/noise(\d{1,3})", name):
        return f"synthesis.noise{int(match[1])}", drop_axes(name, value, 2)
    if match := re.fullmatch(r"synthesis/ToRGB_lod0/(weight|bias)", name):
        return f"synthesis.torgb.{match[1]}", layout(value)
    if name == "synthesis/4x4/Const/const":
        return "synthesis.const", drop_axes(name, value, 1)
    if (match := _LAYER.fullmatch(name)) and match[1] == match[2] and match[4] in _PARTS:
        return f"synthesis.layer{_index(name, int(match[1]), match[3])}.{_PARTS[match[4]]}", layout(value)
    raise UnsupportedError(f"The network has the variable {name}, which StyleGAN1 does not have.")


def _index(name: str, resolution: int, layer: str) -> int:
    first = 2 * (resolution.bit_length() - 3)
    known = ("Const", "Conv") if resolution == 4 else ("Conv0_up", "Conv1")
    if resolution < 4 or resolution & (resolution - 1) or layer not in known:
        raise UnsupportedError(f"The network has the variable {name}, which StyleGAN1 does not have.")
    return first + known.index(layer)


def _fused_resolution(graph: Graph) -> int | None:
    given = graph.options.get("fused_scale", "auto")
    if not isinstance(given, (str, bool)) or given not in _FUSED:
        raise UnsupportedError(
            f"The network has fused_scale = {shown(given)}; only 'auto', True or False is supported."
        )
    return _FUSED[given]


def _cutoff(graph: Graph) -> int:
    """The original truncates nothing where the cutoff is None, 0 or negative."""
    given = graph.options.get("truncation_cutoff", _CUTOFF)
    if given is not None and (isinstance(given, bool) or not isinstance(given, int)):
        raise CheckpointError(f"The network has truncation_cutoff = {shown(given)}; a whole number or None is needed.")
    return max(given or 0, 0)
