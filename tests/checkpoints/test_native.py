"""Our own format: what is written comes back bit for bit, and other safetensors files are told apart."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint, write_checkpoint
from wplus.errors import ArtifactError, CheckpointError, UnsupportedError


@pytest.fixture
def checkpoint(data: Path) -> Checkpoint:
    """A conditional network read from NVIDIA's format."""
    return read_checkpoint(data / "golden_sg2_cond_32.pkl")


def test_a_round_trip_keeps_every_bit(checkpoint: Checkpoint, tmp_path: Path) -> None:
    described = replace(checkpoint, provenance=replace(checkpoint.provenance, licence="MIT", description="Faces."))
    write_checkpoint(tmp_path / "a.safetensors", described)
    again = read_checkpoint(tmp_path / "a.safetensors")
    assert again.config == checkpoint.config
    assert again.provenance == described.provenance
    assert again.tensors.keys() == checkpoint.tensors.keys()
    for name, tensor in checkpoint.tensors.items():
        assert again.tensors[name].tobytes() == tensor.tobytes(), name
        assert again.tensors[name].shape == tensor.shape, name
        assert again.tensors[name].flags.writeable, name
    assert fingerprint(again.config, again.tensors) == fingerprint(checkpoint.config, checkpoint.tensors)


def test_a_name_without_the_suffix_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        write_checkpoint(tmp_path / "network.pkl", checkpoint)


def test_nothing_is_left_where_nothing_can_be_written(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError):
        write_checkpoint(tmp_path / "file" / "a.safetensors", checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def _rewrite(path: Path, checkpoint: Checkpoint, **changes: str) -> Path:
    """The checkpoint as a file of ours, with some of its metadata replaced."""
    write_checkpoint(path, checkpoint)
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    save_file(load_file(path), path, metadata={**metadata, **changes})
    return path


def test_a_newer_format_says_to_upgrade(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="A newer wplus wrote it: pip install --upgrade wplus"):
        read_checkpoint(_rewrite(tmp_path / "a.safetensors", checkpoint, format="wplus9"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "stylegan9"}, "family is 'stylegan9'"),
        ({"config": "{"}, "cannot be read"),
        ({"config": "[" * 100_000}, "cannot be read"),
        ({"config": "{}"}, "incomplete"),
        ({"provenance": '{"source": 1}'}, "is no text"),
        ({"provenance": '{"sauce": "x"}'}, "sauce"),
    ],
)
def test_a_damaged_description_is_refused(checkpoint: Checkpoint, tmp_path: Path, changes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(_rewrite(tmp_path / "a.safetensors", checkpoint, **changes))


def test_a_description_of_other_tensors_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, replace(checkpoint, config=replace(checkpoint.config, z_dim=512)))
    with pytest.raises(CheckpointError, match=r"describes StyleGAN2Config\(z_dim=512.*its tensors are those of"):
        read_checkpoint(path)


def test_a_foreign_safetensors_says_what_it_holds(tmp_path: Path) -> None:
    save_file({"unet.weight": np.zeros((2, 2), np.float32)}, tmp_path / "sd.safetensors")
    with pytest.raises(CheckpointError, match=r"wplus did not write.*1 tensors \(unet.weight"):
        read_checkpoint(tmp_path / "sd.safetensors")


def test_a_truncated_file_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, checkpoint)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        read_checkpoint(path)


def _with_kwargs(path: Path, checkpoint: Checkpoint, **changes: object) -> Path:
    kwargs = {
        "z_dim": 64, "c_dim": 5, "w_dim": 64, "img_resolution": 32, "img_channels": 3, "channel_base": 2048,
        "channel_max": 48, "conv_clamp": 256, "mapping_kwargs": {"num_layers": 2}, **changes,
    }  # fmt: skip
    metadata = {"family": "stylegan2", "config": json.dumps(kwargs), "license": "Apache-2.0"}
    save_file(checkpoint.tensors, path, metadata=metadata)
    return path


def test_a_state_dict_with_keyword_arguments_is_read(checkpoint: Checkpoint, tmp_path: Path) -> None:
    again = read_checkpoint(_with_kwargs(tmp_path / "a.safetensors", checkpoint))
    assert again.config == checkpoint.config
    assert again.provenance.licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "resnet"}, "say architecture = 'resnet'; the tensors say skip"),
        ({"z_dim": 7}, "say z_dim = 7; the tensors say 64"),
        ({"spectral_norm": True}, "Not supported among the keyword arguments: spectral_norm"),
        ({"mapping_kwargs": {"activation": "relu"}}, "activation"),
    ],
)
def test_keyword_arguments_that_do_not_fit_are_refused(checkpoint, tmp_path: Path, changes, message: str) -> None:
    with pytest.raises((CheckpointError, UnsupportedError), match=message):
        read_checkpoint(_with_kwargs(tmp_path / "a.safetensors", checkpoint, **changes))
