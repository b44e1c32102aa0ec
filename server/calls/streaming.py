"""From an answer's event log to a gRPC stream: replay, join, produce or resume, and what the metadata says of it.

Initial metadata: ``hexar-answer-id`` names the run of the answer, ``hexar-cache`` is "hit", "joined", "miss", or "semantic"
where the answer was made for another question that means the same. A client that lost its connection repeats its request with
``resume_after`` and sends both back: it gets the exact rest of that run, or ABORTED where the run is no longer kept, and then
begins anew.

All systems answer by :func:`stream_answer`; what one adds to it is a :class:`StreamHooks`.

A client that means to come back says so from the start, with ``hexar-linger``: the seconds that its answer shall be made on
when its connection is lost and nobody else reads. Losing a connection and leaving look the same from here, so such a client
says when it leaves for good: it calls the method again with ``hexar-answer-id`` and ``hexar-leave``, which repeats the
``x-request-id`` of the call it left (docs/adr/0014).

A kept answer is replayed in its compacted form, which folds to the same state in the fewest messages. ``hexar-log: original``
asks for the events as they were first sent.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypedDict, TypeVar, Unpack

from google.protobuf.message import Message

from hexar.core.cache import Caches, Tier
from hexar.core.deadline import Deadline
from hexar.core.errors import Aborted, InvalidArgument
from hexar.core.eventlog import Answer, Answers, AnswerSpec, Compact, Completion, EventLog, FinishedLog, Origin, head
from hexar.core.memo import Memo
from hexar.server.calls.interceptors import Admission
from hexar.server.calls.rpc import Call, Handler, Method

ANSWER_ID = "hexar-answer-id"
CACHE = "hexar-cache"
#: What CACHE says where the answer was made for a similar question.
SEMANTIC = "semantic"
LINGER = "hexar-linger"
LEAVE = "hexar-leave"
LOG = "hexar-log"
#: The value of :data:`LOG` that asks for the events as they were first sent.
ORIGINAL = "original"
NOT_KEPT = "the answer that was being received is no longer kept; ask again from the start"

_HOW = frozenset((*(origin.value for origin in Origin), SEMANTIC))
_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?").fullmatch


class LeaveInterceptor:
    """The interceptor that hears who has left for good; such a call ends at once, without an event."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Let the callers of ``handler`` leave, where it streams an answer."""
        if not method.server_streaming:
            return handler

        async def call_or_leave(call: Call) -> bytes | None:
            left = call.text(LEAVE)
            if not left:
                return await handler(call)
            self._answers.leave(call.text(ANSWER_ID), caller_name(call, left))
            return None

        return call_or_leave


class Planned(Protocol):
    """What an answer system knows of a request before it is answered."""

    @property
    def tenant(self) -> str: ...
    @property
    def key(self) -> bytes: ...
    @property
    def depends(self) -> Sequence[str]: ...
    @property
    def read_cache(self) -> bool: ...
    @property
    def write_cache(self) -> bool: ...


P = TypeVar("P", bound=Planned)
V = TypeVar("V")
#: Makes the answer of a plan by the deadline, handing over its events one by one.
Produce = Callable[[P, Callable[[Any], None], Deadline], Awaitable[Completion]]


class SpecOptions(TypedDict, total=False):
    """What a system may say of all its answers, as in AnswerSpec."""

    compact: Compact | None
    finish_alone: bool
    adaptive: bool


def answer_spec(
    kind: str,
    plan: P,
    produce: Produce[P],
    caches: Caches,
    deadline: Deadline,
    **more: Unpack[SpecOptions],
) -> AnswerSpec:
    """How the answer of ``plan`` is made by ``deadline``, shared, and kept under ``kind``; the rest as in AnswerSpec."""

    async def produced(events: EventLog) -> Completion:
        def emit(event: Message) -> None:
            events.append(event.SerializeToString())

        return await produce(plan, emit, deadline)

    return AnswerSpec(
        kind=kind,
        key=plan.key,
        produce=produced,
        depends=caches.snapshot(plan.tenant, kind, *plan.depends),
        read_cache=plan.read_cache,
        write_cache=plan.write_cache,
        **more,
    )


class RequestMemo(Generic[V]):
    """What requests were found to ask for, by their bytes, so that a replay decodes nothing at all.

    Only of requests whose bytes decide their answer by themselves: no resumption, no cache policy. Long ones are left out.
    """

    MAX_BYTES = 8192
    #: What a plan takes beside the parsed request, and how many times the request's bytes that is; what plans share aside.
    PLAN_BYTES, PARSED = 2048, 8

    def __init__(self, name: str) -> None:
        self._known = Memo[tuple[str, bytes], V](f"requests.{name}")

    def get(self, call: Call) -> V | None:
        """What was kept for these bytes of this tenant."""
        return self._known.get((call.tenant, call.request)) if call.request is not None else None

    def keep(self, call: Call, value: V) -> None:
        """Remember ``value`` for the request of ``call``."""
        if call.request is None or len(call.request) > self.MAX_BYTES:
            return
        self._known.put((call.tenant, call.request), value, self.PLAN_BYTES + self.PARSED * len(call.request))


@dataclass(frozen=True, slots=True)
class Held:
    """An answer as one caller holds it.

    ``how`` is what ``hexar-cache`` says of it: a value of :class:`~hexar.core.eventlog.Origin`, or :data:`SEMANTIC`. For a
    caller that came back for the rest (``resumed``) it is what its first call was told, where the caller repeats that. ``tier``
    is where the answer was read from.
    """

    answer: Answer
    how: str
    tier: Tier
    resumed: bool = False


class StreamHooks:
    """What a system adds to the stream of one call. One object serves one call; the defaults add nothing.

    The log of an answer is the same for all its callers: it is what is cached, shared and resumed, as written or compacted.
    What differs from caller to caller stands in its first and in its last event alone. Their hooks get the event of the log,
    numbered and serialized, and return what this caller is sent in its place: one well-formed message with the same number, in
    which every singular field stands once (:func:`~hexar.core.eventlog.extended` adds some), since readers in other languages
    replace where protobuf's own merge.
    """

    #: The field, in the event's ``oneof``, of the event that ends an answer. 0: :meth:`last` is not called.
    end: ClassVar[int] = 0
    #: Whether the first event announces the answer and is no part of it: times to the first event are those of the second.
    announces: ClassVar[bool] = False

    async def similar(self) -> bytes | None:
        """The cache key of another question whose kept answer this caller may have. Asked where its own is not kept."""
        return None

    def first(self, event: bytes, held: Held) -> bytes:
        """The event of number 1, as this caller gets it. Called for resumed streams as well, whose caller has seen it."""
        return event

    async def last(self, events: Sequence[bytes], held: Held) -> bytes:
        """The event that ends the answer, as this caller gets it: the last of ``events``, which is the log as it stands.

        Called once everything before it was written. Not called where the stream breaks off.
        """
        return events[-1]


NO_HOOKS = StreamHooks()


async def stream_answer(
    call: Call, spec: AnswerSpec, answers: Answers, gate: Admission, after: int, hooks: StreamHooks = NO_HOOKS
) -> Held:
    """Write the answer of ``spec`` past event ``after``, as it forms; what the caller held."""
    with ExitStack() as working:
        held = await _hold(call, spec, answers, after, hooks)
        if held is None:
            working.enter_context(gate.work(call))
            answer = await answers.open(spec, call.deadline, missed=spec.read_cache)
            held = Held(answer, answer.origin.value, answer.tier)
        await _send(call, held, after, hooks)
    return held


async def send_answer(call: Call, answer: Answer, after: int, hooks: StreamHooks = NO_HOOKS) -> None:
    """Write ``answer``, which its system holds already, past event ``after``, and let go of it."""
    await _send(call, Held(answer, answer.origin.value, answer.tier), after, hooks)


async def _hold(call: Call, spec: AnswerSpec, answers: Answers, after: int, hooks: StreamHooks) -> Held | None:
    """The answer where there is one: the run that the caller had before, a running one, or a kept one."""
    wanted = call.text(ANSWER_ID)
    if wanted and (run := await answers.find(wanted, spec, call.deadline)) is not None:
        return _resumed(run, call.text(CACHE))
    held = await _look_up(call, spec, answers, hooks) if spec.read_cache else None
    if wanted and after and (held is None or held.answer.answer_id != wanted):
        if held is not None:
            held.answer.close()
        raise Aborted(NOT_KEPT)
    return held


async def _look_up(call: Call, spec: AnswerSpec, answers: Answers, hooks: StreamHooks) -> Held | None:
    if (running := await answers.join(spec, call.deadline)) is not None:
        return Held(running, running.origin.value, running.tier)
    if (kept := await answers.kept(spec.kind, spec.key)) is not None:
        return Held(kept, kept.origin.value, kept.tier)
    key = await hooks.similar()
    if key is not None and (kept := await answers.kept(spec.kind, key)) is not None:
        return Held(kept, SEMANTIC, kept.tier)
    return None


def _resumed(answer: Answer, how: str) -> Held:
    if how not in _HOW:
        how = Origin.PRODUCED.value
    if how in (Origin.PRODUCED.value, Origin.JOINED.value):
        return Held(answer, how, Tier.SOURCE, resumed=True)
    return Held(answer, how, Tier.MEMORY if answer.tier is Tier.SOURCE else answer.tier, resumed=True)


async def _send(call: Call, held: Held, after: int, hooks: StreamHooks) -> None:
    answer = held.answer
    try:
        call.header(ANSWER_ID, answer.answer_id)
        call.header(CACHE, held.how)
        call.cache, call.tier = held.how, held.tier.value
        call.last_seq = after
        finished = answer.finished
        if finished is None:
            linger(call, answer)
        elif after > finished.count:
            raise InvalidArgument("resume_after", f"the answer has {finished.count} events")
        if finished is not None:
            await _replay(call, held, finished, after, hooks)
        elif hooks is not NO_HOOKS:
            await _send_changed(call, held, after, hooks)
        else:
            async for batch in answer.batches(after):
                await _write(call, batch)
    finally:
        answer.close()


async def _replay(call: Call, held: Held, finished: FinishedLog, after: int, hooks: StreamHooks) -> None:
    """Write an answer that is complete: nothing is waited for, and its last event goes out with the end of the call."""
    original = call.text(LOG) == ORIGINAL
    if hooks is NO_HOOKS:
        await call.send(finished.replay(after, original=original), closing=True)
    else:
        # A caller that has a part of it is sent the rest, yet its hooks see the whole.
        whole = finished.replay(0, original=original or after > 0)
        first = hooks.first(whole[0], held)
        if not after:
            await call.send((first,), opening=hooks.announces)
        await call.send(whole[max(1, after) : -1])
        if len(whole) > 1:
            last = await hooks.last(whole, held) if head(whole[-1])[1] == hooks.end else whole[-1]
            if after < finished.count:
                await call.send((last,), closing=True)
    call.last_seq = finished.count


async def _send_changed(call: Call, held: Held, after: int, hooks: StreamHooks) -> None:
    """Write an answer that still forms, whose first and last event differ from caller to caller.

    A caller that has a part of it is sent the rest, yet its hooks see the whole.
    """
    log, last = list[bytes](), 0
    async for batch in held.answer.batches():
        out: list[bytes] = []
        for event in batch:
            log.append(event)
            seq, field = head(event)
            last = seq
            if seq == 1:
                event = hooks.first(event, held)
                if seq > after:
                    await _write(call, (event,), opening=hooks.announces)
                continue
            if field == hooks.end:
                await _write(call, out)
                out = []
                event = await hooks.last(log, held)
            if seq > after:
                out.append(event)
        await _write(call, out)
    if after > last:
        raise InvalidArgument("resume_after", f"the answer has {last} events")


async def _write(call: Call, events: Sequence[bytes], *, opening: bool = False) -> None:
    if events:
        await call.send(events, opening=opening)
        call.last_seq = head(events[-1])[0]


def linger(call: Call, answer: Answer) -> None:
    """Have ``answer`` made on for a caller who said that it comes back; anything but a number of seconds says nothing."""
    seconds = call.text(LINGER)
    if _SECONDS(seconds):
        answer.linger(caller_name(call, call.request_id), float(seconds))


def caller_name(call: Call, request_id: str) -> str:
    """Who lingers: a request of a method by a tenant. Another tenant's word, or one for another method, names nobody here."""
    return f"{call.tenant} {call.method.path} {request_id}"
