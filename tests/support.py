"""Where the data lie, and how far a result may be from its reference: one table, and the measure that goes with it."""

from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).parent / "data"

# Relative RMS error of a single operator against float64, from eager PyTorch on CPU.
OPERATOR_LIMITS = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
# The same for gradients against the originals' own, which are float32 too, so that both sides' errors add; a bias's
# gradient, a sum over all pixels, measured 2.1e-6.
GOLDEN_OPERATOR_GRADIENT_LIMIT = 4e-6
# Relative RMS error of a whole network against the original implementation's golden files.
GOLDEN_IMAGE_LIMIT = 1e-5
GOLDEN_GRADIENT_LIMIT = 1e-3

_OUTLIER = 20  # the largest single error, in units of limit * rms(reference)


def relative_rms(found: torch.Tensor | np.ndarray, reference: torch.Tensor | np.ndarray) -> float:
    """rms(found - reference) / rms(reference), computed in float64."""
    found, reference = _float64(found), _float64(reference)
    assert found.shape == reference.shape, (found.shape, reference.shape)
    return float(np.sqrt(np.mean((found - reference) ** 2)) / np.sqrt(np.mean(reference**2)))


def assert_close(found: torch.Tensor | np.ndarray, reference: torch.Tensor | np.ndarray, limit: float) -> None:
    """Fails if the relative RMS error exceeds `limit`, or a single error 20 times that."""
    error = relative_rms(found, reference)
    assert error <= limit, f"relative RMS error {error:.2e}, limit {limit:.0e}"
    found, reference = _float64(found), _float64(reference)
    largest = np.abs(found - reference).max()
    cap = _OUTLIER * limit * np.sqrt(np.mean(reference**2))
    assert largest <= cap, f"largest error {largest:.2e}, cap {cap:.2e}"


def _float64(values: torch.Tensor | np.ndarray) -> np.ndarray:
    return values.detach().double().numpy() if isinstance(values, torch.Tensor) else values.astype(np.float64)
