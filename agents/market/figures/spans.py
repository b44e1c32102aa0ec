"""How a table's time is cut: the window of the totals, and the two spans that a change is measured between."""

from __future__ import annotations

import calendar
import datetime as dt

from hexar.agents.market.figures.aggregates import Condition, Days, Scope
from hexar.agents.market.tables.model import Profile

_DAY = dt.timedelta(days=1)
#: A shorter span is not compared with the same days a year before.
LEAST_DAYS = 28
_MONTHS = {"month": 1, "quarter": 3}


def months_before(day: dt.date, months: int) -> dt.date:
    """The same day so many months earlier, or the last of that month."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def period_end(first: dt.date, granularity: str) -> dt.date:
    """The last day of the period that begins on ``first``."""
    return next_period(first, granularity) - _DAY


def next_period(first: dt.date, granularity: str, count: int = 1) -> dt.date:
    """The first day of the period ``count`` after the one that begins on ``first``."""
    if granularity in _MONTHS:
        return months_before(first, -_MONTHS[granularity] * count)
    return first + count * (_DAY if granularity == "day" else 7 * _DAY)


def make_scope(
    profile: Profile,
    granularity: str,
    first: dt.date | None = None,
    last: dt.date | None = None,
    conditions: tuple[Condition, ...] = (),
    currency: str = "",
) -> Scope:
    """The scope of an analysis; ``first`` and ``last`` are the caller's limits.

    Without limits, the change is between the last twelve months and the twelve before, where the table has two years, else
    between the two halves of its time. With limits, it is between them and the same length of time before, or as much of a year
    before as the table covers.
    """
    if profile.first is None or profile.last is None:
        return Scope(None, None, None, granularity, conditions, currency)
    # Dates that name whole months end with the last day of the last one.
    end = period_end(profile.last, profile.step) if profile.step else profile.last
    if first is not None or last is not None:
        window = Days(first or profile.first, last or end)
        current, previous = _against_earlier(window, profile.first)
        return Scope(window, current, previous, granularity, conditions, currency, filtered=True)
    window = Days(profile.first, end)
    current, previous = _compared(window, profile.step)
    return Scope(window, current, previous, granularity, conditions, currency)


def _compared(window: Days, step: str) -> tuple[Days | None, Days | None]:
    after = window.last + _DAY
    year, two_years = months_before(after, 12), months_before(after, 24)
    if two_years >= window.first:
        return Days(year, window.last), Days(two_years, year - _DAY)
    if step:
        months = ((after.year - window.first.year) * 12 + after.month - window.first.month) // 2
        if months < 1:
            return None, None
        middle = months_before(after, months)
        return Days(middle, window.last), Days(months_before(middle, months), middle - _DAY)
    half = ((window.last - window.first).days + 1) // 2
    if half < 1:
        return None, None
    begin = window.last - dt.timedelta(days=half - 1)
    return Days(begin, window.last), Days(begin - dt.timedelta(days=half), begin - _DAY)


def _against_earlier(window: Days, earliest: dt.date) -> tuple[Days | None, Days | None]:
    """A window and the span before it: whole months before whole months, a year before a year, else as many days.

    Where the table does not reach back so far, the part of the window whose same days a year before it covers.
    """
    after = window.last + _DAY
    months = (after.year - window.first.year) * 12 + after.month - window.first.month
    if months > 0 and months_before(after, months) == window.first:
        first = months_before(window.first, months)
    else:
        first = window.first - (window.last - window.first + _DAY)
    if first >= earliest:
        return window, Days(first, window.first - _DAY)
    begin = max(window.first, months_before(earliest, -12))
    year = Days(months_before(begin, 12), months_before(after, 12) - _DAY)
    if begin > window.last or year.last >= window.first or (year.last - year.first).days + 1 < LEAST_DAYS:
        return None, None
    return Days(begin, window.last), year
