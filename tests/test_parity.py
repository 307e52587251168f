"""How far pictures are from the reference's, and whether that will do."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wplus.backends import Precision
from wplus.backends.arrays import to_bytes
from wplus.parity import Difference, Tally, difference, is_hopeless, limits, unacceptable_reasons, whole

IMG = np.random.RandomState(0).uniform(-1, 1, (2, 3, 8, 8)).astype(np.float32)
FAMILIES = ["stylegan1", "stylegan2", "stylegan3-t", "stylegan3-r", "plain"]


def _rounded(img: np.ndarray) -> np.ndarray:
    """To eight bits of mantissa, as bfloat16 has them."""
    return (img.view(np.uint32) & 0xFFFF0000).view(np.float32)


def _bytes_off(share: float, by: int) -> Difference:
    reference = np.full((1, 100, 100, 1), 100, np.uint8)
    found = reference.copy()
    found.reshape(-1)[: round(share * found.size)] += by
    return difference(found, reference)


def test_equal_pictures_differ_in_nothing() -> None:
    assert difference(IMG, IMG) == Difference(
        max_abs=0,
        mean_abs=0,
        uint8_share=0,
        uint8_max=0,
        psnr_db=math.inf,
        non_finite=0,
        worst=0,
        pictures=2,
        ws_rms=None,
    )
    assert unacceptable_reasons(difference(IMG, IMG), "exact", "stylegan2") == []


def test_psnr_is_of_the_worst_picture_and_the_other_figures_are_of_all() -> None:
    other = IMG.copy()
    other[1] *= np.float32(0.98)
    errors = np.abs(other - IMG)
    found = difference(other, IMG)
    assert found.worst == 1
    assert found.psnr_db == pytest.approx(20 * math.log10(2 / np.sqrt(np.mean(errors[1] ** 2))), abs=1e-3)
    assert found.max_abs == errors.max()
    assert found.mean_abs == pytest.approx(errors.mean(), rel=1e-5)
    steps = np.abs(to_bytes(other).astype(int) - to_bytes(IMG))
    assert (found.uint8_share, found.uint8_max) == (np.mean(steps > 0), steps.max())


def test_what_is_beyond_white_counts_in_the_largest_difference_alone() -> None:
    found = difference(np.full_like(IMG, 3), np.full_like(IMG, 2))
    assert (found.max_abs, found.psnr_db, found.uint8_max) == (1, math.inf, 0)


def test_half_precision_errors_are_red_in_exact_and_green_in_fast() -> None:
    found = difference(_rounded(IMG), IMG)
    reasons = " ".join(unacceptable_reasons(found, "exact", "stylegan2"))
    assert "of the uint8 values differ, by up to 1" in reasons
    assert "PSNR" in reasons
    assert unacceptable_reasons(found, "fast", "stylegan2") == []


def test_a_shift_too_small_to_see_is_red_when_it_exceeds_the_bound() -> None:
    (reason, *_) = unacceptable_reasons(difference(IMG + np.float32(0.003), IMG), "exact", "stylegan2")
    assert reason == "the largest difference is 3.00e-03; at most 2e-03 is allowed"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_share_of_bytes_that_may_differ_is_the_familys(family: str) -> None:
    for share, accepted in ((0.001, FAMILIES), (0.005, ["stylegan3-t", "stylegan3-r"]), (0.006, [])):
        assert (unacceptable_reasons(_bytes_off(share, 1), "exact", family) == []) == (family in accepted)


def test_bytes_may_be_off_by_one_and_no_more() -> None:
    (reason,) = unacceptable_reasons(_bytes_off(0.0005, 2), "exact", "stylegan2")
    assert reason == "0.050% of the uint8 values differ, by up to 2; at most 0.1% may, by 1"


def test_of_bytes_alone_fast_asks_for_psnr_too() -> None:
    assert _bytes_off(1, 2).max_abs is None
    assert unacceptable_reasons(_bytes_off(1, 2), "fast", "stylegan2") == []
    assert unacceptable_reasons(_bytes_off(1, 3), "fast", "stylegan2") == ["PSNR is 38.6 dB; at least 40 are needed"]


@pytest.mark.parametrize("precision", get_args(Precision))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_inf_are_red_and_counted(precision: Precision, value: float) -> None:
    other = IMG.copy()
    other[0, 0, 0, :2] = value
    for pair in ((other, IMG), (IMG, other), (other, other)):
        found = difference(*pair)
        assert found.non_finite == 2
        assert unacceptable_reasons(found, precision, "stylegan2")[0] == "2 numbers are NaN or Inf"
        assert is_hopeless(found, precision, "stylegan2")


def test_ws_are_measured_against_their_size() -> None:
    tally = Tally()
    tally.add(whole(IMG[0]), whole(IMG[0]))
    ws = np.random.RandomState(0).randn(4, 6, 16).astype(np.float32)
    tally.add_ws(ws[:1], ws[:1])
    tally.add_ws(ws[1:] * np.float32(1.001), ws[1:])
    found = tally.result()
    assert found.ws_rms == pytest.approx(1e-3 * np.sqrt(np.sum(ws[1:] ** 2) / np.sum(ws**2)), rel=1e-3)
    assert unacceptable_reasons(found, "exact", "plain") == [
        f"ws are off by {found.ws_rms:.1e} of their size; at most 1e-04 is allowed"
    ]
    tally.add_ws(np.full_like(ws, np.nan), ws)
    assert tally.result().non_finite == ws.size


def test_other_shapes_and_types_are_refused() -> None:
    with pytest.raises(ValueError, match=r"float32 \[2, 3, 8, 7\]; the reference is float32 \[2, 3, 8, 8\]"):
        difference(IMG[..., :7], IMG)
    with pytest.raises(ValueError, match=r"uint8 \[2, 3, 8, 8\]; the reference is float32"):
        difference(IMG.astype(np.uint8), IMG)


@given(
    img=arrays.arrays(np.float32, (1, 1, 2, 3), elements=st.floats(-4, 4, width=32)),
    off=arrays.arrays(np.float32, (1, 1, 2, 3), elements=st.floats(-(2**-7), 2**-7, width=32)),
    precision=st.sampled_from(get_args(Precision)),
)
def test_hopeless_pictures_are_unacceptable(img: np.ndarray, off: np.ndarray, precision: Precision) -> None:
    found = difference(img + off, img)
    if is_hopeless(found, precision, "stylegan2"):
        assert unacceptable_reasons(found, precision, "stylegan2")


def test_the_bounds_are_those_that_the_documentation_gives() -> None:
    for family in FAMILIES:
        exact, fast = limits("exact", family), limits("fast", family)
        assert (exact.max_abs, exact.uint8_max, exact.psnr_db, fast.psnr_db) == (2e-3, 1, 80, 40)
        assert exact.uint8_share == (5e-3 if family.startswith("stylegan3") else 1e-3)
        assert (fast.max_abs, fast.uint8_share) == (None, None)
