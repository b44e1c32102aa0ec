"""Which queries are asked most."""

from hexar.agents.gear.popular import COUNTED, HALF_LIFE, MostAsked


def test_counts_fade() -> None:
    """What was asked often long ago stands behind what is asked now."""
    clock = [0.0]
    asked = MostAsked(lambda: clock[0])
    for _ in range(5):
        asked.asked("red", b"old", "tent", ())
    clock[0] = 4 * HALF_LIFE
    asked.asked("red", b"new", "stove", ("alpha",))
    assert asked.again(b"new")
    assert not asked.again(b"never")
    assert [query.key for query in asked.top(5, 0.0)] == [b"new", b"old"]
    assert [(query.text, query.vendors) for query in asked.top(5, 1.5)] == [("stove", ("alpha",))]


def test_the_table_is_bounded() -> None:
    """The least asked are forgotten."""
    asked = MostAsked(lambda: 0.0)
    for number in range(3 * COUNTED):
        asked.asked("red", str(number).encode(), f"query {number}", ())
        asked.asked("red", b"often", "often", ())
    assert len(asked.top(10 * COUNTED, 0.0)) <= COUNTED
    assert asked.top(1, 0.0)[0].key == b"often"
