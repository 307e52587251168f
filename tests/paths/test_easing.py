"""Facts about easing: it keeps keyframes where they are, and never turns back."""

import numpy as np
import pytest

from wplus.paths.easing import EASINGS, Easing, ease


@pytest.mark.parametrize("easing", EASINGS)
def test_it_starts_at_nothing_ends_at_everything_and_never_turns_back(easing: Easing) -> None:
    bend = EASINGS[easing]
    assert (bend(0.0), bend(1.0)) == (0.0, 1.0)
    shares = [bend(t) for t in np.linspace(0, 1, 1001)]
    assert min(np.diff(shares)) > -1e-15


@pytest.mark.parametrize("easing", EASINGS)
def test_keyframes_stay_where_they_are(easing: Easing) -> None:
    assert [ease(float(position), easing) for position in range(5)] == [0, 1, 2, 3, 4]


def test_smooth_stands_still_at_keyframes_and_none_does_not() -> None:
    assert ease(3.001, "smooth") - 3 < 1e-5
    assert ease(3.001, "none") == 3.001
    assert ease(2.5, "smooth") == 2.5
    assert ease(2.5, "in") == 2.25
    assert ease(2.5, "out") == 2.75
