"""L-BFGS: comes to the end of a curved way, rows alone or in company, and on from what was kept."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wplus.inversion.adam import Arrays
from wplus.inversion.lbfgs import Lbfgs

_Value = Callable[[torch.Tensor], torch.Tensor]
_START = np.linspace(-1.5, 1.2, 10, dtype=np.float32)


def rosenbrock(x: torch.Tensor) -> torch.Tensor:
    """A curved valley, whose minimum of 0 is at 1 everywhere; `[R, 10]` to `[R]`."""
    return (100 * (x[:, 1:] - x[:, :-1].square()).square() + (1 - x[:, :-1]).square()).sum(dim=1)


def evaluate(value: _Value, variables: Arrays) -> tuple[NDArray[np.float32], Arrays]:
    """Losses and gradients, of the names' parts side by side."""
    parts = {name: torch.from_numpy(part.astype(np.float64)).requires_grad_() for name, part in variables.items()}
    losses = value(torch.cat(list(parts.values()), dim=1))
    gradients = torch.autograd.grad(losses.sum(), list(parts.values()))
    found = {name: part.numpy().astype(np.float32) for name, part in zip(parts, gradients, strict=True)}
    return losses.detach().numpy().astype(np.float32), found


def descend(value: _Value, variables: Arrays, steps: int, optimizer: Lbfgs | None = None) -> list[NDArray[np.float32]]:
    """Losses `[R]` of each step; the variables are where the last one led to."""
    optimizer = optimizer or Lbfgs(variables)
    rows = len(next(iter(variables.values())))
    seen = []
    for _ in range(steps):
        losses, gradients = evaluate(value, variables)
        optimizer.step(variables, losses, gradients, np.full(rows, 0.05, np.float32), np.ones(rows, np.bool_))
        seen.append(losses)
    return seen


def test_a_curved_valley_is_followed_to_its_end() -> None:
    variables = {"first": _START[None, :4].copy(), "second": _START[None, 4:].copy()}
    losses = descend(rosenbrock, variables, 150)
    assert min(loss[0] for loss in losses) < 1e-6
    assert np.allclose(np.concatenate([variables["first"], variables["second"]], axis=1), 1, atol=1e-2)


def test_it_takes_about_as_many_evaluations_as_pytorchs() -> None:
    theirs = torch.nn.Parameter(torch.from_numpy(_START[None].astype(np.float64)))
    optimizer = torch.optim.LBFGS([theirs], max_iter=300, history_size=30, line_search_fn="strong_wolfe")
    seen: list[float] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = rosenbrock(theirs).sum()
        loss.backward()
        seen.append(loss.item())
        return loss

    optimizer.step(closure)
    ours = [float(loss[0]) for loss in descend(rosenbrock, {"v": _START[None].copy()}, 300)]
    needed = [next(i for i, loss in enumerate(losses) if loss < 1e-4) for losses in (seen, ours)]
    assert needed[1] < 1.5 * needed[0]


def test_a_row_does_not_depend_on_its_company() -> None:
    both = {"v": np.stack([_START, 2 * _START])}
    alone = {"v": 2 * _START[None]}
    losses = descend(rosenbrock, both, 40)
    assert [loss[1] for loss in losses] == [loss[0] for loss in descend(rosenbrock, alone, 40)]
    assert np.array_equal(both["v"][1:], alone["v"])


def test_rows_that_are_done_stay_as_they_are() -> None:
    variables = {"v": np.stack([_START, _START])}
    optimizer = Lbfgs(variables)
    losses, gradients = evaluate(rosenbrock, variables)
    optimizer.step(variables, losses, gradients, np.full(2, 0.05, np.float32), np.array([True, False]))
    assert not np.array_equal(variables["v"][0], _START)
    assert np.array_equal(variables["v"][1], _START)


def test_what_was_kept_goes_on_to_the_same_bits() -> None:
    whole = {"v": _START[None].copy()}
    descend(rosenbrock, whole, 60)
    parts = {"v": _START[None].copy()}
    first = Lbfgs(parts)
    descend(rosenbrock, parts, 25, first)
    kept = {name: value.copy() for name, value in first.arrays().items()}
    second = Lbfgs(parts)
    second.restore(kept)
    descend(rosenbrock, parts, 35, second)
    assert np.array_equal(parts["v"], whole["v"])


@pytest.mark.parametrize("hole", [float("nan"), float("inf")])
def test_numbers_that_are_none_shorten_the_step(hole: float) -> None:
    def value(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, 0] > 0.5, torch.full_like(x[:, 0], hole), (x - 0.4).square().sum(dim=1))

    variables = {"v": np.full((1, 3), -20, np.float32)}
    losses = [float(loss[0]) for loss in descend(value, variables, 80)]
    assert min(loss for loss in losses if np.isfinite(loss)) < 1e-6


def test_a_row_begins_anew_once_it_forgets() -> None:
    variables = {"v": _START[None].copy()}
    optimizer = Lbfgs(variables)
    descend(rosenbrock, variables, 10, optimizer)
    optimizer.forget(np.array([True]))
    before = variables["v"].copy()
    _, gradients = evaluate(rosenbrock, variables)
    descend(rosenbrock, variables, 1, optimizer)
    moved = variables["v"] - before
    expected = -gradients["v"] / np.linalg.norm(gradients["v"]) * 0.05 * np.sqrt(10)
    assert np.allclose(moved, expected, rtol=1e-4, atol=1e-6)
