"""Pictures from measurements without a generator, by least total variation and by least squares: what to beat.

Both are other people's solvers: pyunlocbox's accelerated forward-backward splitting (FISTA), and scipy's LSQR.
"""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wplus.errors import UnsupportedError
from wplus.inversion.operators import Operator

Array = NDArray[Any]

WEIGHTS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)  # of the variation, from one solution to the next
_STEPS = 100  # for each weight
_INNER_STEPS = 20  # of the variation's proximal operator


def reconstruct(operator: Operator, y: Array, *, sigma: float) -> NDArray[np.float32]:
    """Pictures `[N, C, H, W]` of least total variation, channel by channel, among those that explain measurements.

    It minimises weight * |A|^2 * TV(x) + |A x - y|^2 for one weight after the other, each from the last one's solution,
    where |A| is A's largest singular value. It stops when the residual is that of the noise, |A x - y|^2 <= M sigma^2
    (Morozov's discrepancy principle), and without noise after the last, which leaves a residual of about 1 % of y.

    Args:
        operator: A.
        y: `[N, *y_shape]`.
        sigma: Standard deviation of the noise, in the units of y.

    Raises:
        UnsupportedError: pyunlocbox is not installed.
    """
    return np.stack([_one(operator, part, sigma) for part in y]).astype(np.float32)


def least_squares(operator: Operator, y: Array) -> NDArray[np.float32]:
    """Pictures `[N, C, H, W]` of the least norm among those that explain measurements best.

    Raises:
        UnsupportedError: scipy, which pyunlocbox brings, is not installed.
    """
    linalg = _module("scipy.sparse.linalg")
    shape = (operator.num_measurements, math.prod(operator.img_shape))
    forward, adjoint = _flat(operator)
    system = linalg.LinearOperator(shape, matvec=forward, rmatvec=adjoint, dtype=np.float64)
    solved = [linalg.lsqr(system, part.ravel(), atol=1e-8, btol=1e-8)[0] for part in y.astype(np.float64)]
    return np.stack(solved).reshape(-1, *operator.img_shape).astype(np.float32)


def _one(operator: Operator, y: Array, sigma: float) -> Array:
    functions, solvers = _module("pyunlocbox.functions"), _module("pyunlocbox.solvers")
    fista = _module("pyunlocbox.acceleration").fista
    flat_forward, flat_adjoint = _flat(operator)
    channels, height, width = operator.img_shape

    def forward(x: Array) -> Array:
        return flat_forward(x.transpose(2, 0, 1))

    def adjoint(residual: Array) -> Array:
        return flat_adjoint(residual).reshape(channels, height, width).transpose(1, 2, 0)

    target = y.astype(np.float64).ravel()
    power = _largest_eigenvalue(lambda x: adjoint(forward(x)), (height, width, channels))
    x = adjoint(target) / power
    variation = functions.norm_tv(dim=2, maxit=_INNER_STEPS, tol=1e-5, verbosity="NONE")
    for weight in WEIGHTS:
        data = functions.norm_l2(y=target, A=forward, At=adjoint, lambda_=1 / (weight * power))
        solver = solvers.forward_backward(accel=fista(), step=weight / 2)
        with np.errstate(invalid="ignore", divide="ignore"):  # the variation of a constant picture is 0
            x = solvers.solve([data, variation], x, solver=solver, maxit=_STEPS, rtol=1e-7, verbosity="NONE")["sol"]
        if np.square(forward(x) - target).sum() <= target.size * sigma**2:
            break
    return x.transpose(2, 0, 1)


def _flat(operator: Operator) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """A and its adjoint on numpy's vectors, in float64."""

    def forward(x: Array) -> Array:
        img = torch.from_numpy(np.ascontiguousarray(x, np.float64)).view(1, *operator.img_shape)
        return operator(img).numpy().ravel()

    def adjoint(y: Array) -> Array:
        given = torch.from_numpy(np.ascontiguousarray(y, np.float64)).view(1, *operator.y_shape)
        return operator.adjoint(given).numpy().ravel()

    return forward, adjoint


def _largest_eigenvalue(apply: Callable[[Array], Array], shape: tuple[int, ...]) -> float:
    """Of a symmetric map, from above: 30 power iterations reach it but for some percent."""
    x = np.random.RandomState(0).randn(*shape)
    for _ in range(30):
        x = apply(x / np.linalg.norm(x))
    return 1.05 * float(np.linalg.norm(x))


def _module(name: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        raise UnsupportedError("Reconstruction by total variation needs: pip install pyunlocbox.") from exc
