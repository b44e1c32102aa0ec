"""What goes to a language model and what comes back.

An answer is a sequence of :data:`Event`: any number of :class:`Delta`, a :class:`SegmentReset` wherever another model
took over (what was received before it is void), and exactly one :class:`Done` at the end. An answer without Done broke.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import HexarError


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation that is sent."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of retrieved text. ``marker`` is the number of its citation: ``[3]`` in an answer points to it."""

    marker: int
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """The JSON Schema that an answer must follow; ``name`` is letters, digits and underscores."""

    name: str
    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked.

    ``messages`` are complete: an HTTP model sends them as they are. ``passages`` are the retrieved texts once more, for
    providers that compose an answer from them. ``language`` is ``"en"``, ``"es"`` or ``"und"``. ``schema`` asks for an
    answer in JSON; a provider may ignore it, so the answer is checked.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 2000
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    passages: tuple[Passage, ...] = ()
    language: str = "und"
    schema: Schema | None = None

    def question(self) -> str:
        """The last message of the user."""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")


@dataclass(slots=True)
class Delta:
    """The next piece of the answer's text; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class SegmentReset:
    """What was received before is void: another model took over in mid-stream and starts anew, or it was reasoning.

    ``model`` is the one that goes on, ``reason`` a sentence for a reader, ``discarded`` the number of void deltas.
    """

    model: str
    reason: str
    discarded: int


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one call; ``estimated`` where the provider reported none and they were counted from the text."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated or other.estimated,
        )


@dataclass(slots=True)
class Meter:
    """What an answer has used so far; final once its stream has ended, in whatever way.

    ``cost_micros`` is None without a price; ``model`` is the one asked last.
    """

    usage: TokenUsage = TokenUsage()
    cost_micros: int | None = None
    currency: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is complete.

    ``finish`` is ``"stop"``, ``"length"`` or what else the provider said. ``usage`` and ``cost_micros`` (millionths of
    ``currency``; None: no price is configured) count every model that was asked, also one that broke in mid-stream.
    ``first_token_seconds`` is counted from the first attempt. ``reasoning_characters`` is the length of the reasoning that the
    model showed before its answer; it is no part of the text.
    """

    model: str
    finish: str
    usage: TokenUsage
    cost_micros: int | None = None
    currency: str = ""
    first_token_seconds: float = 0.0
    total_seconds: float = 0.0
    reasoning_characters: int = 0


Event: TypeAlias = Delta | SegmentReset | Done


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer."""

    text: str
    done: Done
    resets: int = field(default=0)


class Answer(Protocol):
    """An answer whose request is sent, and that the event loop reads by itself."""

    @property
    def socket(self) -> socket.socket:
        """What the loop watches."""
        ...

    @property
    def model(self) -> str:
        """The configured name of the model."""
        ...

    @property
    def error(self) -> HexarError | None:
        """What ended the answer, once :meth:`feed` or :meth:`closed` have returned what came before it."""
        ...

    @property
    def ending(self) -> bool:
        """True while the answer is complete but the end of its body has not come yet."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes."""
        ...

    def closed(self) -> list[Event]:
        """The events that the end of the connection completes."""
        ...

    def touch(self) -> None:
        """Count silence from now: reading was put off by us."""
        ...

    def check(self) -> None:
        """Raise ModelTimeout or DeadlineExceeded where a limit has passed."""
        ...

    def quiet_for(self) -> float:
        """Seconds in which :meth:`check` does not raise, whatever comes meanwhile."""
        ...

    def finish(self) -> None:
        """Let go of the connection: kept where it may carry another call, closed otherwise."""
        ...


class Provider(Protocol):
    """A language model. Blocking: it runs on a thread of a pool, and ends within ``deadline`` or soon after ``cancel``.

    It makes one attempt: repeating and falling back is its caller's choice. Everything raises
    :class:`hexar.agents.llm.errors.ModelError` or DeadlineExceeded.
    """

    @property
    def name(self) -> str: ...

    @property
    def extractive(self) -> bool:
        """True where its answers are quotes of the passages, put together without a model."""
        ...

    @property
    def blocking(self) -> bool:
        """True where only a thread can stream its answers: :meth:`open` is then never called."""
        ...

    def open(self, request: Request, deadline: Deadline, cancel: Cancel, *, fresh: bool = False) -> Answer:
        """Send ``request``, over no kept connection where ``fresh``."""
        ...

    def stream(self, request: Request, deadline: Deadline, cancel: Cancel) -> Iterator[Event]:
        """The whole answer on the caller's thread: any number of Delta and one Done."""
        ...

    def close(self) -> None:
        """Let go of what is kept for later calls; running ones end by themselves."""
        ...


def estimate_tokens(texts: Sequence[str]) -> int:
    """About how many tokens ``texts`` are: four characters each, as is usual for English and Spanish."""
    return sum(-(-len(text) // 4) for text in texts)
