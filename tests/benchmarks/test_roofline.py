"""Bytes, arithmetic and floors, against numbers computed by hand and against the totals of `flops`."""

import pytest
from click.testing import CliRunner

from wplus.benchmarks.chips import CHIPS
from wplus.benchmarks.flops import stylegan2_flops, stylegan3_flops
from wplus.benchmarks.gpu_cases import NETWORKS, SMALL, TINY
from wplus.benchmarks.layers import layers_of
from wplus.benchmarks.roofline import main, roofline
from wplus.config import StyleGAN2Config

_ALL = NETWORKS | SMALL | TINY


@pytest.mark.parametrize("name", _ALL)
def test_layers_add_up_to_the_arithmetic_of_a_picture(name: str) -> None:
    config = _ALL[name]
    count = stylegan2_flops(config) if isinstance(config, StyleGAN2Config) else stylegan3_flops(config)
    assert sum(layer.flops(1) for layer in layers_of(config)) == count
    assert sum(layer.flops(3) for layer in layers_of(config)) == 3 * count


@pytest.mark.parametrize("architecture", ["skip", "orig", "resnet"])
def test_layers_of_every_architecture_add_up(architecture: str) -> None:
    config = StyleGAN2Config(
        z_dim=2, w_dim=6, img_resolution=16, img_channels=3, channels=(5, 4, 3), architecture=architecture  # type: ignore[arg-type]
    )  # fmt: skip
    assert sum(layer.flops(1) for layer in layers_of(config)) == stylegan2_flops(config)


def test_an_up_sampling_layer_is_counted_by_hand() -> None:
    config = StyleGAN2Config(z_dim=2, w_dim=6, img_resolution=8, img_channels=3, channels=(5, 4))
    layer = next(layer for layer in layers_of(config) if layer.name == "b8.conv0")
    assert layer.flops(2) == 2 * 2 * (16 * 5 * 4 * 9 + 64 * 4 * 16 + 6 * 5)
    features = 2 * (16 * 5) + 2 * (64 * 4) + 5 * 4 * 9
    singles = 2 * 6 + (6 * 5 + 5) + 4 + 64  # w; affine; bias; noise
    assert layer.moved_bytes(2, 2) == 2 * features + 4 * singles
    assert layer.moved_bytes(2, 4) == 4 * (features + singles)


def test_the_output_layer_reads_and_writes_the_picture_in_float32() -> None:
    config = StyleGAN2Config(z_dim=2, w_dim=6, img_resolution=8, img_channels=3, channels=(5, 4))
    layer = next(layer for layer in layers_of(config) if layer.name == "b8.torgb")
    features = 64 * 4 + 4 * 3
    singles = 6 + 64 * 3 + 16 * 3 + (6 * 4 + 4) + 3
    assert layer.moved_bytes(1, 2) == 2 * features + 4 * singles


def test_the_constant_is_read_once_for_all_samples() -> None:
    first = layers_of(TINY["stylegan2-16"])[0]
    assert first.moved_bytes(2, 2) - first.moved_bytes(1, 2) == 2 * 16 * 8 + 4 * 8


def test_a_floor_is_the_longer_of_computing_and_moving() -> None:
    h100 = CHIPS["h100"]
    assert h100.floor_seconds(989.4e12, 1, "float16") == pytest.approx(1)
    assert h100.floor_seconds(989.4e12, 1, "bfloat16") == pytest.approx(1)
    assert h100.floor_seconds(67e12, 1, "float32") == pytest.approx(1)
    assert h100.floor_seconds(494.7e12, 1, "tf32") == pytest.approx(1)
    assert h100.floor_seconds(1, 6.7e12, "float16") == pytest.approx(2)


@pytest.mark.parametrize("chip", CHIPS)
def test_a_data_sheets_numbers_are_in_order(chip: str) -> None:
    one = CHIPS[chip]
    assert one.float32 <= one.tf32 < one.half
    assert 300 <= one.bandwidth <= 8000
    assert one.source


def test_the_command_says_that_it_measured_nothing() -> None:
    result = CliRunner().invoke(main, ["stylegan2-1024", "--batch", "16", "--chip", "a100", "--chip", "h100"])
    assert result.exit_code == 0
    assert "a floor, not a measurement" in result.output
    assert "b1024.conv0 | 64 → 32 | 1024×1024" in result.output
    assert "A100 SXM" in result.output
    assert "RTX" not in result.output
    layers = layers_of(NETWORKS["stylegan2-1024"])
    assert result.output == roofline(NETWORKS["stylegan2-1024"], [CHIPS["a100"], CHIPS["h100"]], batch=16)
    assert result.output.count("\n| ") == len(layers) + 3
