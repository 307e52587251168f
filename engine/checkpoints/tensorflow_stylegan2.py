"""StyleGAN2 and StyleGAN2-ADA from their TensorFlow variables, to the network that NVIDIA's PyTorch files hold."""

import re

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.checkpoint import Tensors
from wplus.checkpoints.infer import infer_stylegan2
from wplus.checkpoints.tensorflow_network import Graph, drop_axes, layout
from wplus.config import StyleGAN2Config
from wplus.errors import UnsupportedError

MARK = "/mod_weight"  # in the names of variables that no other family has

_SUPPORTED = {
    "mapping_nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "nonlinearity": ("lrelu",),
    "resample_kernel": ([1, 3, 3, 1], (1, 3, 3, 1), None),
    "fused_modconv": (True, False),  # two ways to the same numbers
    "dtype": ("float32",),
}
_READ = ("architecture", "conv_clamp", "mapping_lrmul", "num_fp16_res", "use_noise")
_PSI = 0.5

_LAYER = re.compile(r"synthesis/(\d{1,5})x(\d{1,5})/(Conv0_up|Conv1|Conv|ToRGB|Skip)/(\w+)")
_LAYERS = {"Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb", "Skip": "skip"}
_PARTS = {
    "weight": "weight",
    "bias": "bias",
    "noise_strength": "noise_strength",
    "mod_weight": "affine.weight",
    "mod_bias": "affine.bias",
}

Array = NDArray[np.float32]


def convert(graph: Graph) -> tuple[StyleGAN2Config, Tensors, list[str]]:
    """Configuration, tensors under NVIDIA's state-dict names, and notes on what is in the file.

    Raises:
        CheckpointError: the file contradicts itself.
        UnsupportedError: the network has an option or a variable that StyleGAN2 as drawn here does not have.
    """
    graph.check_options(_SUPPORTED, read=_READ)
    tensors = dict(_rename(name, value) for name, value in graph.variables.items() if name != "lod")
    clamp = None if graph.options.get("conv_clamp") is None else graph.number("conv_clamp", 0)
    lr_multiplier = graph.number("mapping_lrmul", 0.01)
    config = infer_stylegan2(tensors, conv_clamp=clamp, lr_multiplier=lr_multiplier)
    if not config.use_noise:  # the graph keeps maps that nothing reads
        tensors = {name: value for name, value in tensors.items() if not name.endswith(".noise_const")}
    graph.check("architecture", config.architecture, default="skip")
    graph.check("use_noise", config.use_noise, default=True)
    tensors |= _filters(config)
    return config, tensors, [graph.truncation_note(_PSI, None)]


def _rename(name: str, value: Array) -> tuple[str, Array]:
    """NVIDIA's PyTorch name and layout of one variable."""
    if name == "dlatent_avg":
        return "mapping.w_avg", value
    if match := re.fullmatch(r"mapping/Dense(\d{1,3})/(weight|bias)", name):
        return f"mapping.fc{int(match[1])}.{match[2]}", layout(value)
    if match := re.fullmatch(r"mapping/LabelEmbed/(weight|bias)", name):
        return f"mapping.embed.{match[1]}", layout(value)
    if match := re.fullmatch(r"synthesis/noise(\d{1,3})", name):
        return f"synthesis.{_noise_place(int(match[1]))}.noise_const", drop_axes(name, value, 2)
    if name == "synthesis/4x4/Const/const":
        return "synthesis.b4.const", drop_axes(name, value, 1)
    if (match := _LAYER.fullmatch(name)) and match[1] == match[2] and match[4] in _PARTS:
        layer = "conv1" if match[3] == "Conv" and match[1] == "4" else _LAYERS.get(match[3])
        if layer is not None:
            flipped = match[3] in ("Conv0_up", "Skip") and match[4] == "weight"
            value = layout(value[::-1, ::-1] if flipped and value.ndim == 4 else value)
            value = value + np.float32(1) if match[4] == "mod_bias" else value
            return f"synthesis.b{int(match[1])}.{layer}.{_PARTS[match[4]]}", value
    raise UnsupportedError(f"The network has the variable {name}, which is not supported: {_reason(name)}.")


def _reason(name: str) -> str:
    if "LabelConcat" in name:
        return (
            "it joins label and z before they are normalised, as the first StyleGAN2 in TensorFlow did and no PyTorch "
            "StyleGAN2 does"
        )
    if "ToRGB_lod" in name:
        return "it belongs to the configurations B to D, which grow progressively"
    return "StyleGAN2 has no such"


def _noise_place(index: int) -> str:
    """The layer of noise{index}: the first is b4.conv1's, the others come in pairs."""
    return "b4.conv1" if index == 0 else f"b{8 << (index - 1) // 2}.conv{(index - 1) % 2}"


def _filters(config: StyleGAN2Config) -> Tensors:
    """The filters that PyTorch's files store, TensorFlow's build function makes: [1, 3, 3, 1], of sum 1."""
    taps = np.array([1, 3, 3, 1], np.float32) / 8
    parts = {"skip": ("", "conv0."), "resnet": ("conv0.", "skip."), "orig": ("conv0.",)}[config.architecture]
    names = [f"synthesis.b{r}.{part}resample_filter" for r in config.resolutions[1:] for part in parts]
    return {name: np.outer(taps, taps).astype(np.float32) for name in names}
