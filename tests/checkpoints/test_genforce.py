"""genforce's StyleGAN1 files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import assert_close

from wplus.checkpoints import fingerprint, read_checkpoint, write_checkpoint
from wplus.errors import CheckpointError, UnsupportedError
from wplus.generator import Generator

_FILE = "genforce_sg1_128_fused.pth"


@pytest.fixture
def content(data: Path) -> dict[str, dict[str, torch.Tensor]]:
    """What is in the file, to be tampered with."""
    return torch.load(data / _FILE, weights_only=True)


@pytest.fixture
def save(tmp_path: Path) -> Any:
    """Writes a torch file."""

    def write(content: Any) -> Path:
        torch.save(content, tmp_path / "network.pth")
        return tmp_path / "network.pth"

    return write


def test_configuration_is_read_from_the_shapes(data: Path) -> None:
    checkpoint = read_checkpoint(data / _FILE)
    config = checkpoint.config
    assert (config.family, config.img_resolution, config.z_dim, config.w_dim) == ("stylegan1", 128, 32, 32)
    assert (config.channels, config.num_mapping_layers, config.c_dim) == ((16,) * 6, 8, 0)
    assert (config.fused_resolution, config.truncation_cutoff, config.use_noise) == (128, 8, True)
    assert "generator_smooth: OrderedDict with 107 entries (used)" in checkpoint.contents
    assert "apply_noise" in checkpoint.why
    assert checkpoint.provenance.format == "genforce StyleGAN .pth"


def test_tensors_are_those_of_the_file(data: Path, content: Any) -> None:
    tensors, state = read_checkpoint(data / _FILE).tensors, content["generator_smooth"]
    for ours, theirs in (
        ("synthesis.layer4.weight", "synthesis.layer4.weight"),
        ("synthesis.layer4.noise_weight", "synthesis.layer4.apply_noise.weight"),
        ("synthesis.torgb.weight", "synthesis.output5.weight"),
        ("mapping.fc3.weight", "mapping.dense3.weight"),
        ("mapping.w_avg", "truncation.w_avg"),
    ):
        assert np.array_equal(tensors[ours], state[theirs].numpy())
    assert tensors["synthesis.noise11"].shape == (128, 128)
    assert all(tensor.flags.writeable and tensor.flags.c_contiguous for tensor in tensors.values())


def test_conversion_keeps_every_bit(data: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(data / _FILE)
    write_checkpoint(tmp_path / "ours.safetensors", checkpoint)
    again = read_checkpoint(tmp_path / "ours.safetensors")
    assert again.config == checkpoint.config
    assert fingerprint(again.config, again.tensors) == fingerprint(checkpoint.config, checkpoint.tensors)
    assert all(np.array_equal(again.tensors[name], value) for name, value in checkpoint.tensors.items())


def test_a_bare_state_dict_of_data_parallel_is_read(content: Any, save: Any, data: Path) -> None:
    state = {f"module.{name}": value for name, value in content["generator_smooth"].items()}
    found, expected = read_checkpoint(save(state)), read_checkpoint(data / _FILE)
    assert fingerprint(found.config, found.tensors) == fingerprint(expected.config, expected.tensors)


def test_generator_is_used_where_there_is_no_smooth_one(content: Any, save: Any) -> None:
    checkpoint = read_checkpoint(save({"generator": content["generator"]}))
    assert any(line.startswith("generator: ") and line.endswith("(used)") for line in checkpoint.contents)


def test_labels_are_read(content: Any, save: Any) -> None:
    state = content["generator_smooth"]
    state["mapping.label_weight"] = torch.randn(7, 32)
    state["mapping.dense0.weight"] = torch.randn(32, 64)
    checkpoint = read_checkpoint(save({"generator_smooth": state}))
    assert (checkpoint.config.z_dim, checkpoint.config.c_dim) == (32, 7)
    assert np.array_equal(checkpoint.tensors["mapping.embed.weight"], state["mapping.label_weight"].T.numpy())
    Generator(checkpoint, device="cpu").map(np.zeros((1, 32), np.float32), np.eye(7, dtype=np.float32)[:1])


def test_a_missing_average_is_the_mean(content: Any, save: Any) -> None:
    del content["generator_smooth"]["truncation.w_avg"]
    checkpoint = read_checkpoint(save(content))
    assert any("mean over 10,000 z" in line for line in checkpoint.contents)
    G = Generator(checkpoint, device="cpu")
    ws = G.map(np.random.RandomState(123).randn(10_000, 32).astype(np.float32))
    assert_close(G.w_avg, ws[:, 0].astype(np.float64).mean(axis=0), 1e-5)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("synthesis.layer2.blur.kernel", torch.ones(16, 1, 3, 3) / 9, UnsupportedError, "another filter than"),
        ("synthesis.lod", torch.tensor(2.0), UnsupportedError, r"its full resolution \(lod = 2\)"),
        ("synthesis.lod", torch.tensor(float("nan")), CheckpointError, "lod is nan"),
        ("synthesis.layer0.epilogue.weight", torch.ones(1), UnsupportedError, "holds synthesis.layer0.epilogue.weight"),
        ("synthesis.layer0.const", torch.ones(()), CheckpointError, "synthesis.const is"),
        ("synthesis.layer3.apply_noise.noise", torch.ones(2, 8, 8), CheckpointError, "a shape that genforce"),
        ("mapping.label_weight", torch.ones(3), CheckpointError, "mapping.label_weight is"),
        ("mapping.dense1.bias", "text", CheckpointError, "mapping.dense1.bias is a str"),
    ],
    ids=["blur", "lod", "lod that is none", "another model", "const", "noise", "label", "text"],
)
def test_what_is_not_drawn_is_refused_by_name(
    content: Any, save: Any, name: str, value: Any, error: type[Exception], message: str
) -> None:
    content["generator_smooth"][name] = value
    with pytest.raises(error, match=message):
        Generator(read_checkpoint(save(content)), device="cpu")
