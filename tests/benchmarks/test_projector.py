"""NVIDIA's formulation with gradients, and the procedure on it."""

import numpy as np
import pytest
import torch

from wplus.benchmarks.baseline import NvidiaFormulation
from wplus.benchmarks.projector import Descent, Projector
from wplus.checkpoints import Checkpoint
from wplus.config import StyleGAN2Config
from wplus.generator import Generator
from wplus.inversion.losses import make_loss
from wplus.inversion.statistics import w_statistics


@pytest.fixture
def baseline(tiny_checkpoint: Checkpoint) -> NvidiaFormulation:
    assert isinstance(tiny_checkpoint.config, StyleGAN2Config)
    return NvidiaFormulation(tiny_checkpoint.config, tiny_checkpoint.tensors)


def test_gradients_of_the_formulation_are_those_of_our_network(baseline: NvidiaFormulation, tiny: Generator) -> None:
    ws = torch.randn(2, tiny.num_ws, tiny.w_dim)
    weight = torch.randn(2, 3, 16, 16)
    found = []
    for synthesize in (baseline.synthesize_with_gradients, tiny.synthesize):
        leaf = ws.clone().requires_grad_()
        found.append(torch.autograd.grad((synthesize(leaf) * weight).sum(), leaf)[0])
    assert (found[0] - found[1]).square().mean().sqrt() < 1e-5 * found[1].square().mean().sqrt()


def test_without_gradients_the_formulation_draws_the_same(baseline: NvidiaFormulation) -> None:
    ws = torch.randn(2, baseline.config.num_ws, baseline.config.w_dim)
    with_gradients = baseline.synthesize_with_gradients(ws.clone().requires_grad_()).detach()
    torch.testing.assert_close(with_gradients, baseline.synthesize(ws), rtol=1e-5, atol=1e-5)


def test_a_descent_descends(baseline: NvidiaFormulation) -> None:
    target = baseline.synthesize(torch.randn(1, baseline.config.num_ws, baseline.config.w_dim)).clone()
    descent = Descent(baseline, torch.zeros(1, 1, baseline.config.w_dim), target, make_loss("pixel"))
    losses = [descent() for _ in range(20)]
    assert losses[-1] < 0.9 * losses[0]
    assert descent.ws.shape == (1, 1, baseline.config.w_dim)


def test_w_is_measured_as_the_engine_measures_it(baseline: NvidiaFormulation, tiny: Generator) -> None:
    projector, statistics = Projector(baseline), w_statistics(tiny)
    np.testing.assert_allclose(projector.w_avg[0, 0], statistics.mean, atol=1e-5)
    np.testing.assert_allclose(projector.w_std, statistics.std, rtol=1e-5)
