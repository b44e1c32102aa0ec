"""Citations: recognised by their form, resolved in the corpus or not at all, and quoted word for word."""

import random
from datetime import date, timedelta
from typing import Any

import pytest

from hexar.agents.legal.citations.document import cite_document
from hexar.agents.legal.citations.recognise import recognise
from hexar.agents.legal.citations.resolving import Resolver, without
from hexar.agents.legal.citations.support import cite
from hexar.agents.legal.corpus.index import CorpusIndex
from hexar.agents.legal.corpus.jurisdictions import applies
from hexar.agents.legal.corpus.passages import CorpusKey, Passage
from hexar.agents.llm.embeddings import embedded

TODAY = date(2026, 6, 1)
PLACES = ("us", "us/california", "us/texas", "us/new-york", "au/victoria")
SUBJECTS = ("deposit", "notice", "wages", "lease", "warranty", "invention", "secret", "overtime", "refund", "signature")
VERBS = ("keep", "return", "disclose", "assign", "withhold", "register", "record", "transfer")


def made(count: int, seed: int = 7) -> list[Passage]:
    """Passages of several places, some no longer in force."""
    chance = random.Random(seed)
    passages = []
    for number in range(count):
        subject, verb = chance.choice(SUBJECTS), chance.choice(VERBS)
        quote = (
            f"An employer or landlord shall {verb} the {subject} within {number + 2} days after written demand, and a waiver of this "
            f"duty to {verb} the {subject} is void. The court may award the costs of action number {number}."
        )
        old = number % 5 == 0
        passages.append(
            Passage(
                id=f"p{number}", quote=quote, title=f"Rule {number}", citation=f"Ex. Code § {1000 + number}({chance.choice('abc')})",
                jurisdictions=(PLACES[number % len(PLACES)],), topics=(subject,),
                valid_until=TODAY - timedelta(days=30) if old and number % 2 else None,
                superseded_by=f"Ex. Code § {2000 + number}" if old and not number % 2 else "",
            )
        )  # fmt: skip
    return passages


@pytest.fixture(scope="module")
def index() -> CorpusIndex:
    return CorpusIndex(CorpusKey("", "made", 1), 0.0, made(200), embedded())


def test_every_quote_of_500_texts_stands_at_its_span_in_an_authority_that_applies(index: CorpusIndex) -> None:
    """None is altered, none is of another place, none has gone out of force."""
    chance = random.Random(3)
    cited = 0
    for number in range(500):
        place = PLACES[1 + number % (len(PLACES) - 1)]
        source = chance.choice(index.passages)
        words = source.quote.split()
        text = " ".join(words[: chance.randrange(12, len(words))]) + ". The parties agree."
        for hit in index.search(text, place, TODAY, 10):
            assert hit.passage.supports(place, TODAY)
        response = cite_document(text, index, place, TODAY)
        for entry in response.citations:
            passage = index.by_id[entry.authority_id]
            assert passage.quote[entry.quote_start : entry.quote_end] == entry.quote
            assert applies(passage.jurisdictions, place)
            assert passage.in_force(TODAY)
            assert text[entry.start : entry.end].strip()
            cited += 1
    assert cited > 250


def test_a_sentence_about_something_else_is_not_cited(index: CorpusIndex) -> None:
    """Shared common words are no support."""
    text = "The contractor shall paint the walls of the office in the colour that the owner has chosen in writing."
    assert cite(0, text, index.passages) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("See Smith v. Jones, 999 U.S. 123 (1999).", ["Smith v. Jones, 999 U.S. 123 (1999)"]),
        ("Under 18 U.S.C. § 1833(b)(1), and RCW 49.44.140(3), it is so.", ["18 U.S.C. § 1833(b)(1)", "RCW 49.44.140(3)"]),
        ("[2010] NSWCA 267; Fair Work Act 2009 (Cth) s 340", ["[2010] NSWCA 267", "Fair Work Act 2009 (Cth) s 340"]),
        (
            "según el art. 1255 del Código Civil y el Código Penal, art. 5",
            ["art. 1255 del Código Civil", "Código Penal, art. 5"],
        ),
        ("Roe v. Doe held so.", ["Roe v. Doe"]),
        ("Section 4 says that 30 days and USD 5,000 are due on 1 May 2026.", []),
        ("Acme Inc. and Beta LLC of 12 Elm Street agree.", []),
    ],
)
def test_citations_are_recognised_by_their_form(text: str, wanted: list[str]) -> None:
    """Whether they exist or not; section numbers, amounts and names are none."""
    found = recognise(text)
    assert [entry.text for entry in found] == wanted
    assert all(text[entry.start : entry.end] == entry.text for entry in found)


def passage(**fields: Any) -> Passage:
    return Passage(**({"id": "x", "quote": "A text of the law.", "jurisdictions": ("us/texas",)} | fields))


@pytest.mark.parametrize(
    ("citation", "text", "resolves"),
    [
        ("Tex. Lab. Code § 21.051(a)", "Tex. Lab. Code § 21.051(a)", True),
        ("Tex. Lab. Code § 21.051(a)", "Tex. Lab. Code § 21.051", True),
        ("Tex. Lab. Code § 21.051(a)", "Tex. Lab. Code § 21.051(b)", False),
        ("Tex. Lab. Code § 21.051", "Tex. Lab. Code § 21.0515", False),
        ("Alpha Co. v. Beta Inc., 12 S.W.3d 345 (Tex. 2000)", "Alpha Co. v. Beta Inc., 12 S.W.3d 345, 347 (Tex. 2000)", True),
        ("Alpha Co. v. Beta Inc., 12 S.W.3d 345 (Tex. 2000)", "Alpha Company v. Beta, 12 S.W.3d 345 (Tex. 2000)", True),
        ("Alpha Co. v. Beta Inc., 12 S.W.3d 345 (Tex. 2000)", "Alpha Co. v. Beta Inc., 99 S.W.3d 345 (Tex. 2000)", False),
        ("Alpha Co. v. Beta Inc., 12 S.W.3d 345 (Tex. 2000)", "Omega v. Sigma, 12 S.W.3d 345 (Tex. 2000)", False),
    ],
)
def test_only_what_the_corpus_has_resolves(citation: str, text: str, resolves: bool) -> None:
    """Another subsection, another volume, or other parties at a real place are inventions."""
    index = CorpusIndex(CorpusKey("", "made", 1), 0.0, [passage(citation=citation)], None)
    found = Resolver(index).resolve(f"As {text} says.", "us/texas", TODAY)
    assert len(found) == 1
    assert bool(found[0].passages) is resolves


def test_what_is_superseded_or_of_another_place_is_no_support() -> None:
    """And the reason says which."""
    rows = [
        passage(id="a", citation="Ex. Code § 1", superseded_by="Ex. Code § 9"),
        passage(id="b", citation="Ex. Code § 2", valid_until=TODAY - timedelta(days=1)),
        passage(id="c", citation="Ex. Code § 3", jurisdictions=("us/ohio",)),
        passage(id="d", citation="Ex. Code § 4", jurisdictions=()),
    ]
    index = CorpusIndex(CorpusKey("", "made", 1), 0.0, rows, None)
    reasons = {
        entry.at.text: entry.reason
        for entry in Resolver(index).resolve("Ex. Code § 1; Ex. Code § 2; Ex. Code § 3; Ex. Code § 4", "us/texas", TODAY)
    }
    assert reasons["Ex. Code § 1"] == "was superseded by Ex. Code § 9"
    assert "not in force" in reasons["Ex. Code § 2"]
    assert reasons["Ex. Code § 3"] == "belongs to us/ohio, not to us/texas"
    assert "no named jurisdiction" in reasons["Ex. Code § 4"]
    assert index.search("text of the law", "us/texas", TODAY, 10) == []


def test_an_altered_quote_beside_a_real_citation_is_reported() -> None:
    """A quote that stands there is not."""
    index = CorpusIndex(
        CorpusKey("", "made", 1), 0.0, [passage(citation="Ex. Code § 1", quote="No waiver of this duty is valid.")], None
    )
    good = cite_document("“No waiver of this duty is valid.” Ex. Code § 1", index, "us/texas", TODAY)
    bad = cite_document("“Every waiver of this duty is valid.” Ex. Code § 1", index, "us/texas", TODAY)
    assert list(good.unresolved) == []
    assert [entry.text for entry in bad.unresolved] == ["Every waiver of this duty is valid."]


def test_a_citation_is_taken_out_with_what_only_served_it() -> None:
    """Brackets and signals go, the sentence stays."""
    text = "The fee is due (see Smith v. Jones, 999 U.S. 123 (1999)), and no other."
    assert without(text, recognise(text)) == "The fee is due, and no other."
