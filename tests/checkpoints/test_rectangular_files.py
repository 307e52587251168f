"""Rectangular StyleGAN2 in the files that artists' forks of NVIDIA's and rosinality's code write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import wplus
from wplus.checkpoints import read_checkpoint
from wplus.errors import CheckpointError, UnsupportedError


def _stretch(module: Any, height: int, width: int) -> None:
    """Turns a pickled generator into the one that a fork with `init_res` writes."""
    state = module.state
    for name in ("const", "noise_const"):
        for table in ("_parameters", "_buffers"):
            if name in state[table]:
                old = state[table][name]
                shape = (*old.shape[:-2], old.shape[-2] * height // 4, old.shape[-1] * width // 4)
                new = torch.randn(shape)
                state[table][name] = torch.nn.Parameter(new) if table == "_parameters" else new
    for child in state["_modules"].values():
        _stretch(child, height, width)


@pytest.mark.parametrize("said", [8, 6, 10], ids=["square side", "height", "width"])
def test_a_forks_pickle_is_read(
    dump: Callable[..., bytes], generator: Callable[..., Any], write: Callable[..., Path], said: int
) -> None:
    network = generator()
    _stretch(network, 3, 5)
    network.state["img_resolution"] = said
    network.state["init_res"] = [3, 5]
    path = write(dump({"G_ema": network}))
    with wplus.load(path, device="cpu") as G:
        assert G.img_shape == (6, 10)
        assert next(G.sample([0])).images.shape == (1, 6, 10, 3)
    assert "SynthesisBlocks b4 to b8" in read_checkpoint(path).why


def test_a_pickle_whose_size_fits_nothing_is_refused(
    dump: Callable[..., bytes], generator: Callable[..., Any], write: Callable[..., Path]
) -> None:
    network = generator()
    _stretch(network, 3, 5)
    network.state["img_resolution"] = 16
    with pytest.raises(CheckpointError, match="img_resolution = 16; its tensors say 10"):
        read_checkpoint(write(dump({"G_ema": network})))


@pytest.mark.parametrize("with_noise", [True, False])
def test_a_rosinality_file_is_read(data: Path, tmp_path: Path, with_noise: bool) -> None:
    content = torch.load(data / "rosinality_64.pt", weights_only=True)
    state = content["g_ema"]
    state["input.input"] = torch.randn(1, state["input.input"].shape[1], 4, 6)
    for name in [name for name in state if name.startswith("noises.")]:
        height, width = state.pop(name).shape[-2:]
        if with_noise:
            state[name] = torch.randn(1, 1, height, width * 3 // 2)
    torch.save(content, tmp_path / "wide.pt")
    with wplus.load(tmp_path / "wide.pt", device="cpu") as G:
        assert G.img_shape == (64, 96)
        assert G.noise_shapes["b64.conv1.noise_const"] == (64, 96)
        assert next(G.sample([0])).images.shape == (1, 64, 96, 3)


def test_a_constant_without_height_and_width_is_refused(
    dump: Callable[..., bytes], generator: Callable[..., Any], write: Callable[..., Path]
) -> None:
    network = generator()
    network.state["_modules"]["synthesis"].state["_modules"]["b4"].state["_parameters"]["const"] = torch.nn.Parameter(
        torch.zeros(6, 0, 4)
    )
    with pytest.raises((UnsupportedError, CheckpointError), match="const"):
        read_checkpoint(write(dump({"G_ema": network})))
