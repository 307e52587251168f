"""How far one set of pictures is from another, and what is allowed: numbers first, then sentences."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Precision
from wplus.backends.arrays import to_bytes

PEAK = 2.0  # from -1 to 1

_Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is allowed; None where a figure is only reported."""

    psnr_db: float  # least
    max_abs: float | None = None
    uint8_share: float | None = None
    uint8_max: int = 255
    ws_rms: float | None = None


def limits(precision: Precision, family: str) -> Limits:
    """The bound of a precision: the one table of them."""
    if precision == "fast":
        return Limits(psnr_db=40.0)
    share = 5e-3 if family.startswith("stylegan3") else 1e-3
    return Limits(psnr_db=80.0, max_abs=2e-3, uint8_share=share, uint8_max=1, ws_rms=1e-4)


MOST_GRADIENT_RMS = 1e-3  # relative, of a loss and its gradients where they are "exact"
LEAST_COSINE = 0.999  # of gradients where they are "fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture as it is compared, whole (K = 1) or in K pieces."""

    bytes: NDArray[np.uint8]  # [K, h, w, C]
    floats: _Floats | None  # [K, C, h, w], about [-1, 1]; None where the bytes alone are known


def whole(img: NDArray[Any]) -> Picture:
    """A picture, float32 `[C, H, W]` or uint8 `[H, W, C]`."""
    if img.dtype == np.uint8:
        return Picture(bytes=img[None], floats=None)
    return Picture(bytes=levels(img[None]), floats=img[None])


def levels(img: _Floats) -> NDArray[np.uint8]:
    """Pictures `[N, C, H, W]` as bytes `[N, H, W, C]`; what is not finite becomes 0."""
    return to_bytes(np.where(np.isfinite(img), img, np.float32(-2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What separates two sets of pictures."""

    max_abs: float | None  # of the unclamped pictures; None where only bytes were compared
    mean_abs: float | None
    uint8_share: float  # of the uint8 values, how many differ
    uint8_max: int  # by how much at most
    psnr_db: float  # of the picture that is furthest off, both clamped to [-1, 1]; infinite where they are equal
    non_finite: int  # NaN and Inf in either set, which the largest and mean differences leave out
    worst: int  # position of the picture that is furthest off
    pictures: int  # that were compared
    ws_rms: float | None  # of the mapping's output, relative to the reference's; None where it was not compared


class Tally:
    """Adds pictures up to a `Difference`, one at a time, so that nobody has to hold them all."""

    def __init__(self) -> None:
        self.count = 0  # pictures
        self._max_abs, self._sum_abs, self._floats = 0.0, 0.0, 0
        self._uint8_max, self._steps, self._bytes = 0, 0, 0
        self._error, self._worst = -1.0, 0  # mean square of the picture that is furthest off
        self._non_finite = 0
        self._ws_error, self._ws_size = 0.0, 0.0  # sums of squares

    def add(self, found: Picture, reference: Picture) -> None:
        """Compares a picture with the reference.

        Raises:
            ValueError: their shapes differ.
        """
        _same_shape(found.bytes, reference.bytes)
        steps = np.abs(found.bytes.astype(np.int16) - reference.bytes)
        self._steps += int(np.count_nonzero(steps))
        self._bytes += steps.size
        self._uint8_max = max(self._uint8_max, int(steps.max()))
        if found.floats is None or reference.floats is None:
            error = float(np.mean((steps / 127.5) ** 2))
        else:
            error = self._add_floats(found.floats, reference.floats)
        if error > self._error:
            self._error, self._worst = error, self.count
        self.count += 1

    def add_ws(self, found: _Floats, reference: _Floats) -> None:
        """Compares ws of one shape, whatever it is."""
        _same_shape(found, reference)
        self._non_finite += int(np.count_nonzero(~np.isfinite(found)))
        self._ws_error += float(np.sum(np.square(np.nan_to_num(found) - reference, dtype=np.float64)))
        self._ws_size += float(np.sum(np.square(reference, dtype=np.float64)))

    def result(self) -> Difference:
        """What was found; a picture must have been added."""
        assert self.count > 0
        return Difference(
            max_abs=self._max_abs if self._floats else None,
            mean_abs=self._sum_abs / self._floats if self._floats else None,
            uint8_share=self._steps / self._bytes,
            uint8_max=self._uint8_max,
            psnr_db=math.inf if self._error == 0 else 10 * math.log10(PEAK**2 / self._error),
            non_finite=self._non_finite,
            worst=self._worst,
            pictures=self.count,
            ws_rms=math.sqrt(self._ws_error / self._ws_size) if self._ws_size else None,
        )

    def _add_floats(self, found: _Floats, reference: _Floats) -> float:
        """The mean square error of the clamped picture; what is not finite is off by the whole peak."""
        _same_shape(found, reference)
        finite = np.isfinite(found) & np.isfinite(reference)
        count, missing = finite.size, finite.size - int(np.count_nonzero(finite))
        if missing:
            found, reference = found[finite], reference[finite]
        errors = np.abs(found - reference)
        self._max_abs = max(self._max_abs, float(errors.max(initial=0)))
        self._sum_abs += float(errors.sum(dtype=np.float64))
        self._floats += count
        self._non_finite += missing
        clamped = np.clip(found, -1, 1) - np.clip(reference, -1, 1)
        return (float(np.sum(np.square(clamped), dtype=np.float64)) + missing * PEAK**2) / count


def difference(found: NDArray[Any], reference: NDArray[Any]) -> Difference:
    """Compares pictures float32 `[N, C, H, W]`, about [-1, 1], or uint8 `[N, H, W, C]`.

    Raises:
        ValueError: their shapes or types differ.
    """
    _same_shape(found, reference)
    tally = Tally()
    for one, other in zip(found, reference, strict=True):
        tally.add(whole(one), whole(other))
    return tally.result()


def unacceptable_reasons(found: Difference, precision: Precision, family: str) -> list[str]:
    """Why pictures that far off will not do, in sentences with figures; empty if they will."""
    bound = limits(precision, family)
    reasons = []
    if found.non_finite:
        reasons.append(f"{found.non_finite:,} numbers are NaN or Inf")
    if bound.max_abs is not None and found.max_abs is not None and found.max_abs > bound.max_abs:
        reasons.append(f"the largest difference is {found.max_abs:.2e}; at most {bound.max_abs:.0e} is allowed")
    if bound.uint8_share is not None and (found.uint8_share > bound.uint8_share or found.uint8_max > bound.uint8_max):
        share = f"{found.uint8_share:.3%} of the uint8 values differ, by up to {found.uint8_max}"
        reasons.append(f"{share}; at most {bound.uint8_share:.1%} may, by {bound.uint8_max}")
    if found.psnr_db < (least := _least_psnr(found, bound)):
        reasons.append(f"PSNR is {found.psnr_db:.1f} dB; at least {least:.0f} are needed")
    if bound.ws_rms is not None and found.ws_rms is not None and found.ws_rms > bound.ws_rms:
        reasons.append(f"ws are off by {found.ws_rms:.1e} of their size; at most {bound.ws_rms:.0e} is allowed")
    return reasons


def is_hopeless(found: Difference, precision: Precision, family: str) -> bool:
    """Whether it will not do, however good the pictures are that are still to come: the worst one stays."""
    bound = limits(precision, family)
    return (
        found.non_finite > 0
        or found.uint8_max > bound.uint8_max
        or found.psnr_db < _least_psnr(found, bound)
        or (bound.max_abs is not None and found.max_abs is not None and found.max_abs > bound.max_abs)
    )


def _least_psnr(found: Difference, bound: Limits) -> float:
    """Of bytes alone, the bound on their share already says how much noise there may be: half a step does not show."""
    if found.max_abs is None and bound.uint8_share is not None:
        return 0.0
    return bound.psnr_db


def _same_shape(found: NDArray[Any], reference: NDArray[Any]) -> None:
    if found.shape != reference.shape or (found.dtype == np.uint8) != (reference.dtype == np.uint8):
        raise ValueError(
            f"It is {found.dtype} {list(found.shape)}; the reference is {reference.dtype} {list(reference.shape)}."
        )
