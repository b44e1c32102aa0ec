"""What a request of the legal service must be before anything is done with it.

Each ``check_…`` names every field that is wrong in one InvalidArgument, by its path in the request.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from hexar.agents.legal.corpus.jurisdictions import canonical, nearest
from hexar.core.errors import InvalidArgument
from hexar.v1 import common_pb2
from hexar.v1 import legal_pb2 as pb

#: Characters: of a request in words, of a query, of a text to check, of a name.
MAX_REQUEST, MAX_QUERY, MAX_TEXT, MAX_NAME = 20_000, 2_000, 500_000, 100
#: Fields of a request, and hits of a search.
MAX_FIELDS, MAX_HITS, DEFAULT_HITS = 500, 100, 10
MAX_PAGE, DEFAULT_PAGE = 1000, 100
MAX_RESUME = 1_000_000_000
FORMATS = (pb.LEGAL_FORMAT_MARKDOWN, pb.LEGAL_FORMAT_DOCX)


class Violations:
    """Collects what is wrong."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, field: str, description: str) -> None:
        """Name one field that is wrong."""
        self.found.append((field, description))

    def end(self) -> None:
        """Raise InvalidArgument where anything was found."""
        if self.found:
            (field, description), *more = self.found
            raise InvalidArgument(field, description, *more)

    def text(self, field: str, value: str, limit: int, *, required: bool = False) -> None:
        """A text of at most ``limit`` characters; of control characters, only those that end lines."""
        if not value.strip():
            if required:
                self.add(field, "must not be empty")
        elif len(value) > limit:
            self.add(field, f"has {len(value)} characters, at most {limit} are allowed")
        elif any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\n\r\f" for char in value):
            self.add(field, "must not have control characters")

    def enum(self, field: str, value: int, known: Iterable[int]) -> None:
        """Refuse an enum number that may not stand here."""
        if value not in known:
            self.add(field, f"{value} is no value of this field")

    def place(self, field: str, value: str, known: Iterable[str], *, required: bool = False) -> str:
        """The path of a jurisdiction; ``known`` are paths beside those that everybody knows. Empty where it is none."""
        self.text(field, value, MAX_NAME)
        if not value.strip():
            if required:
                self.add(field, "must be given; it is never guessed")
            return ""
        found = canonical(value)
        lowered = value.strip().lower()
        extra = set(known)
        if found or lowered in extra:
            return found or lowered
        near = nearest(value, extra)
        self.add(field, f"{value.strip()!r} is not known" + (f"; nearest: {', '.join(near)}" if near else ""))
        return ""


def check_draft(wrong: Violations, request: pb.DraftRequest) -> None:
    """The shape of a DraftRequest; what its type and jurisdiction make of it is checked when they are known."""
    wrong.text("request", request.request, MAX_REQUEST)
    wrong.text("document_type", request.document_type, MAX_NAME)
    wrong.text("language", request.language, MAX_NAME)
    wrong.text("corpus.name", request.corpus.name, MAX_NAME)
    wrong.enum("cache_policy", request.cache_policy, common_pb2.CachePolicy.values())
    formats(wrong, request.formats)
    if len(request.fields) > MAX_FIELDS:
        wrong.add("fields", f"has {len(request.fields)} entries, at most {MAX_FIELDS} are allowed")
    if request.resume_after > MAX_RESUME:
        wrong.add("resume_after", "is not the number of an event")


def formats(wrong: Violations, given: Iterable[int]) -> None:
    """The formats wanted, each once."""
    seen: set[int] = set()
    for at, value in enumerate(given):
        wrong.enum(f"formats[{at}]", value, FORMATS)
        if value in seen:
            wrong.add(f"formats[{at}]", "stands twice")
        seen.add(value)


def check_search(wrong: Violations, request: pb.SearchAuthoritiesRequest) -> None:
    """The shape of a SearchAuthoritiesRequest."""
    wrong.text("query", request.query, MAX_QUERY, required=True)
    wrong.text("topic", request.topic, MAX_NAME)
    wrong.text("corpus.name", request.corpus.name, MAX_NAME)
    if request.limit > MAX_HITS:
        wrong.add("limit", f"must be 1 to {MAX_HITS}, or 0 for {DEFAULT_HITS}; it is {request.limit}")


def check_page(page: common_pb2.PageRequest) -> int:
    """The size of a page."""
    wrong = Violations()
    wrong.text("page.token", page.token, 4 * MAX_NAME)
    if page.size > MAX_PAGE:
        wrong.add("page.size", f"must be 1 to {MAX_PAGE}, or 0 for {DEFAULT_PAGE}; it is {page.size}")
    wrong.end()
    return page.size or DEFAULT_PAGE
