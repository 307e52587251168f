"""What may be timed."""

import math

import pytest
import torch

from wplus.benchmarks.correctness import Difference, difference, unacceptable_reasons

IMG = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_equal_pictures_may_be_timed() -> None:
    found = difference(IMG, IMG)
    assert found == Difference(max_abs=0, uint8_share=0, uint8_max=0, psnr_db=math.inf)
    assert unacceptable_reasons(found, "exact") == []


def test_psnr_is_of_the_worst_picture() -> None:
    other = IMG.clone()
    other[1] = other[1] * 0.98
    rms = float((IMG[1] * 0.02).square().mean().sqrt())
    assert difference(other, IMG).psnr_db == pytest.approx(20 * math.log10(2 / rms), abs=1e-3)


def test_half_precision_errors_are_red_in_exact_and_green_in_fast() -> None:
    found = difference(IMG.bfloat16().float(), IMG)
    reasons = " ".join(unacceptable_reasons(found, "exact"))
    assert "of the uint8 values differ, by up to 1" in reasons
    assert "PSNR" in reasons
    assert unacceptable_reasons(found, "fast") == []


def test_a_shift_too_small_to_see_is_red_when_it_exceeds_the_bound() -> None:
    (reason, *_) = unacceptable_reasons(difference(IMG + 0.003, IMG), "exact")
    assert reason == "the largest difference is 3.00e-03; at most 2e-03 is allowed"


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_nan_is_red(precision: str) -> None:
    other = IMG.clone()
    other[0, 0, 0, 0] = math.nan
    for pair in ((other, IMG), (IMG, other)):
        assert unacceptable_reasons(difference(*pair), "exact" if precision == "exact" else "fast") != []


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[2, 3, 8, 7\]"):
        difference(IMG[..., :7], IMG)
