"""What a QueryRequest must be before anything is done with it.

:func:`check` names every field that is wrong in one :class:`hexar.core.errors.InvalidArgument`; a request that passes can
be trusted by the rest of this package.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable

from hexar.core.errors import InvalidArgument
from hexar.v1 import common_pb2, query_pb2

#: Characters in QueryRequest.text.
MAX_TEXT = 1000
#: Products in one answer, and how many where the request does not say.
MAX_LIMIT, DEFAULT_LIMIT = 100, 20
#: Names in one list, and characters in one name.
MAX_NAMES, MAX_NAME = 50, 100
#: Seconds that a stream stays open for analyses.
MAX_WAIT = 60.0
#: No answer has as many events.
MAX_RESUME = 1_000_000_000
#: The highest amount, in micros: a thousand million units.
MAX_MICROS = 10**15

_USER_ID = re.compile(r"[A-Za-z0-9._@:+|=/-]{1,128}")
_CURRENCY = re.compile(r"[A-Z]{3}")


class _Violations:
    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, field: str, description: str) -> None:
        self.found.append((field, description))


def check(request: query_pb2.QueryRequest, vendors: Collection[str]) -> None:
    """Raise InvalidArgument, with every field that is wrong, unless ``request`` can be answered.

    ``vendors`` are the names that the configuration knows.
    """
    wrong = _Violations()
    _text(wrong, "text", request.text, MAX_TEXT, what="characters of text")
    if not request.text.strip() and not _says_something(request.filters):
        wrong.add("text", "is empty and no filter is set: one of them must say what is wanted")
    _filters(wrong, request.filters)
    if request.user_id and not _USER_ID.fullmatch(request.user_id):
        wrong.add("user_id", "must be 1 to 128 letters, digits or characters of . _ @ : + | = / -")
    _user(wrong, request.user)
    if request.limit > MAX_LIMIT:
        wrong.add("limit", f"must be 1 to {MAX_LIMIT}, or 0 for {DEFAULT_LIMIT}; it is {request.limit}")
    if request.resume_after > MAX_RESUME:
        wrong.add("resume_after", "is not the number of an event")
    _enum(wrong, "cache_policy", request.cache_policy, common_pb2.CachePolicy.values())
    if len(request.vendors) > MAX_NAMES:
        wrong.add("vendors", f"holds {len(request.vendors)} names, at most {MAX_NAMES} are allowed")
    else:
        for position, name in enumerate(request.vendors):
            if name not in vendors:
                wrong.add(f"vendors[{position}]", f"is not a vendor here; known are: {', '.join(sorted(vendors)) or 'none'}")
    _enum(wrong, "ordering", request.ordering, query_pb2.Ordering.values())
    _wait(wrong, request)
    if wrong.found:
        (field, description), *more = wrong.found
        raise InvalidArgument(field, description, *more)


def _says_something(filters: query_pb2.Filters) -> bool:
    return filters.ByteSize() > 0


def _filters(wrong: _Violations, filters: query_pb2.Filters) -> None:
    prices = [name for name in ("price_min", "price_max") if filters.HasField(name)]
    sound = [_money(wrong, f"filters.{name}", getattr(filters, name)) for name in prices]
    if len(prices) == 2 and all(sound):
        low, high = filters.price_min, filters.price_max
        if low.currency_code != high.currency_code:
            wrong.add("filters.price_max", "must be in the currency of price_min")
        elif low.micros > high.micros:
            wrong.add("filters.price_min", "is more than price_max")
    _enum(wrong, "filters.skill_level", filters.skill_level, query_pb2.SkillLevel.values())
    _names(wrong, "filters.brands", filters.brands)
    _names(wrong, "filters.categories", filters.categories)
    for name in ("terrain", "sizes", "excluded_brands", "excluded_terrain", "excluded_terms"):
        _names(wrong, f"filters.{name}", getattr(filters, name))
    for position, level in enumerate(filters.excluded_levels[:MAX_NAMES]):
        _enum(wrong, f"filters.excluded_levels[{position}]", level, query_pb2.SkillLevel.values())
    if len(filters.measures) > MAX_NAMES:
        wrong.add("filters.measures", f"holds {len(filters.measures)} measures, at most {MAX_NAMES} are allowed")
    for position, measure in enumerate(filters.measures[:MAX_NAMES]):
        _measure(wrong, f"filters.measures[{position}]", measure)


def _measure(wrong: _Violations, field: str, measure: query_pb2.Measure) -> None:
    if measure.quantity == query_pb2.QUANTITY_UNSPECIFIED:
        wrong.add(f"{field}.quantity", "is not set")
    _enum(wrong, f"{field}.quantity", measure.quantity, query_pb2.Quantity.values())
    bounds = [name for name in ("min", "max") if measure.HasField(name)]
    if not bounds:
        wrong.add(field, "has neither min nor max")
    for name in bounds:
        if not math.isfinite(getattr(measure, name)):
            wrong.add(f"{field}.{name}", "is not a number")
    if len(bounds) == 2 and measure.min > measure.max:
        wrong.add(f"{field}.min", "is more than max")


def _user(wrong: _Violations, user: query_pb2.UserContext) -> None:
    _enum(wrong, "user.skill_level", user.skill_level, query_pb2.SkillLevel.values())
    if user.HasField("budget") and _money(wrong, "user.budget", user.budget) and user.budget.micros == 0:
        wrong.add("user.budget", "must be more than zero, or absent")
    _names(wrong, "user.brands", user.brands)
    _names(wrong, "user.terrain", user.terrain)


def _wait(wrong: _Violations, request: query_pb2.QueryRequest) -> None:
    if not request.HasField("wait_for_analysis"):
        return
    wait = request.wait_for_analysis
    seconds = wait.seconds + wait.nanos / 1e9
    if not -999_999_999 <= wait.nanos <= 999_999_999 or (wait.seconds > 0 > wait.nanos) or (wait.seconds < 0 < wait.nanos):
        wrong.add("wait_for_analysis", "is not a duration: nanos must be below one second and of the sign of seconds")
    elif not 0 <= seconds <= MAX_WAIT:
        wrong.add("wait_for_analysis", f"must be 0 to {MAX_WAIT:.0f} seconds")


def _money(wrong: _Violations, field: str, money: common_pb2.Money) -> bool:
    before = len(wrong.found)
    if money.currency_code and not _CURRENCY.fullmatch(money.currency_code):
        wrong.add(f"{field}.currency_code", "must be three capital letters (ISO 4217), or empty")
    if money.micros < 0:
        wrong.add(f"{field}.micros", "must not be negative")
    elif money.micros > MAX_MICROS:
        wrong.add(f"{field}.micros", f"must be at most {MAX_MICROS}")
    return len(wrong.found) == before


def _enum(wrong: _Violations, field: str, value: int, known: Collection[int]) -> None:
    if value not in known:
        wrong.add(field, f"{value} is not a value of this enum")


def _names(wrong: _Violations, field: str, names: Collection[str]) -> None:
    if len(names) > MAX_NAMES:
        wrong.add(field, f"holds {len(names)} names, at most {MAX_NAMES} are allowed")
        return
    for position, name in enumerate(names):
        if not name.strip():
            wrong.add(f"{field}[{position}]", "is empty")
        else:
            _text(wrong, f"{field}[{position}]", name, MAX_NAME, what="characters")


def _text(wrong: _Violations, field: str, text: str, longest: int, *, what: str) -> None:
    if len(text) > longest:
        wrong.add(field, f"has {len(text)} characters, at most {longest} {what} are allowed")
    elif _has_control(text):
        wrong.add(field, "holds a control character")


def _has_control(text: Iterable[str]) -> bool:
    """Tabs and line ends are white space to people who paste; every other control character is not text."""
    return any(unicodedata.category(char) == "Cc" and char not in "\t\n\r" for char in text)
