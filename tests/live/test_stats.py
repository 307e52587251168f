"""Facts about the figures of a show."""

import pytest

from wplus.live.stats import Stats


def test_percentiles_are_of_each_stage_in_milliseconds() -> None:
    stats = Stats()
    for i in range(1, 101):
        stats.measured("network", i / 1000)
    said = stats.to_json(0.0)["stages"]
    assert said["network"] == pytest.approx({"p50": 50.5, "p95": 95.05, "p99": 99.01})
    assert said["encode"] is None


def test_the_rate_is_that_of_the_last_seconds() -> None:
    stats = Stats()
    for i in range(200):
        stats.shown(i / 20, missed=i % 2, blocks=3)
    said = stats.to_json(10.0)
    assert said["fps"] == pytest.approx(20)
    assert (said["frames"], said["dropped"], said["allocations"]) == (200, 100, 3)
    assert stats.to_json(100.0)["fps"] == 0


def test_what_the_network_reaches_is_known_with_the_first_picture_and_forgotten_with_the_generator() -> None:
    stats = Stats()
    assert stats.to_json(0.0)["reaches"] is None
    for seconds in (0.5, 0.02, 0.02):
        stats.drawn(seconds)
    assert stats.to_json(0.0)["reaches"] == pytest.approx(50)
    stats.new_generator()
    assert stats.drawing is None


def test_an_unknown_stage_is_an_error() -> None:
    with pytest.raises(ValueError, match="stage is 'paint'; known: latents"):
        Stats().measured("paint", 1.0)
