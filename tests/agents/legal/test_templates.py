"""Templates: typed fields, clauses with references, the sandbox, and types from folders."""

import random
from datetime import date
from typing import Any

import pytest
import yaml

from hexar.agents.legal.corpus.files import File
from hexar.agents.legal.request.reading import read_fields
from hexar.agents.legal.templates.importing import read_folder_types, read_pair
from hexar.agents.legal.templates.library import shipped
from hexar.agents.legal.templates.model import BadType, Field, Kind, read_type, to_row
from hexar.agents.legal.templates.numbers import MAX_NUMBER, from_words, to_words
from hexar.agents.legal.templates.readings import Amount, Length, NotReadable, read_date, read_duration, read_money
from hexar.agents.legal.templates.rendering import BadTemplate, Filling, check_type
from hexar.agents.legal.templates.values import read_value


@pytest.mark.parametrize("language", ["en", "es"])
def test_numbers_are_read_as_they_are_written(language: str) -> None:
    """Every number below 2000 and many above, both ways."""
    chance = random.Random(1)
    numbers = [*range(2000), *(chance.randrange(10 ** chance.randrange(4, 15)) for _ in range(2000)), MAX_NUMBER]
    assert [from_words(to_words(number, language)) for number in numbers] == numbers


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (read_money, "$5,000", Amount("USD", 5_000_000_000)),
        (read_money, "USD 5,000.50", Amount("USD", 5_000_500_000)),
        (read_money, "5.000 €", Amount("EUR", 5_000_000_000)),
        (read_money, "$1.2 million", Amount("USD", 1_200_000_000_000)),
        (read_duration, "thirty (30) days", Length(30, "days")),
        (read_duration, "dos años", Length(2, "years")),
        (read_date, "2026-05-01", date(2026, 5, 1)),
        (read_date, "May 1st, 2026", date(2026, 5, 1)),
        (read_date, "1 de mayo de 2026", date(2026, 5, 1)),
        (read_date, "13/04/2026", date(2026, 4, 13)),
    ],
)
def test_values_are_read_as_people_write_them(read: Any, text: str, value: Any) -> None:
    """English and Spanish."""
    assert read(text) == value


@pytest.mark.parametrize("text", ["30 February 2026", "2026-13-01", "03/04/2026", "soon", "1 May 2026 or later"])
def test_a_day_that_is_none_or_two_is_refused(text: str) -> None:
    """And says why."""
    with pytest.raises(NotReadable):
        read_date(text)


def make(clauses: list[dict[str, Any]], **fields: dict[str, Any]) -> Any:
    return read_type({"name": "x", "title": "X", "fields": fields, "clauses": clauses})


def test_conditions_alternatives_blocks_and_references() -> None:
    """References count only clauses that are in the document, also those that come later."""
    kind = make(
        [
            {"key": "a", "heading": "A", "text": "See Section {{ ref('c') }}."},
            {"key": "b", "heading": "B", "text": "x", "when": "extra"},
            {"key": "c", "heading": "C", "text": "plain", "alternatives": [{"when": "pay == 'monthly'", "text": "each month"}]},
            {"key": "d", "heading": "D", "text": "{% for item in things %}\n- {{ item.name }}\n{% endfor %}"},
        ],
        extra={"kind": "flag", "required": False},
        pay={"kind": "choice", "choices": ["once", "monthly"]},
        things={"kind": "list", "items": {"name": {}}},
    )
    values = {"pay": "monthly", "things": [{"name": "one"}, {"name": "two"}]}
    filling = Filling(kind, values, "us/texas")
    texts = {clause.key: filling.render(clause).text for clause in filling.clauses}
    assert texts == {"a": "See Section 2.", "c": "each month", "d": "- one\n- two"}
    more = Filling(kind, values | {"extra": True}, "us/texas")
    assert more.render(more.clauses[0]).text == "See Section 3."


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ party.__init__ }}",
        "{{ unknown }}",
        "{{ ref('gone') }}",
        "{% for x in range(10**9) %}x{% endfor %}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_a_template_reaches_nothing_but_its_fields(text: str) -> None:
    """Python's insides, globals and unknown names end as faults of the template."""
    kind = make([{"key": "a", "text": text}], party={"kind": "party"})
    filling = Filling(kind, {"party": {"name": "Acme"}}, "us")
    with pytest.raises(BadTemplate):
        filling.render(filling.clauses[0])


def test_open_fields_show_their_label_and_are_remembered() -> None:
    """Parts of a party as well."""
    kind = make(
        [{"key": "a", "text": "{{ p.name }} of {{ p.address }}, {{ fee|in_words }}"}],
        p={"kind": "party", "label": "Buyer"},
        fee={"kind": "money"},
    )
    rendered = Filling(kind, {"p": {"name": "Acme"}}, "us")
    shown = rendered.render(rendered.clauses[0])
    assert shown.text == "Acme of [Buyer Address], [Fee]"
    assert shown.open_fields == ("p.address", "fee")


def test_line_breaks_in_a_value_begin_nothing() -> None:
    """No heading, no list, no clause of its own."""
    assert read_value(Field("a", "A"), "one\n# two\r\n\u2028- three\x00") == "one # two - three"


def test_every_shipped_type_survives_its_own_form() -> None:
    """What is kept in the store is what was read; two jurisdictions, and one type in Spanish."""
    for kind in shipped():
        check_type(kind)
        assert read_type(to_row(kind)) == kind
        for place in ("us/california", "us/new-york"):
            filling = Filling(kind, {}, place)
            assert [filling.render(clause) for clause in filling.clauses]
    assert {kind.language for kind in shipped() if kind.name == "nda"} == {"en", "es"}


SCHEMA = {
    "name": "Test Letter (Texas)",
    "license": "CC0",
    "fields": [
        {"name": "sender", "type": "string"},
        {"name": "sent_on", "type": "date"},
        {"name": "note", "type": "string", "default": ""},
        {"name": "rows", "type": "array", "items": [{"name": "item", "type": "string"}]},
    ],
}
LETTER = """# Test Letter

## Start

**{sender}** writes on {sent_on} about {other}. {note}

## Table

| Item |
| --- |
| {FOR r IN rows} |
| {$r.item} |
| {END-FOR r} |
"""


def test_a_schema_with_a_markdown_template_becomes_a_type() -> None:
    """Fields with their kinds, blocks that repeat, marks without a field open."""
    kind = read_pair("test-letter", yaml.safe_dump(SCHEMA).encode(), LETTER.encode())
    assert kind.jurisdictions == ("us/texas",)
    assert kind.field("sent_on") is not None
    assert {field.name: field.required for field in kind.fields} == {
        "sender": True, "sent_on": True, "note": False, "rows": False, "other": True
    }  # fmt: skip
    filling = Filling(
        kind, {"sender": "A {{ 7*7 }}", "sent_on": "2026-05-01", "rows": [{"item": "one"}, {"item": "two"}]}, "us/texas"
    )
    start, table = (filling.render(clause) for clause in filling.clauses)
    assert start.text.startswith("A {{ 7*7 }} writes on May 1, 2026 about [Other].")
    assert "one" in table.text
    assert "two" in table.text


def test_a_folder_that_is_no_type_is_refused_with_its_reason() -> None:
    """The others are read."""
    files = [
        File("good/metadata.yaml", yaml.safe_dump(SCHEMA).encode()), File("good/template.md", LETTER.encode()),
        File("bare/metadata.yaml", yaml.safe_dump(SCHEMA).encode()),
        File("bad/metadata.yaml", b"- not: a mapping"), File("bad/template.md", b"x"),
    ]  # fmt: skip
    types, refused = read_folder_types(files)
    assert [kind.name for kind in types] == ["good"]
    assert {folder for folder, _ in refused} == {"bare", "bad"}


def test_what_a_type_lacks_is_named() -> None:
    """By its path."""
    for row, word in (({}, "name"), ({"name": "x"}, "clauses"), ({"name": "x", "title": "X", "clauses": [{}]}, "key")):
        with pytest.raises(BadType, match=word):
            read_type(row)


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("Mutual NDA between Acme Inc. and Beta Labs LLC, effective 1 May 2026.", {"party_a", "party_b", "effective_date"}),
        ("Make the notice period 60 days.", {"notice_period"}),
        ("An NDA please; we meet on 3 June 2026 and talk for two days.", set()),
        ("purpose: assessing a merger; term: 3 years", {"purpose", "term"}),
    ],
)
def test_values_are_read_from_words_only_where_they_are_stated(words: str, fields: set[str]) -> None:
    """Each stands where it is said to stand."""
    kind = next(kind for kind in shipped() if (kind.name, kind.language) == ("nda", "en"))
    found = read_fields(words, kind)
    assert {read.field for read in found} == fields
    assert all(words[read.start : read.end] == read.text for read in found)


def test_kinds_are_the_contracts() -> None:
    """Every kind has its number in the contract."""
    from hexar.agents.legal.messages.contract import _KINDS

    assert set(_KINDS) == set(Kind)
