"""NVIDIA's pickles: what is read from them, and which networks are refused by name."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from wplus.checkpoints import read_checkpoint
from wplus.errors import CheckpointError, UnsupportedError

_FILES = {
    "golden_sg2_skip_64.pkl": ("skip", None, 0),
    "golden_sg2_cond_32.pkl": ("skip", 256, 5),
    "golden_sg2_orig_32.pkl": ("orig", None, 0),
    "golden_sg2_resnet_32.pkl": ("resnet", 1.5, 0),
    "sg2ada_cond_32.pkl": ("skip", 256, 4),
    "sg3repo_full_snapshot_cond_32.pkl": ("skip", 256, 3),
}


@pytest.mark.parametrize("name", _FILES)
def test_configuration_is_read_from_the_modules(data: Path, name: str) -> None:
    config = read_checkpoint(data / name).config
    assert (config.architecture, config.conv_clamp, config.c_dim) == _FILES[name]
    assert config.lr_multiplier == 0.01
    assert config.use_noise


@pytest.mark.parametrize("name", ["golden_sg2_cond_32.pkl", "golden_sg2_resnet_32.pkl"])
def test_configuration_agrees_with_the_original_arguments(data: Path, name: str) -> None:
    config = read_checkpoint(data / name).config
    meta = json.loads(str(np.load(data / name.replace("golden_", "").replace(".pkl", ".npz"))["meta"]))
    kwargs = meta["init_kwargs"]
    for field in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels"):
        assert getattr(config, field) == kwargs[field]
    assert config.num_mapping_layers == kwargs["mapping_kwargs"]["num_layers"]
    widths = [min(kwargs["channel_base"] // r, kwargs["channel_max"]) for r in config.resolutions]
    assert list(config.channels) == widths


def test_tensors_are_our_own_float32_memory(data: Path) -> None:
    for name, tensor in read_checkpoint(data / "golden_sg2_skip_64.pkl").tensors.items():
        assert tensor.dtype == np.float32, name
        assert tensor.flags.c_contiguous, name
        assert tensor.flags.writeable, name
        assert tensor.flags.aligned, name


def test_a_full_snapshot_says_what_is_in_it(data: Path) -> None:
    path = data / "sg3repo_full_snapshot_cond_32.pkl"
    checkpoint = read_checkpoint(path)
    assert "G_ema: Generator (used)" in checkpoint.contents
    assert "D: Discriminator" in checkpoint.contents
    assert "G_ema" in checkpoint.why
    assert checkpoint.provenance.source == path.name
    assert checkpoint.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert checkpoint.provenance.licence == "unknown"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_gives_the_same_tensors(generator, dump, write, protocol: int) -> None:
    network = generator(clamp=256, c_dim=3)
    checkpoint = read_checkpoint(write(dump({"G_ema": network}, protocol)))
    layer = network.state["_modules"]["synthesis"].state["_modules"]["b8"].state["_modules"]["conv0"]
    expected = layer.state["_parameters"]["weight"].detach().numpy()
    assert np.array_equal(checkpoint.tensors["synthesis.b8.conv0.weight"], expected)
    assert checkpoint.config.channels == (6, 4)
    assert checkpoint.config.conv_clamp == 256
    assert checkpoint.tensors["synthesis.b4.conv1.noise_strength"].shape == ()


def test_numpys_older_module_names_are_read_as_the_newer_ones(generator, dump, write) -> None:
    network = generator(clamp=256)
    network.state["weight_gain"] = np.float64(0.5)
    newer = dump({"G_ema": network}, 3)
    older = newer.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert older != newer
    expected = read_checkpoint(write(newer, "newer.pkl")).tensors
    tensors = read_checkpoint(write(older, "older.pkl")).tensors
    assert list(tensors) == list(expected)
    assert all(np.array_equal(tensors[name], expected[name]) for name in expected)


def test_a_bare_generator_is_read(generator, dump, write) -> None:
    assert read_checkpoint(write(dump(generator()))).config.img_resolution == 8


def test_g_is_used_and_said_where_there_is_no_g_ema(generator, dump, write) -> None:
    checkpoint = read_checkpoint(write(dump({"G": generator(), "D": None, "G_ema": None})))
    assert any("no G_ema" in line for line in checkpoint.contents)


def test_channels_last_and_half_precision_tensors_are_read(generator, dump, write) -> None:
    network = generator()
    layer = network.state["_modules"]["synthesis"].state["_modules"]["b8"].state["_modules"]["conv1"]
    weight = torch.randn(4, 4, 3, 3).half()
    layer.state["_parameters"]["weight"] = torch.nn.Parameter(weight.to(memory_format=torch.channels_last))
    layer.state["_parameters"]["bias"] = torch.nn.Parameter(torch.randn(4).bfloat16())
    tensors = read_checkpoint(write(dump({"G_ema": network}))).tensors
    assert np.array_equal(tensors["synthesis.b8.conv1.weight"], weight.float().numpy())
    expected = layer.state["_parameters"]["bias"].detach().float().numpy()
    assert np.array_equal(tensors["synthesis.b8.conv1.bias"], expected)


def test_any_location_tag_is_read(generator, dump, write) -> None:
    blob = dump({"G_ema": generator()})
    assert b"X\x03\x00\x00\x00cpu" in blob
    assert read_checkpoint(write(blob.replace(b"X\x03\x00\x00\x00cpu", b"X\x03\x00\x00\x00xpu"))).config.w_dim == 8


def test_a_network_without_w_avg_gets_the_mean(generator, dump, write) -> None:
    network = generator(c_dim=2)
    del network.state["_modules"]["mapping"].state["_buffers"]["w_avg"]
    checkpoint = read_checkpoint(write(dump({"G_ema": network})))
    assert checkpoint.tensors["mapping.w_avg"].shape == (8,)
    assert any("mean over 10,000 z" in line for line in checkpoint.contents)


def _layer(network, path: str):
    for name in path.split("."):
        network = network.state["_modules"][name]
    return network


_OPTIONS = {
    "activation": ("synthesis.b8.conv0", "activation", "relu", "conv0 has activation = 'relu'; only lrelu"),
    "mapping activation": ("mapping.fc1", "activation", "swish", "fc1 has activation = 'swish'"),
    "clamp": ("synthesis.b8.torgb", "conv_clamp", 3, "torgb has conv_clamp = 3, others None"),
    "up": ("synthesis.b8.conv1", "up", 4, "conv1 has up = 4; only 1"),
    "gain": ("synthesis.b4.torgb", "weight_gain", 1.0, "torgb has weight_gain = 1.0"),
    "architecture": ("synthesis.b8", "architecture", "orig", "b8 has architecture = 'orig'"),
}


@pytest.mark.parametrize("option", _OPTIONS)
def test_an_option_that_is_not_supported_is_refused_by_name(generator, dump, write, option: str) -> None:
    path, name, value, message = _OPTIONS[option]
    network = generator()
    _layer(network, path).state[name] = value
    with pytest.raises(UnsupportedError, match=message):
        read_checkpoint(write(dump({"G_ema": network})))


def test_another_filter_size_is_refused(generator, dump, write) -> None:
    network = generator()
    _layer(network, "synthesis.b8.conv0").state["_buffers"]["resample_filter"] = torch.ones(3, 3)
    with pytest.raises(UnsupportedError, match=r"conv0.resample_filter is \[3, 3\]"):
        read_checkpoint(write(dump({"G_ema": network})))


def test_attributes_that_contradict_the_tensors_are_refused(generator, dump, write) -> None:
    network = generator()
    network.state["z_dim"] = 512
    with pytest.raises(CheckpointError, match="says z_dim = 512; its tensors say 8"):
        read_checkpoint(write(dump({"G_ema": network})))


def test_an_unknown_network_class_is_named(persistent, generator, dump, write) -> None:
    strange = persistent("OtherGenerator", {"mapping": persistent("MappingNetwork")})
    with pytest.raises(UnsupportedError, match="G_ema is a OtherGenerator made of mapping: MappingNetwork"):
        read_checkpoint(write(dump({"G_ema": strange})))
    network = generator()
    network.state["_modules"]["synthesis"].state["_modules"]["b8"].state["_modules"]["attention"] = persistent("Attn")
    with pytest.raises(UnsupportedError, match=r"synthesis\.b8\.attention is a Attn; StyleGAN2 has no such part"):
        read_checkpoint(write(dump({"G_ema": network})))


def test_a_discriminator_alone_is_refused(persistent, dump, write) -> None:
    with pytest.raises(CheckpointError, match=r"only a discriminator: D \(Discriminator\)"):
        read_checkpoint(write(dump({"D": persistent("Discriminator"), "G_ema": None})))


def test_a_network_that_diverged_is_refused(generator, dump, write) -> None:
    network = generator()
    with torch.no_grad():
        _layer(network, "mapping.fc1").state["_parameters"]["weight"][0, :2] = float("nan")
    with pytest.raises(CheckpointError, match=r"mapping\.fc1\.weight holds NaN or infinity in 2 of 64 places"):
        read_checkpoint(write(dump({"G_ema": network})))
