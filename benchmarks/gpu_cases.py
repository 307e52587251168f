"""The networks that GPUs are benchmarked on, as configurations, and small ones that take no GPU."""

from wplus.benchmarks.random_networks import stylegan2_config
from wplus.benchmarks.random_stylegan3 import stylegan3_config
from wplus.config import StyleGAN2Config, StyleGAN3Config

NETWORKS: dict[str, StyleGAN2Config | StyleGAN3Config] = {
    "stylegan2-256": stylegan2_config(256, channel_base=16384),
    "stylegan2-1024": stylegan2_config(1024, channel_base=32768),
    "stylegan3-t-512": stylegan3_config(512, channel_base=32768),
    "stylegan3-r-512": stylegan3_config(512, channel_base=2 * 32768, channel_max=2 * 512, is_rotating=True),
}
SMALL: dict[str, StyleGAN2Config | StyleGAN3Config] = {
    "stylegan2-64": stylegan2_config(64, channel_base=2048, channel_max=64, latent_dim=64, num_mapping_layers=2),
    "stylegan3-t-32": stylegan3_config(32, channel_base=512, channel_max=40, latent_dim=64),
    "stylegan3-r-32": stylegan3_config(32, channel_base=512, channel_max=40, latent_dim=64, is_rotating=True),
}
TINY: dict[str, StyleGAN2Config | StyleGAN3Config] = {
    "stylegan2-16": stylegan2_config(16, channel_base=64, channel_max=8, latent_dim=8, num_mapping_layers=2),
    "stylegan3-t-16": stylegan3_config(16, channel_base=64, channel_max=8, latent_dim=8),
    "stylegan3-r-16": stylegan3_config(16, channel_base=64, channel_max=8, latent_dim=8, is_rotating=True),
}
