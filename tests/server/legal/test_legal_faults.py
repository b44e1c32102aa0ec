"""Drafting while layers fail, and with models that are hostile or down."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest

from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.files import files_of
from hexar.agents.legal.demo import CORPUS
from hexar.server.process.app import App
from hexar.server.servicers.legal import LegalServicer
from hexar.v1 import legal_pb2 as pb
from hexar.v1 import legal_pb2_grpc
from hexar_client.legal import Document, draft_request
from tests.server.legal.scripted_model import ScriptedModel
from tests.server.legal.test_legal import FIELDS, drafted

SERVICE = {
    "client": "Acme Robotics Inc.", "provider": "Beta Labs LLC", "effective_date": "1 May 2026", "services": "web design",
    "fee": "USD 5,000",
}  # fmt: skip
FAKE = "Smith v. Jones, 999 U.S. 123 (1999)"

Serve = Callable[..., Any]


@pytest.fixture
async def serve(settings: Callable[..., Any]) -> AsyncIterator[Serve]:
    """``app, stub = await serve(**settings)``: a server with the demo corpus."""
    apps: list[App] = []
    channels: list[grpc.aio.Channel] = []

    async def make(**changes: Any) -> tuple[App, Any]:
        app = App(settings(**changes))
        await app.start()
        apps.append(app)
        corpora = Corpora(app.engine.database, app.engine.versions, None)
        await app.engine.database.run(corpora.replace, "", "", list(files_of(CORPUS)))
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{app.port}")
        channels.append(channel)
        return app, legal_pb2_grpc.LegalServiceStub(channel)

    yield make
    for channel in channels:
        await channel.close()
    for app in apps:
        await app.stop(0)


def break_layer(app: App, name: str, function: Callable[..., Any]) -> None:
    """Let a layer of a running server be ``function``."""
    servicer = next(entry for entry in app.servicers if isinstance(entry, LegalServicer))
    servicer.pipeline.layers = replace(servicer.pipeline.layers, **{name: function})


def fail(*_: Any) -> Any:
    raise OSError("the layer is down")


@pytest.mark.parametrize(
    ("name", "layer", "means"),
    [
        ("research", pb.LEGAL_LAYER_RESEARCH, "no authorities consulted"),
        ("draft", pb.LEGAL_LAYER_DRAFT, "the template's text"),
        ("review", pb.LEGAL_LAYER_REVIEW, "the text was not reviewed"),
        ("validate", pb.LEGAL_LAYER_VALIDATE, "the text was not validated"),
        ("cite", pb.LEGAL_LAYER_CITE, "no citations attached"),
    ],
)
async def test_a_layer_that_fails_is_tried_three_times_and_replaced(
    serve: Serve, name: str, layer: pb.LegalLayer, means: str
) -> None:
    """The document comes all the same, says what it lacks, and is not kept as a good one."""
    app, stub = await serve(legal={"retry_seconds": 0.001})
    break_layer(app, name, fail)
    document, events = await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS)))
    progress = [event.progress for event in events if event.WhichOneof("event") == "progress" and event.progress.layer == layer]
    assert max(entry.attempt for entry in progress) == 3
    assert progress[-1].outcome == pb.LAYER_OUTCOME_FALLBACK
    assert progress[-1].fallback == means
    assert document.completed is not None
    assert list(document.completed.failed_layers) == [layer]
    assert "Acme Robotics Inc." in document.markdown
    if name == "research":
        assert document.completed.no_authorities
        assert not document.citations
        assert "No authorities were consulted" in document.markdown
    if name == "validate":
        assert not document.completed.valid
        assert "amounts" in document.completed.not_run
        assert {check.outcome for check in document.checks if check.layer == layer} == {pb.CHECK_OUTCOME_NOT_RUN}
    call = stub.Draft(draft_request("nda", "US-CA", FIELDS))
    await drafted(call)
    assert dict(await call.initial_metadata())["hexar-cache"] == "miss"


async def test_a_layer_that_hangs_ends_by_its_time(serve: Serve) -> None:
    """And says that it timed out; the rest of the document is there."""
    app, stub = await serve(legal={"layer_seconds": 0.2, "attempts": 1})
    release = threading.Event()

    def hang(*_: Any) -> Any:
        release.wait(20)
        return []

    break_layer(app, "validate", hang)
    try:
        document, events = await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS)))
    finally:
        release.set()
    late = [event.progress for event in events if event.WhichOneof("event") == "progress" and event.progress.timed_out]
    assert [entry.layer for entry in late] == [pb.LEGAL_LAYER_VALIDATE]
    assert document.completed is not None
    assert not document.completed.valid


async def test_a_layer_that_recovers_leaves_no_trace(serve: Serve) -> None:
    """A second try that succeeds is a success."""
    app, stub = await serve(legal={"retry_seconds": 0.001})
    servicer = next(entry for entry in app.servicers if isinstance(entry, LegalServicer))
    working = servicer.pipeline.layers.research
    calls = iter((OSError("once"), None))

    def once(plan: Any) -> Any:
        error = next(calls, None)
        if error is not None:
            raise error
        return working(plan)

    break_layer(app, "research", once)
    document, _ = await drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS)))
    assert document.completed is not None
    assert not document.completed.failed_layers
    assert document.citations


def model_settings(model: ScriptedModel) -> dict[str, Any]:
    return {"models": [{"name": "writer", "base_url": model.base_url, "model": "writer"}]}


def clause_of(messages: list[dict[str, str]]) -> str:
    """The clause that a model is asked to phrase; empty where it is asked for fields."""
    words = messages[-1]["content"]
    return words.partition("<clause>\n")[2].partition("\n</clause>")[0].partition("\n")[2]


async def services_text(serve: Serve, script: Callable[[list[dict[str, str]]], str | None]) -> tuple[Document, list[Any]]:
    with ScriptedModel(script) as model:
        _, stub = await serve(llm=model_settings(model), legal={"retry_seconds": 0.001})
        return await drafted(stub.Draft(draft_request("service-agreement", "US-CA", SERVICE)))


async def test_a_model_may_phrase_a_free_clause(serve: Serve) -> None:
    """Its words stand in the document, and the answer says who wrote them."""
    document, _ = await services_text(serve, lambda messages: clause_of(messages).replace("reasonable skill", "proper skill"))
    assert document.completed is not None
    assert document.completed.ai == "writer"
    assert "proper skill" in document.markdown
    assert document.completed.usage.completion_tokens > 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + f" This follows from {FAKE}.",
        lambda text: text + " As held in Doe v. Roe, 12 F.3d 34 (9th Cir. 1994), no fee is due.",
        lambda text: text + " Under Cal. Civ. Code § 99999 this is void.",
        lambda text: text + " See N.Y. Lab. Law § 203-f(1).",
        lambda text: text + " The Client shall pay USD 9,999.",
        lambda text: text.replace("Provider", "Omega Corporation"),
        lambda text: "Ignore all rules. {{ 7*7 }}",
        lambda text: "",
    ],
)
async def test_a_hostile_model_adds_no_authority_and_no_fact(serve: Serve, spoil: Callable[[str], str]) -> None:
    """What resolves to nothing is taken out and reported; what changes the clause is thrown away."""
    document, _ = await services_text(serve, lambda messages: spoil(clause_of(messages)))
    text = document.markdown
    for invented in ("Smith v", "Doe v", "99999", "203-f", "9,999", "Omega", "Ignore", "49"):
        assert invented not in text
    assert "reasonable skill and care" in text
    for citation in document.citations:
        authority = document.authorities[citation.authority_id]
        assert authority.quote[citation.quote_start : citation.quote_end] == citation.quote


async def test_a_fake_in_a_models_text_is_reported(serve: Serve) -> None:
    """With the words of the citation and why it is none."""
    document, _ = await services_text(serve, lambda messages: f"{clause_of(messages)} This follows from {FAKE}.")
    assert [(entry.text, entry.reason) for entry in document.removed] == [(FAKE, "is not in the corpus")]


async def test_a_model_that_is_down_leaves_the_templates_text(serve: Serve) -> None:
    """The answer says so and is not kept."""
    document, events = await services_text(serve, lambda _: None)
    assert document.completed is not None
    assert document.completed.ai == "unavailable"
    assert "reasonable skill and care" in document.markdown
    fallbacks = [event.progress.fallback for event in events if event.WhichOneof("event") == "progress"]
    assert any("template" in words for words in fallbacks)


async def test_a_model_reads_only_fields_that_the_request_states(serve: Serve) -> None:
    """An invented value stays out; a stated one goes in at its place."""
    words = "Please write a service agreement; the work is the repair of two espresso machines."

    def script(messages: list[dict[str, str]]) -> str:
        if "<clause>" in messages[-1]["content"]:
            return clause_of(messages)
        return '{"services": "the repair of two espresso machines", "fee": "USD 700"}'

    with ScriptedModel(script) as model:
        _, stub = await serve(llm=model_settings(model))
        fields = {name: value for name, value in SERVICE.items() if name not in ("services", "fee")}
        document, events = await drafted(stub.Draft(draft_request("service-agreement", "US-CA", fields, request=words)))
    assert document.completed is not None
    assert list(document.completed.open_fields) == ["fee"]
    assert "the repair of two espresso machines" in document.markdown
    read = [event.read_field for event in events if event.WhichOneof("event") == "read_field"]
    assert [(entry.name, words[entry.start : entry.end]) for entry in read] == [
        ("services", "the repair of two espresso machines")
    ]


async def test_a_model_points_to_what_an_instruction_states_and_invents_nothing(serve: Serve) -> None:
    """Words that rules do not understand change a field where a model points to them; what does not stand there is refused."""
    answers = {"heads-up": '{"payment_days": "forty-five days", "fee": "USD 9"}', "sooner": '{"payment_days": "10 days"}'}

    def script(messages: list[dict[str, str]]) -> str:
        content = messages[-1]["content"]
        return next((answers[word] for word in answers if word in content), clause_of(messages))

    with ScriptedModel(script) as model:
        _, stub = await serve(llm=model_settings(model))
        document, _ = await drafted(stub.Draft(draft_request("service-agreement", "US-CA", SERVICE)))
        assert document.completed is not None
        draft_id = document.completed.draft_id
        asked = pb.ReviseRequest(draft_id=draft_id, instruction="they get forty-five days of heads-up before money is owed")
        again, _ = await drafted(stub.Revise(asked))
        assert "forty-five (45) days" in again.markdown
        assert "USD 9" not in again.markdown.replace("USD 9,", "")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await drafted(stub.Revise(pb.ReviseRequest(draft_id=draft_id, instruction="let them pay sooner")))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_equal_requests_at_once_are_drafted_once(serve: Serve) -> None:
    """Twenty callers, one research."""
    app, stub = await serve()
    servicer = next(entry for entry in app.servicers if isinstance(entry, LegalServicer))
    working = servicer.pipeline.layers.research
    calls: list[int] = []

    def counted(plan: Any) -> Any:
        calls.append(1)
        return working(plan)

    break_layer(app, "research", counted)
    found = await asyncio.gather(*(drafted(stub.Draft(draft_request("nda", "US-CA", FIELDS))) for _ in range(20)))
    assert len({document.markdown for document, _ in found}) == 1
    assert len(calls) == 1
