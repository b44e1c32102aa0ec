"""How values are written: dates in several orders, numbers with separators and signs.

A *sample* of distinct values decides a column's format; the expressions made here then convert every value in the engine, so
that no table passes through Python. What an expression cannot convert becomes NULL, and its row is counted as rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hexar.agents.market.figures.sql import literal

#: Share of the sampled values that must have a format.
SHARE = 0.9
#: The same of a column that is called a date: a line of totals at its end has none.
NAMED_SHARE = 0.6
#: Sampled values that rule a format out before all are looked at.
FIRST = 20
#: What amounts are kept as: exact to four decimals, up to 10¹⁴.
AMOUNT = "DECIMAL(18, 4)"

_MONTHS = (
    ("jan", "ene", "janv"), ("feb", "fev", "febr"), ("mar", "mär", "mars"), ("apr", "abr", "avr"), ("may", "mai", "mayo"),
     ("jun", "juin"),
    ("jul", "juil"), ("aug", "ago", "août", "aou"), ("sep", "set", "sept"), ("oct", "okt", "out"), ("nov",), ("dec", "dic",
     "dez", "déc"),
)  # fmt: skip
MONTH_OF = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_WORD = r"([A-Za-zäéûç]{3,12})\.?"
_TIME = r"(?:[T ,]+\d{1,2}:\d{2}.*)?"


def month_number(word: str) -> int:
    """1 to 12 of a month's name in English, Spanish and neighbours; 0 where it is none."""
    lowered = word.casefold().rstrip(".")
    return MONTH_OF.get(lowered[:4], 0) or MONTH_OF.get(lowered[:3], 0)


@dataclass(frozen=True, slots=True)
class DateFormat:
    """``fields`` name the groups of ``pattern``: Y year, M month, B month by name, D day, Q quarter, W ISO week."""

    name: str
    pattern: str
    fields: str

    def matches(self, text: str) -> bool:
        """Whether ``text`` is a date of this format; a day that no calendar has still is."""
        found = re.fullmatch(self.pattern, text.strip())
        if not found:
            return False
        values = dict(zip(self.fields, found.groups(), strict=True))
        if "B" in values:
            return month_number(values["B"]) > 0
        month, day, quarter = int(values.get("M", 1)), int(values.get("D", 1)), int(values.get("Q", 1))
        return 1 <= month <= 12 and 1 <= day <= 31 and 1 <= quarter <= 4

    def sql(self, value: str) -> str:
        """An expression of type DATE over the text ``value``; NULL where it is none; of a month or a quarter, the first."""
        # All fields by one look: the engine does not see that several would be the same.
        names = ", ".join(map(literal, self.fields))
        found = f"regexp_extract(trim({value}), {literal('^' + self.pattern + '$')}, [{names}])"
        part = {field: f"{found}[{literal(field)}]" for field in self.fields}
        if "W" in part:
            return f"CAST(try_strptime({part['Y']} || '-W' || lpad({part['W']}, 2, '0') || '-1', '%G-W%V-%u') AS DATE)"
        year = part["Y"]
        year = f"CASE length({year}) WHEN 2 THEN CASE WHEN {year} < '69' THEN '20' ELSE '19' END || {year} ELSE {year} END"
        if "B" in part:
            word = f"lower({part['B']})"
            cases = " ".join(
                f"WHEN {word} LIKE {literal(name + '%')} THEN '{number:02d}'"
                for name, number in sorted(MONTH_OF.items(), key=lambda row: -len(row[0]))
            )
            month = f"CASE {cases} END"
        elif "Q" in part:
            month = f"CASE {part['Q']} WHEN '1' THEN '01' WHEN '2' THEN '04' WHEN '3' THEN '07' WHEN '4' THEN '10' END"
        else:
            month = part["M"]
        day = part.get("D", "'01'")
        slow = f"TRY_CAST(({year}) || '-' || ({month}) || '-' || {day} AS DATE)"
        if self is not YMD:
            return slow
        plain = f"TRY_CAST({value} AS DATE)"
        return f"CASE WHEN strlen({value}) = 10 AND {plain} IS NOT NULL THEN {plain} ELSE {slow} END"


YMD = DateFormat("Y-m-d", r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _TIME + r"Z?", "YMD")
DMY = DateFormat("d/m/Y", r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4}|\d{2})" + _TIME, "DMY")
MDY = DateFormat("m/d/Y", r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4}|\d{2})" + _TIME, "MDY")
DATE_FORMATS = (
    YMD,
    DMY,
    MDY,
    DateFormat("Ymd", r"((?:19|20)\d{2})(0[1-9]|1[0-2])([0-3]\d)", "YMD"),
    DateFormat("Y-m", r"((?:19|20)\d{2})[-/](\d{1,2})", "YM"),
    DateFormat("m/Y", r"(\d{1,2})[-/]((?:19|20)\d{2})", "MY"),
    DateFormat(
        "d month Y", r"(\d{1,2})(?:st|nd|rd|th)?[-/. ]+(?:de +)?" + _WORD + r"[-/., ]+(?:de +)?(\d{4}|\d{2})" + _TIME, "DBY"
    ),
    DateFormat("month d, Y", _WORD + r" +(\d{1,2})(?:st|nd|rd|th)?,? +(\d{4})" + _TIME, "BDY"),
    DateFormat("month Y", _WORD + r"[-/., ]*(?:de +)?((?:19|20)?\d{2})", "BY"),
    DateFormat("Y month", r"((?:19|20)\d{2})[-/., ]*" + _WORD, "YB"),
    DateFormat("Y quarter", r"((?:19|20)\d{2})[-/ ]*[QqTt]([1-4])", "YQ"),
    DateFormat("quarter Y", r"[QqTt]([1-4])[-/ ]*((?:19|20)\d{2})", "QY"),
    DateFormat("Y week", r"((?:19|20)\d{2})-?[Ww](\d{1,2})", "YW"),
)
#: Digits alone are a number unless the column's name says that they are a day.
_ONLY_BY_NAME = frozenset(("Ymd",))


def date_format(sample: Sequence[str], *, named_date: bool) -> DateFormat | None:
    """The format of most of the sample. Where day and month both fit in either order: d/m/Y, for the caller to look closer."""
    if not sample:
        return None
    best, most = None, 0
    first = sample[:FIRST]
    for known in DATE_FORMATS:
        if known.name in _ONLY_BY_NAME and not named_date:
            continue
        if sum(map(known.matches, first)) < len(first) / 2:
            continue
        count = sum(map(known.matches, sample))
        if count > most:
            best, most = known, count
    least = (NAMED_SHARE if named_date else SHARE) * len(sample)
    if most < least and sum(1 for text in sample if DMY.matches(text) or MDY.matches(text)) >= least:
        # Dates, in two orders: the caller sees by all rows whether that can be read.
        return DMY
    return best if most >= least else None


#: Signs of currencies and the codes they stand for; "$" and "¥" are those of several, and name none.
SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₩": "KRW", "₺": "TRY", "₽": "RUB", "₫": "VND", "₪": "ILS", "zł": "PLN",
"R$": "BRL", "US$": "USD",
         "$": "$", "¥": "¥"}  # fmt: skip
_SIGN = r"(?:US\$|R\$|zł|[$€£¥₹₩₺₽₫₪]|[A-Z]{3})"
_NUMBER = re.compile(
    # Blanks are not given back: between so many things that may be missing there are many ways to share them.
    rf"^\(?\s*+[-+−]?\s*+({_SIGN})?\s*+[-+−]?\s*+(\d[\d.,'’\u00a0\u202f ]*|[.,]\d+)"
    rf"(?:[eE]([-+]?\d{{1,3}}))?\s*+({_SIGN}|%)?\s*+-?\)?$"
)
_PLAIN = re.compile(r"-?\d+(\.\d+)?").fullmatch
_GROUPED = {",": re.compile(r"\d{1,3}(,\d{2,3})*,\d{3}"), ".": re.compile(r"\d{1,3}(\.\d{3})+")}


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How a column writes numbers. ``signs`` are currencies that stand beside them; ``ambiguous``: both separators would do."""

    decimal: str
    percent: bool = False
    signs: tuple[str, ...] = ()
    ambiguous: bool = False
    plain: bool = False

    @property
    def name(self) -> str:
        """For people; empty for the plain one."""
        parts = ["decimal comma"] if self.decimal == "," else []
        if self.percent:
            parts.append("percent")
        if self.signs:
            parts.append("with " + ", ".join(self.signs))
        return ", ".join(parts)

    def sql(self, value: str, kind: str = AMOUNT) -> str:
        """An expression of type ``kind`` over the text ``value``; NULL where it is no number of this format."""
        text = f"trim({value})"
        if self.plain:
            # The engine's own reading passes over space.
            return f"TRY_CAST({value} AS {kind})"
        digits = f"regexp_replace({text}, {literal(_SIGN + '|[ ()+%’' + chr(39) + chr(0xA0) + chr(0x202F) + ']')}, '', 'g')"
        digits = f"replace({digits}, '−', '-')"
        negative = f"{text} LIKE '(%)' OR {digits} LIKE '-%' OR {digits} LIKE '%-'"
        bare = f"trim({digits}, '-')"
        group = "." if self.decimal == "," else ","
        # A separator of groups in another place than every third digit is no such number: "1,5" is not 15.
        whole = r"\d+|\d{1,3}(\.\d{3})+" if group == "." else r"\d+|\d{1,3}(,\d{2,3})*,\d{3}"
        point = re.escape(self.decimal)
        shape = literal(rf"^({whole})?({point}\d*)?([eE][-+]?\d+)?$")
        plain = f"replace(replace({bare}, '{group}', ''), '{self.decimal}', '.')"
        signed = f"CASE WHEN {negative} THEN '-' ELSE '' END || {plain}"
        number = f"TRY_CAST(CASE WHEN regexp_matches({bare}, {shape}) THEN {signed} END AS DECIMAL(30, 8))"
        scaled = f"{number} / 100" if self.percent else number
        return f"TRY_CAST({scaled} AS {kind})"

    def currency_sql(self, value: str) -> str:
        """An expression for the currency that stands beside the text ``value``; NULL where none does."""
        found = f"regexp_extract({value}, {literal(_SIGN)})"
        cases = " ".join(f"WHEN {literal(sign)} THEN {literal(code)}" for sign, code in SIGNS.items())
        return f"NULLIF(CASE {found} {cases} ELSE {found} END, '')"


def number_format(sample: Sequence[str], decimal: str = "") -> NumberFormat | None:
    """The format of most of the sample; ``decimal`` is the separator where it is known."""
    first = sample[:FIRST]
    if 2 * sum(1 for text in first if _NUMBER.match(text.strip())) < len(first):
        return None
    if decimal != "," and all(map(_PLAIN, sample)):
        points = [text for text in sample if "." in text]
        if not points or not all(_GROUPED["."].fullmatch(text.lstrip("-")) for text in points):
            return NumberFormat(".", plain=True) if sample else None
    found = [match for match in map(_NUMBER.match, (text.strip() for text in sample)) if match]
    if not found or len(found) < SHARE * len(sample):
        return None
    signs = {match[1] for match in found if match[1]} | {match[4] for match in found if match[4] and match[4] != "%"}
    percent = sum(1 for match in found if match[4] == "%") > len(found) / 2
    comma = dot = unclear = 0
    for match in found:
        digits = re.sub(r"[ '’\u00a0\u202f]", "", match[2])
        commas, dots = digits.count(","), digits.count(".")
        if commas and dots:
            comma, dot = (comma + 1, dot) if digits.rfind(",") > digits.rfind(".") else (comma, dot + 1)
        elif commas > 1 or dots > 1:
            comma, dot = (comma + 1, dot) if dots > 1 else (comma, dot + 1)
        elif commas or dots:
            if _GROUPED["," if commas else "."].fullmatch(digits) and not digits.startswith("0"):
                unclear += 1
            else:
                comma, dot = (comma + 1, dot) if commas else (comma, dot + 1)
    codes = tuple(sorted({SIGNS.get(sign, sign) for sign in signs}))
    ambiguous = not decimal and not comma and not dot and unclear > 0
    separator = decimal or ("," if comma > dot else ".")
    plain = (
        not signs and not percent and all(re.fullmatch(r"-?\d+(\.\d+)?", text.strip()) for text in sample) and separator == "."
    )
    return NumberFormat(separator, percent, codes, ambiguous, plain)


def order_of_days(count: Callable[[DateFormat], int], total: int) -> tuple[DateFormat, bool]:
    """(day first or month first, whether both would do) by how many of ``total`` dates each order can read."""
    day_first, month_first = count(DMY), count(MDY)
    if day_first == month_first:
        return DMY, day_first >= total
    return (DMY if day_first > month_first else MDY), False
