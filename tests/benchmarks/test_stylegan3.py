"""The StyleGAN3 baseline and recipe against values that NVIDIA's own code computed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wplus.benchmarks.baseline_stylegan3 import NvidiaFormulationStyleGAN3
from wplus.benchmarks.flops import stylegan3_flops
from wplus.benchmarks.random_stylegan3 import lowpass, radial_lowpass, random_stylegan3, stylegan3_config
from wplus.checkpoints import read_checkpoint
from wplus.config import StyleGAN3Config
from wplus.networks import build_network

DATA = Path(__file__).parents[1] / "data"
LIMIT = 1e-4  # relative RMS; what CONTRACT asks of the reference


def relative_rms(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).square().mean().sqrt() / expected.square().mean().sqrt())


@pytest.mark.parametrize("name", ["sg3t_64", "sg3r_64"])
def test_baseline_draws_what_nvidias_code_draws(name: str) -> None:
    checkpoint = read_checkpoint(DATA / f"golden_{name}.pkl")
    assert isinstance(checkpoint.config, StyleGAN3Config)
    baseline = NvidiaFormulationStyleGAN3(checkpoint.config, checkpoint.tensors)
    with np.load(DATA / f"{name}.npz") as golden:
        meta = json.loads(str(golden["meta"]))
        for case in ("psi0.7", "xform_scale"):
            prefix = "" if case == meta["primary"] else f"case/{case}/"
            transform = meta["cases"][case]["transform"]
            ws = torch.from_numpy(golden[f"{prefix}ws"]).repeat(1, 16, 1)[:, :16]
            img = baseline.synthesize(ws, transform=None if transform is None else torch.tensor(transform))
            assert relative_rms(img[..., ::2, ::2], torch.from_numpy(golden[f"{prefix}image"])) < LIMIT, case


@pytest.mark.parametrize("is_rotating", [False, True], ids=["t", "r"])
def test_ours_draws_the_recipes_network_as_the_baseline_does(is_rotating: bool) -> None:
    config = stylegan3_config(16, channel_base=128, channel_max=20, latent_dim=8, is_rotating=is_rotating)
    checkpoint = random_stylegan3(config)
    ws = torch.randn(2, config.num_ws, config.w_dim, generator=torch.Generator().manual_seed(0))
    network = build_network(checkpoint)
    with torch.no_grad():
        img = network.synthesize(ws, dtype=torch.float32)  # type: ignore[operator]
    assert relative_rms(img, NvidiaFormulationStyleGAN3(config, checkpoint.tensors).synthesize(ws)) < 1e-5
    assert 0.05 < float(img.std()) < 1


def test_nothing_that_a_runtime_could_delete_is_zero() -> None:
    tensors = random_stylegan3(stylegan3_config(16, channel_base=64, channel_max=8, latent_dim=8)).tensors
    names = [name for name in tensors if name.endswith((".bias", ".magnitude_ema", "w_avg", "phases"))]
    assert all(np.all(tensors[name] != 0) for name in names)
    emas = [float(tensors[name]) for name in names if name.endswith("magnitude_ema")]
    assert all(0.8 < ema < 1.2 and ema != 1 for ema in emas)


def test_conditional_networks_are_refused() -> None:
    config = stylegan3_config(16, channel_base=64, channel_max=8, latent_dim=8)
    with pytest.raises(ValueError, match="has c_dim 3"):
        random_stylegan3(replace(config, c_dim=3))


@pytest.mark.parametrize("case", ["lowpass_0", "lowpass_1", "lowpass_2"])
def test_filters_are_nvidias(case: str) -> None:
    with np.load(DATA / "ops.npz") as file:
        kwargs, expected = json.loads(str(file["meta"]))[case]["kwargs"], file[f"{case}/out"]
    design = radial_lowpass if kwargs.get("radial") else lowpass
    found = design(kwargs["numtaps"], kwargs["cutoff"], kwargs["width"], kwargs["fs"])
    assert np.abs(found - expected).max() < 1e-7


@pytest.mark.parametrize(
    ("is_rotating", "gmac", "last"), [(False, 105.0 + 4.0, 64), (True, 44.5 + 17.9, 128)], ids=["t", "r"]
)
def test_networks_have_nvidias_sizes(is_rotating: bool, gmac: float, last: int) -> None:
    factor = 2 if is_rotating else 1
    config = stylegan3_config(256, channel_base=16384 * factor, channel_max=512 * factor, is_rotating=is_rotating)
    assert (config.num_ws, config.channels[0], config.channels[-1]) == (16, 512 * factor, last)
    assert stylegan3_flops(config) / 2e9 == pytest.approx(gmac, rel=0.03)
