"""Files as other programs write them, made small: NVIDIA's pickles without NVIDIA's code, torch files, our own."""

import math
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def data() -> Path:
    """The folder of the files that the original programs wrote."""
    return DATA


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes bytes to a file and returns its path."""

    def write_bytes(content: bytes, name: str = "network.pkl") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_bytes


class Persistent:
    """Pickles as torch_utils.persistence pickles a module."""

    def __init__(self, class_name: str, modules: dict[str, Any] | None = None, **attributes: Any) -> None:
        tensors = {name: value for name, value in attributes.items() if isinstance(value, torch.Tensor)}
        parameters = {name: value for name, value in tensors.items() if isinstance(value, torch.nn.Parameter)}
        self.class_name = class_name
        self.state = {
            "training": False,
            "_parameters": OrderedDict(parameters),
            "_buffers": OrderedDict((name, value) for name, value in tensors.items() if name not in parameters),
            "_non_persistent_buffers_set": set(),
            "_backward_hooks": OrderedDict(),
            "_modules": OrderedDict(modules or {}),
            **{name: value for name, value in attributes.items() if name not in tensors},
        }

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('the source in the file was run')",
            "class_name": self.class_name,
            "state": self.state,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@contextmanager
def _fake_persistence() -> Iterator[None]:
    """torch_utils.persistence for pickle to name while it writes."""

    def reconstruct(_meta: dict[str, Any]) -> None:
        raise AssertionError("a pickle was run")

    reconstruct.__module__ = "torch_utils.persistence"
    reconstruct.__qualname__ = reconstruct.__name__ = "_reconstruct_persistent_obj"
    module: Any = types.ModuleType("torch_utils.persistence")
    module._reconstruct_persistent_obj = reconstruct
    sys.modules["torch_utils"] = types.ModuleType("torch_utils")
    sys.modules["torch_utils.persistence"] = module
    try:
        yield
    finally:
        del sys.modules["torch_utils"], sys.modules["torch_utils.persistence"]


def _random(*shape: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))))


def _dense(inputs: int, outputs: int, activation: str = "linear", lr: float = 1) -> Persistent:
    return Persistent(
        "FullyConnectedLayer",
        weight=_random(outputs, inputs),
        bias=_random(outputs),
        activation=activation,
        weight_gain=lr / math.sqrt(inputs),
        bias_gain=lr,
    )


def _conv(inputs: int, outputs: int, w_dim: int, resolution: int, up: int, clamp: float | None) -> Persistent:
    return Persistent(
        "SynthesisLayer",
        {"affine": _dense(w_dim, inputs)},
        weight=_random(outputs, inputs, 3, 3),
        bias=_random(outputs),
        noise_strength=_random(),
        noise_const=torch.randn(resolution, resolution),
        resample_filter=torch.ones(4, 4) / 16,
        up=up,
        use_noise=True,
        activation="lrelu",
        conv_clamp=clamp,
        act_gain=math.sqrt(2),
    )


def _block(inputs: int, outputs: int, w_dim: int, resolution: int, clamp: float | None) -> Persistent:
    modules = {"conv1": _conv(outputs, outputs, w_dim, resolution, 1, clamp)}
    buffers: dict[str, Any] = {"resample_filter": torch.ones(4, 4) / 16}
    if inputs:
        modules["conv0"] = _conv(inputs, outputs, w_dim, resolution, 2, clamp)
    else:
        buffers["const"] = _random(outputs, 4, 4)
    modules["torgb"] = Persistent(
        "ToRGBLayer",
        {"affine": _dense(w_dim, outputs)},
        weight=_random(3, outputs, 1, 1),
        bias=_random(3),
        conv_clamp=clamp,
        weight_gain=1 / math.sqrt(outputs),
    )
    return Persistent("SynthesisBlock", modules, architecture="skip", **buffers)


def make_generator(
    *, w_dim: int = 8, channels: tuple[int, ...] = (6, 4), layers: int = 2, clamp: float | None = None, c_dim: int = 0
) -> Persistent:
    """A StyleGAN2 Generator as NVIDIA's code would pickle it, 4 << len(channels) - 1 pixels wide."""
    resolution = 2 << len(channels)
    blocks = {
        f"b{4 << i}": _block(channels[i - 1] if i else 0, width, w_dim, 4 << i, clamp)
        for i, width in enumerate(channels)
    }
    dense = {f"fc{i}": _dense(w_dim * (2 if c_dim and not i else 1), w_dim, "lrelu", 0.01) for i in range(layers)}
    if c_dim:
        dense["embed"] = _dense(c_dim, w_dim)
    mapping = Persistent("MappingNetwork", dense, w_avg=torch.randn(w_dim), num_layers=layers)
    sizes = {"z_dim": w_dim, "c_dim": c_dim, "w_dim": w_dim, "img_resolution": resolution, "img_channels": 3}
    return Persistent(
        "Generator",
        {"synthesis": Persistent("SynthesisNetwork", blocks), "mapping": mapping},
        num_ws=2 * len(channels),
        **sizes,
    )


def pickled(content: Any, protocol: int = 4) -> bytes:
    """The bytes of a pickle that names NVIDIA's modules."""
    with _fake_persistence():
        return pickle.dumps(content, protocol)


@pytest.fixture
def generator() -> Callable[..., Persistent]:
    """Makes a StyleGAN2 Generator to be pickled and, first, to be tampered with."""
    return make_generator


@pytest.fixture
def persistent() -> type[Persistent]:
    """Makes any object of torch_utils.persistence."""
    return Persistent


@pytest.fixture
def dump() -> Callable[..., bytes]:
    """Pickles objects of torch_utils.persistence."""
    return pickled
