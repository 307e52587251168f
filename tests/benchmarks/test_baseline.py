"""The baseline against values that NVIDIA's own code computed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.checkpoints import Checkpoint, read_checkpoint
from wplus.config import StyleGAN2Config
from wplus.parity import difference

DATA = Path(__file__).parents[1] / "data"
LIMIT = 1e-5  # relative RMS; what CONTRACT asks of the reference


def relative_rms(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).square().mean().sqrt() / expected.square().mean().sqrt())


@pytest.mark.parametrize("name", ["sg2_skip_64", "sg2_cond_32", "sg2_orig_32", "sg2_resnet_32"])
def test_baseline_draws_what_nvidias_code_draws(name: str) -> None:
    checkpoint = read_checkpoint(DATA / f"golden_{name}.pkl")
    assert isinstance(checkpoint.config, StyleGAN2Config)
    baseline = NvidiaFormulation(checkpoint.config, checkpoint.tensors)
    with np.load(DATA / f"{name}.npz") as golden:
        meta = json.loads(str(golden["meta"]))
        z, c = torch.from_numpy(golden["z"]), torch.from_numpy(golden["c"])
        for case, settings in meta["cases"].items():
            prefix = "" if case == meta["primary"] else f"case/{case}/"
            psi, cutoff = settings["truncation_psi"], settings["truncation_cutoff"]
            ws = baseline.map(z, c, truncation_psi=psi, truncation_cutoff=cutoff)
            img = baseline.synthesize(ws, noise_mode=settings["noise_mode"])
            assert relative_rms(ws, torch.from_numpy(golden[f"{prefix}ws"])) < LIMIT, case
            assert relative_rms(img, torch.from_numpy(golden[f"{prefix}image"])) < LIMIT, case


def test_baseline_draws_a_sample_alike_in_any_batch(checkpoint: Checkpoint) -> None:
    assert isinstance(checkpoint.config, StyleGAN2Config)
    baseline = NvidiaFormulation(checkpoint.config, checkpoint.tensors)
    ws = baseline.map(torch.randn(3, checkpoint.config.z_dim, generator=torch.Generator().manual_seed(1)))
    assert relative_rms(baseline.synthesize(ws)[1:2], baseline.synthesize(ws[1:2])) < LIMIT


def test_baseline_in_bfloat16_draws_nearly_the_same(checkpoint: Checkpoint) -> None:
    assert isinstance(checkpoint.config, StyleGAN2Config)
    exact = NvidiaFormulation(checkpoint.config, checkpoint.tensors)
    half = NvidiaFormulation(checkpoint.config, checkpoint.tensors, dtype=torch.bfloat16)
    ws = exact.map(torch.randn(2, checkpoint.config.z_dim, generator=torch.Generator().manual_seed(1))).clone()
    img = half.synthesize(ws)
    assert img.dtype == torch.float32
    assert 40 < difference(img.numpy(), exact.synthesize(ws).numpy()).psnr_db < 80
