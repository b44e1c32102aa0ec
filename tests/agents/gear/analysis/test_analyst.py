"""Pros, cons and whom a product suits, from the sentences of real reviews and from nothing else."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.gear.analysis.analyst import (
    MAX_CLAIMS,
    MAX_EVIDENCE,
    Mention,
    opinions,
    read,
    sentences,
    statements,
    summarise,
)
from hexar.agents.vendors.model import Listing, Review


def product(*texts: str, **fields: object) -> Listing:
    reviews = tuple(Review(id=f"r{number}", text=text) for number, text in enumerate(texts))
    return Listing(vendor="shop", sku="1", name="Thing", fetched_at=1.0, reviews=reviews, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("The boot is comfortable but the sole broke after a week.", {("pro", "comfort"), ("con", "durability")}),
        ("Not comfortable at all.", {("con", "comfort")}),
        ("Edge hold on ice is excellent.", {("pro", "edge hold")}),
        ("It never leaks and isn't heavy.", {("pro", "waterproofing"), ("pro", "weight")}),
        ("I wish the pockets were bigger.", {("con", "storage")}),
        ("I would have liked better ventilation.", {("con", "breathability")}),
        ("Too stiff for me.", {("con", "flex")}),
        ("It is not too stiff.", {("pro", "flex")}),
        ("Although it is heavy, the tent is very sturdy.", {("con", "weight"), ("pro", "durability")}),
        ("Not only comfortable but also lightweight.", {("pro", "comfort"), ("pro", "weight")}),
        ("No issues with the zipper.", {("pro", "materials")}),
        ("The quality is poor.", {("con", "quality")}),
        ("Perfect for beginners and intermediate riders.", {("suits", "beginners"), ("suits", "intermediate riders")}),
        ("Not ideal for beginners.", set()),
        ("No es cómoda, pero abriga mucho.", {("con", "comfort"), ("pro", "warmth")}),
        ("El agarre de cantos es excelente y pesa poco.", {("pro", "edge hold"), ("pro", "weight")}),
        ("Las botas son cómodas aunque un poco pesadas.", {("pro", "comfort"), ("con", "weight")}),
        ("No tuve ningún problema con la cremallera.", {("pro", "materials")}),
        ("Demasiado rígida para mí.", {("con", "flex")}),
        ("Ideal para principiantes y para nieve polvo.", {("suits", "beginners"), ("suits", "powder")}),
        ("It could not be more comfortable.", {("pro", "comfort")}),
        ("These boots couldn't be any more comfortable.", {("pro", "comfort")}),
        ("It could be more comfortable.", {("con", "comfort")}),
        ("It could not be less comfortable.", {("con", "comfort")}),
        ("I have never had a more comfortable boot.", {("pro", "comfort")}),
        ("Never had such bad grip.", {("con", "grip")}),
        ("It is not as warm as I hoped.", {("con", "warmth")}),
        ("It is not more comfortable than the old one.", set()),
        ("Less durable than it looks.", {("con", "durability")}),
        ("The edge hold couldn't be better.", {("pro", "edge hold")}),
        ("The edge hold couldn't be worse.", {("con", "edge hold")}),
        ("I could not be happier with the fit.", {("pro", "fit")}),
        ("No podría ser más cómoda.", {("pro", "comfort")}),
        ("No puede ser menos cómoda.", {("con", "comfort")}),
        ("It goes together without tools.", {("pro", "ease of use")}),
        ("Without a manual it is hard to assemble, with one it is comfortable.", {("pro", "comfort")}),
        ("Without socks they are comfortable.", {("pro", "comfort")}),
        ("Without any blisters after a week.", {("pro", "comfort")}),
        ("It kept us dry through a night of heavy rain.", {("pro", "waterproofing")}),
        ("It held up in strong wind and heavy snow.", {("pro", "durability")}),
        ("Aguanta bien una lluvia ligera.", {("pro", "durability")}),
        ("The edges hold.", {("pro", "edge hold")}),
        ("Is it waterproof?", set()),
        ("If you want a comfortable boot, buy another.", set()),
        ("The delivery was fast and the price great.", set()),
        ("I bought it last winter.", set()),
        ("Good.", set()),
    ],
)
def test_a_sentence_says(sentence: str, wanted: set[tuple[str, str]]):
    """Aspect and side, through negation, contrast, wishes and limits, in both languages."""
    assert set(opinions(sentence)) == wanted


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("It is warm but the sole broke.", {("pro", "It is warm"), ("con", "the sole broke.")}),
        ("Although it is heavy, it is very sturdy.", {("con", "it is heavy"), ("pro", "it is very sturdy.")}),
        ("It is comfortable and really heavy.", {("pro", "It is comfortable"), ("con", "really heavy.")}),
        ("Es cómoda, pesada y ruidosa.", {("pro", "Es cómoda"), ("con", "pesada y ruidosa.")}),
        ("A comfortable heavy boot.", set()),
        ("It is comfortable but after an hour uncomfortable.", set()),
        ("It is warm and comfortable.", {("pro", "It is warm and comfortable.")}),
    ],
)
def test_no_words_speak_for_a_product_and_against_it(sentence: str, said: set[tuple[str, str]]):
    """Each side is quoted by its own part, verbatim; where there is none, the sentence says nothing."""
    found = statements(sentence)
    assert {(one.kind, one.quote) for one in found} == said
    assert all(one.quote in sentence for one in found)


def test_no_reviews_no_claims():
    """A product about which nobody wrote anything gets no analysis."""
    assert read(product()) == ()
    assert summarise((), 0.0) is None
    assert summarise(read(product("It arrived on Tuesday.", "Blue, as in the picture.")), 0.0) is None


def test_claims_are_grouped_and_carry_their_evidence():
    """The most supported aspect first; each claim names the review, the vendor and the sentence, word for word."""
    texts = (
        "Really comfortable boots. The laces come loose.",
        "So comfy! Warm too.",
        "Comfortable from the first day.",
    )
    analysis = summarise(read(product(*texts)), 12.0)
    assert analysis is not None
    assert [claim.aspect for claim in analysis.pros] == ["comfort", "warmth"]
    assert [claim.aspect for claim in analysis.cons] == ["adjustability"]
    comfort = analysis.pros[0]
    assert {evidence.ref for evidence in comfort.evidence} == {"r0", "r1", "r2"}
    assert comfort.text in {evidence.quote for evidence in comfort.evidence}
    for claim in (*analysis.pros, *analysis.cons):
        for evidence in claim.evidence:
            assert evidence.source == "review"
            assert evidence.vendor == "shop"
            assert evidence.quote in texts[int(evidence.ref[1:])]
    assert analysis.method == "extractive"
    assert analysis.analysed_at.seconds == 12


def test_specifications_say_whom_it_suits():
    """The claim's quote is the attribute's value, its reference the attribute's name."""
    analysis = summarise(
        read(product(attributes={"Skill level": "Beginner - Intermediate", "Terrain": "Powder", "Color": "Powder blue"})), 0.0
    )
    assert analysis is not None
    assert {claim.aspect for claim in analysis.suits} == {"beginners", "intermediate riders", "powder"}
    powder = next(claim for claim in analysis.suits if claim.aspect == "powder")
    (evidence,) = powder.evidence
    assert (evidence.source, evidence.ref, evidence.quote) == ("specification", "Terrain", "Powder")


def test_a_sentence_that_two_vendors_publish_counts_once():
    """Syndicated reviews do not make a claim stronger."""
    shared = [Mention("pro", "comfort", "review", vendor, "1", "Very comfortable boots.") for vendor in ("a", "b")]
    analysis = summarise(shared, 0.0)
    assert analysis is not None
    assert len(analysis.pros[0].evidence) == 1


@given(st.permutations([Mention("pro", aspect, "review", vendor, str(n), f"{aspect} {n}")
                        for aspect in ("comfort", "fit") for vendor in ("a", "b") for n in range(2)]))  # fmt: skip
def test_the_order_of_mentions_does_not_matter(mentions: list[Mention]):
    """Vendors may come in any order."""
    assert summarise(mentions, 1.0) == summarise(sorted(mentions, key=str), 1.0)


@given(st.text(max_size=500))
def test_sentences_are_verbatim(text: str):
    """No text raises, and every sentence and quote is a part of it."""
    assert all(sentence in text for sentence in sentences(text))
    assert all(mention.quote in text for mention in read(product(text)))


def test_a_review_without_end_is_read_in_time():
    """A megabyte without a full stop, and one of full stops, cost no more than the limits allow."""
    for text in ("comfortable " * 90_000, "." * 1_000_000, "comfy. " * 150_000, "a.b" * 300_000, "\n" * 1_000_000):
        began = time.process_time()
        analysis = summarise(read(product(text)), 0.0)
        assert time.process_time() - began < 2.0
        for claim in analysis.pros if analysis is not None else ():
            assert len(claim.evidence) <= MAX_EVIDENCE
    assert MAX_CLAIMS >= 3


def test_real_reviews_support_real_claims(hexar_data: Path):
    """Over a hundred reviews of twenty products: every product has pros, and every quote is a sentence of its reviews."""
    files = sorted((hexar_data / "gear" / "outdoor_manuals" / "manual_info" / "manuals").glob("*.md"))
    assert len(files) == 20
    for file in files:
        texts = re.findall(r"\*\*Review:\*\*\s*(.*)", file.read_text())
        analysis = summarise(read(product(*texts)), 0.0)
        assert analysis is not None, file.name
        assert analysis.pros, file.name
        for claim in (*analysis.pros, *analysis.cons, *analysis.suits):
            assert all(any(evidence.quote in text for text in texts) for evidence in claim.evidence)
