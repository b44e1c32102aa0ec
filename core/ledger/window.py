"""The window of time that a budget counts: a number that grows when a new day or month begins (UTC)."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    """How long a budget lasts before it is full again. TOTAL never is."""

    TOTAL = "total"
    DAY = "day"
    MONTH = "month"


def window_at(period: Period, now: float) -> int:
    """The number of the window that holds ``now`` (seconds since 1970)."""
    if period is Period.TOTAL:
        return 0
    if period is Period.DAY:
        return int(now // 86_400)
    date = datetime.fromtimestamp(now, UTC)
    return date.year * 12 + date.month - 1


def window_end(period: Period, window: int) -> float | None:
    """When ``window`` ends (seconds since 1970); None: never."""
    if period is Period.TOTAL:
        return None
    if period is Period.DAY:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=window + 1)).timestamp()
    year, month = divmod(window + 1, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC).timestamp()
