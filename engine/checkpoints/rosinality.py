"""StyleGAN2 in the .pt files of rosinality's stylegan2-pytorch, renamed to NVIDIA's names.

The weights mean the same in both; shapes carry extra axes, and the FIR kernels contain the gain of 4.
"""

import logging
import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.checkpoint import Checkpoint, Tensors
from wplus.checkpoints.infer import infer_stylegan2
from wplus.checkpoints.source import SourceFile
from wplus.checkpoints.state_dicts import describe_entries, find_state_dict
from wplus.checkpoints.torch_zip import to_float32
from wplus.checkpoints.w_avg import complete_w_avg
from wplus.config import StyleGAN2Config
from wplus.errors import CheckpointError, UnsupportedError

_log = logging.getLogger(__name__)

_KEYS = ("g_ema", "g", "generator", "state_dict")
_MARK = "convs.0.conv.modulation.weight"
_UP_GAIN = 4
_MAX_BLOCK = 12  # 4 << 12 is 16384 px

Array = NDArray[np.float32]


def _same(x: Array) -> Array:
    return x


def _without_gain(x: Array) -> Array:
    return x / np.float32(_UP_GAIN)


_LAYER: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "conv.weight": ("weight", lambda x: x[0]),  # [1OIkk]
    "conv.modulation.weight": ("affine.weight", _same),
    "conv.modulation.bias": ("affine.bias", _same),
    "conv.blur.kernel": ("resample_filter", _without_gain),
    "noise.weight": ("noise_strength", lambda x: x.reshape(())),
    "activate.bias": ("bias", _same),
    "bias": ("bias", lambda x: x.reshape(-1)),  # of to_rgb, [1C11]
}
_PATTERN = re.compile(
    r"(?:style\.(?P<dense>\d{1,3})|(?P<first>conv1|to_rgb1)|(?P<list>convs|to_rgbs)\.(?P<index>\d{1,2}))\.(?P<rest>.+)"
)


def recognises(file: SourceFile) -> bool:
    """Whether the file is a torch file with rosinality's names in it."""
    return file.kind == "torch" and find_state_dict(file.torch, _KEYS, _MARK) is not None


def read(file: SourceFile) -> Checkpoint:
    """The generator in the file: g_ema where there is one, else g."""
    found = find_state_dict(file.torch, _KEYS, _MARK)
    assert found is not None
    key, state = found
    tensors: Tensors = {}
    for name, value in state.items():
        new_name, array = _rename(name, to_float32(name, value, file_bytes=file.size))
        tensors[new_name] = array
    config = infer_stylegan2(tensors, conv_clamp=None)
    notes = _complete(tensors, config, file)
    for note in notes:
        _log.warning("%s: %s", file.name, note)
    return Checkpoint(
        config=config,
        tensors=tensors,
        provenance=file.provenance("rosinality stylegan2-pytorch .pt"),
        why=f"{key} holds convs.N.conv.modulation, rosinality's names of a StyleGAN2",
        contents=(*describe_entries(file.torch, key), *notes),
    )


def _rename(name: str, value: Array) -> tuple[str, Array]:
    """NVIDIA's name and shape of one tensor."""
    try:
        if name == "input.input":
            return "synthesis.b4.const", value.reshape(value.shape[1:])
        if name.startswith("noises.noise_"):
            layer = int(name.removeprefix("noises.noise_"))
            return f"synthesis.{_place(layer - 1)}.noise_const", value.reshape(value.shape[-2:])
        match = _PATTERN.fullmatch(name)
        if match and match["dense"] and match["rest"] in ("weight", "bias"):
            return f"mapping.fc{int(match['dense']) - 1}.{match['rest']}", value
        if match and match["rest"] == "upsample.kernel" and match["list"] == "to_rgbs":
            return f"synthesis.b{_resolution(int(match['index']))}.resample_filter", _without_gain(value)
        if match and not match["dense"] and match["rest"] in _LAYER:
            new, convert = _LAYER[match["rest"]]
            return f"synthesis.{_layer(match)}.{new}", convert(value)
    except (ValueError, IndexError) as exc:
        raise CheckpointError(
            f"{name} is {list(value.shape)}, a shape that rosinality's StyleGAN2 does not have."
        ) from exc
    raise UnsupportedError(
        f"The state dict holds {name[:80]}, which rosinality's StyleGAN2 does not have. A variant (SWAGAN, say) "
        "is not supported."
    )


def _layer(match: re.Match[str]) -> str:
    if match["first"]:
        return "b4.conv1" if match["first"] == "conv1" else "b4.torgb"
    index = int(match["index"])
    return _place(index) if match["list"] == "convs" else f"b{_resolution(index)}.torgb"


def _place(index: int) -> str:
    """The block and layer of convs.N; index -1 is the layer before them."""
    if index < 0:
        return "b4.conv1"
    return f"b{_resolution(index // 2)}.conv{index % 2}"


def _resolution(block: int) -> int:
    if not 0 <= block < _MAX_BLOCK:
        raise ValueError("more blocks than a StyleGAN2 has")
    return 8 << block


def _complete(tensors: Tensors, config: StyleGAN2Config, file: SourceFile) -> list[str]:
    """Adds what some files lack, the noise maps and w_avg, and says so."""
    notes = []
    missing = {name: shape for name, shape in _noise_shapes(config).items() if name not in tensors}
    tensors |= {name: np.zeros(shape, np.float32) for name, shape in missing.items()}
    if missing:
        notes.append(f'no noise maps in the file for {len(missing)} layers: zeros stand for them in noise mode "const"')
    average = file.torch.get("latent_avg")
    if average is not None:
        tensors["mapping.w_avg"] = to_float32("latent_avg", average, file_bytes=file.size).reshape(-1)
    return notes + complete_w_avg(config, tensors)


def _noise_shapes(config: StyleGAN2Config) -> dict[str, tuple[int, int]]:
    layers = range(-1, config.num_ws - 2)
    return {f"synthesis.{_place(layer)}.noise_const": config.block_shape(layer // 2 + 1) for layer in layers}
