"""Each provider as it asks and answers on the wire: OpenAI, Mistral, Ollama, vLLM, llama.cpp and Azure; then what differs more."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.llm import Cancel, Delta, Done, Message, ModelConfig, Request, Schema, SegmentReset, collect
from hexar.agents.llm.dialect import ChunkReader, payload
from hexar.agents.llm.errors import (
    ModelBusy,
    ModelCut,
    ModelEmpty,
    ModelError,
    ModelFailed,
    ModelMalformed,
    ModelRejected,
)
from hexar.agents.llm.openai import OpenAIProvider
from hexar.agents.llm.reasoning import TAGS, ReasoningFilter
from hexar.core.deadline import Deadline
from hexar.core.resilience import BreakerState
from tests.agents.llm.conftest import FAST, REQUEST, MakeModels, answer, gather, text
from tests.upstream import Upstream

#: What each server is configured with, beside its address.
SERVERS: dict[str, dict[str, Any]] = {
    "openai": {},
    "mistral": {"kind": "mistral"},
    "ollama": {},
    "vllm": {},
    "llamacpp": {},
    "azure": {"kind": "azure"},
}


def provider(upstream: Upstream, dialect: str, settings: str = "tokens=3", **more: Any) -> OpenAIProvider:
    """A model of the upstream that speaks as ``dialect`` does."""
    url = upstream.base_url
    if dialect == "azure":
        url = url.removesuffix("/v1") + "/openai/deployments/gpt?api-version=2024-10-21"
    model = f"{dialect}?dialect={dialect}&{settings}"
    fields = {"base_url": url, "model": model, "api_key": "secret", "timeouts": FAST, **SERVERS[dialect], **more}
    return OpenAIProvider(ModelConfig("m", **fields))


def ask(asked: OpenAIProvider) -> tuple[str, Done]:
    """The text and the end of one answer."""
    try:
        made = collect(iter(list(asked.stream(REQUEST, Deadline.after(10), Cancel()))))
        return made.text, made.done
    finally:
        asked.close()


@pytest.mark.parametrize("dialect", SERVERS)
def test_an_answer_of_every_server(upstream: Upstream, dialect: str) -> None:
    """Text, reason, reported usage; the key where the server reads it."""
    said, done = ask(provider(upstream, dialect))
    assert said == answer(3)
    assert (done.finish, done.usage.prompt_tokens, done.usage.completion_tokens) == ("stop", 7, 3)
    assert not done.usage.estimated
    asked = upstream.stats()["last_request"]
    assert asked["authorization"] == ("" if dialect == "azure" else "Bearer secret")
    assert ("stream_options" in asked) == (dialect != "mistral")


@pytest.mark.parametrize("dialect", SERVERS)
def test_reasoning_of_every_server_is_no_answer(upstream: Upstream, dialect: str) -> None:
    """As a field, as a part of the content or between tags: counted, and not in the text."""
    for settings in ("tokens=3&think=0.3", "tokens=3&tags=0.3"):
        said, done = ask(provider(upstream, dialect, settings))
        assert said == answer(3)
        assert done.reasoning_characters >= 6


@pytest.mark.parametrize("dialect", SERVERS)
def test_a_broken_answer_of_every_server_is_a_failure(upstream: Upstream, dialect: str) -> None:
    """An error in mid-stream, an end without a reason, a reason that means a failure, silence."""
    for settings, error in (
        ("fault=error&after=2", ModelFailed),
        ("fault=cut&after=2", ModelCut),
        ("finish=error", ModelFailed),
        ("fault=onlydone", ModelMalformed),
        ("tokens=0", ModelEmpty),
    ):
        with pytest.raises(error):
            ask(provider(upstream, dialect, f"tokens=3&{settings}" if "tokens" not in settings else settings))


def test_azure_without_its_version_or_key_is_refused_by_it(upstream: Upstream) -> None:
    """The query of the address goes with every call, the key in its own header."""
    said, _ = ask(provider(upstream, "azure"))
    assert said == answer(3)
    assert upstream.stats()["last_request"]["target"] == "/openai/deployments/gpt/chat/completions?api-version=2024-10-21"
    for more in ({"base_url": upstream.base_url}, {"kind": "openai"}):
        with pytest.raises(ModelRejected):
            ask(provider(upstream, "azure", **more))


def test_mistral_refuses_what_openai_understands(upstream: Upstream) -> None:
    """A field that it does not know is the request's fault: other requests go on."""
    with pytest.raises(ModelRejected) as refused:
        ask(provider(upstream, "mistral", kind="openai"))
    assert refused.value.status == 422
    assert not refused.value.counts_as_failure


def test_a_server_that_does_not_stream(upstream: Upstream) -> None:
    """One JSON object in place of a stream is the answer too."""
    said, done = ask(provider(upstream, "openai", "tokens=3&fault=whole"))
    assert (said, done.finish, done.usage.completion_tokens) == (answer(3), "stop", 3)


@pytest.mark.parametrize("counts", ["null", "negative", "huge", "text"])
def test_counts_that_cannot_be_are_estimated(upstream: Upstream, counts: str) -> None:
    """The answer stands, its usage says that it was counted by us."""
    said, done = ask(provider(upstream, "openai", f"tokens=3&counts={counts}"))
    assert said == answer(3)
    assert done.usage.estimated
    assert 0 < done.usage.prompt_tokens < 100
    assert done.usage.completion_tokens >= 3


async def test_a_failed_end_asks_the_fallback(make_models: MakeModels) -> None:
    """A stream that said nothing but [DONE], or finished with an error, is answered by the next model."""
    for settings in ("fault=onlydone", "finish=error&tokens=2", "tokens=0"):
        assert text(await gather(make_models(settings, "tokens=3"))) == answer(3)


# ------------------------------------------------------------------------------------------------- what a chunk may look like


def read(*chunks: object) -> tuple[str, ChunkReader]:
    """The text of ``chunks`` (objects, or bytes as they are), ended by [DONE]."""
    reader = ChunkReader("m", REQUEST)
    parts = [reader.read(one if isinstance(one, bytes) else json.dumps(one).encode()) for one in chunks]
    return "".join([*parts, reader.end(announced=True)]), reader


def chunk(finish: object = None, **delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


END = chunk("stop")


@pytest.mark.parametrize(
    ("said", "chunks"),
    [
        ("ab", [chunk(content="a"), chunk(content=None), chunk(content="b"), END]),
        ("ab", [chunk(content=[{"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}, "b"]), END]),
        ("a", [{"choices": [{"delta": None}]}, {"choices": None}, {}, chunk(content="a", role=None), END]),
        ("a", [b"", b"  ", chunk(content="a"), END]),
        ("a", [{"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}]),
        ("a", [{"choices": [{"text": "a", "finish_reason": "stop"}]}]),
        ("no", [chunk(refusal="no"), END]),
        ("a\tb\n", [chunk(content="a\0\t\x1b\x7f\x9bb\n"), END]),
        ("ñ😀", [chunk(content="ñ😀"), END]),
        ("a", [chunk(content="a")]),
        ("a", [chunk(content="a", finish={"a": 1}), chunk(5), chunk(["stop"])]),
        ("a", [chunk(content={"type": "text", "text": "a"}), END]),
        ("a", [chunk(content=[{"type": "text", "text": {"value": "a"}}]), END]),
        ("ab", [chunk(content="a"), {"choices": [None]}, {"type": "ping"}, chunk(content="b"), chunk("null")]),
    ],
)
def test_text_wherever_it_stands(said: str, chunks: Sequence[object]) -> None:
    """Strings, parts, whole messages; nothing that a terminal or a store would take for something else."""
    assert read(*chunks)[0] == said


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("eos_token", "stop"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
    ],
)
def test_reasons_by_other_names(reason: str, finish: str) -> None:
    assert read(chunk(content="a"), chunk(reason))[1].finish == finish


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 4, "completion_tokens": 2}, (4, 2, False)),
        ({"input_tokens": 4, "output_tokens": 2}, (4, 2, False)),
        ({"prompt_tokens": 4.0, "completion_tokens": 2.0}, (4, 2, False)),
        ({"prompt_tokens": 4, "completion_tokens": None}, (4, 1, True)),
        ({"prompt_tokens": 4, "completion_tokens": 0}, (4, 1, True)),
        ({"prompt_tokens": True, "completion_tokens": 1e300}, (2, 1, True)),
        ([], (2, 1, True)),
    ],
)
def test_usage_by_other_names_and_with_holes(usage: object, expected: tuple[int, int, bool]) -> None:
    counted = read(chunk(content="word"), {**chunk("stop"), "usage": usage})[1].usage()
    assert dataclasses.astuple(counted) == expected


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (b"{not json", ModelMalformed),
        (b"[" * 5000 + b"]" * 5000, ModelMalformed),
        (b'{"choices":[{"delta":{"content":"\xff\xfe"}}]}', ModelMalformed),
        ([], ModelMalformed),
        ("x", ModelMalformed),
        ({"choices": [[]]}, ModelMalformed),
        (chunk(content=5), ModelMalformed),
        ({"error": {"message": "x"}}, ModelFailed),
        ({"error": "x"}, ModelFailed),
        ({"object": "error", "message": "x", "code": 500}, ModelFailed),
        ({"choices": [], "error": {"code": 502}}, ModelFailed),
        ({"error": {"code": 400, "type": "exceed_context_size_error"}}, ModelRejected),
        ({"object": "error", "message": "too long", "code": "400"}, ModelRejected),
        ({"type": "error", "message": "overloaded"}, ModelFailed),
        ({"error": {"code": 429}}, ModelBusy),
        ({"error": {"code": "rate_limit_exceeded"}}, ModelBusy),
        (chunk("error"), ModelFailed),
        (chunk("abort"), ModelFailed),
    ],
)
def test_what_is_no_answer(event: object, error: type[ModelError]) -> None:
    """Not JSON, of another shape, or an error by any of its forms: the answer so far does not count."""
    with pytest.raises(error):
        read(chunk(content="a"), event, END)


def test_the_texts_of_two_candidates_are_not_mixed() -> None:
    """One answer is asked for; a server that writes several is read by the index that came first."""
    other = {"index": 1, "delta": {"content": "x"}, "finish_reason": "error"}
    assert read(chunk(content="a"), {"choices": [other]}, chunk(content="b"), END)[0] == "ab"
    own = {"index": 0, "delta": {"content": "c"}}
    assert read(chunk(content="a"), {"choices": [other, own]}, END)[0] == "ac"


@pytest.mark.parametrize("event", [{"detail": "Internal Server Error"}, {"reason": "overloaded"}])
def test_done_behind_a_strange_event_proves_nothing(event: object) -> None:
    """Text, then what is no chunk, then [DONE] without a reason: that may be half an answer."""
    with pytest.raises(ModelCut):
        read(chunk(content="a"), event)
    assert read(chunk(content="a"), event, END)[0] == "a"


@pytest.mark.parametrize("finish", ["stop", "length", "tool_calls"])
def test_an_answer_without_text_is_none(finish: str) -> None:
    """Only a limit that the caller chose is not the provider's fault."""
    with pytest.raises(ModelEmpty) as empty:
        read(chunk(reasoning="hm"), chunk(finish))
    assert empty.value.counts_as_failure == (finish != "length")
    assert read(chunk("content_filter"))[0] == ""


@pytest.mark.parametrize(
    ("status", "counts"), [(400, False), (403, False), (413, False), (422, False), (401, True), (404, True)]
)
def test_a_refused_request_says_nothing_about_the_provider(status: int, counts: bool) -> None:
    """Too long, too much, filtered: the caller's. The key and the address: everybody's."""
    assert ModelRejected("m", status).counts_as_failure == counts


async def test_requests_that_are_refused_take_the_model_from_nobody(make_models: MakeModels) -> None:
    """However many requests the provider refuses for what is in them, the next one is asked."""
    models = make_models("fault=status&status=400&times=8&tokens=2")
    for _ in range(8):
        with pytest.raises(ModelRejected):
            await gather(models)
    assert models.breakers[0].state is BreakerState.CLOSED
    assert text(await gather(models)) == answer(2)


def test_a_schema_is_asked_for() -> None:
    schema = Schema("claims", {"type": "object"})
    body = json.loads(payload(ModelConfig("m", model="x"), Request((Message("user", "a"),), schema=schema)))
    assert body["response_format"]["json_schema"] == {"name": "claims", "strict": True, "schema": {"type": "object"}}


# --------------------------------------------------------------------------------------------------------- reasoning in tags


@given(
    st.lists(st.tuples(st.sampled_from(list(TAGS)), st.text("hm<[/ ]>\n", max_size=12)), max_size=3),
    st.text("ab <think>[1]\n", min_size=1, max_size=20),
    st.lists(st.integers(1, 7), max_size=60),
)
def test_sections_go_however_they_are_cut(sections: list[tuple[str, str]], said: str, cuts: list[int]) -> None:
    """What is between the tags is counted and gone; the answer behind them is whole."""
    sections = [(tag, inner) for tag, inner in sections if TAGS[tag] not in inner + TAGS[tag][:-1]]
    if any(said.lstrip().startswith(tag[: len(said.lstrip())]) for tag in TAGS) or not said.strip():
        return
    whole = "".join(f"{tag}{inner}{TAGS[tag]}\n" for tag, inner in sections) + said
    reader = ReasoningFilter()
    out, at = "", 0
    for size in [*cuts, len(whole)]:
        out += reader.feed(whole[at : at + size])
        at += size
    out += reader.finish()
    assert out.strip() == said.strip()
    assert sections or out == said
    assert reader.characters == sum(len(inner) for _, inner in sections)


def test_tags_further_on_are_text() -> None:
    """An answer about such tags keeps them."""
    said = "The model writes <think> first, then </think>."
    assert read(chunk(content=said), END)[0] == said
    assert read(chunk(content="<thin"), END)[0] == "<thin"


@given(st.lists(st.integers(1, 6), max_size=40))
def test_the_end_of_a_section_that_began_in_the_prompt(cuts: list[int]) -> None:
    """However it is cut, what came before it is void and counted as reasoning."""
    whole, at, said = "I look at [1].\n<b>So\n</think>\n\nTwo <b> years.", 0, ""
    reader = ReasoningFilter()
    for size in [*cuts, len(whole)]:
        text = reader.feed(whole[at : at + size])
        at += size
        said = text if reader.void else said + text
        reader.void = False
    assert said + reader.finish() == "Two <b> years."
    assert reader.characters == whole.index("</think>")


async def test_what_turns_out_to_be_reasoning_is_taken_back(make_models: MakeModels) -> None:
    """A reset of the same model, then the answer; usage counts both."""
    events = await gather(make_models("tokens=3&endtag=2"))
    resets = [event for event in events if isinstance(event, SegmentReset)]
    assert [(event.reason, event.discarded) for event in resets] == [("reasoning", 3)]
    assert text(events) == answer(3)
    assert isinstance(events[-1], Done)
    assert events[-1].reasoning_characters == len("hm [1] ") * 2 + 1


def test_reasoning_without_an_end_is_no_answer() -> None:
    with pytest.raises(ModelEmpty):
        read(chunk(content="<think>I wonder"), chunk("length"))


def test_every_piece_is_told_once(upstream: Upstream) -> None:
    """Deltas are never empty, and one Done ends them."""
    asked = provider(upstream, "mistral", "tokens=30&think=0.2")
    events = list(asked.stream(REQUEST, Deadline.after(10), Cancel()))
    asked.close()
    assert all(event.text for event in events if isinstance(event, Delta))
    assert [type(event) for event in events].count(Done) == 1
