"""Many documents through one call: requests are read as they come, each document's events are sent as they are made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from hexar.agents.legal.drafting.pipeline import LegalPipeline
from hexar.agents.legal.messages.contract import duration
from hexar.agents.legal.request.plan import DraftPlan
from hexar.core.deadline import Deadline
from hexar.core.errors import Code, HexarError, InvalidArgument, ResourceExhausted
from hexar.core.eventlog import AnswerSpec
from hexar.server.calls.rpc import Call
from hexar.server.calls.transport.texts import check_strings
from hexar.server.engine import Engine
from hexar.v1 import common_pb2
from hexar.v1 import legal_pb2 as pb

#: Documents of one call, and those that are made at once.
MAX_DRAFTS, AT_ONCE = 10_000, 8
#: Events that wait for a slow reader.
WAITING = 1000


class BulkDrafts:
    """The handler of DraftBulk."""

    def __init__(self, pipeline: LegalPipeline, engine: Engine, spec: Callable[[DraftPlan, Deadline], AnswerSpec]) -> None:
        self._pipeline = pipeline
        self._engine = engine
        self._spec = spec

    async def draft_bulk(self, call: Call) -> None:
        """Draft every document of the call; one that fails stops nothing."""
        with self._engine.gate.work(call):
            await _Bulk(self._pipeline, self._engine, self._spec, call).run()


class _Bulk:
    """One call."""

    def __init__(
        self, pipeline: LegalPipeline, engine: Engine, spec: Callable[[DraftPlan, Deadline], AnswerSpec], call: Call
    ) -> None:
        self._pipeline = pipeline
        self._engine = engine
        self._spec = spec
        self._call = call
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._usage = common_pb2.Usage()
        self._drafted = self._failed = 0

    async def run(self) -> None:
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read())
            while (event := await self._events.get()) is not None:
                await self._call.send([event])
        completed = pb.DraftBulkCompleted(
            drafted=self._drafted, failed=self._failed, elapsed=duration(time.perf_counter() - started), usage=self._usage
        )
        await self._call.send([pb.DraftBulkEvent(completed=completed).SerializeToString()])

    async def _read(self) -> None:
        """Read requests as fast as documents are made, and end when the last is."""
        try:
            async with asyncio.TaskGroup() as group:
                index = 0
                try:
                    async for request in self._call.decode_stream(pb.DraftBulkRequest):
                        if index >= MAX_DRAFTS:
                            raise ResourceExhausted(f"a call drafts at most {MAX_DRAFTS} documents", 0.0)
                        await self._slots.acquire()
                        group.create_task(self._one(index, request.draft))
                        index += 1
                except HexarError as error:
                    # Nothing after it is read; what was read before is made.
                    await self._fail(index, error)
        finally:
            await self._events.put(None)

    async def _one(self, index: int, request: pb.DraftRequest) -> None:
        try:
            check_strings(request)
            plan = await self._pipeline.prepare(request, self._call.tenant)
            answer = await self._engine.answers.open(self._spec(plan, self._call.deadline), self._call.deadline)
            try:
                async for batch in answer.batches():
                    for data in batch:
                        event = pb.DraftEvent.FromString(data)
                        if event.HasField("completed"):
                            self._add(event.completed.usage)
                        made = pb.IndexedDraftEvent(index=index, event=event)
                        await self._events.put(pb.DraftBulkEvent(draft=made).SerializeToString())
            finally:
                answer.close()
            self._drafted += 1
        except HexarError as error:
            await self._fail(index, error)
        finally:
            self._slots.release()

    async def _fail(self, index: int, error: HexarError) -> None:
        self._failed += 1
        fields = [name for name, _ in error.violations] if isinstance(error, InvalidArgument) else []
        failure = pb.DraftFailure(index=index, code=int(Code(error.code)), message=error.message, fields=fields)
        await self._events.put(pb.DraftBulkEvent(failure=failure).SerializeToString())

    def _add(self, usage: common_pb2.Usage) -> None:
        total = self._usage
        total.prompt_tokens += usage.prompt_tokens
        total.completion_tokens += usage.completion_tokens
        total.estimated = total.estimated or usage.estimated
        total.model = usage.model or total.model
        if usage.HasField("cost"):
            total.cost.currency_code = usage.cost.currency_code
            total.cost.micros += usage.cost.micros
