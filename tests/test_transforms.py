"""The user transform in NVIDIA's convention."""

import numpy as np

from wplus.transforms import user_transform


def test_nothing_asked_is_the_identity() -> None:
    assert np.array_equal(user_transform(), np.eye(3))


def test_it_is_inverted_as_nvidias_is() -> None:
    """The transform that the golden file of StyleGAN3 holds for 25 degrees and a shift of (0.15, -0.1)."""
    expected = [
        [0.9063077870366499, -0.42261826174069944, -0.17820799422956743],
        [0.42261826174069944, 0.90630778703665, 0.0272380394425601],
        [0, 0, 1],
    ]
    np.testing.assert_allclose(user_transform(translate=(0.15, -0.1), rotate=25), expected, atol=1e-7)
