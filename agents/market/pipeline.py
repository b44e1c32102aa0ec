"""An analysis: tools side by side → analysts → events, each told as it ends.

Tools block and run on a pool (:data:`AGENT`); results meet on the event loop. One tool's failure is that tool's result. When
the deadline comes the scans are stopped and the answer says what is missing; such an answer is not kept. When the last
subscriber leaves, the scans are stopped too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import structlog
from google.protobuf.duration_pb2 import Duration

from hexar.agents.llm.errors import ModelError
from hexar.agents.llm.metered import MeteredModels
from hexar.agents.market.analysts import model as model_advice
from hexar.agents.market.analysts import rules
from hexar.agents.market.analysts.advice import Report, report
from hexar.agents.market.analysts.state import State, make_state
from hexar.agents.market.figures.aggregates import Days, Frame
from hexar.agents.market.questions.answer import answer
from hexar.agents.market.request.plan import LEVELS, Plan
from hexar.agents.market.tools.registry import TOOLS, foresee
from hexar.agents.market.tools.result import Asked, Result
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, HexarError, Unavailable
from hexar.core.eventlog import Completion
from hexar.v1 import common_pb2
from hexar.v1 import market_pb2 as pb

T = TypeVar("T")
Emit = Callable[[pb.AnalyzeEvent], None]
log = structlog.get_logger(__name__)

#: The pool's name, and how many tools of one analysis may hold a thread at once.
AGENT = "market"
WORKERS = 8
#: Seconds kept back from the deadline for what follows the tools.
RESERVE = 0.3
#: Shares of the time that is left which the analysts may take, and the least that a model is asked with, seconds.
LEAST_FOR_MODEL = 1.0
#: With a question the whole ranking is looked at, as far as a tool tells it.
ASKED_TOP = 100


class Pool(Protocol):
    """Where blocking work runs: :class:`hexar.core.resilience.dispatch.Dispatcher`."""

    async def call(
        self,
        agent: str,
        function: Callable[..., T],
        *args: Any,
        deadline: Deadline | None = None,
        abandoned: Callable[[], None] | None = None,
    ) -> T:
        """Run ``function(*args)`` on a thread of ``agent``."""
        ...


class MarketPipeline:
    """Makes analyses; one object for all requests. ``models`` None: advice is by rules."""

    def __init__(
        self, pool: Pool, models: MeteredModels | None, observer: Callable[[str, float, str], None] | None = None
    ) -> None:
        self._pool = pool
        self._models = models
        #: Told of every tool that ended: its name, seconds, and what kept it from a result, empty where it has one.
        self._observer = observer or (lambda tool, seconds, failure: None)
        #: Whether tools run side by side; an operator may turn it off.
        self.side_by_side = True

    async def produce(self, plan: Plan, emit: Emit, deadline: Deadline) -> Completion:
        """Emit the whole answer. Raises Unavailable where no tool could read the table."""
        if plan.only_cache:
            raise Unavailable("the answer is not in a cache, and only caches were to be read", 0.0)
        analysis = _Analysis(plan, emit, deadline, self._pool, self._models, self._observer, self.side_by_side)
        return await analysis.run()


@dataclass(slots=True)
class _Ended:
    result: Result
    elapsed: float
    scans: int = 0
    #: Why the figures are not there; "" where they are, or where the table has none to give.
    missing: str = ""


@dataclass(slots=True)
class _Work:
    """What an analyst's work cost."""

    report: Report
    elapsed: float
    usage: common_pb2.Usage | None = None
    speed: float = 0.0
    problem: str = ""


@dataclass
class _Analysis:
    plan: Plan
    emit: Emit
    deadline: Deadline
    pool: Pool
    models: MeteredModels | None
    observer: Callable[[str, float, str], None]
    side_by_side: bool = True
    cancel: Cancel = field(default_factory=Cancel)
    started: float = field(default_factory=time.perf_counter)

    async def run(self) -> Completion:
        try:
            return await self._run()
        finally:
            # Whatever still runs is of no use to anybody.
            self.cancel.cancel()

    async def _run(self) -> Completion:
        plan = self.plan
        level = LEVELS[plan.level]
        frame = Frame(
            plan.entry.source, replace(plan.entry.profile, money_unit=plan.money_unit), plan.scope, level, self.cancel
        )
        asked = self._asked(level)
        self.emit(pb.AnalyzeEvent(started=self._started()))
        foresee(frame, plan.tools)
        ended = await self._tools(frame, asked, WORKERS if self.side_by_side and level != "none" else 1)
        if all(entry.missing for entry in ended):
            raise Unavailable(f"no tool could read the table: {ended[0].missing}")
        missing = [f"{entry.result.tool}: {entry.missing}" for entry in ended if entry.missing]
        results = [entry.result for entry in sorted(ended, key=lambda entry: entry.result.tool)]
        works, left_out = await self._analysts(make_state(results, compressed=level == "full"), results)
        missing += left_out
        scans = frame.scans + (asked.spend.scans if asked.spend is not None else 0)
        self.emit(pb.AnalyzeEvent(completed=self._completed(ended, results, works, missing, scans)))
        return Completion(cacheable=not missing)

    def _asked(self, level: str) -> Asked:
        plan = self.plan
        asked = plan.asked
        if plan.reading is not None and plan.reading.dimensions:
            asked = replace(asked, top_n=max(asked.top_n, ASKED_TOP))
        if plan.spend is not None:
            scope = replace(plan.scope, conditions=(), currency="")
            asked = replace(asked, spend=Frame(plan.spend.source, plan.spend.profile, scope, level, self.cancel))
        return asked

    # -- tools --------------------------------------------------------------------------------------------------------------

    async def _tools(self, frame: Frame, asked: Asked, workers: int) -> list[_Ended]:
        slots = asyncio.Semaphore(workers)
        ended: list[_Ended] = []
        running: list[pb.MarketTool] = []
        limit = self.deadline.earlier(RESERVE)

        async def one(number: pb.MarketTool) -> _Ended:
            async with slots:
                running.append(number)
                begun = time.perf_counter()
                try:
                    entry = await self._tool(number, frame, asked, limit)
                finally:
                    running.remove(number)
                entry.elapsed = time.perf_counter() - begun
                self.observer(entry.result.tool, entry.elapsed, entry.missing)
                return entry

        tasks = [asyncio.create_task(one(number)) for number in self.plan.tools]
        try:
            for next_done in asyncio.as_completed(tasks):
                entry = await next_done
                ended.append(entry)
                self.emit(pb.AnalyzeEvent(tool=_tool_message(entry)))
                self.emit(pb.AnalyzeEvent(progress=self._progress(len(ended), running)))
        finally:
            if not all(task.done() for task in tasks):
                self.cancel.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return ended

    async def _tool(self, number: pb.MarketTool, frame: Frame, asked: Asked, limit: Deadline) -> _Ended:
        tool = TOOLS[number]

        def run() -> _Ended:
            before = frame.scans
            result = tool.run(frame, asked)
            return _Ended(result, 0.0, frame.scans - before)

        try:
            return await self.pool.call(AGENT, run, deadline=limit, abandoned=self.cancel.cancel)
        except DeadlineExceeded:
            return _Ended(
                Result(tool.name, problem="the deadline came before it ended"), 0.0, missing="the deadline came before it ended"
            )
        except HexarError as error:
            late = self.cancel.cancelled and limit.expired
            why = "the deadline came before it ended" if late else error.message
            return _Ended(Result(tool.name, problem=why), 0.0, missing=why)
        except Exception:
            log.exception("market_tool_failed", tool=tool.name)
            return _Ended(Result(tool.name, problem="it failed"), 0.0, missing="it failed")

    # -- analysts -----------------------------------------------------------------------------------------------------------

    async def _analysts(self, state: State, results: Sequence[Result]) -> tuple[list[_Work], list[str]]:
        works = await _gather([self._analyst(analyst, state, results) for analyst in self.plan.analysts])
        for work in works:
            for entry in work.report.recommendations:
                self.emit(pb.AnalyzeEvent(recommendation=entry))
            self.emit(pb.AnalyzeEvent(analyst=_analyst_message(work, state)))
        return works, [f"analyst: {work.problem}" for work in works if work.problem]

    async def _analyst(self, analyst: pb.Analyst, state: State, results: Sequence[Result]) -> _Work:
        begun = time.perf_counter()
        problem = ""
        if self.models is not None and not self.models.models.extractive():
            if self.deadline.remaining() < LEAST_FOR_MODEL:
                problem = "there was no time left to ask the model"
            else:
                try:
                    return await self._by_model(analyst, state, begun)
                except (ModelError, HexarError) as error:
                    problem = error.message if isinstance(error, HexarError) else "the model failed"
                except model_advice.NotStructuredError as error:
                    problem = f"the model: {error}"
        figures = [figure for result in results for figure in result.figures]
        language = self.plan.reading.language if self.plan.reading is not None else "en"
        made = report(analyst, "rules", rules.advise(analyst, figures, language))
        return _Work(made, time.perf_counter() - begun, problem=problem)

    async def _by_model(self, analyst: pb.Analyst, state: State, begun: float) -> _Work:
        assert self.models is not None
        reading = self.plan.reading
        request = model_advice.make_request(
            analyst, state, reading.question if reading else "", reading.language if reading else "en"
        )
        completion = await self.pool.call(
            AGENT, self._complete, request, deadline=self.deadline.earlier(0.1), abandoned=self.cancel.cancel
        )
        done = completion.done
        made = report(analyst, done.model, model_advice.read(completion.text, {figure.id: figure for figure in state.figures}))
        usage = common_pb2.Usage(
            prompt_tokens=done.usage.prompt_tokens,
            completion_tokens=done.usage.completion_tokens,
            model=done.model,
            estimated=done.usage.estimated,
        )
        if done.cost_micros is not None:
            usage.cost.currency_code, usage.cost.micros = done.currency, done.cost_micros
        elapsed = time.perf_counter() - begun
        return _Work(made, elapsed, usage, done.usage.completion_tokens / max(elapsed, 1e-9))

    def _complete(self, request: Any) -> Any:
        assert self.models is not None
        return self.models.complete(
            request, self.deadline.earlier(0.1), tenant=self.plan.tenant, kind=AGENT, cancel=self.cancel
        )

    # -- messages -----------------------------------------------------------------------------------------------------------

    def _started(self) -> pb.AnalyzeStarted:
        plan = self.plan
        message = pb.AnalyzeStarted(
            tools=plan.tools,
            table=plan.entry.description,
            optimization=plan.level,
            analysts=plan.analysts,
            filters=plan.filters,
            granularity=plan.granularity,
            unavailable=plan.unavailable,
            money_unit=plan.money_unit,
        )
        if plan.reading is not None:
            message.reading.CopyFrom(plan.reading.message())
        for name in ("window", "current", "previous"):
            days: Days | None = getattr(plan.scope, name)
            if days is not None:
                getattr(message, name).CopyFrom(pb.DateSpan(first=days.first.isoformat(), last=days.last.isoformat()))
        return message

    def _progress(self, ended: int, running: Sequence[pb.MarketTool]) -> pb.AnalyzeProgress:
        return pb.AnalyzeProgress(
            ended=ended,
            total=len(self.plan.tools),
            running=sorted(running),
            elapsed=_duration(time.perf_counter() - self.started),
        )

    def _completed(
        self, ended: Sequence[_Ended], results: Sequence[Result], works: Sequence[_Work], missing: Sequence[str], scans: int
    ) -> pb.AnalyzeCompleted:
        methods = {work.report.method for work in works}
        ai = "none" if not works else "unavailable" if any(work.problem for work in works) else "+".join(sorted(methods))
        said, figures = answer(self.plan.reading, results, self.plan.scope) if self.plan.reading is not None else ("", [])
        return pb.AnalyzeCompleted(
            failed=[_number(entry.result.tool) for entry in ended if entry.result.problem],
            ai=ai,
            usage=_usage(works),
            elapsed=_duration(time.perf_counter() - self.started),
            partial=bool(missing),
            missing=missing,
            tool_calls=len(ended),
            scans=scans,
            answer=said,
            answer_figure_ids=[figure.id for figure in figures],
        )


_NUMBERS = {tool.name: number for number, tool in TOOLS.items()}


def _number(tool: str) -> pb.MarketTool:
    return _NUMBERS[tool]


def _duration(seconds: float) -> Duration:
    made = Duration()
    made.FromNanoseconds(int(seconds * 1e9))
    return made


def _tool_message(entry: _Ended) -> pb.ToolResult:
    return pb.ToolResult(
        tool=_number(entry.result.tool),
        figures=entry.result.figures,
        problem=entry.result.problem,
        elapsed=_duration(entry.elapsed),
        tier=common_pb2.CACHE_TIER_SOURCE,
        notes=entry.result.notes,
        scans=entry.scans,
    )


def _analyst_message(work: _Work, state: State) -> pb.AnalystResult:
    return pb.AnalystResult(
        analyst=work.report.analyst,
        method=work.report.method,
        recommendations=len(work.report.recommendations),
        dropped_sentences=work.report.dropped,
        context_bytes=state.size,
        context_figures=len(state.figures),
        elapsed=_duration(work.elapsed),
        tokens_per_second=work.speed,
        problem=work.problem,
    )


def _usage(works: Sequence[_Work]) -> common_pb2.Usage | None:
    used = [work.usage for work in works if work.usage is not None]
    if not used:
        return None
    total = common_pb2.Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in used),
        completion_tokens=sum(usage.completion_tokens for usage in used),
        model=used[0].model,
        estimated=any(usage.estimated for usage in used),
    )
    if all(usage.HasField("cost") for usage in used):
        total.cost.currency_code = used[0].cost.currency_code
        total.cost.micros = sum(usage.cost.micros for usage in used)
    return total


async def _gather(work: Sequence[Awaitable[T]]) -> list[T]:
    """All results in order; when one raises, the others are cancelled and waited for."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
