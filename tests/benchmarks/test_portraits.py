"""Rendered portraits: in range, by attributes, and the same for a seed."""

import torch

from wplus.benchmarks.portraits import NAMES, random_attributes, render


def test_portraits_are_pictures_that_follow_their_seed() -> None:
    first, again, other = (random_attributes(2, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert set(first) == set(NAMES)
    img = render(first, size=32)
    assert img.shape == (2, 3, 32, 32)
    assert img.dtype == torch.float32
    assert -1 <= img.min() < -0.5
    assert 0.5 < img.max() <= 1
    assert torch.equal(img, render(again, size=32))
    assert not torch.equal(img, render(other, size=32))


def test_a_portrait_is_the_same_in_any_size_and_company() -> None:
    attributes = random_attributes(3, torch.Generator().manual_seed(1))
    alone = {name: value[1:2] for name, value in attributes.items()}
    torch.testing.assert_close(render(attributes, size=32)[1:2], render(alone, size=32))
    small, large = render(alone, size=64), torch.nn.functional.avg_pool2d(render(alone, size=128), 2)
    assert (small - large).abs().mean() < 0.01


def test_an_attribute_changes_its_part_of_the_picture() -> None:
    attributes = random_attributes(1, torch.Generator().manual_seed(1)) | {"glasses": torch.zeros(1)}
    difference = render(attributes | {"glasses": torch.ones(1)}, size=32) - render(attributes, size=32)
    rows = difference.abs().amax(dim=(0, 1, 3))
    assert rows[10:18].max() > 0.3  # around the eyes
    assert rows[24:].max() == 0
