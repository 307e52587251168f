"""Facts about the budget of a frame."""

from wplus.live.budget import Budget, Level

LEVELS = [Level(), Level(fast=True), Level(fast=True, resolution=128)]


class Network:
    """Draws at the budget's levels, and counts changes."""

    def __init__(self, budget: Budget, *seconds: float) -> None:
        self.budget, self.seconds, self.now = budget, list(seconds), 0.0
        self.changes: list[Level] = []

    def draw_for(self, seconds: float, period: float = 0.1) -> None:
        end = self.now + seconds
        while self.now < end:
            taken = self.seconds[LEVELS.index(self.budget.level)]
            self.now += max(taken, period)
            if self.budget.observe(taken, period=period, now=self.now):
                self.changes.append(self.budget.level)


def test_a_network_in_time_draws_whole_pictures() -> None:
    network = Network(Budget(LEVELS), 0.09, 0.05, 0.02)
    network.draw_for(100)
    assert network.changes == []


def test_a_late_network_goes_down_until_it_is_in_time() -> None:
    network = Network(Budget(LEVELS), 0.3, 0.15, 0.08)
    network.draw_for(10)
    assert network.changes == LEVELS[1:]


def test_a_single_late_picture_is_no_reason() -> None:
    budget = Budget(LEVELS)
    for i in range(100):
        assert not budget.observe(0.5 if i % 10 == 0 else 0.05, period=0.1, now=i / 10)


def test_a_network_that_is_far_too_slow_is_not_waited_for() -> None:
    network = Network(Budget(LEVELS), 1.0, 0.05, 0.02)
    network.draw_for(4.1)
    assert network.changes == [LEVELS[1]]


def test_the_last_level_stays_where_nothing_is_in_time() -> None:
    network = Network(Budget(LEVELS), 1.0, 1.0, 1.0)
    network.draw_for(200)
    assert network.changes == LEVELS[1:]


def test_with_time_to_spare_the_better_level_is_tried_and_kept_if_it_holds() -> None:
    network = Network(Budget(LEVELS), 0.2, 0.05, 0.02)
    network.draw_for(4)
    assert network.changes == [LEVELS[1]]
    network.seconds = [0.05, 0.03, 0.02]
    network.draw_for(60)
    assert network.changes == [LEVELS[1], LEVELS[0]]


def test_a_level_that_proves_too_slow_is_tried_less_and_less() -> None:
    network = Network(Budget(LEVELS), 0.2, 0.05, 0.02)
    network.draw_for(600)
    first = len(network.changes)
    network.draw_for(600)
    assert 5 < first < 20
    assert len(network.changes) - first < 8


def test_another_generator_starts_with_its_best_level() -> None:
    budget = Budget(LEVELS)
    Network(budget, 0.3, 0.3, 0.05).draw_for(10)
    budget.replace(LEVELS[:2])
    assert budget.level == LEVELS[0]


def test_levels_are_said_in_words() -> None:
    assert [level.words for level in LEVELS] == [
        "full resolution",
        "full resolution, lower precision",
        "128 px, scaled up, lower precision",
    ]
