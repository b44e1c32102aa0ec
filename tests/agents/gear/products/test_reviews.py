"""Reviews by when they were published."""

from hexar.agents.gear.products.reviews import CHARACTERS, SHOWN, review_summary
from hexar.agents.vendors.model import Listing, Review

NOW = 1_767_225_600.0  # 2026-01-01


def test_the_last_thirty_days_stand_apart() -> None:
    """Each review counts once; old, undated and future ones are none of the recent."""
    reviews = (
        Review("a", "Fine.", rating=4.0, published="2025-12-20"),
        Review("b", "Poor.", rating=1.0, published="2025-12-03T10:00:00+01:00"),
        Review("c", "Old.", rating=5.0, published="2025-11-30"),
        Review("d", "Undated.", rating=5.0),
        Review("e", "Future.", rating=5.0, published="2026-03-01"),
        Review("f", "No stars.", published="2025-12-31"),
        Review("g", "Odd.", published="yesterday"),
    )
    one = Listing("alpha", "1", "Board", NOW, reviews=reviews)
    summary = review_summary([one, one], NOW)
    assert summary is not None
    assert (summary.count, summary.recent_count) == (7, 3)
    assert (summary.recent_rating.value, summary.recent_rating.count) == (2.5, 2)
    assert [row.ref for row in summary.recent] == ["f", "a", "b"]
    assert [row.HasField("rating") for row in summary.recent] == [False, True, True]


def test_what_is_shown_is_bounded() -> None:
    """A few reviews, of a long text its beginning."""
    reviews = tuple(Review(str(i), "x" * 2000, published="2025-12-31") for i in range(40))
    summary = review_summary([Listing("alpha", "1", "Board", NOW, reviews=reviews)], NOW)
    assert summary is not None
    assert (summary.recent_count, len(summary.recent), len(summary.recent[0].text)) == (40, SHOWN, CHARACTERS)
    assert review_summary([Listing("alpha", "1", "Board", NOW)], NOW) is None
