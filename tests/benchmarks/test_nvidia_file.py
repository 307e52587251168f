"""The pickle laid out as NVIDIA's."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wplus.benchmarks.nvidia_file import write_nvidia_pickle
from wplus.checkpoints import Checkpoint, read_checkpoint
from wplus.config import StyleGAN2Config

DATA = Path(__file__).parents[1] / "data"


def check_round_trip(checkpoint: Checkpoint, path: Path) -> None:
    write_nvidia_pickle(checkpoint, path)
    again = read_checkpoint(path)
    assert again.config == checkpoint.config
    assert set(again.tensors) == set(checkpoint.tensors)
    assert all(np.array_equal(again.tensors[name], value) for name, value in checkpoint.tensors.items())


def test_our_reader_takes_it_for_nvidias(checkpoint: Checkpoint, tmp_path: Path) -> None:
    check_round_trip(checkpoint, tmp_path / "network.pkl")
    assert "torch_utils" not in sys.modules


def test_clamp_is_kept(checkpoint: Checkpoint, tmp_path: Path) -> None:
    assert isinstance(checkpoint.config, StyleGAN2Config)
    check_round_trip(replace(checkpoint, config=replace(checkpoint.config, conv_clamp=256.0)), tmp_path / "network.pkl")


@pytest.mark.parametrize("name", ["cond", "resnet", "orig"])
def test_other_networks_are_written_too(name: str, tmp_path: Path) -> None:
    check_round_trip(read_checkpoint(DATA / f"golden_sg2_{name}_32.pkl"), tmp_path / "network.pkl")
