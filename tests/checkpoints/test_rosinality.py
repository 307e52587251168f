"""rosinality's .pt files: names, shapes and gains become NVIDIA's; what is missing is made and said."""

import logging
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wplus.checkpoints import read_checkpoint
from wplus.errors import CheckpointError, UnsupportedError


@pytest.fixture
def content(data: Path) -> dict[str, Any]:
    """What convert_weight.py wrote."""
    return torch.load(data / "rosinality_64.pt", weights_only=True)


def _save(path: Path, content: object, **options: object) -> Path:
    torch.save(content, path, **options)
    return path


def test_configuration_is_inferred_from_the_tensors(data: Path) -> None:
    config = read_checkpoint(data / "rosinality_64.pt").config
    assert (config.z_dim, config.w_dim, config.img_resolution, config.img_channels) == (48, 48, 64, 3)
    assert (config.num_mapping_layers, config.channels, config.architecture) == (8, (32,) * 5, "skip")
    assert config.conv_clamp is None
    assert config.num_ws == 10


def test_every_tensor_arrives_under_its_new_name(data: Path, content: dict[str, Any]) -> None:
    tensors = read_checkpoint(data / "rosinality_64.pt").tensors
    state = {name: value.numpy() for name, value in content["g_ema"].items()}
    assert len(tensors) == len(state) + 1
    expected = {
        "mapping.fc7.bias": state["style.8.bias"],
        "mapping.w_avg": content["latent_avg"].numpy(),
        "synthesis.b4.const": state["input.input"][0],
        "synthesis.b4.conv1.weight": state["conv1.conv.weight"][0],
        "synthesis.b4.conv1.noise_const": state["noises.noise_0"][0, 0],
        "synthesis.b8.conv0.noise_const": state["noises.noise_1"][0, 0],
        "synthesis.b8.conv1.noise_const": state["noises.noise_2"][0, 0],
        "synthesis.b8.conv0.resample_filter": state["convs.0.conv.blur.kernel"] / 4,
        "synthesis.b8.resample_filter": state["to_rgbs.0.upsample.kernel"] / 4,
        "synthesis.b64.conv0.affine.weight": state["convs.6.conv.modulation.weight"],
        "synthesis.b64.conv1.noise_strength": state["convs.7.noise.weight"].reshape(()),
        "synthesis.b64.conv1.bias": state["convs.7.activate.bias"],
        "synthesis.b64.torgb.weight": state["to_rgbs.3.conv.weight"][0],
        "synthesis.b64.torgb.bias": state["to_rgbs.3.bias"].reshape(3),
    }
    for name, value in expected.items():
        assert np.array_equal(tensors[name], value), name
        assert tensors[name].shape == value.shape, name


def test_a_training_file_is_read_with_the_mean_w(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        checkpoint = read_checkpoint(data / "rosinality_64_trainstyle.pt")
    assert "mean over 10,000 z of RandomState(123)" in caplog.text
    assert "args: Namespace" in checkpoint.contents
    assert checkpoint.tensors["mapping.w_avg"].shape == (48,)


def test_missing_noise_maps_become_zeros_and_are_said(tmp_path: Path, content: dict[str, Any]) -> None:
    state = {name: value for name, value in content["g_ema"].items() if not name.startswith("noises.")}
    checkpoint = read_checkpoint(_save(tmp_path / "old.pt", {"g": state, "latent_avg": content["latent_avg"]}))
    assert not checkpoint.tensors["synthesis.b64.conv1.noise_const"].any()
    assert checkpoint.tensors["synthesis.b64.conv1.noise_const"].shape == (64, 64)
    assert any("no noise maps in the file for 9 layers" in line for line in checkpoint.contents)


def test_data_parallel_and_old_torch_files_are_read(tmp_path: Path, content: dict[str, Any]) -> None:
    state = OrderedDict((f"module.{name}", value) for name, value in content["g_ema"].items())
    path = _save(tmp_path / "old.pt", {"g_ema": state}, _use_new_zipfile_serialization=False)
    assert read_checkpoint(path).config.img_resolution == 64


def test_a_variant_is_refused_by_the_name_of_its_tensor(tmp_path: Path, content: dict[str, Any]) -> None:
    content["g_ema"]["iwt.ll"] = torch.zeros(2, 2)
    with pytest.raises(UnsupportedError, match=r"holds iwt\.ll"):
        read_checkpoint(_save(tmp_path / "swagan.pt", content))


def test_a_missing_layer_is_named(tmp_path: Path, content: dict[str, Any]) -> None:
    del content["g_ema"]["style.1.weight"]
    with pytest.raises(CheckpointError, match=r"lacks the tensor mapping\.fc0\.weight"):
        read_checkpoint(_save(tmp_path / "cut.pt", content))


def test_a_tensor_that_repeats_itself_beyond_its_file_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    content["g_ema"]["input.input"] = torch.zeros(1).expand(1, 2**30, 4, 4)
    with pytest.raises(CheckpointError, match="more numbers than its file has bytes"):
        read_checkpoint(_save(tmp_path / "bomb.pt", content))


class _Hostile:
    def __reduce__(self) -> tuple[object, tuple[int]]:
        return bytearray, (10**12,)


def test_a_torch_file_that_names_a_global_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    for zipped in (True, False):
        path = _save(tmp_path / "evil.pt", {**content, "x": _Hostile()}, _use_new_zipfile_serialization=zipped)
        with pytest.raises(
            CheckpointError, match=r"asks for (builtins|__builtin__)\.bytearray, which is not on the list"
        ):
            read_checkpoint(path)


def test_a_torch_file_without_a_generator_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"without a generator that is known: it holds a dict .*'args'"):
        read_checkpoint(_save(tmp_path / "a.pt", {"args": Namespace(size=64), "d": {}}))
