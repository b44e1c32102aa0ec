"""Passages from files: JSON Lines, Markdown with front matter, plain text.

==========  =================================================================================================
JSON Lines  one passage a line: ``id``, ``quote`` (or ``text``), and what else :data:`NAMES` knows
Markdown    front matter names what holds for the whole file; passages are its paragraphs under their headings,
            and where the file has a ``citation`` and block quotes, the block quotes: the authority's own words
plain text  passages are its paragraphs; jurisdiction and topic from the folders it lies in
==========  =================================================================================================

A passage's text is never changed, except that line ends are ``\\n`` and a block quote's marks are taken off.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any

import orjson
import yaml

from hexar.agents.legal.corpus.files import File
from hexar.agents.legal.corpus.jurisdictions import path_of, places
from hexar.agents.legal.corpus.passages import Passage

#: Characters that passages of prose are gathered up to.
GATHERED = 1200
#: Characters of one passage.
MAX_QUOTE = 100_000
#: Problems that are kept in words; all are counted.
MAX_PROBLEMS = 100
#: What a property of a passage may be called.
NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "quote": ("quote", "text", "passage", "content"),
    "title": ("title", "name"),
    "citation": ("citation", "cite"),
    "jurisdictions": ("jurisdictions", "jurisdiction"),
    "topics": ("topics", "topic"),
    "court_or_source": ("court", "source", "court_or_source", "type", "kind"),
    "url": ("url", "resource", "link"),
    "valid_from": ("valid_from", "effective", "effective_date"),
    "valid_until": ("valid_until", "repealed", "repealed_on"),
    "superseded_by": ("superseded_by", "superseded-by", "overruled_by"),
}
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_ANCHOR = re.compile(r"\s*\{#[^}]*\}\s*$")
#: Files of a library that are about it and hold no law.
_ABOUT = frozenset(("readme", "license", "changelog", "index", "log", "contributing"))


class Refused(ValueError):
    """A passage cannot be used; the message says why."""


@dataclass(slots=True)
class Reading:
    """What was read so far."""

    passages: list[Passage] = field(default_factory=list)
    refused: int = 0
    problems: list[tuple[str, int, str]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def refuse(self, path: str, line: int, reason: str) -> None:
        """Count one passage that cannot be used."""
        self.refused += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append((path, line, reason))

    def add(self, path: str, line: int, passage: Passage) -> None:
        """Keep a passage; a second one of an id is refused."""
        if passage.id in self.ids:
            self.refuse(path, line, f"the id {passage.id!r} was read before")
            return
        self.ids.add(passage.id)
        self.passages.append(passage)


def read(files: Iterable[File], jurisdiction: str = "") -> Iterator[Reading]:
    """Read all files, yielding the state after each; ``jurisdiction`` is of passages that name none."""
    reading = Reading()
    for file in files:
        _file(reading, file, jurisdiction)
        yield reading
    if not reading.passages and not reading.refused:
        reading.refuse("", 0, "no file with passages was found (.jsonl, .md, .txt)")
        yield reading


def _file(reading: Reading, file: File, jurisdiction: str) -> None:
    path = PurePosixPath(file.path)
    suffix = path.suffix.lower()
    if path.stem.lower() in _ABOUT or suffix not in (".jsonl", ".ndjson", ".md", ".markdown", ".txt"):
        return
    try:
        text = file.content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        reading.refuse(file.path, 0, "is not UTF-8")
        return
    if suffix in (".jsonl", ".ndjson"):
        _lines(reading, file.path, text, jurisdiction)
        return
    meta, body, first = ({}, text, 1) if suffix == ".txt" else _front_matter(reading, file.path, text)
    try:
        common = _common(meta, path, jurisdiction)
    except Refused as error:
        reading.refuse(file.path, 1, str(error))
        return
    for line, title, quote in _prose(body, common, markdown=suffix != ".txt"):
        digest = hashlib.sha256(f"{common.citation}\0{title}\0{quote}".encode()).hexdigest()[:12]
        named = replace(common, id=f"{path.with_suffix('')}#{digest}", quote=quote, title=title)
        reading.add(file.path, line + first - 1, named)


def _lines(reading: Reading, path: str, text: str, jurisdiction: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            reading.refuse(path, number, "is not JSON")
            continue
        try:
            reading.add(path, number, _passage(row, jurisdiction))
        except Refused as error:
            reading.refuse(path, number, str(error))


def _passage(row: Any, jurisdiction: str) -> Passage:
    if not isinstance(row, dict):
        raise Refused("is not an object")
    passage = _read(row, jurisdiction)
    if not passage.quote.strip():
        raise Refused("has no quote")
    if len(passage.quote) > MAX_QUOTE:
        raise Refused(f"its quote has more than {MAX_QUOTE} characters")
    if passage.id:
        return passage
    digest = hashlib.sha256(f"{passage.citation}\0{passage.title}\0{passage.quote}".encode()).hexdigest()[:12]
    return replace(passage, id=digest)


def _value(row: dict[str, Any], name: str) -> Any:
    return next((row[key] for key in NAMES[name] if row.get(key) not in (None, "", [])), None)


def _text(row: dict[str, Any], name: str) -> str:
    value = _value(row, name)
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise Refused(f"its {name} is not a text")
    return str(value)


def _texts(row: dict[str, Any], name: str) -> tuple[str, ...]:
    value = _value(row, name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(entry, str) for entry in values):
        raise Refused(f"its {name} are not texts")
    return tuple(dict.fromkeys(values))


def _day(row: dict[str, Any], name: str) -> date | None:
    value = _value(row, name)
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise Refused(f"its {name} {value!r} is no date (YYYY-MM-DD)") from None


def _read(row: dict[str, Any], jurisdiction: str) -> Passage:
    paths: list[str] = []
    for name in _texts(row, "jurisdictions"):
        path = path_of(name)
        if not path:
            raise Refused(f"its jurisdiction {name!r} is not known")
        paths.append(path)
    if not paths and jurisdiction:
        paths.append(jurisdiction)
    return Passage(
        id=_text(row, "id"),
        quote=_text(row, "quote"),
        title=_text(row, "title"),
        citation=_text(row, "citation"),
        jurisdictions=tuple(dict.fromkeys(paths)),
        topics=_texts(row, "topics"),
        court_or_source=_text(row, "court_or_source"),
        url=_text(row, "url"),
        valid_from=_day(row, "valid_from"),
        valid_until=_day(row, "valid_until"),
        superseded_by=_text(row, "superseded_by"),
    )


def _front_matter(reading: Reading, path: str, text: str) -> tuple[dict[str, Any], str, int]:
    """(properties, the rest, the line of its start)."""
    if not text.startswith("---\n"):
        return {}, text, 1
    end = text.find("\n---", 4)
    if end < 0:
        return {}, text, 1
    try:
        meta = yaml.safe_load(text[4:end])
    except yaml.YAMLError:
        reading.refuse(path, 1, "its front matter is not YAML")
        return {}, text[end + 4 :], text.count("\n", 0, end) + 2
    after = text.find("\n", end + 4)
    rest = "" if after < 0 else text[after + 1 :]
    return (meta if isinstance(meta, dict) else {}), rest, text.count("\n", 0, len(text) - len(rest)) + 1


def _common(meta: dict[str, Any], path: PurePosixPath, jurisdiction: str) -> Passage:
    """What holds for every passage of a file: its front matter, else the folders it lies in."""
    common = _read({key: value for key, value in meta.items() if key not in ("id", "content", "text")}, "")
    parts = [part for part in path.with_suffix("").parts if part not in (".", "..", "/")]
    found = _path_of(parts)
    if not common.jurisdictions:
        place = found or jurisdiction
        common = replace(common, jurisdictions=(place,) if place else ())
    if not common.topics:
        depth = len(found.split("/")) if found else 1
        common = replace(common, topics=tuple(parts[:-depth][-1:]))
    return common if common.title else replace(common, title=path.stem.replace("-", " "))


def _path_of(parts: list[str]) -> str:
    """The jurisdiction that a path ends with ("guides/us/alabama" → us/alabama); empty where it ends with none.

    A country that has states is none by its folder alone: such a text may as well survey the law of its states.
    """
    known = places()
    for count in (2, 1):
        candidate = "/".join(parts[-count:]).lower()
        if candidate in known and ("/" in candidate or not any(path.startswith(f"{candidate}/") for path in known)):
            return candidate
    return ""


def _prose(text: str, common: Passage, *, markdown: bool) -> Iterator[tuple[int, str, str]]:
    """(line, title, passage) in order."""
    blocks = list(_blocks(text))
    if markdown and common.citation and any(block.startswith(">") for _, _, block in blocks):
        for line, _, block in blocks:
            quote = "\n".join(re.sub(r"^>\s?", "", row) for row in block.split("\n")).strip()
            if block.startswith(">") and quote and not quote.startswith("[!"):
                yield line, common.title, quote
        return
    gathered: list[str] = []
    start, under = 0, ""
    for line, heading, block in blocks:
        if gathered and (heading != under or sum(map(len, gathered)) + len(block) > GATHERED):
            yield start, _titled(common.title, under), "\n\n".join(gathered)
            gathered = []
        if not gathered:
            start, under = line, heading
        gathered.append(block)
    if gathered:
        yield start, _titled(common.title, under), "\n\n".join(gathered)


def _titled(title: str, heading: str) -> str:
    return title if not heading or heading == title else f"{title}: {heading}" if title else heading


def _blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, the heading it stands under, block) for every block between blank lines; headings are no blocks."""
    heading = ""
    rows: list[str] = []
    start = 0
    for number, row in enumerate([*text.split("\n"), ""], 1):
        found = _HEADING.fullmatch(row)
        if row.strip() and not found:
            if not rows:
                start = number
            rows.append(row)
            continue
        if rows:
            yield start, heading, "\n".join(rows)[:MAX_QUOTE]
            rows = []
        if found:
            heading = _ANCHOR.sub("", found[2]).strip()
