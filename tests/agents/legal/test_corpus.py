"""Corpora: read from files, filtered by place and day, found by what is asked."""

import io
import json
import tarfile
import zipfile
from datetime import date
from typing import Any

import pytest

from hexar.agents.legal.corpus.files import File, Unreadable, unpacked
from hexar.agents.legal.corpus.index import CorpusIndex
from hexar.agents.legal.corpus.jurisdictions import canonical, lineage, named_in, nearest, path_of
from hexar.agents.legal.corpus.passages import CorpusKey, Passage
from hexar.agents.legal.corpus.reading import Reading, read
from hexar.agents.llm.embeddings import embedded

DAY = date(2026, 6, 1)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("US-CA", "us/california"), ("california", "us/california"), (" us/california ", "us/california"), ("New York", "us/new-york"),
        ("AU-NSW", "au/new-south-wales"), ("España", "es"), ("UK", "gb"), ("Atlantis", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_place_is_one_path_however_it_is_written(text: str, path: str) -> None:
    """Codes, names, paths."""
    assert canonical(text) == path


def test_the_nearest_places_are_named() -> None:
    """For a slip of the pen, the right one first."""
    assert nearest("us/califrnia")[0] == "us/california"
    assert nearest("Pensylvania")[0] == "us/pennsylvania"
    assert lineage("us/california") == ("us/california", "us")
    assert path_of("xx/unheard-of") == "xx/unheard-of"
    assert [path for _, _, path in named_in("The laws of New York and West Virginia")] == ["us/new-york", "us/west-virginia"]


def all_of(*files: File, jurisdiction: str = "") -> Reading:
    return list(read(files, jurisdiction))[-1]


def test_json_lines_are_read_and_bad_rows_are_named_by_line() -> None:
    """The others stay."""
    rows = [
        json.dumps({"id": "a", "quote": "One.", "jurisdiction": "US-CA", "topic": "x", "valid_until": "2025-01-01"}),
        "{broken", json.dumps({"id": "b"}), json.dumps({"quote": "Two.", "jurisdictions": ["nowhere"]}), "",
        json.dumps({"id": "a", "quote": "Again."}), json.dumps({"quote": "Three.", "valid_from": "2026-02-30"}), json.dumps(["x"]),
        json.dumps({"text": "Four.", "superseded-by": "z"}),
    ]  # fmt: skip
    reading = all_of(File("p.jsonl", "\n".join(rows).encode()))
    assert [passage.quote for passage in reading.passages] == ["One.", "Four."]
    assert reading.passages[0].jurisdictions == ("us/california",)
    assert reading.passages[0].valid_until == date(2025, 1, 1)
    assert reading.passages[1].superseded_by == "z"
    assert [(line, reading.refused) for _, line, _ in reading.problems] == [(line, 6) for line in (2, 3, 4, 6, 7, 8)]


GUIDE = b"""---
title: Leases in Texas
court: Guide
tags: [lease]
---
# Leases

## Deposits {#deposits}

A landlord returns the deposit.

It takes thirty days.
"""
CASE = b"""---
title: Alpha v. Beta
citation: 'Alpha v. Beta, 1 Ex. 2 (2000)'
jurisdiction: us/ohio
---
Commentary that is not the court's.

> The court's own words.
> They go on.
"""


def test_markdown_gives_paragraphs_or_an_authoritys_own_words() -> None:
    """Jurisdiction and topic from the folders; commentary on a case is not quoted as the case."""
    reading = all_of(File("leases/us/texas.md", GUIDE), File("cases/alpha.md", CASE), File("notes/us/index.md", GUIDE))
    guide, case = reading.passages
    assert guide.quote == "A landlord returns the deposit.\n\nIt takes thirty days."
    assert (guide.jurisdictions, guide.topics, guide.title) == (("us/texas",), ("leases",), "Leases in Texas: Deposits")
    assert case.quote == "The court's own words.\nThey go on."
    assert case.jurisdictions == ("us/ohio",)


def test_a_survey_of_states_is_no_law_of_the_country() -> None:
    """A text in a country's own folder has no jurisdiction, where the country has states, unless it is given one."""
    assert all_of(File("leases/us.md", b"Texas says thirty days.")).passages[0].jurisdictions == ()
    assert all_of(File("leases/sg.md", b"Thirty days.")).passages[0].jurisdictions == ("sg",)
    assert all_of(File("x.txt", b"Thirty days."), jurisdiction="us").passages[0].jurisdictions == ("us",)


def test_archives_are_read_in_memory_and_damaged_ones_are_refused() -> None:
    """Links and hidden files are passed over."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("a/us/texas.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"Text"))
        link = tarfile.TarInfo("a/link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert [(file.path, file.content) for file in unpacked(File("x.tar.gz", packed.getvalue()))] == [
        ("a/us/texas.txt", b"Text")
    ]
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive_zip:
        archive_zip.writestr("b.txt", "Text")
        archive_zip.writestr(".hidden", "no")
    assert [file.path for file in unpacked(File("x.zip", zipped.getvalue()))] == ["b.txt"]
    for name in ("x.zip", "x.tar.gz", "x.gz"):
        with pytest.raises(Unreadable):
            list(unpacked(File(name, b"no archive")))


def index(*rows: dict[str, Any]) -> CorpusIndex:
    passages = [Passage(**({"id": f"p{n}", "quote": "A tenant may keep a cat."} | row)) for n, row in enumerate(rows)]
    return CorpusIndex(CorpusKey("", "made", 1), 0.0, passages, embedded())


def test_what_does_not_apply_is_never_found() -> None:
    """Another place, a place inside, no place, not yet, no longer, superseded; the place and its country are."""
    made = index(
        {"jurisdictions": ("us/texas",)}, {"jurisdictions": ("us",)}, {"jurisdictions": ("us/ohio",)}, {},
        {"jurisdictions": ("us/texas/austin",)}, {"jurisdictions": ("us/texas",), "valid_from": date(2026, 6, 2)},
        {"jurisdictions": ("us/texas",), "valid_until": date(2026, 5, 31)}, {"jurisdictions": ("us/texas",), "superseded_by": "x"},
    )  # fmt: skip
    assert [hit.passage.id for hit in made.search("May a tenant keep a cat?", "us/texas", DAY, 10)] == ["p0", "p1"]
    assert {hit.passage.id for hit in made.search("tenant", "us", DAY, 10)} == {"p1"}
    assert {hit.passage.id for hit in made.search("tenant", "", DAY, 10)} == {"p0", "p1", "p2", "p3", "p4"}


def test_the_topic_of_a_question_is_read_from_all_places() -> None:
    """A place with a text that shares no word with the question is found by what others are about."""
    others = [
        {"jurisdictions": (place,), "topics": ("pets",), "quote": f"Whoever rents may keep a cat or a dog, says {place}."}
        for place in ("us/ohio", "us/iowa", "us/utah")
    ]
    rent = [
        {"jurisdictions": (place,), "topics": ("rent",), "quote": f"The rent is raised once a year, says {place}."}
        for place in ("us/ohio", "us/iowa", "us/utah")
    ]
    made = index(
        *others, *rent,
        {"id": "rent", "jurisdictions": ("us/texas",), "topics": ("rent",), "quote": "Increases follow the index."},
        {"id": "pets", "jurisdictions": ("us/texas",), "topics": ("pets",), "quote": "Animals are allowed."},
    )  # fmt: skip
    assert made.search("May a Texas tenant keep a cat or a dog?", "us/texas", DAY, 1)[0].passage.id == "pets"


def test_the_name_of_the_place_does_not_rank() -> None:
    """The filter has said it: a passage that repeats it is no better."""
    made = index(
        {"id": "named", "jurisdictions": ("us/texas",), "quote": "Texas Texas Texas."},
        {"id": "asked", "jurisdictions": ("us/texas",), "quote": "A deposit is returned within thirty days."},
    )
    assert made.search("When is a deposit returned in Texas?", "us/texas", DAY, 1)[0].passage.id == "asked"
