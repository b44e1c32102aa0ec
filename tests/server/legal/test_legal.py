"""LegalService over a real channel."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from docx import Document as DocxFile
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.files import files_of
from hexar.agents.legal.demo import CORPUS
from hexar.server.process.app import App
from hexar.v1 import legal_pb2 as pb
from hexar.v1 import legal_pb2_grpc
from hexar_client.legal import Document, draft_request

FIELDS = {"party_a": "Acme Robotics Inc.", "party_b": "Beta Labs LLC", "effective_date": "1 May 2026"}


@pytest.fixture
async def stub(app: App, channel: grpc.aio.Channel) -> AsyncIterator[Any]:
    """A stub of a server with the demo corpus."""
    corpora = Corpora(app.engine.database, app.engine.versions, None)
    await app.engine.database.run(corpora.replace, "", "", list(files_of(CORPUS)))
    return legal_pb2_grpc.LegalServiceStub(channel)


async def drafted(call: Any) -> tuple[Document, list[pb.DraftEvent]]:
    document, events = Document(), []
    async for event in call:
        kind = event.WhichOneof("event")
        document.feed(kind, getattr(event, kind))
        events.append(event)
    return document, events


def violations(error: grpc.aio.AioRpcError) -> dict[str, str]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    for detail in status.details:
        found = error_details_pb2.BadRequest()
        if detail.Unpack(found):
            return {entry.field: entry.description for entry in found.field_violations}
    return {}


async def test_a_document_is_seen_while_it_forms_and_complete_at_its_end(stub: Any) -> None:
    """Layers in their order, percentages that rise, text as tokens, citations, files."""
    request = draft_request("nda", "US-CA", FIELDS, formats=[pb.LEGAL_FORMAT_MARKDOWN, pb.LEGAL_FORMAT_DOCX])
    document, events = await drafted(stub.Draft(request))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert document.started is not None
    assert document.started.jurisdiction == "us/california"
    assert "not legal advice" in document.started.notice
    ended = [event.progress for event in events if event.WhichOneof("event") == "progress" and event.progress.outcome]
    assert {progress.layer for progress in ended} == {1, 2, 3, 4, 5}
    assert [progress.layer for progress in ended][:2] == [pb.LEGAL_LAYER_RESEARCH, pb.LEGAL_LAYER_DRAFT]
    percents = [event.progress.percent for event in events if event.WhichOneof("event") == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    end = document.completed
    assert end is not None
    assert end.valid
    assert not end.open_fields
    assert (end.ai, end.no_authorities) == ("template", False)
    assert end.state_bytes > 0
    text = "".join(text for _, text in document.sections)
    assert "Acme Robotics Inc." in text
    assert "thirty (30) days" in text
    assert document.citations
    for citation in document.citations:
        authority = document.authorities[citation.authority_id]
        assert authority.quote[citation.quote_start : citation.quote_end] == citation.quote
        assert document.sections[citation.section][1][citation.start : citation.end].strip()
        assert set(authority.jurisdictions) <= {"us", "us/california"}
    assert "[^1]:" in document.markdown


async def test_the_docx_holds_the_text_and_its_footnotes(stub: Any) -> None:
    """It opens, is numbered, and each authority is a real footnote."""
    request = draft_request("nda", "US-CA", FIELDS, formats=[pb.LEGAL_FORMAT_DOCX])
    document, _ = await drafted(stub.Draft(request))
    content = document.files[pb.LEGAL_FORMAT_DOCX]
    opened = DocxFile(io.BytesIO(content))
    words = "\n".join(paragraph.text for paragraph in opened.paragraphs)
    assert "9. Term and Termination" in words
    assert "Acme Robotics Inc." in words
    notes = zipfile.ZipFile(io.BytesIO(content)).read("word/footnotes.xml").decode()
    assert "Cal. Bus. &amp; Prof. Code § 16600(a)" in notes
    assert zipfile.ZipFile(io.BytesIO(content)).read("word/document.xml").decode().count("footnoteReference ") == len(
        document.citations
    )


@pytest.mark.parametrize(
    "value", ["{{ 7*7 }}", "{% for x in y %}", "<script>alert(1)</script>", "**bold** # [x](y)", "${jndi:x}"]
)
async def test_markup_and_template_code_in_values_is_text(stub: Any, value: str) -> None:
    """In the sections, in Markdown, in DOCX."""
    fields = FIELDS | {"party_a": f"Acme {value} Inc."}
    request = draft_request("nda", "US-CA", fields, formats=[pb.LEGAL_FORMAT_MARKDOWN, pb.LEGAL_FORMAT_DOCX])
    document, _ = await drafted(stub.Draft(request))
    assert f"Acme {value} Inc." in document.sections[0][1]
    opened = DocxFile(io.BytesIO(document.files[pb.LEGAL_FORMAT_DOCX]))
    assert any(f"Acme {value} Inc." in paragraph.text for paragraph in opened.paragraphs)
    assert "49" not in document.sections[0][1]
    assert "<script>" not in document.markdown.replace("\\<script\\>", "")


@pytest.mark.parametrize("mark", ["\u202e", "\u202a", "\u2066", "\u2068"])
async def test_a_value_that_turns_the_direction_of_its_text_is_refused(stub: Any, mark: str) -> None:
    """What is read would not be what is signed; also inside a party's record."""
    values: list[Any] = [f"Acme {mark}cni Inc.", {"name": "Acme Inc.", "address": f"1 {mark}Road"}]
    for value in values:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS | {"party_a": value})))
        assert f"U+{ord(mark):04X}" in violations(caught.value)['fields["party_a"]']


async def test_what_shows_nothing_in_a_value_is_left_out(stub: Any) -> None:
    """A name looks like itself and is itself; joiners of a script stay."""
    name = "Ac\u200bme\ufeff Ro\u00adbotics\u2060 می\u200cخواهم Inc."
    document, _ = await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS | {"party_a": name})))
    assert "Acme Robotics می\u200cخواهم Inc." in document.sections[0][1]


async def test_a_name_of_many_short_words_is_checked(stub: Any) -> None:
    """No check breaks over it."""
    document, _ = await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS | {"party_a": "Ab " * 6000})))
    assert document.completed is not None
    assert not document.completed.not_run


async def test_what_is_not_given_stays_open_and_is_listed(stub: Any) -> None:
    """In brackets, once, and the document is not valid."""
    document, _ = await drafted(stub.Draft(draft_request("nda", "us/new-york", {"party_a": "Acme Inc."})))
    assert document.completed is not None
    assert list(document.completed.open_fields) == ["effective_date", "party_b"]
    assert not document.completed.valid
    assert "[Effective Date]" in document.sections[0][1]
    missing = next(check for check in document.checks if check.name == "required_fields")
    assert {finding.field for finding in missing.findings} == {"party_b", "effective_date"}


async def test_everything_wrong_with_a_request_is_said_at_once(stub: Any) -> None:
    """Unknown names with the nearest, days that do not exist, required fields all together."""
    bad = draft_request("ndaa", "us/califrnia", {"party_a": "Acme Inc."})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drafted(stub.Draft(bad))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    found = violations(caught.value)
    assert "nda" in found["document_type"]
    assert "us/california" in found["jurisdiction"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drafted(stub.Draft(draft_request("nda", "US-CA", {"effective_date": "30 February 2026", "party_z": "x"})))
    assert set(violations(caught.value)) == {'fields["effective_date"]', 'fields["party_z"]'}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drafted(stub.Draft(draft_request("nda", "US-CA", strict=True)))
    assert set(violations(caught.value)) == {'fields["party_a"]', 'fields["party_b"]', 'fields["effective_date"]'}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drafted(stub.Draft(draft_request("nda", "", FIELDS)))
    assert "never guessed" in violations(caught.value)["jurisdiction"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS, request="x" * 1_000_000)))
    assert "at most 20000" in violations(caught.value)["request"]


async def test_sequential_gives_the_same_document(stub: Any) -> None:
    """Section by section, finding by finding, citation by citation."""
    side_by_side, _ = await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS)))
    one_by_one, _ = await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS, sequential=True, cache_policy=2)))
    assert one_by_one.markdown == side_by_side.markdown
    assert one_by_one.checks == side_by_side.checks
    assert one_by_one.citations == side_by_side.citations


async def test_a_kept_draft_is_revised(stub: Any) -> None:
    """By an instruction in words and by fields; another tenant's or an unknown id is not found."""
    document, _ = await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS)))
    assert document.completed is not None
    again, _ = await drafted(
        stub.Revise(pb.ReviseRequest(draft_id=document.completed.draft_id, instruction="make the notice period 60 days"))
    )
    assert "sixty (60) days" in again.markdown
    assert "Acme Robotics Inc." in again.markdown
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drafted(stub.Revise(pb.ReviseRequest(draft_id="0" * 32, instruction="x")))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drafted(stub.Revise(pb.ReviseRequest(draft_id=document.completed.draft_id, instruction="paint it blue")))
    assert "instruction" in violations(caught.value)


async def test_bulk_sends_documents_as_they_end_and_one_failure_stops_nothing(stub: Any) -> None:
    """Each event names its document; the failure names its field."""
    requests = [draft_request("nda", "US-CA", FIELDS | {"party_a": f"Acme {n} Inc."}) for n in range(4)]
    requests.insert(2, draft_request("nda", "nowhere", FIELDS))
    made: dict[int, Document] = {}
    failures: list[pb.DraftFailure] = []
    done: pb.DraftBulkCompleted | None = None
    async for event in stub.DraftBulk(pb.DraftBulkRequest(draft=request) for request in requests):
        match event.WhichOneof("event"):
            case "draft":
                kind = event.draft.event.WhichOneof("event")
                made.setdefault(event.draft.index, Document()).feed(kind, getattr(event.draft.event, kind))
            case "failure":
                failures.append(event.failure)
            case "completed":
                done = event.completed
    assert done is not None
    assert (done.drafted, done.failed) == (4, 1)
    assert done.elapsed.ToMilliseconds() >= 0
    assert [(failure.index, list(failure.fields)) for failure in failures] == [(2, ["jurisdiction"])]
    assert sorted(made) == [0, 1, 3, 4]
    assert all(document.completed is not None for document in made.values())
    assert "Acme 3 Inc." in made[4].markdown


async def test_bytes_that_are_no_request_end_the_reading_of_a_bulk(stub: Any, channel: grpc.aio.Channel) -> None:
    """What came before is made, and the fault is told as one."""
    first = pb.DraftBulkRequest(draft=draft_request("nda", "US-CA", FIELDS)).SerializeToString()
    call = channel.stream_stream("/hexar.v1.LegalService/DraftBulk")(iter([first, b"\xff\xff\xff"]))
    events = [pb.DraftBulkEvent.FromString(data) async for data in call]
    failures = [event.failure for event in events if event.WhichOneof("event") == "failure"]
    assert [(failure.index, failure.code) for failure in failures] == [(1, grpc.StatusCode.INVALID_ARGUMENT.value[0])]
    assert events[-1].completed.drafted == 1


async def test_a_fake_in_the_request_is_reported_and_never_cited(stub: Any) -> None:
    """Nor one of another jurisdiction."""
    words = "NDA between Acme Inc. and Beta LLC, see Smith v. Jones, 999 U.S. 123 (1999) and N.Y. Lab. Law § 203-f(1)."
    document, _ = await drafted(stub.Draft(draft_request("nda", "US-CA", {"effective_date": "1 May 2026"}, request=words)))
    reasons = {removed.text: removed.reason for removed in document.removed}
    assert reasons["Smith v. Jones, 999 U.S. 123 (1999)"] == "is not in the corpus"
    assert reasons["N.Y. Lab. Law § 203-f(1)"] == "belongs to us/new-york, not to us/california"
    assert not any(removed.HasField("section") for removed in document.removed)
    assert "Smith" not in document.markdown
    assert all("us/new-york" not in authority.jurisdictions for authority in document.authorities.values())


async def pieces(*files: tuple[str, bytes], corpus: str = "mine") -> AsyncIterator[pb.ImportCorpusRequest]:
    for path, content in files:
        yield pb.ImportCorpusRequest(corpus=corpus, path=path, content=content[:10])
        yield pb.ImportCorpusRequest(content=content[10:])


def line(name: str, quote: str, **more: Any) -> bytes:
    return json.dumps({"id": name, "quote": quote, "jurisdiction": "us/california"} | more).encode() + b"\n"


async def test_an_import_replaces_a_corpus_at_once_and_old_versions_can_be_pinned(stub: Any) -> None:
    """Answers of the old version are served no more, but to who pins it."""
    first = [row async for row in stub.ImportCorpus(pieces(("a.jsonl", line("old", "A tenant may keep a cat at home."))))]
    assert first[-1].corpus.ref == pb.CorpusRef(name="mine", version=1)
    query = pb.SearchAuthoritiesRequest(
        query="May a tenant keep a cat?", jurisdiction="US-CA", corpus=pb.CorpusRef(name="mine")
    )
    assert [hit.authority.id for hit in (await stub.SearchAuthorities(query)).hits] == ["old"]
    assert [hit.authority.id for hit in (await stub.SearchAuthorities(query)).hits] == ["old"]
    second = [row async for row in stub.ImportCorpus(pieces(("a.jsonl", line("new", "No tenant may keep a cat."))))]
    assert second[-1].corpus.ref.version == 2
    assert list(second[-1].corpus.kept_versions) == [2, 1]
    found = await stub.SearchAuthorities(query)
    assert [hit.authority.id for hit in found.hits] == ["new"]
    assert found.corpus.version == 2
    query.corpus.version = 1
    assert [hit.authority.id for hit in (await stub.SearchAuthorities(query)).hits] == ["old"]
    query.corpus.version = 9
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.SearchAuthorities(query)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    listed = {corpus.ref.name: corpus for corpus in (await stub.ListCorpora(pb.ListCorporaRequest())).corpora}
    assert listed["default"].shared
    assert not listed["mine"].shared
    assert listed["mine"].coverage[0].jurisdiction == "us/california"


async def test_texts_that_no_store_takes_are_the_callers_mistake_in_streams_too(stub: Any) -> None:
    """The first frame of an import by its field; a draft of a bulk by itself, beside the one that is well."""
    marks = "US-CA" + "\u0301" * 300

    async def frames() -> AsyncIterator[pb.ImportCorpusRequest]:
        yield pb.ImportCorpusRequest(corpus="mine", jurisdiction=marks, path="a.jsonl", content=line("x", "A text."))

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _last(stub.ImportCorpus(frames()))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "jurisdiction" in violations(refused.value)

    async def drafts() -> AsyncIterator[pb.DraftBulkRequest]:
        yield pb.DraftBulkRequest(draft=draft_request("nda", marks, FIELDS))
        yield pb.DraftBulkRequest(draft=draft_request("nda", "US-CA", FIELDS))

    failures = [event.failure async for event in stub.DraftBulk(drafts()) if event.HasField("failure")]
    assert [(failure.index, failure.code) for failure in failures] == [(0, grpc.StatusCode.INVALID_ARGUMENT.value[0])]


@pytest.mark.parametrize("version", [99, 2**63, 2**64 - 1])
async def test_a_version_that_is_not_kept_is_said_to_be(stub: Any, version: int) -> None:
    """Also one that is larger than any number of the store."""
    request = pb.SearchAuthoritiesRequest(query="invention", jurisdiction="US-CA", corpus=pb.CorpusRef(version=version))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.SearchAuthorities(request)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert str(version) in (refused.value.details() or "")


async def test_an_import_that_fails_changes_nothing(stub: Any) -> None:
    """A damaged archive is refused, and the corpus stays as it was."""
    await _last(stub.ImportCorpus(pieces(("a.jsonl", line("kept", "The kept text of the corpus.")))))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _last(stub.ImportCorpus(pieces(("a.zip", b"this is no archive at all"))))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    query = pb.SearchAuthoritiesRequest(query="kept text", corpus=pb.CorpusRef(name="mine"))
    assert [hit.authority.id for hit in (await stub.SearchAuthorities(query)).hits] == ["kept"]


async def _last(call: Any) -> Any:
    rows = [row async for row in call]
    return rows[-1]


async def test_without_a_corpus_a_draft_says_that_no_authority_was_consulted(channel: grpc.aio.Channel) -> None:
    """It is drafted all the same."""
    stub: Any = legal_pb2_grpc.LegalServiceStub(channel)
    document, _ = await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS)))
    assert document.completed is not None
    assert document.completed.no_authorities
    assert "No authorities were consulted" in document.markdown
    assert document.started is not None
    assert not document.started.HasField("corpus")


async def test_finished_texts_are_validated_reviewed_and_cited(stub: Any) -> None:
    """A check that could not run says so and is no pass."""
    text = "This Agreement is governed by the laws of Texas. The fee is five thousand dollars ($6,000)."
    response = await stub.Validate(pb.ValidateRequest(text=text, jurisdiction="US-CA"))
    failed = {check.name for check in response.checks if check.outcome == pb.CHECK_OUTCOME_FAILED}
    assert {"governing_law", "amounts"} <= failed
    law = next(check for check in response.checks if check.name == "governing_law").findings[0]
    assert text[law.start : law.end] == "Texas"
    assert law.suggestion == "California"
    without = await stub.Validate(pb.ValidateRequest(text="A clean sentence without any law."))
    assert not without.valid
    assert {check.name for check in without.checks if check.outcome == pb.CHECK_OUTCOME_NOT_RUN} == {
        "governing_law",
        "jurisdiction_rules",
    }
    review = await stub.Review(pb.ReviewRequest(text=text, document_type="nda", jurisdiction="US-CA"))
    clauses = next(check for check in review.checks if check.name == "clauses")
    assert any("Return of Information" in finding.message for finding in clauses.findings)
    cited = await stub.Cite(
        pb.CiteRequest(
            text="An employment having no specified term may be terminated at the will of either party on notice to the other. "
            "See Cal. Lab. Code § 2922; Doe v. Roe, 12 U.S. 34 (1990).",
            jurisdiction="US-CA",
        )
    )
    assert [entry.authority_id for entry in cited.citations] == ["cal-lab-2922"]
    assert [entry.text for entry in cited.unresolved] == ["Doe v. Roe, 12 U.S. 34 (1990)"]


async def test_types_are_listed_with_their_fields(stub: Any) -> None:
    """Page by page."""
    first = await stub.ListDocumentTypes(pb.ListDocumentTypesRequest(page={"size": 2}))
    rest = await stub.ListDocumentTypes(pb.ListDocumentTypesRequest(page={"token": first.page.next_token}))
    types = {entry.name: entry for entry in (*first.document_types, *rest.document_types)}
    assert set(types) == {"employment-offer", "nda", "service-agreement"}
    assert set(types["nda"].languages) == {"en", "es"}
    fee = next(field for field in types["service-agreement"].fields if field.name == "fee")
    assert (fee.kind, fee.required) == (pb.FIELD_KIND_MONEY, True)


async def test_a_spanish_document_is_spanish(stub: Any) -> None:
    """Dates, words of numbers, the place, and an authority of Spain."""
    document, _ = await drafted(stub.Draft(draft_request("nda", "es", FIELDS, language="es")))
    assert document.completed is not None
    assert document.completed.valid
    assert "1 de mayo de 2026" in document.markdown
    assert "treinta (30) días" in document.markdown
    assert "leyes de España" in document.markdown
    assert [document.authorities[entry.authority_id].citation for entry in document.citations] == ["Código Civil, art. 1255"]
