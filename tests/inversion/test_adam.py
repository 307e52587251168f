"""Adam in numpy against PyTorch's."""

import numpy as np
import torch

from wplus.inversion.adam import Adam


def test_steps_are_those_of_pytorch() -> None:
    start = np.random.RandomState(0).randn(2, 3, 4).astype(np.float32)
    ours = {"v": start.copy()}
    theirs = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    adam, optimizer = Adam(ours, (0.9, 0.99)), torch.optim.Adam([theirs], lr=0.05, betas=(0.9, 0.99))
    for _ in range(20):
        adam.step(
            ours, np.zeros(2, np.float32), {"v": np.cos(ours["v"])}, np.full(2, 0.05, np.float32), np.ones(2, bool)
        )
        theirs.grad = torch.cos(theirs.detach())
        optimizer.step()
    np.testing.assert_allclose(ours["v"], theirs.detach().numpy(), rtol=1e-5, atol=1e-5)


def test_rows_that_rest_stay_and_rows_that_move_do_as_if_alone() -> None:
    start = np.random.RandomState(0).randn(2, 5).astype(np.float32)
    both, alone = {"v": start.copy()}, {"v": start[1:].copy()}
    adam, single = Adam(both, (0.9, 0.99)), Adam(alone, (0.9, 0.99))
    for _ in range(5):
        adam.step(
            both, np.zeros(2, np.float32), {"v": both["v"] * 3}, np.full(2, 0.1, np.float32), np.array([False, True])
        )
        single.step(
            alone, np.zeros(1, np.float32), {"v": alone["v"] * 3}, np.full(1, 0.1, np.float32), np.array([True])
        )
    assert np.array_equal(both["v"][0], start[0])
    assert np.array_equal(both["v"][1:], alone["v"])
    adam.forget(np.array([False, True]))
    assert adam.taken.tolist() == [0, 0]
    assert not adam.first["v"][1].any()
