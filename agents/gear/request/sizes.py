"""Sizes: as a request's text names them, and whether a vendor states that one can be had now.

"158W", "158 w" and "158 Wide" are one size, "Medium" and "M" another. A number alone is a size beside a thing that is sized in
centimetres (a board, skis), letters alone beside a thing to wear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hexar.agents.gear.request.measures import MAX_BEFORE, MIN_BEFORE
from hexar.agents.gear.request.reading import GAP, MAX_FOUND, TextReading, alternation
from hexar.agents.gear.request.words import fold, heads, table
from hexar.agents.vendors.model import Availability, Listing
from hexar.core.memo import remembered
from hexar.v1 import query_pb2

_TABLE = table("understanding")
_NAMES: dict[str, str] = _TABLE["size_names"]
_IN_CENTIMETRES = frozenset(table("concepts")["sized_in_centimetres"])
_IN_LETTERS = frozenset(table("concepts")["sized_in_letters"])
_IN_SHOE_SIZES = frozenset(table("concepts")["sized_in_shoe_sizes"])
#: Letters in their order, and the sizes of shoes and of what is sized in centimetres: what a range between bare numbers may be.
_ORDER = ("xxs", "xs", "s", "m", "l", "xl", "xxl", "xxxl")
_SHOES, _CM = (20.0, 52.0), (80.0, 209.0)
#: Sizes that a range may stand for.
RANGE_LIMIT = 48
_LETTERS = r"x{1,3}s|x{1,3}l|[2-5]xl|[sml]"
_FRACTION = r"(?:[.,]5|\s[12]/[23])?"
_NUMBER = rf"\d{{1,3}}{_FRACTION}\s?(?:mw|uw|w|wide|cm)?"
_SYSTEM = r"(?:eu|us|uk|mondo(?:point)?)"
_VALUE = rf"(?:{_SYSTEM}\s?)?(?:{_NUMBER}|{_LETTERS}|{alternation(_NAMES)})(?:\s?{_SYSTEM})?(?![\w'’])"
_JOIN = rf"\s*(?:{'|'.join(re.escape(word) for word in _TABLE['size_joins'])})\s*"
_NAMED = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['size_words'])})\s*:?\s*({_VALUE}(?:{_JOIN}(?:in\s|en\s)?{_VALUE})*)")
_WIDE = re.compile(r"(?<![\w.,])(1[2-9]\d\s?(?:mw|uw|w|wide))(?![\w'’])")
_SYSTEMATIC = re.compile(rf"(?<!\w)({_SYSTEM}\s?\d{{1,2}}{_FRACTION}|\d{{1,2}}{_FRACTION}\s?eu)(?![\w.,'’])")
_CENTIMETRES = re.compile(r"(?<![\w.,$€£-])((?:8\d|9\d|1\d\d|20\d)(?:\s?cm)?)(?![\w.,'’%°-])")
_ALONE = re.compile(r"(?<![\w'’-])(xx?s|x{1,3}l|[2-5]xl)(?![\w'’-])")
_BEFORE = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['size_stock'])})\s+$")
_OTHER_UNIT = re.compile(
    r"\s?(?:kgs?|kilos?|g|gr|l|lt|lit(?:er|re|ro)s?|m|met(?:er|re|ro)s?|mm|lbs?|people|person(?:a?s)?)(?!\w)"
)
_FIND = re.compile(_VALUE)
_BETWEEN = re.compile(
    rf"(?<!\w)(?:between|entre)\s((?:{alternation(_TABLE['size_words'])})\s*:?\s*)?(\d{{2,3}})\s(?:and|y)\s(\d{{2,3}})"
    rf"(?:\s?(?:cm|{_SYSTEM}))?(?![\w.,'’%°-])(?!\s?[$€£])"
)
_END = rf"(?:{_SYSTEM}\s?)?(?:\d{{1,3}}(?:[.,]5)?|{_LETTERS})"
_RANGE = re.compile(
    rf"(?<![\w.,$€£-])((?:{alternation(_TABLE['size_words'])})\s*:?\s*)?({_END})\s?(?:{alternation(_TABLE['size_to'])})\s?({_END})"
    rf"(?:\s?(?:cm|{_SYSTEM}))?(?![\w.,'’%°-])(?!\s?[$€£])"
)


_SIGNS = str.maketrans({"½": ".5", "⅓": " 1/3", "⅔": " 2/3"})
_FRACTIONS = re.compile(r"(?<=\d)\s?[½⅓⅔]|(?<=\d)\s1/2(?!\d)")


def fractions(text: str) -> str:
    """``text`` with the signs of halves and thirds behind a number written out: "42½" is "42.5"."""
    return _FRACTIONS.sub(lambda match: match[0].strip().replace("1/2", "½").translate(_SIGNS), text)


@remembered("gear.sizes")
def size_key(text: str) -> str:
    """A size without its ways of writing: "158 Wide", "158W" and "158 w" are "158w", "Medium" is "m"."""
    key = re.sub(r"[\s.-]+", " ", fold(fractions(text)).replace(",", ".").replace(".5", "½")).strip()
    key = _NAMES.get(key, key)
    return key.replace("wide", "w").replace("cm", "").replace(" ", "").replace("mondopoint", "mondo")


def _loose(key: str) -> str:
    return re.sub(r"^(?:eu|us|uk|mondo)|(?:eu|us|uk)$", "", key)


def read_sizes(reading: TextReading, filters: query_pb2.Filters) -> None:
    """Read the sizes that are asked for."""
    given = bool(filters.sizes)
    named = set(heads(reading.text))
    patterns = [_NAMED, _WIDE, _SYSTEMATIC]
    if named & _IN_CENTIMETRES:
        patterns.append(_CENTIMETRES)
    if named & _IN_LETTERS:
        patterns.append(_ALONE)
    found: list[str] = _read_ranges(reading, named, given=given)
    for pattern in patterns:
        for match in list(pattern.finditer(reading.folded))[:MAX_FOUND]:
            if GAP in match[0] or reading.negated(match.start()) or _OTHER_UNIT.match(reading.folded, match.end()):
                continue
            if pattern is _CENTIMETRES and _compared(reading.folded, match):
                continue  # "not longer than 175 cm": a measure
            for value in _FIND.finditer(match[1]):
                start = match.start(1) + value.start()
                said = reading.text[reading.origin[start] : reading.origin[start + len(value[0].rstrip()) - 1] + 1]
                if size_key(said) not in map(size_key, found):
                    found.append(said)
            before = _BEFORE.search(reading.folded, max(0, match.start() - 20), match.start())
            reading.take(before.start() if before else match.start(), match.end(), as_filter=not given)
    if not given:
        filters.sizes.extend(found[:RANGE_LIMIT])


def _compared(folded: str, match: re.Match[str]) -> bool:
    """Whether a length is a limit rather than a size."""
    low = max(0, match.start() - 40)
    return "cm" in match[0] and any(before.search(folded, low, match.start()) for before in (MAX_BEFORE, MIN_BEFORE))


def _read_ranges(reading: TextReading, named: set[str], *, given: bool) -> list[str]:
    """The sizes of ranges ("sizes 36-42", "38 to 44" beside shoes): any of them will do, halves of shoe sizes too."""
    found: list[str] = []
    for match in [*_BETWEEN.finditer(reading.folded), *_RANGE.finditer(reading.folded)][:MAX_FOUND]:
        if GAP in match[0] or reading.negated(match.start()) or _OTHER_UNIT.match(reading.folded, match.end()):
            continue
        sizes = _between(match[2], match[3], named, by_name=bool(match[1]))
        if sizes and len(found) + len(sizes) <= RANGE_LIMIT:
            found += [size for size in sizes if size not in found]
            before = _BEFORE.search(reading.folded, max(0, match.start() - 20), match.start())
            reading.take(before.start() if before else match.start(), match.end(), as_filter=not given)
    return found


def _between(low: str, high: str, named: set[str], *, by_name: bool) -> list[str]:
    """Every size from ``low`` to ``high``; none where these are no sizes of what is named. ``by_name``: called sizes."""
    first, last = size_key(low), size_key(high)
    if first in _ORDER and last in _ORDER:
        fits = by_name or bool(named & _IN_LETTERS)
        return [size.upper() for size in _ORDER[_ORDER.index(first) : _ORDER.index(last) + 1]] if fits else []
    system = next((one for one in ("eu", "us", "uk", "mondo") if first.startswith(one)), "")
    try:
        start, end = (float(_loose(key).replace("½", ".5")) for key in (first, last))
    except ValueError:
        return []
    shoes = bool(named & _IN_SHOE_SIZES) and (by_name or (_SHOES[0] <= start and end <= _SHOES[1]))
    lengths = bool(named & _IN_CENTIMETRES) and _CM[0] <= start and end <= _CM[1]
    if not start < end or not (by_name or shoes or lengths):
        return []
    steps = int((end - start) * 2) + 1
    halves = [start + step / 2 for step in range(steps)]
    if lengths or not shoes or steps > MAX_FOUND:
        halves = [size for size in halves if size in (start, end) or size.is_integer()]
    return [f"{system} {size:g}".strip() for size in halves]


def stated_sizes(offer: Listing) -> list[tuple[str, Availability]]:
    """The sizes that an offer states, with their stock: those of its variants, else its own, "can be ordered now"."""
    rows = [
        (part.strip(), variant.availability if variant.availability is not Availability.UNKNOWN else offer.availability)
        for variant in offer.variants
        for part in ([variant.size] if variant.size else re.split(r"\s/\s", variant.title))
        if part.strip()
    ]
    if any(variant.size or variant.title for variant in offer.variants):
        return rows
    return [(size, offer.availability) for size in offer.sizes]


def has_size(offer: Listing, wanted: Iterable[str]) -> bool:
    """True where the offer states that a size wanted can be had now. ``wanted`` are keys (:func:`size_key`)."""
    keys = frozenset(wanted)
    return any(state is Availability.IN_STOCK and _matches(size_key(size), keys) for size, state in stated_sizes(offer))


def _matches(key: str, wanted: frozenset[str]) -> bool:
    if key in wanted:
        return True
    # "42" is asked for without a system: any will do. "EU 42" is not "US 42".
    loose = _loose(key)
    return any(one == loose for one in wanted) or (key == loose and any(_loose(one) == key for one in wanted))
