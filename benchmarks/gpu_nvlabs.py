"""NVIDIA's own code as a contestant, from a checkout that the user names; nothing of it is part of this project.

Its classes are imported at run time from `stylegan2-ada-pytorch` or `stylegan3`, and given our weights, whose names are
theirs. Its operators run compiled ("cuda") or as its plain twins ("ref").
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from wplus.benchmarks.gpu_device import Device
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.config import StyleGAN2Config, StyleGAN3Config
from wplus.errors import UnsupportedError

Operators = Literal["cuda", "ref"]

_HALF_RESOLUTIONS = 4  # that NVIDIA computes in float16 where anything is
_OPERATORS = ("bias_act", "upfirdn2d", "filtered_lrelu")  # the last in stylegan3 alone
_STYLEGAN3: tuple[str, ...] = (
    "num_critical",
    "first_cutoff",
    "first_stopband",
    "last_stopband_rel",
    "margin_size",
    "output_scale",
)
_STYLEGAN3 += ("conv_kernel", "use_radial_filters", "filter_size", "lrelu_upsampling", "conv_clamp")


def nvlabs_synthesis(
    path: Path, checkpoint: Checkpoint, *, dtype: torch.dtype, device: Device, operators: Operators
) -> Callable[[Tensor], Tensor]:
    """NVIDIA's synthesis with a checkpoint's weights: ws to pictures.

    Raises:
        UnsupportedError: the folder holds no such network, its operators do not compile, or it knows no such type.
    """
    if dtype == torch.bfloat16:
        raise UnsupportedError("NVIDIA's code knows float32 and float16")
    config = checkpoint.config
    assert isinstance(config, (StyleGAN2Config, StyleGAN3Config))
    try:
        make = _generator_class(path, config)
        network: Any = make(**_arguments(config, dtype))
        state = {name: torch.from_numpy(value) for name, value in checkpoint.tensors.items()}
        missing = network.load_state_dict(state, strict=False).missing_keys
    except UnsupportedError:
        raise
    except Exception as exc:  # whatever a version of their code does not like
        raise UnsupportedError(f"NVIDIA's code in {path} fails: {type(exc).__name__}: {exc}") from exc
    if missing:
        raise UnsupportedError(f"NVIDIA's network in {path} has tensors that ours lacks: {', '.join(missing[:3])}")
    network = network.requires_grad_(False).eval().to(device.name)
    chosen = _operators(operators, device)
    options = {"noise_mode": "const", "force_fp32": dtype == torch.float32}

    @torch.no_grad()
    def synthesize(ws: Tensor) -> Tensor:
        for module, begin in chosen.items():
            vars(module)["_init"] = begin
        img: Tensor = network.synthesis(ws, **options)
        return img.float()

    return synthesize


def _generator_class(path: Path, config: StyleGAN2Config | StyleGAN3Config) -> Callable[..., Any]:
    is_stylegan3 = (path / "training" / "networks_stylegan3.py").exists()
    if isinstance(config, StyleGAN3Config):
        name = "networks_stylegan3" if is_stylegan3 else ""
    else:
        name = "networks_stylegan2" if is_stylegan3 else "networks"
    if not name or not (path / "training" / f"{name}.py").exists():
        raise UnsupportedError(f"{path} holds no network of NVIDIA's of the family {config.family}")
    if str(path) not in sys.path:
        sys.path.insert(0, str(path))
    found: Callable[..., Any] = import_module(f"training.{name}").Generator
    return found


def _arguments(config: StyleGAN2Config | StyleGAN3Config, dtype: torch.dtype) -> dict[str, Any]:
    """What their generator's constructor is given."""
    synthesis: dict[str, Any] = {
        "channel_base": config.channels[-1] * config.img_resolution,
        "channel_max": max(config.channels),
        "num_fp16_res": _HALF_RESOLUTIONS if dtype == torch.float16 else 0,
    }
    shared = {name: getattr(config, name) for name in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")}
    shared["mapping_kwargs"] = {"num_layers": config.num_mapping_layers}
    if isinstance(config, StyleGAN2Config):
        return shared | {"synthesis_kwargs": synthesis | {"conv_clamp": config.conv_clamp}}
    own = {name: getattr(config, name) for name in _STYLEGAN3} | {"num_layers": config.num_layers}
    return shared | synthesis | own


def _operators(operators: Operators, device: Device) -> dict[Any, Callable[[], bool]]:
    """Their modules of operators, each with what says whether its compiled form is there."""
    modules = []
    for name in _OPERATORS:
        try:
            modules.append(import_module(f"torch_utils.ops.{name}"))
        except ModuleNotFoundError:
            continue
    if operators == "ref":
        return {module: lambda: False for module in modules}
    if device.is_dry:
        raise UnsupportedError("NVIDIA's compiled operators need a GPU")
    chosen = {}
    for module in modules:
        begin = vars(module).setdefault("_wplus_init", module._init)
        try:
            is_there = begin()
        except Exception as exc:  # of the compiler
            raise UnsupportedError(f"NVIDIA's operator {module.__name__} does not compile: {exc}") from exc
        if not is_there:
            raise UnsupportedError(f"NVIDIA's operator {module.__name__} does not compile here")
        chosen[module] = begin
    return chosen
