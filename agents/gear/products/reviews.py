"""What a product's reviews say by when they were published: all of them, and those of the last 30 days apart."""

from collections.abc import Iterable
from datetime import UTC, datetime

from hexar.agents.vendors.model import Listing, Review
from hexar.v1 import query_pb2

#: Days that count as lately, reviews of them that are shown, and characters of a text that are.
RECENT_DAYS, SHOWN, CHARACTERS = 30, 5, 500
_DAY = 86_400.0


def review_summary(listings: Iterable[Listing], now: float) -> query_pb2.ReviewSummary | None:
    """The reviews of ``listings``, each once, as of ``now`` (Unix seconds); None where there is none.

    A review without a date is none of the last 30 days, nor is one from the future.
    """
    found: dict[tuple[str, str], Review] = {}
    for listing in listings:
        for review in listing.reviews:
            found.setdefault((listing.vendor, review.id), review)
    if not found:
        return None
    recent = [
        (published, key, review)
        for key, review in found.items()
        if (published := _published(review)) is not None and now - RECENT_DAYS * _DAY <= published <= now + _DAY
    ]
    recent.sort(key=lambda row: (-row[0], row[1]))
    summary = query_pb2.ReviewSummary(count=len(found), recent_count=len(recent))
    stars = [review.rating for _, _, review in recent if review.rating is not None and 0.0 <= review.rating <= 5.0]
    if stars:
        summary.recent_rating.value, summary.recent_rating.count = sum(stars) / len(stars), len(stars)
    for published, (vendor, ref), review in recent[:SHOWN]:
        row = summary.recent.add(
            vendor=vendor, ref=ref, title=review.title, text=review.text[:CHARACTERS], rating=review.rating
        )
        row.published.FromSeconds(int(published))
    return summary


def _published(review: Review) -> float | None:
    """Unix seconds of the day; None where the date is missing or cannot be read."""
    try:
        day = datetime.fromisoformat(review.published)
    except ValueError:
        return None
    return (day if day.tzinfo else day.replace(tzinfo=UTC)).timestamp()
