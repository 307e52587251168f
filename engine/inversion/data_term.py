"""How badly pictures explain measurements: one number a picture, differentiable."""

import math

from torch import Tensor

from wplus.inversion.operators import Operator


def residual(operator: Operator, img: Tensor, y: Tensor) -> Tensor:
    """A img - y, `[N, *y_shape]`.

    Args:
        operator: A.
        img: `[N, C, H, W]`.
        y: `[N, *y_shape]`, or `[1, *y_shape]` for all.

    Raises:
        ValueError: a shape does not fit the operator, or y is of another number of pictures.
    """
    measured = operator(img)
    if tuple(y.shape[1:]) != operator.y_shape or len(y) not in (1, len(img)):
        raise ValueError(
            f"y is {list(y.shape)}; for {len(img)} pictures the operator {operator.spec} needs {list(measured.shape)}, "
            f"or {[1, *operator.y_shape]}."
        )
    return measured - y


def data_loss(operator: Operator, img: Tensor, y: Tensor, sigma: float) -> Tensor:
    """The data term, `[N]`, of the residual r = A img - y of M measurements.

    - sigma > 0: mean(r^2) / (2 sigma^2), the negative log likelihood per measurement under Gaussian noise, without
      its constant. The true picture has about 1/2.
    - sigma = 0: mean(r^2) / (|A|^2 / M), where |A|^2 / M is the mean squared norm of A's rows. A picture that differs
      from the true one by white noise has about that noise's variance, whatever A is: a mean squared difference of
      pixels, which for `identity` it is exactly. Differences that are alike in neighbouring pixels count for more
      under operators that average over them.

    Args:
        operator: A.
        img: `[N, C, H, W]`.
        y: `[N, *y_shape]`, or `[1, *y_shape]` for all.
        sigma: Standard deviation of the noise in y, in its units.

    Raises:
        ValueError: a shape does not fit, or sigma is negative or not finite.
    """
    if not 0 <= sigma < math.inf:
        raise ValueError(f"sigma is {sigma:g}; a standard deviation of at least 0, in the units of y, is needed.")
    r = residual(operator, img, y).flatten(1)
    if sigma > 0:
        return (r / sigma).square().mean(dim=1) / 2
    return r.square().mean(dim=1) / operator.row_power
