"""Chunks: every character is in one, structure is respected, an edit stays local."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.portfolio.documents.blocks import BlockKind
from hexar.agents.portfolio.documents.chunking import CHUNK_CHARACTERS, OVERLAP_CHARACTERS, SECTION_CHARACTERS, chunks
from hexar.agents.portfolio.documents.formats import read

WORDS = st.sampled_from("the brake pad of a car wears after 40 000 km and is replaced. Then it is checked, see 4.2.".split())  # noqa: SIM905
PARAGRAPH = st.lists(WORDS, min_size=1, max_size=400).map(" ".join)
CODE = st.integers(1, 200).map(lambda lines: "```\n" + "value = 1  # a line of code\n" * lines + "```")
TABLE = st.integers(1, 80).map(lambda rows: "\n".join(f"| row {i} | {'cell ' * 12}|" for i in range(rows)))
HEADING = st.tuples(st.integers(1, 3), WORDS).map(lambda parts: f"{'#' * parts[0]} About {parts[1]}")
DOCUMENT = st.lists(st.one_of(PARAGRAPH, CODE, TABLE, HEADING), min_size=1, max_size=12).map("\n\n".join)


@given(DOCUMENT)
def test_chunks_cover_the_text_and_never_cut_code_or_rows(text: str) -> None:
    """Every block lies in some chunk as a whole where it must; chunks are slices in order; overlap is bounded."""
    parsed = read(text.encode(), "a.md")
    made = chunks(parsed)
    covered = bytearray(len(parsed.text))
    for chunk in made:
        assert chunk.text == parsed.text[chunk.start : chunk.end]
        covered[chunk.start : chunk.end] = b"x" * (chunk.end - chunk.start)
    for block in parsed.blocks:
        assert covered[block.start : block.end].count(0) <= parsed.text[block.start : block.end].count(" ") + 8
        if block.kind in (BlockKind.CODE, BlockKind.ROW):
            for chunk in made:
                inside = chunk.start <= block.start and block.end <= chunk.end
                outside = chunk.end <= block.start or block.end <= chunk.start
                assert inside or outside
    for before, after in itertools.pairwise(made):
        assert before.start < after.start
        assert before.end - after.start <= OVERLAP_CHARACTERS
    longest = max(block.end - block.start for block in parsed.blocks)
    assert all(len(chunk.text) <= max(CHUNK_CHARACTERS, longest) + OVERLAP_CHARACTERS for chunk in made)


def test_a_chunk_knows_its_headings_and_language() -> None:
    """Headings above a chunk are kept outermost first; each chunk has its own language."""
    english = "The warranty of this product covers the seams and the buckles for three years. " * 20
    spanish = "La garantía de este producto cubre las costuras y las hebillas durante tres años. " * 20
    made = chunks(read(f"# Manual\n\n{english}\n\n## Español\n\n{spanish}".encode(), "a.md"))
    assert [chunk.language for chunk in made] == ["en", "es"]
    assert made[1].headings == ("Manual",)


def test_a_heading_stands_with_what_follows_it() -> None:
    """A chunk does not end with headings: where what follows does not fit, they go with it."""
    code = "```\n" + "spool = wind(spool)\n" * 190 + "```\n"
    made = chunks(read(f"# Winch\n\n{'It holds rope. ' * 30}\n\n# Code\n\n## Winding\n\n{code}".encode(), "a.md"))
    assert len(made) == 2
    assert "Code" not in made[0].text
    assert made[1].text.startswith("# Code\n\n## Winding")


def test_an_edit_in_one_section_leaves_the_chunks_of_the_others() -> None:
    """Checksums of the other sections are the same after a sentence is added to the first."""
    sections = [f"## Part {i}\n\n" + f"This is sentence {i} of the text. " * 60 for i in range(4)]
    before = {chunk.checksum for chunk in chunks(read("\n\n".join(sections).encode(), "a.md"))}
    sections[0] += "Something was added."
    after = {chunk.checksum for chunk in chunks(read("\n\n".join(sections).encode(), "a.md"))}
    assert len(before - after) == 1
    assert len(after - before) == 1


def test_a_long_table_keeps_its_header_in_every_chunk() -> None:
    """The header is the last heading of each chunk that begins inside the table; it is no part of the text, nor of what follows."""
    rows = "\n".join(f"| town {i} | {i} EUR | {'by coach ' * 5}|" for i in range(200))
    made = chunks(read(f"# Fares\n\n| town | fare | how |\n|---|---|---|\n{rows}\n\nThat is all.\n".encode(), "a.md"))
    assert len(made) > 2
    assert made[0].headings == ()
    assert {chunk.headings for chunk in made[1:]} == {("Fares", "| town | fare | how |")}
    assert all("fare" not in chunk.text for chunk in made[1:])
    sheet = chunks(read(("town;fare\n" + "\n".join(f"town number {i};{i}" for i in range(900))).encode(), "a.csv"))
    assert {chunk.headings for chunk in sheet[1:]} == {("town | fare",)}


def test_a_table_of_figures_alone_has_no_header() -> None:
    """Its first row is one of its rows."""
    rows = "\n".join(f"{i};{i * i};{i * i * i}" for i in range(900)).encode()
    assert {chunk.headings for chunk in chunks(read(rows, "a.csv"))} == {()}


@pytest.mark.parametrize(
    "text",
    [
        "# \n" * 20_000,
        "# a\n" * 20_000,
        "# a\n\nb\n\n" * 5_000,
        "a\n===\n" * 10_000,
        "| a |\n" * 10_000,
        "- a\n" * 15_000,
        "```\na\n```\n" * 6_000,
        "###### a\n\n# b\n\n" * 4_000,
        "A b. " * 12_000,
        "x" * 60_000,
    ],
    ids=lambda text: text[:9].encode("unicode_escape").decode(),
)
def test_a_document_of_one_thing_repeated_has_no_more_chunks_than_its_length_asks_for(text: str) -> None:
    """Each chunk costs a vector and rows: sixty kilobytes are some dozen chunks, whatever they consist of."""
    document = read(text.encode(), "notes.md")
    assert 1 <= len(chunks(document)) <= 2 + 2 * len(text) / SECTION_CHARACTERS
