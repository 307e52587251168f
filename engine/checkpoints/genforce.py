"""StyleGAN1 in the .pth files of genforce, whose tensors mean what TensorFlow's do."""

import re

import numpy as np
from numpy.typing import NDArray

from wplus.checkpoints.checkpoint import Checkpoint, Tensors
from wplus.checkpoints.infer_stylegan1 import check_full_resolution, infer_stylegan1
from wplus.checkpoints.source import SourceFile
from wplus.checkpoints.state_dicts import describe_entries, find_state_dict
from wplus.checkpoints.torch_zip import to_float32
from wplus.checkpoints.w_avg import complete_w_avg
from wplus.errors import CheckpointError, UnsupportedError

_KEYS = ("generator_smooth", "generator", "state_dict")
_MARK = "synthesis.layer0.apply_noise.weight"
_BLUR = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16

_LAYER = re.compile(r"synthesis\.layer(\d{1,3})\.(weight|bias|apply_noise\.weight|style\.weight|style\.bias)")
_OUTPUT = re.compile(r"synthesis\.output(\d{1,2})\.(weight|bias)")

Array = NDArray[np.float32]


def recognises(file: SourceFile) -> bool:
    """Whether the file is a torch file with genforce's names of a StyleGAN1 in it."""
    return file.kind == "torch" and find_state_dict(file.torch, _KEYS, _MARK) is not None


def read(file: SourceFile) -> Checkpoint:
    """The generator in the file: generator_smooth where there is one, else generator."""
    found = find_state_dict(file.torch, _KEYS, _MARK)
    assert found is not None
    key, state = found
    arrays = {name: to_float32(name, value, file_bytes=file.size) for name, value in state.items()}
    tensors = _convert(arrays)
    config = infer_stylegan1(tensors)
    notes = ["the cutoff of truncation (8), and fused up-sampling from 128 px, are no part of the file: the defaults"]
    notes += complete_w_avg(config, tensors)
    return Checkpoint(
        config=config,
        tensors=tensors,
        provenance=file.provenance("genforce StyleGAN .pth"),
        why=f"{key} holds synthesis.layerN.apply_noise, genforce's names of a StyleGAN1",
        contents=(*describe_entries(file.torch, key), *notes),
    )


def _convert(arrays: dict[str, Array]) -> Tensors:
    lod = arrays.pop("synthesis.lod", np.zeros(()))
    check_full_resolution(float(lod.reshape(-1)[0]) if lod.size == 1 else np.nan)
    last = max((int(match[1]) for name in arrays if (match := _OUTPUT.fullmatch(name))), default=0)
    tensors: Tensors = {}
    for name, value in arrays.items():
        if name.endswith(".blur.kernel"):
            _check_blur(name, value)
        elif (match := _OUTPUT.fullmatch(name)) is None:
            new_name, array = _rename(name, value)
            tensors[new_name] = array
        elif int(match[1]) == last:  # earlier outputs served while the network grew
            tensors[f"synthesis.torgb.{match[2]}"] = value
    return tensors


def _rename(name: str, value: Array) -> tuple[str, Array]:
    """Our name and shape of one tensor."""
    try:
        if name == "truncation.w_avg":
            return "mapping.w_avg", value
        if name == "mapping.label_weight":
            return "mapping.embed.weight", np.ascontiguousarray(value.transpose(1, 0))
        if match := re.fullmatch(r"mapping\.dense(\d{1,3})\.(weight|bias)", name):
            return f"mapping.fc{int(match[1])}.{match[2]}", value
        if name == "synthesis.layer0.const":
            return "synthesis.const", value.reshape(value.shape[1:])
        if match := re.fullmatch(r"synthesis\.layer(\d{1,3})\.apply_noise\.noise", name):
            return f"synthesis.noise{int(match[1])}", value.reshape(value.shape[-2:])
        if match := _LAYER.fullmatch(name):
            return f"synthesis.layer{int(match[1])}.{match[2].replace('apply_noise.', 'noise_')}", value
    except ValueError as exc:
        raise CheckpointError(f"{name} is {list(value.shape)}, a shape that genforce's StyleGAN1 lacks.") from exc
    raise UnsupportedError(f"The state dict holds {name[:80]}, which genforce's StyleGAN1 does not have.")


def _check_blur(name: str, kernel: Array) -> None:
    if kernel.shape[1:] != (1, 3, 3) or not np.allclose(kernel, _BLUR, rtol=0, atol=1e-6):
        raise UnsupportedError(f"{name} is another filter than [1, 2, 1] in both directions; only that is supported.")
