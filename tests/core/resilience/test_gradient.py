"""The limit that follows the event loop's delay."""

from hexar.core.resilience.gradient import TOLERATED, GradientLimit


def test_a_late_loop_shrinks_the_limit_to_less_than_what_is_at_work_and_it_comes_back() -> None:
    """Four times the tolerated delay, sample after sample, takes it below the calls at work; in time, it grows to its maximum."""
    limit = GradientLimit(1000)
    for _ in range(60):
        limit.sample(4 * TOLERATED, 200)
    assert limit.minimum <= limit.value < 200
    least = limit.value
    for _ in range(20):
        limit.sample(TOLERATED / 2, least)
    assert least < limit.value
    for _ in range(1000):
        limit.sample(0.0, 0)
    assert limit.value == 1000


def test_one_late_sample_costs_little_and_no_delay_costs_nothing() -> None:
    """A pause of the collector is no overload."""
    limit = GradientLimit(1000)
    limit.sample(TOLERATED, 1000)
    assert limit.value == 1000
    limit.sample(10.0, 900)
    assert limit.value > 800


def test_a_limit_keeps_to_its_bounds() -> None:
    """Never below its floor, never above its maximum; a maximum below the floor is both."""
    for maximum in (1, 5, 100, 20_000):
        limit = GradientLimit(maximum)
        for _ in range(500):
            limit.sample(60.0, 1)
        assert min(maximum, 8) <= limit.minimum <= limit.value <= maximum
