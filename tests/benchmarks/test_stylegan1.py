"""StyleGAN1 under test: its baseline against the original's values, its recipe, and a run of the benchmark."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from wplus.benchmarks import BenchOptions, run_bench
from wplus.benchmarks.baseline_stylegan1 import OriginalStyleGAN1
from wplus.benchmarks.cases import CASES
from wplus.benchmarks.families import family_of
from wplus.benchmarks.flops import stylegan1_flops
from wplus.benchmarks.random_stylegan1 import random_stylegan1, stylegan1_config
from wplus.checkpoints import read_checkpoint, write_checkpoint
from wplus.config import StyleGAN1Config
from wplus.parity import difference

DATA = Path(__file__).parents[1] / "data"
LIMIT = 1e-5  # relative RMS; what CONTRACT asks of the reference


@pytest.fixture(scope="module")
def config() -> StyleGAN1Config:
    """16 px."""
    return stylegan1_config(16, fmap_base=64, fmap_max=8, latent_dim=16, num_mapping_layers=2)


def test_baseline_draws_what_the_original_draws() -> None:
    checkpoint = read_checkpoint(DATA / "genforce_sg1_128_fused.pth")
    assert isinstance(checkpoint.config, StyleGAN1Config)
    baseline = OriginalStyleGAN1(checkpoint.config, checkpoint.tensors)
    with np.load(DATA / "sg1_128_fused.npz") as golden:
        meta = json.loads(str(golden["meta"]))
        for case, settings in meta["cases"].items():
            prefix = "" if case == meta["primary"] else f"case/{case}/"
            ws, expected = torch.from_numpy(golden[f"{prefix}ws"]), torch.from_numpy(golden[f"{prefix}image"])
            found = baseline.synthesize(ws, noise_mode=settings["noise_mode"])[:, :, ::3, ::3]
            assert (found - expected).square().mean().sqrt() < LIMIT * expected.square().mean().sqrt(), case


def test_baseline_in_bfloat16_draws_nearly_the_same(config: StyleGAN1Config) -> None:
    tensors = random_stylegan1(config).tensors
    exact, half = (OriginalStyleGAN1(config, tensors, dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    ws = torch.randn(2, config.num_ws, config.w_dim)
    img = half.synthesize(ws)
    assert img.dtype == torch.float32
    assert 35 < difference(img.numpy(), exact.synthesize(ws).numpy()).psnr_db < 80


def test_nothing_that_a_runtime_could_delete_is_zero(config: StyleGAN1Config) -> None:
    tensors = random_stylegan1(config).tensors
    names = [name for name in tensors if name.endswith((".bias", ".noise_weight", "w_avg")) or ".noise" in name]
    assert len(names) > 20
    assert all(np.all(tensors[name] != 0) for name in names)


def test_same_seed_gives_same_weights(config: StyleGAN1Config) -> None:
    one, again, other = (random_stylegan1(config, seed=seed).tensors for seed in (0, 0, 1))
    assert all(np.array_equal(again[name], value) for name, value in one.items())
    assert not np.array_equal(other["mapping.w_avg"], one["mapping.w_avg"])


def test_pictures_have_the_contrast_of_real_ones() -> None:
    config = stylegan1_config(64, fmap_base=1024, fmap_max=32, latent_dim=64)
    network = random_stylegan1(config)
    ws = torch.randn(2, 1, 64).expand(-1, config.num_ws, -1)
    img = OriginalStyleGAN1(config, network.tensors).synthesize(ws)
    assert 0.2 < float(img.std()) < 0.8
    assert not torch.allclose(img[0], img[1], atol=0.1)


def test_sizes_are_those_of_nvidias_networks() -> None:
    config = CASES["stylegan1-256"].network
    assert isinstance(config, StyleGAN1Config)
    assert (config.num_ws, config.channels) == (14, (512, 512, 512, 512, 256, 128, 64))
    parameters = sum(t.size for n, t in random_stylegan1(config).tensors.items() if ".noise" not in n or "weight" in n)
    unused_outputs = 4 * (512 * 3 + 3) + 256 * 3 + 3 + 128 * 3 + 3
    assert parameters - 512 + unused_outputs == 26_086_229  # w_avg is not trained
    assert 36e9 < stylegan1_flops(config) < 38e9


def test_conditional_networks_are_refused_by_name() -> None:
    config = StyleGAN1Config(z_dim=4, w_dim=4, c_dim=2, img_resolution=8, img_channels=3, channels=(4, 4))
    with pytest.raises(ValueError, match="has c_dim 2"):
        random_stylegan1(config)


def test_a_file_is_compared_with_its_own_familys_baseline(config: StyleGAN1Config, tmp_path: Path) -> None:
    assert family_of(config).baseline is OriginalStyleGAN1
    write_checkpoint(tmp_path / "tiny.safetensors", random_stylegan1(config))
    report = run_bench(BenchOptions(network=str(tmp_path / "tiny.safetensors"), batches=(2,), quick=True, threads=1))
    implementations = {row.implementation for row in report.rows if row.metric == "latency"}
    assert implementations <= {"nvidia-formulation eager", "wplus torch"}
    assert any(row.implementation == "wplus torch" for row in report.rows)
