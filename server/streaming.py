"""From an answer's event log to a gRPC stream: replay, join, produce or resume, and what the metadata says of it.

Initial metadata: ``hexar-answer-id`` names the run of the answer, ``hexar-cache`` is "hit", "joined" or "miss". A client that
lost its connection repeats its request with ``resume_after`` and sends the id back as ``hexar-answer-id``: it gets the exact
rest of that run, or ABORTED where the run is no longer kept, and then begins anew.
"""

from __future__ import annotations

from contextlib import ExitStack

from hexar.core.errors import Aborted, InvalidArgument
from hexar.core.eventlog import Answer, Answers, AnswerSpec
from hexar.server.interceptors import Admission
from hexar.server.rpc import Call

ANSWER_ID = "hexar-answer-id"
CACHE = "hexar-cache"


async def stream_answer(call: Call, spec: AnswerSpec, answers: Answers, gate: Admission, after: int) -> None:
    """Write the answer of ``spec`` past event ``after``, as it forms."""
    wanted = call.text(ANSWER_ID) if after else ""
    with ExitStack() as held:
        answer = await answers.find(wanted, spec, call.deadline) if wanted else None
        if answer is None and spec.read_cache:
            answer = answers.replay(spec.kind, spec.key)
        if answer is None:
            held.enter_context(gate.work())
            answer = await answers.open(spec, call.deadline)
        await send_answer(call, answer, after, wanted)


async def send_answer(call: Call, answer: Answer, after: int, wanted: str = "") -> None:
    """Write ``answer`` past event ``after`` and let go of it."""
    try:
        if wanted and wanted != answer.answer_id:
            raise Aborted("the answer that was being received is no longer kept; ask again from the start")
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
            async for batch in answer.batches(after):
                await call.send(batch)
                call.last_seq += len(batch)
        await call.finish_headers()
    finally:
        answer.close()
