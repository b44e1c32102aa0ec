"""Document types that a user imports have the citations layer as the shipped ones have."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hexar.agents.legal.corpus.files import files_of
from hexar.agents.legal.corpus.index import CorpusIndex
from hexar.agents.legal.corpus.passages import CorpusKey, Passage
from hexar.agents.legal.drafting.layers import cite, draft, research
from hexar.agents.legal.templates.importing import read_folder_types
from hexar.agents.llm.embeddings import embedded

TODAY = date(2026, 6, 1)
SCHEMA = "name: Kennel Agreement\nfields:\n- {name: owner, type: string, description: the owner}\n"
TEMPLATE = """# Kennel Agreement

## Care

{owner} leaves a dog at the kennel.

## Miscellaneous

The keeper of a kennel shall release a boarded animal within two days after a written demand of its owner, {owner}.
See Smith v. Jones, 999 U.S. 123 (1999) and Tex. Occ. Code § 802.201.
"""
DUTY = "The keeper of a kennel shall release a boarded animal within two days after a written demand of its owner."


@pytest.fixture
def index() -> CorpusIndex:
    fillers = [
        Passage(id=f"f{n}", quote=f"A miscellaneous provision on matter number {n} and its care.", title=f"Rule {n}", citation=f"Ex. Code § {n}",
                jurisdictions=("us/texas",))
        for n in range(40)
    ]  # fmt: skip
    right = Passage(id="right", quote=DUTY, title="Kennels", citation="Tex. Occ. Code § 802.201", jurisdictions=("us/texas",))
    other = Passage(id="other", quote=DUTY, title="Kennels", citation="Ohio Rev. Code § 956.01", jurisdictions=("us/ohio",))
    return CorpusIndex(CorpusKey("", "kennels", 1), 0.0, [*fillers, right, other], embedded())


def test_a_clause_of_an_imported_type_is_cited_by_its_words(index: CorpusIndex, tmp_path: Path) -> None:
    """Its heading says nothing; a fake and what is law elsewhere are told, and never support."""
    folder = tmp_path / "kennel-agreement"
    folder.mkdir()
    (folder / "metadata.yaml").write_text(SCHEMA, "utf-8")
    (folder / "template.md").write_text(TEMPLATE, "utf-8")
    (kind,), refused = read_folder_types(files_of(tmp_path))
    assert not refused

    def cited(place: str) -> Any:
        plan: Any = SimpleNamespace(
            kind=kind, values={}, jurisdiction=place, request=SimpleNamespace(request=""), index=index, as_of=TODAY
        )
        sections = draft(plan)
        state: Any = SimpleNamespace(authorities=[hit.passage.id for hit in research(plan)], sections=sections)
        return cite(plan, state), sections

    found, sections = cited("us/texas")
    assert [entry.authority for entry in found.citations] == ["right"]
    (citation,) = found.citations
    assert DUTY[citation.quote_start : citation.quote_end] == citation.quote
    assert "written demand" in sections[citation.section].text[citation.start : citation.end]
    assert [entry.text for entry in found.removed] == ["Smith v. Jones, 999 U.S. 123 (1999)"]
    elsewhere, _ = cited("us/ohio")
    assert [entry.authority for entry in elsewhere.citations] == ["other"]
    assert {entry.text for entry in elsewhere.removed} == {"Smith v. Jones, 999 U.S. 123 (1999)", "Tex. Occ. Code § 802.201"}
    assert all("text of the document type" in entry.reason for entry in elsewhere.removed)
