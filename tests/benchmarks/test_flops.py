"""Counted arithmetic."""

import pytest

from wplus.benchmarks.flops import stylegan2_flops
from wplus.benchmarks.random_networks import stylegan2_config
from wplus.config import StyleGAN2Config


@pytest.mark.parametrize(
    ("resolution", "channel_base", "gmac"), [(256, 16384, 14.9 + 0.13), (1024, 32768, 74.3 + 1.12)], ids=["256", "1024"]
)
def test_count_agrees_with_the_counted_original(resolution: int, channel_base: int, gmac: float) -> None:
    config = stylegan2_config(resolution, channel_base=channel_base)
    assert stylegan2_flops(config) / 2e9 == pytest.approx(gmac, rel=0.01)


def test_smallest_network_is_counted_by_hand() -> None:
    config = StyleGAN2Config(z_dim=2, c_dim=0, w_dim=2, img_resolution=4, img_channels=3, channels=(5,))
    convolutions = 16 * 5 * 5 * 9 + 16 * 5 * 3
    assert stylegan2_flops(config) == 2 * (convolutions + 2 * (2 * 5))
