"""From an answer's event log to a gRPC stream: replay, join, produce or resume, and what the metadata says of it.

Initial metadata: ``hexar-answer-id`` names the run of the answer, ``hexar-cache`` is "hit", "joined" or "miss". A client that
lost its connection repeats its request with ``resume_after`` and sends the id back as ``hexar-answer-id``: it gets the exact
rest of that run, or ABORTED where the run is no longer kept, and then begins anew.

A client that means to come back says so from the start, with ``hexar-linger``: the seconds that its answer shall be made on
when its connection is lost and nobody else reads. Losing a connection and leaving look the same from here, so such a client
says when it leaves for good: it calls the method again with ``hexar-answer-id`` and ``hexar-leave``, which repeats the
``x-request-id`` of the call it left (docs/adr/0014).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message

from hexar.core.cache import Caches
from hexar.core.deadline import Deadline
from hexar.core.errors import Aborted, InvalidArgument
from hexar.core.eventlog import Answer, Answers, AnswerSpec, Completion, EventLog
from hexar.server.interceptors import Admission
from hexar.server.rpc import Call, Handler, Method

ANSWER_ID = "hexar-answer-id"
CACHE = "hexar-cache"
LINGER = "hexar-linger"
LEAVE = "hexar-leave"
NOT_KEPT = "the answer that was being received is no longer kept; ask again from the start"

_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?").fullmatch


class Leaving:
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
            self._answers.leave(call.text(ANSWER_ID), left)
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
#: Makes the answer of a plan by the deadline, handing over its events one by one.
Produce = Callable[[P, Callable[[Any], None], Deadline], Awaitable[Completion]]


def answer_spec(
    kind: str,
    plan: P,
    produce: Produce[P],
    caches: Caches,
    deadline: Deadline,
    *,
    finish_alone: bool = False,
    adaptive: bool = False,
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
        finish_alone=finish_alone,
        adaptive=adaptive,
    )


async def stream_answer(call: Call, spec: AnswerSpec, answers: Answers, gate: Admission, after: int) -> None:
    """Write the answer of ``spec`` past event ``after``, as it forms."""
    wanted = call.text(ANSWER_ID)
    with ExitStack() as held:
        answer = await answers.find(wanted, spec, call.deadline) if wanted else None
        if answer is None and wanted and after:
            raise Aborted(NOT_KEPT)
        if answer is None and spec.read_cache:
            answer = answers.replay(spec.kind, spec.key)
        if answer is None:
            held.enter_context(gate.work())
            answer = await answers.open(spec, call.deadline)
        await send_answer(call, answer, after)


async def send_answer(call: Call, answer: Answer, after: int) -> None:
    """Write ``answer`` past event ``after`` and let go of it."""
    try:
        call.header(ANSWER_ID, answer.answer_id)
        call.header(CACHE, answer.origin.value)
        call.last_seq = after
        complete = answer.events
        if complete is not None:
            if after > len(complete):
                raise InvalidArgument("resume_after", f"the answer has {len(complete)} events")
            await call.send(complete[after:] if after else complete)
            call.last_seq = len(complete)
        else:
            linger(call, answer)
            async for batch in answer.batches(after):
                await call.send(batch)
                call.last_seq += len(batch)
        await call.finish_headers()
    finally:
        answer.close()


def linger(call: Call, answer: Answer) -> None:
    """Have ``answer`` made on for a caller who said that it comes back; anything but a number of seconds says nothing."""
    seconds = call.text(LINGER)
    if _SECONDS(seconds):
        answer.linger(call.request_id, float(seconds))
