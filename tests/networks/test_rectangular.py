"""Rectangular StyleGAN2, as artists' forks make it: read, drawn and checked against squares and the baseline."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support import GOLDEN_IMAGE_LIMIT, assert_close

import wplus
from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.flops import stylegan2_flops
from wplus.benchmarks.random_networks import random_checkpoint
from wplus.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from wplus.config import StyleGAN2Config
from wplus.errors import CheckpointError
from wplus.generator import Generator
from wplus.sampling import default_micro_batch


def _config(height: int = 3, width: int = 5) -> StyleGAN2Config:
    return StyleGAN2Config(
        z_dim=16,
        w_dim=16,
        img_resolution=max(height, width) * 4,
        img_channels=3,
        channels=(8, 8, 4),
        const_shape=(height, width),
        num_mapping_layers=2,
    )


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """12 x 20 px."""
    return random_checkpoint(_config())


def test_sizes_are_height_and_width(checkpoint: Checkpoint) -> None:
    with Generator(checkpoint, device="cpu", batch=2) as G:
        assert (G.img_shape, G.img_resolution, G.num_ws) == ((12, 20), 20, 6)
        assert G.noise_shapes["b4.conv1.noise_const"] == (3, 5)
        assert G.noise_shapes["b16.conv0.noise_const"] == (12, 20)
        assert next(G.sample([0, 1], noise_mode="random")).images.shape == (2, 12, 20, 3)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 4)])
def test_pictures_agree_with_the_baseline(shape: tuple[int, int]) -> None:
    checkpoint = random_checkpoint(_config(*shape))
    baseline = NvidiaFormulation(checkpoint.config, checkpoint.tensors)  # type: ignore[arg-type]
    ws = torch.randn(2, 6, 16)
    with Generator(checkpoint, device="cpu") as G:
        assert_close(G.synthesize(ws), baseline.synthesize(ws), GOLDEN_IMAGE_LIMIT)


def test_what_lies_far_from_the_seam_is_the_squares_picture() -> None:
    """A network twice as wide, whose constant repeats a square one's, draws the square's picture beyond its reach."""
    square = random_checkpoint(replace(_config(8, 8), use_noise=False))
    wide_config = replace(_config(8, 16), use_noise=False)
    const = square.tensors["synthesis.b4.const"]
    repeated = {"synthesis.b4.const": np.concatenate([const, const], axis=2)}
    wide = replace(square, config=wide_config, tensors=square.tensors | repeated)
    ws = torch.randn(1, 6, 16)
    with Generator(square, device="cpu") as G, Generator(wide, device="cpu") as H:
        left, whole = G.synthesize(ws), H.synthesize(ws)
    assert whole.shape == (1, 3, 32, 64)
    reach = 20  # pixels of the picture that a value behind the edge of a convolution touches, at most
    assert_close(whole[..., : 32 - reach], left[..., : 32 - reach], GOLDEN_IMAGE_LIMIT)
    assert_close(whole[..., 32 + reach :], left[..., reach:], GOLDEN_IMAGE_LIMIT)


def test_micro_batches_and_flops_count_pixels() -> None:
    assert default_micro_batch(_config(4, 4)) == 8
    wide = replace(_config(4, 128), img_resolution=512)
    assert default_micro_batch(wide) == 8  # 16 x 512
    ratio = stylegan2_flops(_config(4, 8)) / stylegan2_flops(_config(4, 4))
    assert 1.9 < ratio < 2


def test_a_size_that_the_blocks_do_not_make_is_refused() -> None:
    with pytest.raises(ValueError, match=r"3 blocks on a constant of 3×5 make 20 px"):
        replace(_config(), img_resolution=16)
    with pytest.raises(ValueError, match="16384 px a side are supported"):
        replace(_config(), const_shape=(4, 5000), img_resolution=20000)


def test_our_format_keeps_the_shape_and_the_fingerprint(checkpoint: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "wide.safetensors", checkpoint)
    again = read_checkpoint(tmp_path / "wide.safetensors")
    assert again.config == checkpoint.config
    with Generator(checkpoint, device="cpu") as G, wplus.load(tmp_path / "wide.safetensors", device="cpu") as H:
        assert H.fingerprint == G.fingerprint


def test_noise_of_another_shape_than_the_constants_is_refused(checkpoint: Checkpoint) -> None:
    square = {"synthesis.b8.conv0.noise_const": np.zeros((8, 8), np.float32)}
    with pytest.raises(CheckpointError, match=r"b8.conv0.noise_const is \[8, 8\]; the configuration needs \[6, 10\]"):
        Generator(replace(checkpoint, tensors=checkpoint.tensors | square), device="cpu")
