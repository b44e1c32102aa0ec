"""Which fields an instruction changes: "make the notice 60 days and set the fee to $5,000", "cambia el preaviso a 60 días".

An instruction is read part by part. A part changes one field: the one whose words stand in it and whose kind the part has a
value of. What is not understood, or could mean two fields, is handed back and never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hexar.agents.legal.request.reading import BELOW, read_fields, words_of
from hexar.agents.legal.templates.model import DocumentType, Field, Kind
from hexar.agents.legal.templates.readings import DURATION, MONEY, Length, dates_in, length_of

_VERBS = (
    r"make|set|change|extend|shorten|increase|reduce|raise|lower|replace|use|put|remove|delete|add|move|"
    r"haz|cambi\w+|pon\w*|fij\w+|ampl\w+|acort\w+|aument\w+|reduc\w+|sub\w+|baj\w+|sustitu\w+|reempla\w+|usa|quit\w+|"
    r"elimin\w+|añad\w+|agreg\w+"
)
#: Where one part ends and the next begins.
_DIVIDED = re.compile(
    rf"\s*[;\n]\s*|(?<=[^\W\d][.!?])\s+(?=(?-i:[A-ZÁÉÍÓÚÑ¿¡]))|,?\s+(?:and|y)\s+(?=(?:{_VERBS}|the|el|la)\b)", re.IGNORECASE
)
_SETS = r"(?:to|be|is|are|as|=|:|a|por|sea|es|con|with)"
_REPLACED = re.compile(
    r"\b(?:replace|change|sustitu\w+|reempla\w+|cambi\w+)\s+(.{2,200}?)\s+(?:with|by|to|por|a)\s+(.{2,200})", re.I
)
#: "by 30 days", "en 30 días": an addition to what is there, up or down.
_BY = re.compile(r"\b(?:by|en)\s+$", re.IGNORECASE)
_MOVES = re.compile(
    r"\b(?:extend|shorten|increase|reduce|raise|lower|ampl\w+|acort\w+|aument\w+|reduc\w+|sub\w+|baj\w+)\b", re.IGNORECASE
)
#: "30 or 60 days": one of two.
_EITHER = re.compile(r"\b\w+\s+(?:or|o|u)\s+$", re.IGNORECASE)
#: "Do not make the notice 60 days" asks for nothing that could be done.
_NOT = re.compile(
    rf"\b(?:don['’]?t|do not|never|shall not|must not|no|nunca)\s+(?:(?:lo|la|me|nos)\s+)?(?:{_VERBS})\b", re.IGNORECASE
)
_DOWN = re.compile(r"\b(?:shorten|reduce|lower|acort\w+|reduc\w+|baj\w+)\b", re.IGNORECASE)

_SHORTENED = re.compile(r"\b(?:Inc|Ltd|Co|Corp|S\.A|S\.L)\.$")


@dataclass(slots=True)
class Instruction:
    """Field → its new value in words; and the parts of the instruction that were not understood."""

    changes: dict[str, str] = field(default_factory=dict)
    unread: list[tuple[int, int, str]] = field(default_factory=list)
    #: Field → its two values, where parts of the instruction contradict each other.
    twice: dict[str, tuple[str, str]] = field(default_factory=dict)


def read_instruction(text: str, kinds: Sequence[DocumentType], current: Mapping[str, str]) -> Instruction:
    """What ``text`` changes. ``kinds`` is the document's type, then its other languages; ``current`` its values in words."""
    made = Instruction()
    for start, end in _parts(text):
        part = text[start:end]
        if _NOT.search(part):
            made.unread.append((start, end, part))
            continue
        found = _replaced(part, kinds[0], current) or _changed(part, kinds, current)
        if found is None:
            parties = {read.field: read.text for read in read_fields(part, kinds[0]) if _is_party(kinds[0], read.field)}
            if not parties:
                made.unread.append((start, end, part))
            made.changes |= parties
        else:
            name, value = found
            before = made.changes.setdefault(name, value)
            if before.casefold() != value.casefold():
                made.twice[name] = (before, value)
    return made


def _is_party(kind: DocumentType, name: str) -> bool:
    entry = kind.field(name)
    return entry is not None and entry.kind is Kind.PARTY


def _parts(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for match in [*_DIVIDED.finditer(text), None]:
        end = match.start() if match is not None else len(text)
        piece = text[at:end]
        if re.search(r"\w", piece):
            yield at + len(piece) - len(piece.lstrip()), at + len(piece.rstrip())
        at = match.end() if match is not None else end


def _replaced(part: str, kind: DocumentType, current: Mapping[str, str]) -> tuple[str, str] | None:
    """ "replace Acme Inc. with Beta LLC": the one field whose value that is."""
    match = _REPLACED.search(part)
    if match is None:
        return None
    old = match[1].strip(" \"“”'").casefold()
    owners = [entry for entry in kind.fields if current.get(entry.name, "").casefold() == old]
    return (owners[0].name, _bare(match[2])) if len(owners) == 1 else None


def _changed(part: str, kinds: Sequence[DocumentType], current: Mapping[str, str]) -> tuple[str, str] | None:
    """The field that the part names best among those that it has a value for."""
    claims: list[tuple[int, float, str, str]] = []
    for entry in kinds[0].fields:
        mentioned, share, last = _mention(part, entry, kinds)
        if not mentioned:
            continue
        value = _value(part, entry, last, current)
        if value:
            claims.append((mentioned, share, entry.name, value))
    claims.sort(key=lambda claim: claim[:2], reverse=True)
    if not claims or (len(claims) > 1 and claims[0][:2] == claims[1][:2]):
        return None
    return claims[0][2], claims[0][3]


def _mention(part: str, entry: Field, kinds: Sequence[DocumentType]) -> tuple[int, float, int]:
    """(words of a field that stand in a part, their share of its words, where the last of them ends), at its best name."""
    best = (0, 0.0, 0)
    for kind in kinds:
        known = kind.field(entry.name)
        if known is None:
            continue
        stems = words_of(part, kind.language)
        for name in (known.label, known.name.replace("_", " ")):
            wanted = {stem for stem, _ in words_of(name, kind.language, specific=True)}
            hits = [(stem, end) for stem, end in stems if stem in wanted]
            if hits:
                found = (
                    len({stem for stem, _ in hits}),
                    len({stem for stem, _ in hits}) / len(wanted),
                    max(end for _, end in hits),
                )
                best = max(best, found)
    return best


def _value(part: str, entry: Field, after: int, current: Mapping[str, str]) -> str:
    """The value that a part has for a field, in words; empty where it has none, or more than one."""
    match entry.kind:
        case Kind.DATE:
            return _single(part, [(day.start, day.text) for day in dates_in(part) if day.value is not None])
        case Kind.MONEY:
            amounts = list(MONEY.finditer(part))
            if any(BELOW.search(part[: found.start()]) for found in amounts):
                return ""
            return _single(part, [(found.start(), found.group()) for found in amounts])
        case Kind.DURATION:
            spans = list(DURATION.finditer(part))
            before = part[: spans[0].start()] if spans else ""
            if _EITHER.search(before) or any(BELOW.search(part[: span.start()]) for span in spans):
                return ""
            if len(spans) == 1 and _BY.search(before) and _MOVES.search(part):
                return _moved(spans[0], current.get(entry.name, ""), down=bool(_DOWN.search(part)))
            return _single(part, [(found.start(), found.group()) for found in spans])
        case Kind.CHOICE:
            named = [choice for choice in entry.choices if re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", part[after:], re.I)]
            return named[0] if len(named) == 1 else ""
        case _:
            said = re.search(
                rf"^[\w\s]{{0,30}}?\b{_SETS}\s*(?<![^\s=:])[\"“]?(.{{1,400}})", part[after:], re.IGNORECASE | re.DOTALL
            )
            return _bare(said[1]) if said else ""


def _single(part: str, found: Sequence[tuple[int, str]]) -> str:
    """The one value, or of "from … to …" the second."""
    if len(found) == 2 and re.search(r"\b(?:from|de|del|desde)\b", part[: found[0][0]], re.IGNORECASE):
        return found[1][1]
    return found[0][1] if len(found) == 1 else ""


def _moved(by: re.Match[str], current: str, *, down: bool) -> str:
    """A duration moved by another of the same unit; empty where what is there is not known, or of another unit."""
    now = DURATION.fullmatch(current.strip())
    if now is None:
        return ""
    old, step = length_of(now), length_of(by)
    count = old.count - step.count if down else old.count + step.count
    return f"{count} {Length(count, old.unit).unit}" if old.unit == step.unit and count > 0 else ""


def _bare(text: str) -> str:
    text = re.sub(r"[\"“”]", "", text).strip()
    return text if _SHORTENED.search(text) else text.rstrip(".").strip()
