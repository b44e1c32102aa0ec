"""Values of fields: read from what a caller sends, shown in a document's language.

A value is text and nothing else wherever it stands: it is put into a rendered clause, never into a template, and line breaks in
it become blanks, so that no value begins a heading or a list. A field without a value shows as its label in brackets and is
remembered as open.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, TypeAlias

from hexar.agents.legal.templates.model import Field, Kind, label_of
from hexar.agents.legal.templates.numbers import MAX_NUMBER, shortened, to_words
from hexar.agents.legal.templates.readings import (
    CURRENCIES,
    MONTHS,
    Amount,
    Length,
    NotReadable,
    read_date,
    read_duration,
    read_money,
)

#: Characters of one value, and entries of a list.
MAX_TEXT, MAX_LIST = 20_000, 200
_YES = frozenset(("yes", "true", "1", "sí", "si", "y", "on"))
_NO = frozenset(("no", "false", "0", "n", "off"))

#: A value as it is kept: JSON types, dates as ISO text.
Raw: TypeAlias = Any


#: Characters that show nothing: two names that differ by them look alike. Those that join letters of a script stay.
_UNSEEN = str.maketrans("", "", "\u00ad\u180e\u200b\u2060\ufeff")
#: Characters that turn what follows around: the text that is read is not the text that is signed.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """One line of text without control characters and without those that show nothing.

    Raises NotReadable where a character turns the direction of the text.
    """
    turning = _TURNING.search(text)
    if turning is not None:
        raise NotReadable(f"must not turn the direction of its text (U+{ord(turning.group()):04X})")
    kept = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text.translate(_UNSEEN))
    return " ".join(kept.split())


def read_value(field: Field, value: Raw) -> Raw:
    """``value`` as the field's kind keeps it. Raises NotReadable."""
    match field.kind:
        case Kind.DATE:
            return (value if isinstance(value, date) else read_date(_text(value))).isoformat()
        case Kind.MONEY:
            amount = value if isinstance(value, Amount) else read_money(_text(value))
            return {"currency": amount.currency, "micros": amount.micros}
        case Kind.DURATION:
            length = value if isinstance(value, Length) else read_duration(_text(value))
            return {"count": length.count, "unit": length.unit}
        case Kind.PARTY:
            return _party(value)
        case Kind.CHOICE:
            return _choice(field, _text(value))
        case Kind.FLAG:
            return _flag(value)
        case Kind.NUMBER:
            return _number(value)
        case Kind.LIST:
            return _list(field, value)
        case Kind.TEXT:
            return _plain(value)


def _text(value: Raw) -> str:
    if not isinstance(value, str):
        raise NotReadable(f"must be a text, and is {_kind_of(value)}")
    if len(value) > MAX_TEXT:
        raise NotReadable(f"has {len(value)} characters, at most {MAX_TEXT} are allowed")
    cleaned = clean(value)
    if not cleaned:
        raise NotReadable("must not be empty")
    return cleaned


def _kind_of(value: Raw) -> str:
    names = {dict: "a record", list: "a list", bool: "a flag", float: "a number", int: "a number", date: "a date"}
    names |= {Amount: "an amount", Length: "a duration"}
    return names.get(type(value), "something else")


def _plain(value: Raw) -> str:
    """A text; what is of another kind, as it is shown in English."""
    if isinstance(value, date):
        return str(ShownDate(value.isoformat(), "en"))
    if isinstance(value, Amount):
        return str(ShownMoney({"currency": value.currency, "micros": value.micros}, "en"))
    if isinstance(value, Length):
        return str(ShownDuration({"count": value.count, "unit": value.unit}, "en"))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}"
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return _text(value["name"])
    return _text(value)


def _party(value: Raw) -> dict[str, str]:
    if isinstance(value, dict):
        known = ("name", "description", "address", "signatory", "signatory_title")
        for key in value:
            if key not in known:
                raise NotReadable(f"a party has no {key!r}: {', '.join(known)}")
        party = {key: _text(value[key]) for key in known if value.get(key)}
        if not party.get("name"):
            raise NotReadable("a party has a name")
        return party
    return {"name": _text(value)}


def _choice(field: Field, text: str) -> str:
    for choice in field.choices:
        if choice.casefold() == text.casefold():
            return choice
    raise NotReadable(f"{text!r} is none of its choices: {', '.join(field.choices)}")


def _flag(value: Raw) -> bool:
    if isinstance(value, bool):
        return value
    text = _text(value).casefold()
    if text in _YES | _NO:
        return text in _YES
    raise NotReadable(f"{text!r} is neither yes nor no")


def _number(value: Raw) -> float | int:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    else:
        try:
            number = float(_text(value).replace(",", ""))
        except ValueError:
            raise NotReadable(f"{value!r} is no number") from None
    if number != number or abs(number) == float("inf"):
        raise NotReadable("is no number")
    return int(number) if number == int(number) else number


def _list(field: Field, value: Raw) -> list[Raw]:
    entries = value if isinstance(value, list) else [part for part in _text(value).split(";") if part.strip()]
    if len(entries) > MAX_LIST:
        raise NotReadable(f"has {len(entries)} entries, at most {MAX_LIST} are allowed")
    if not field.items:
        return [_plain(entry) for entry in entries]
    items = {item.name: item for item in field.items}
    read: list[Raw] = []
    for at, entry in enumerate(entries):
        row = entry if isinstance(entry, dict) else {field.items[0].name: entry}
        for key in row:
            if key not in items:
                raise NotReadable(f"entry {at} has a field {key!r} that is none of {', '.join(items)}")
        read.append({key: read_value(items[key], each) for key, each in row.items()})
    return read


# -- as they stand in a document ------------------------------------------------------------------------------------------


class Open:
    """A field without a value: its label in brackets."""

    def __init__(self, name: str, label: str, opened: Callable[[str], None]) -> None:
        self._name, self._label, self._opened = name, label, opened

    def __str__(self) -> str:
        self._opened(self._name)
        return f"[{self._label}]"

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__

    def __getattr__(self, key: str) -> Open:
        if key.startswith("_"):
            raise AttributeError(key)
        label = self._label if key == "name" else f"{self._label} {label_of(key)}"
        return Open(self._name if key == "name" else f"{self._name}.{key}", label, self._opened)


@dataclass(frozen=True, slots=True)
class ShownDate:
    """A day: "May 1, 2026", "1 de mayo de 2026"."""

    iso: str
    language: str

    @property
    def value(self) -> date:
        """The day."""
        return date.fromisoformat(self.iso)

    def __str__(self) -> str:
        day = self.value
        month = MONTHS["es" if self.language == "es" else "en"][day.month - 1]
        return f"{day.day} de {month} de {day.year}" if self.language == "es" else f"{month} {day.day}, {day.year}"


@dataclass(frozen=True, slots=True)
class ShownMoney:
    """An amount: "USD 5,000.00"; ``in_words`` spells it and gives the figures in brackets."""

    raw: dict[str, Any]
    language: str

    def __str__(self) -> str:
        figures = f"{self.raw['micros'] / 1_000_000:,.2f}"
        if self.language == "es":
            figures = figures.translate(str.maketrans(",.", ".,"))
        return f"{self.raw['currency']} {figures}".strip()

    @property
    def in_words(self) -> str:
        """ "five thousand dollars (USD 5,000.00)"; as figures where it has parts of a unit or is too large."""
        whole, rest = divmod(self.raw["micros"], 1_000_000)
        nouns = CURRENCIES.get(self.raw["currency"])
        if rest or whole > MAX_NUMBER or nouns is None:
            return str(self)
        spanish = self.language == "es"
        words = to_words(whole, self.language)
        noun = nouns[(2 if spanish else 0) + (0 if whole == 1 else 1)]
        if spanish:
            words = shortened(words)
            noun = f"de {noun}" if whole and whole % 10**6 == 0 else noun
        return f"{words} {noun} ({self})"


@dataclass(frozen=True, slots=True)
class ShownDuration:
    """A duration: "60 days"; ``in_words`` is "sixty (60) days"."""

    raw: dict[str, Any]
    language: str

    _SPANISH: ClassVar[dict[str, tuple[str, str]]] = {
        "days": ("día", "días"),
        "weeks": ("semana", "semanas"),
        "months": ("mes", "meses"),
        "years": ("año", "años"),
    }

    @property
    def unit(self) -> str:
        """The unit in the document's language and number."""
        count, unit = self.raw["count"], self.raw["unit"]
        if self.language == "es":
            return self._SPANISH[unit][0 if count == 1 else 1]
        return str(unit[:-1] if count == 1 else unit)

    def __str__(self) -> str:
        return f"{self.raw['count']} {self.unit}"

    @property
    def in_words(self) -> str:
        """The count spelled, and in figures in brackets."""
        words = to_words(self.raw["count"], self.language)
        if self.language == "es":
            words = f"{words[:-3]}una" if self.raw["unit"] == "weeks" and words.endswith("uno") else shortened(words)
        return f"{words} ({self.raw['count']}) {self.unit}"


class ShownParty:
    """A party; what is not known of it is open."""

    def __init__(self, name: str, label: str, raw: dict[str, str], opened: Callable[[str], None]) -> None:
        self._field, self._label, self._raw, self._opened = name, label, raw, opened

    def __str__(self) -> str:
        return self._raw["name"]

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_"):
            raise AttributeError(key)
        if key not in ("name", "description", "address", "signatory", "signatory_title"):
            raise AttributeError(key)
        return self._raw.get(key) or Open(f"{self._field}.{key}", f"{self._label} {label_of(key)}", self._opened)


class ShownList(list[Any]):
    """A list; as text "a, b and c"."""

    language = "en"

    def __str__(self) -> str:
        texts = [str(entry) for entry in self]
        joiner = " y " if self.language == "es" else " and "
        return joiner.join([*([", ".join(texts[:-1])] if texts[:-1] else []), *texts[-1:]])


def shown(field: Field, raw: Raw, language: str, opened: Callable[[str], None], at: str = "") -> Any:
    """What a template sees of a field; ``raw`` None is an open field."""
    name = f"{at}{field.name}"
    if raw is None:
        return Open(name, field.label, opened)
    match field.kind:
        case Kind.DATE:
            return ShownDate(raw, language)
        case Kind.MONEY:
            return ShownMoney(raw, language)
        case Kind.DURATION:
            return ShownDuration(raw, language)
        case Kind.PARTY:
            return ShownParty(name, field.label, raw, opened)
        case Kind.LIST:
            entries = ShownList(raw)
            if field.items:
                entries = ShownList(
                    {item.name: shown(item, row.get(item.name), language, opened, f"{name}[{at}].") for item in field.items}
                    for at, row in enumerate(raw)
                )
            entries.language = language
            return entries
        case _:
            return raw
