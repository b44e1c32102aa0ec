"""The chat protocol that OpenAI began and many servers speak: what is sent, and what the chunks of an answer mean.

Knows no socket and no HTTP. What is sent is as each provider documents it (:class:`Dialect`); what comes is read leniently,
since the servers differ in what they leave out, what is null, and what they call it:

* text is ``delta.content``: a string, a part, or a list of parts of which thinking is no answer (Mistral);
* reasoning is a field of its own (``reasoning_content``, ``reasoning``), a part, or a section between tags;
* usage has other names (``input_tokens``), null counts, or counts that cannot be: then it is estimated;
* an ``error``, or a finish reason that means one, ends an answer that failed, whatever was sent before it.

What is no chunk at all (not JSON, text that is a number) is refused. An answer is complete only with evidence: a finish reason,
or text and then ``[DONE]`` with no event between that is of something else.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.errors import (
    ModelBusy,
    ModelCut,
    ModelEmpty,
    ModelFailed,
    ModelMalformed,
    ModelRejected,
    blames_request,
)
from hexar.agents.llm.reasoning import ReasoningFilter
from hexar.agents.llm.types import Request, TokenUsage, estimate_tokens

#: Tokens of one call that are believed; more is a fault of the counter.
MAX_TOKENS = 100_000_000

#: What providers call the two ends that all know.
_FINISH = {
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "completed": "stop",
    "model_length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
}
#: Finish reasons of an answer that broke: OpenRouter, Mistral; vLLM; DeepSeek.
_BROKEN = frozenset({"error", "abort", "aborted", "cancelled", "insufficient_system_resource"})
#: What is written for no reason at all.
_NONE = frozenset({"null", "none"})
_PROMPT_NAMES = ("prompt_tokens", "input_tokens")
_COMPLETION_NAMES = ("completion_tokens", "output_tokens")
_REASONING_NAMES = ("reasoning_content", "reasoning")
_REASONING_PARTS = frozenset({"thinking", "reasoning", "redacted_thinking"})

#: Control characters that no text has: a store refuses NUL, a terminal obeys the others. Lone surrogates cannot be encoded.
_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)) if chr(code) not in "\t\n\r"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a provider is sent.

    ``stream_options``: it understands the wish for a usage chunk. ``key_header`` is where it reads the key, behind
    ``key_prefix``.
    """

    stream_options: bool = True
    max_tokens_field: str = "max_tokens"
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "


#: The providers that differ in what they are sent, by ``ModelConfig.kind``.
DIALECTS = {
    "openai": Dialect(),
    # Sends its usage unasked, and answers 422 to a field that it does not know.
    "mistral": Dialect(stream_options=False),
    "azure": Dialect(key_header="api-key", key_prefix=""),
}


def headers(config: ModelConfig) -> tuple[tuple[str, str], ...]:
    """The headers of a call."""
    agreed = (("Accept", "text/event-stream"), ("User-Agent", "hexar"))
    return (*agreed, *key_header(config.kind, config.api_key), *config.headers)


def key_header(kind: str, key: str) -> tuple[tuple[str, str], ...]:
    """The header that a provider reads its key from; none where there is no key."""
    dialect = DIALECTS[kind]
    return ((dialect.key_header, dialect.key_prefix + key),) if key else ()


def payload(config: ModelConfig, request: Request) -> bytes:
    """The body of a call."""
    dialect = DIALECTS[config.kind]
    body: dict[str, object] = {
        "model": config.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "stream": True,
        config.max_tokens_field or dialect.max_tokens_field: request.max_tokens,
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.stop:
        body["stop"] = list(request.stop)
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": request.schema.name, "strict": True, "schema": request.schema.schema},
        }
    if dialect.stream_options if config.include_usage is None else config.include_usage:
        body["stream_options"] = {"include_usage": True}
    return orjson.dumps(body)


class ChunkReader:
    """Reads the chunks of one answer. Not thread-safe.

    ``pieces`` and ``characters`` count the text so far, ``reasoning`` the characters of reasoning; ``finish`` is the reason
    that was given, empty while there is none.
    """

    __slots__ = (
        "_before",
        "_completion",
        "_filter",
        "_index",
        "_model",
        "_prompt",
        "_request",
        "_strange",
        "_thoughts",
        "_thoughts_characters",
        "characters",
        "finish",
        "pieces",
    )

    def __init__(self, model: str, request: Request) -> None:
        self._model = model
        self._request = request
        self._filter = ReasoningFilter()
        self._prompt: int | None = None
        self._completion: int | None = None
        # Pieces before the last event.
        self._before = 0
        self._thoughts = 0
        self._thoughts_characters = 0
        self._index: Any = None
        # An event came that says nothing of an answer.
        self._strange = False
        self.finish = ""
        self.pieces = 0
        self.characters = 0

    @property
    def reasoning(self) -> int:
        return self._thoughts_characters + self._filter.characters

    @property
    def thinking(self) -> bool:
        """True once the model has shown reasoning: it is at work."""
        return bool(self._thoughts or self._filter.characters or self._filter.inside)

    def void(self) -> int:
        """How many pieces of text so far have just turned out to be reasoning; asked once after each event."""
        pieces = 0
        if self._filter.void:
            self._filter.void = False
            pieces, self.pieces = self._before, self.pieces - self._before
            self.characters = max(0, self.characters - self._filter.characters)
            self._thoughts += pieces
        return pieces

    def read(self, event: bytes) -> str:
        """The answer's text in one event, often none. Raises ModelError where the event says that the answer failed."""
        if not event.strip():
            # Some gateways keep a slow stream alive with empty events.
            return ""
        try:
            chunk: Any = orjson.loads(event)
        except orjson.JSONDecodeError as error:
            raise ModelMalformed(self._model, "sent an event that is not JSON") from error
        try:
            text = self._chunk(chunk)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ModelMalformed(self._model, "sent an event of another shape") from error
        if not text:
            return ""
        self._before = self.pieces
        return self._count(self._filter.feed(text))

    def end(self, *, announced: bool) -> str:
        """The last of the text. Raises ModelError where the answer is not complete.

        ``announced``: the stream said that it is over, by ``[DONE]``; otherwise its body just ended.
        """
        text = self._count(self._filter.finish())
        if not self.finish and not (announced and self.pieces and not self._strange):
            if not (self.pieces or self.thinking) or (announced and not self.pieces):
                raise ModelMalformed(self._model, "sent no answer")
            raise ModelCut(self._model, "ended its answer too early")
        if not self.pieces and self.finish != "content_filter":
            raise ModelEmpty(self._model, self.finish)
        return text

    def usage(self) -> TokenUsage:
        """What the provider reported; what it did not is estimated from the texts."""
        prompt = self._prompt
        # A server that counts no token of a text that came does not count.
        completion = self._completion if self._completion or not self.pieces else None
        estimated = prompt is None or completion is None
        if prompt is None:
            prompt = estimate_tokens([message.content for message in self._request.messages])
        if completion is None:
            # Most servers send a token a chunk; some send several.
            sent = self.pieces + self._thoughts
            completion = max(sent, -(-(self.characters + self.reasoning) // 4))
        return TokenUsage(prompt, completion, estimated)

    def _count(self, text: str) -> str:
        if text:
            self.pieces += 1
            self.characters += len(text)
        return text

    def _chunk(self, chunk: Any) -> str:
        error = chunk.get("error")
        if error or "error" in (chunk.get("object"), chunk.get("type")):
            raise self._failure(error if isinstance(error, dict) else chunk)
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self._note(usage)
        choices = chunk.get("choices")
        if not choices:
            # What is neither of a text nor of its usage may tell of its end: then [DONE] alone proves no answer.
            self._strange |= bool(chunk) and "choices" not in chunk and usage is None and chunk.get("type") != "ping"
            return ""
        choice = self._of_the_answer(choices)
        if choice is None:
            return ""
        self._end_of(choice.get("finish_reason"))
        # Servers that do not stream, or not always, send the whole message; the oldest protocol has its text beside it.
        delta = choice.get("delta") or choice.get("message")
        if not delta:
            text = choice.get("text")
            return _clean(text) if isinstance(text, str) else ""
        content = delta.get("content") or delta.get("refusal")
        for name in _REASONING_NAMES:
            if isinstance(thought := delta.get(name), str) and thought:
                self._thought(thought)
                break
        if not content:
            return ""
        if isinstance(content, str):
            return _clean(content)
        return "".join(self._part(part) for part in ([content] if isinstance(content, dict) else content))

    def _of_the_answer(self, choices: Any) -> Any:
        """The choice that goes on the answer: that of the index which came first. One is asked for; others are not mixed in."""
        for choice in choices:
            if choice is None:
                continue
            index = choice.get("index")
            if self._index is None:
                self._index = index
            if index is None or index == self._index:
                return choice
        return None

    def _part(self, part: Any) -> str:
        """The text of one part of a message; thinking is counted, references and pictures are left out."""
        if isinstance(part, str):
            return _clean(part)
        if part.get("type") in _REASONING_PARTS:
            inner = part.get("thinking") or part.get("text") or ""
            pieces = [inner] if isinstance(inner, str) else [one.get("text") or "" for one in inner]
            self._thought("".join(pieces))
            return ""
        text = part.get("text")
        if isinstance(text, dict):
            text = text.get("value")
        return _clean(text) if isinstance(text, str) else ""

    def _thought(self, text: str) -> None:
        self._thoughts += 1
        self._thoughts_characters += len(text)

    def _end_of(self, reason: Any) -> None:
        if not isinstance(reason, str) or not reason:
            return
        reason = reason.lower()
        if reason in _NONE:
            return
        if reason in _BROKEN:
            raise ModelFailed(self._model, "reported that its answer broke")
        self.finish = _FINISH.get(reason, reason)

    def _note(self, usage: dict[str, Any]) -> None:
        """Keep the counts that can be. Some servers send them with every chunk: the last ones hold."""
        # A prompt has a token at least.
        self._prompt = _count_of(usage, _PROMPT_NAMES) or self._prompt
        completion = _count_of(usage, _COMPLETION_NAMES)
        if completion is not None:
            self._completion = completion

    def _failure(self, error: dict[str, Any]) -> ModelFailed | ModelRejected | ModelBusy:
        """An error in mid-stream; some servers find only there that the request is at fault."""
        code = error.get("code") or error.get("status")
        status = int(code) if isinstance(code, int | str) and str(code).isdecimal() else 0
        if blames_request(status):
            return ModelRejected(self._model, status)
        if status == 429 or "rate_limit" in f"{code} {error.get('type')}":
            return ModelBusy(self._model, 1.0)
        return ModelFailed(self._model, "reported an error")


def _count_of(usage: dict[str, Any], names: tuple[str, ...]) -> int | None:
    """A count of tokens under one of its names; None where there is none that can be."""
    for name in names:
        value = usage.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS:
            return value
    return None


def _clean(text: str) -> str:
    return text if text.isprintable() else text.translate(_CONTROLS)
