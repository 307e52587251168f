"""The recipe for networks under test."""

import numpy as np
import pytest
import torch

from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.random_networks import random_checkpoint, stylegan2_config
from wplus.checkpoints import Checkpoint
from wplus.config import StyleGAN2Config


def test_nothing_that_a_runtime_could_delete_is_zero(checkpoint: Checkpoint) -> None:
    names = [
        name for name in checkpoint.tensors if name.endswith((".bias", ".noise_strength", ".noise_const", "w_avg"))
    ]
    assert any(name.endswith("noise_strength") for name in names)
    assert all(np.all(checkpoint.tensors[name] != 0) for name in names)


def test_same_seed_gives_same_weights(checkpoint: Checkpoint) -> None:
    assert isinstance(checkpoint.config, StyleGAN2Config)
    again, other = random_checkpoint(checkpoint.config), random_checkpoint(checkpoint.config, seed=1)
    assert all(np.array_equal(again.tensors[name], value) for name, value in checkpoint.tensors.items())
    assert not np.array_equal(other.tensors["mapping.w_avg"], checkpoint.tensors["mapping.w_avg"])


def test_pictures_have_the_contrast_of_real_ones() -> None:
    config = stylegan2_config(64, channel_base=2048, channel_max=64, latent_dim=64)
    baseline = NvidiaFormulation(config, random_checkpoint(config).tensors)
    img = baseline.synthesize(baseline.map(torch.randn(2, 64, generator=torch.Generator().manual_seed(0))))
    assert 0.2 < float(img.std()) < 0.8
    assert not torch.allclose(img[0], img[1], atol=0.1)


@pytest.mark.parametrize(
    ("resolution", "channel_base", "num_ws", "last"), [(256, 16384, 14, 64), (1024, 32768, 18, 32)], ids=["256", "1024"]
)
def test_sizes_are_those_of_nvidias_networks(resolution: int, channel_base: int, num_ws: int, last: int) -> None:
    config = stylegan2_config(resolution, channel_base=channel_base)
    assert (config.num_ws, config.channels[0], config.channels[-1]) == (num_ws, 512, last)


def test_other_architectures_are_refused_by_name() -> None:
    config = stylegan2_config(8, channel_base=64, latent_dim=8)
    resnet = StyleGAN2Config(
        z_dim=8, c_dim=0, w_dim=8, img_resolution=8, img_channels=3, channels=config.channels, architecture="resnet"
    )
    with pytest.raises(ValueError, match="architecture resnet"):
        random_checkpoint(resnet)
