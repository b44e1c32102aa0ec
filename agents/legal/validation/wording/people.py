# ruff: noqa: E501  # a pattern is read in one line
"""Names of people and companies as contracts write them, and whether one name is meant to be another."""

from __future__ import annotations

import re
from typing import NamedTuple

from rapidfuzz import fuzz

from hexar.core.memo import remembered

#: What a company's name ends with, longest first. A pattern without groups; its dots are as people leave them.
COMPANY_END = (
    r"(?:S\. ?A\. ?(?:de|DE) ?C\. ?V|S\. ?(?:de|DE) ?R\. ?L\. ?(?:de|DE) ?C\. ?V|S\. ?A\. ?[SCU]|S\. ?L\. ?[PU]|S\. ?R\. ?L|S\. ?A|S\. ?L|S\. ?(?:COOP|Coop)|SpA|SPA|SAS|SRL|SA|SL"
    r"|L\.L\.C|L\.P|N\.A|B\.V|N\.V|P?LLC|LLP|LP|PLC|plc|GmbH|AG|Pty Ltd|"
    + "|".join(
        f"{word}|{word.upper()}" for word in ("Incorporated", "Inc", "Limited", "Ltd", "Corporation", "Corp", "Company", "Co")
    )
    + ")"
)
_CAPITAL = r"[A-ZÁÉÍÓÚÑ][\w&'’-]*"
COMPANY = re.compile(
    rf"(?<![\w.])(?:{_CAPITAL}[ \t]+(?:(?:and|AND|of|OF|de|DE|del|DEL|la|las|los|y|Y|&)[ \t]+)?){{0,6}}?{_CAPITAL},?[ \t]+{COMPANY_END}(?![\w]|\.\w|[ \t]+(?:Act|Law|Code)\b)\.?"
)
_TITLE = r"(?:D\.ª|Dª|D\.|DON|DOÑA|Don|Doña|Dña\.|Sr\.|Sra\.|Srta\.|Lic\.|Ing\.|Dr\.|Dra\.|Mr\.?|Mrs\.?|Ms\.?)"
_LETTERS = r"[A-ZÁÉÍÓÚÑ][\w'’-]+"
_PERSON = rf"(?:{_TITLE}[ \t]*)*(?P<{{0}}>{_LETTERS}(?:[ \t]+(?:[A-Z]\.|(?:de|del|la|van|von)[ \t]+{_LETTERS}|{_LETTERS})){{{{1,3}}}})"
#: Who acts for a company, and who is called by a title.
_REPRESENTED = re.compile(
    r"(?:represented (?:herein )?by|acting (?:herein )?(?:by|through)|acts in this matter by|representad[oa]s?(?: en este acto| legalmente| debidamente)? por)"
    rf"\s+(?:(?:its|his|her|their|su|sus|el|la|los|the)\s+)?(?:[^,;.()\n]{{2,40}},\s+(?=[A-ZÁÉÍÓÚÑ])|[a-záéíóúñ ]{{2,40}}?\s+)?{_PERSON.format('rep')}"
)
_TITLED = re.compile(rf"{_TITLE}[ \t]*" + _PERSON.format("titled"))
_TOKEN = re.compile(r"[^\W\d_]+(?:[’'-][^\W\d_]+)*")


class Person(NamedTuple):
    """A person where the text names one: the words of the name, as written, without titles."""

    name: str
    start: int


@remembered("legal.names")
def tokens(name: str) -> tuple[str, ...]:
    """A name's words in lower case, initials and short joiners left out."""
    return tuple(word.casefold() for word in _TOKEN.findall(name) if len(word) > 2)


def people(text: str) -> list[Person]:
    """People whom a text calls by a title or names as acting for another, each once."""
    found = [Person(match["rep"], match.start("rep")) for match in _REPRESENTED.finditer(text)]
    found += [Person(match["titled"], match.start("titled")) for match in _TITLED.finditer(text)]
    seen: dict[tuple[str, ...], Person] = {}
    for person in sorted(found, key=lambda row: row.start):
        if len(tokens(person.name)) >= 2 and not re.search(rf"{COMPANY_END}\.?$", person.name):
            seen.setdefault(tokens(person.name), person)
    return list(seen.values())


class Signed(NamedTuple):
    """A name-like run of capitalised words under a contract."""

    words: tuple[str, ...]
    start: int
    end: int


_RUN = re.compile(rf"(?:{_LETTERS}|[A-Z]\.)(?: (?:de |del |la )?(?:{_LETTERS}|[A-Z]\.))*")


def signed(text: str, start: int) -> list[Signed]:
    """The runs of capitalised words from ``start`` on; a run ends at a sign, a line's end, or two spaces."""
    found = []
    for match in _RUN.finditer(text, start):
        words = tokens(match.group())
        if words:
            found.append(Signed(words, match.start(), match.end()))
    return found


def is_named(name: str, run: Signed) -> bool:
    """Whether a run is that name: two of its words or more, and nothing foreign between them."""
    wanted = tokens(name)
    at = [index for index, word in enumerate(run.words) if word in wanted]
    if not at or len(at) < min(2, len(wanted)):
        return False
    return all(word in wanted for word in run.words[at[0] : at[-1] + 1])


def is_almost(name: str, run: Signed) -> bool:
    """Whether a run is that name with a word changed: one word or more the same, or alike as a whole."""
    wanted = tokens(name)
    if is_named(name, run) or not 2 <= len(run.words) <= len(wanted) + 1:
        return False
    return bool(set(wanted) & set(run.words)) or fuzz.ratio(" ".join(wanted), " ".join(run.words)) >= 70
