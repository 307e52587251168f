"""DCGAN state dicts: found, renamed, and refused where nobody could know the strides."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wplus.checkpoints import fingerprint, read_checkpoint, write_checkpoint
from wplus.errors import CheckpointError, UnsupportedError


def _layers(*, bias: bool = False, kernel: int = 4) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(10, 8, 4, 1, 0, bias=bias),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 6, kernel, 2, 1, bias=bias),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 3, 4, 2, 1, bias=bias),
        nn.Tanh(),
    )


def _state(prefix: str = "main.", **options: Any) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": value for name, value in _layers(**options).state_dict().items()}


def _save(tmp_path: Path, content: object) -> Path:
    torch.save(content, tmp_path / "weights.tar")
    return tmp_path / "weights.tar"


def test_layers_become_numbered_convolutions_and_norms(tmp_path: Path) -> None:
    state = _state()
    checkpoint = read_checkpoint(_save(tmp_path, {"netG_state_dict": state}))
    config = checkpoint.config
    assert (config.family, config.z_dim, config.img_resolution, config.img_channels) == ("plain", 10, 16, 3)
    assert (config.channels, config.strides, config.paddings, config.kernels) == (
        (8, 6),
        (1, 2, 2),
        (0, 1, 1),
        (4, 4, 4),
    )
    assert (config.norms, config.biases) == ((True, True, False), (False, False, False))
    assert np.array_equal(checkpoint.tensors["conv1.weight"], state["main.3.weight"].numpy())
    assert np.array_equal(checkpoint.tensors["norm1.running_var"], state["main.4.running_var"].numpy())
    assert set(checkpoint.tensors) == {
        *(f"conv{i}.weight" for i in range(3)),
        *(f"norm{i}.{name}" for i in range(2) for name in ("weight", "bias", "running_mean", "running_var")),
    }


@pytest.mark.parametrize("key", [None, "netG", "generator", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "main.", "module.main.", "net."])
def test_state_dicts_are_found_under_the_usual_keys(tmp_path: Path, key: str | None, prefix: str) -> None:
    state = _state(prefix, bias=True)
    config = read_checkpoint(_save(tmp_path, state if key is None else {key: state, "epoch": 3})).config
    assert config.biases == (True, True, True)


def test_a_round_trip_through_our_format_keeps_the_fingerprint(tmp_path: Path) -> None:
    first = read_checkpoint(_save(tmp_path, _state()))
    write_checkpoint(tmp_path / "a.safetensors", first)
    second = read_checkpoint(tmp_path / "a.safetensors")
    assert second.config == first.config
    assert fingerprint(second.config, second.tensors) == fingerprint(first.config, first.tensors)


def test_a_kernel_whose_stride_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="conv1 has a 5×5 kernel"):
        read_checkpoint(_save(tmp_path, _state(kernel=5)))


def test_a_discriminator_is_told_apart(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 4), nn.LeakyReLU(), nn.Conv2d(8, 16, 4), nn.Conv2d(16, 1, 4))
    with pytest.raises(CheckpointError, match="is a discriminator's"):
        read_checkpoint(_save(tmp_path, network.state_dict()))


def test_another_kind_of_layer_is_refused_by_its_tensors(tmp_path: Path) -> None:
    state = {**_state(), "main.9.weight": torch.zeros(4, 4)}
    with pytest.raises(UnsupportedError, match="A layer after conv2 holds weight"):
        read_checkpoint(_save(tmp_path, state))


# Conditional ones


def _embedded(width: int, name: str = "label_emb") -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {**_state(), f"{name}.weight": torch.randn(5, width)}


@pytest.mark.parametrize("name", ["label_emb", "embedding", "module.embed"])
def test_a_label_with_an_embedding_stands_behind_z(tmp_path: Path, name: str) -> None:
    checkpoint = read_checkpoint(_save(tmp_path, {"netG": _embedded(4, name)}))
    config = checkpoint.config
    assert (config.z_dim, config.c_dim, config.embed_features) == (6, 5, 4)  # type: ignore[attr-defined]
    assert checkpoint.tensors["embed.weight"].shape == (5, 4)
    assert "the label (5 classes, embedded) is taken to stand behind z" in checkpoint.contents[-1]


@pytest.mark.parametrize("settings", [{"n_classes": 3}, {"args": {"num_classes": 3}}], ids=["beside", "among args"])
def test_a_one_hot_label_needs_a_file_that_counts_the_classes(tmp_path: Path, settings: dict[str, Any]) -> None:
    config = read_checkpoint(_save(tmp_path, {"netG": _state(), **settings})).config
    assert (config.z_dim, config.c_dim) == (7, 3)
    assert read_checkpoint(_save(tmp_path, {"netG": _state()})).config.z_dim == 10


def test_an_embedding_that_is_not_put_behind_z_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"embedding is 10 wide and the first layer takes 10.*wplus.wrap"):
        read_checkpoint(_save(tmp_path, _embedded(10)))


def test_contradicting_numbers_of_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="there are 3 and 4 classes"):
        read_checkpoint(_save(tmp_path, {"netG": _state(), "n_classes": 3, "opt": {"n_classes": 4}}))
    with pytest.raises(UnsupportedError, match="z_dim must be at least 1"):
        read_checkpoint(_save(tmp_path, {"netG": _state(), "n_classes": 10}))


@pytest.mark.parametrize("content", [_embedded(4), {"netG": _state(), "n_classes": 3}], ids=["embedded", "one-hot"])
def test_conditional_ones_survive_our_format(tmp_path: Path, content: dict[str, Any]) -> None:
    first = read_checkpoint(_save(tmp_path, content))
    write_checkpoint(tmp_path / "a.safetensors", first)
    second = read_checkpoint(tmp_path / "a.safetensors")
    assert second.config == first.config
    assert fingerprint(second.config, second.tensors) == fingerprint(first.config, first.tensors)
