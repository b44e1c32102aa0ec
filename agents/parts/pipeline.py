"""Discovery: vehicle → components side by side → what the damage implies → summary, each told as it is known.

Lookups block and run on a pool (:data:`AGENT`), at most ``workers`` of one report at once; results meet on the event loop,
which alone touches the answer, so the merge needs no lock. One component's failure or lateness is that component's result;
the others go on, and an answer with such a hole is not kept.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from hexar.agents.parts.catalogue.reading import ArticleRow, Listed
from hexar.agents.parts.catalogue.records import Position, Side
from hexar.agents.parts.catalogue.view import VARIANTS_A_READ, Catalogues, CatalogueView
from hexar.agents.parts.components.matching import BROADER, ComponentMatch, Target
from hexar.agents.parts.components.phrases import ComponentPhrase
from hexar.agents.parts.fit import rules
from hexar.agents.parts.fit.choosing import MAX_COMPARED, Choice, choices, sentence, varied
from hexar.agents.parts.fit.fitting import Asked, Fit, Fits, choose
from hexar.agents.parts.messages import contract
from hexar.agents.parts.messages.validation import check_discover
from hexar.agents.parts.plan import Component, DiscoveryPlan, catalogue_name, make_plan, resolve
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, HexarError, Unavailable
from hexar.core.eventlog import Completion
from hexar.core.store import STORE_ERRORS
from hexar.v1 import parts_pb2 as pb

T = TypeVar("T")
Emit = Callable[[pb.DiscoverEvent], None]

#: The pool's name, and how many of its threads one report may hold.
AGENT = "parts"
WORKERS = 5
#: Parts told for each implied component, and implied components told.
IMPLIED_PARTS, MAX_IMPLIED = 5, 40
#: Seconds kept back from the deadline for the summary.
RESERVE = 0.2
#: The reading of a component whose text was not reached.
UNREAD = ComponentPhrase((), Side.UNSPECIFIED, Position.UNSPECIFIED, False)
#: Resolved vehicles remembered.
REMEMBERED = 2048


class Pool(Protocol):
    """Where blocking work runs: :class:`hexar.core.resilience.dispatch.Dispatcher`."""

    async def call(self, agent: str, function: Callable[..., T], *args: Any, deadline: Deadline | None = None) -> T:
        """Run ``function(*args)`` on a thread of ``agent``."""
        ...


@dataclass(slots=True)
class Statistics:
    """Times by tool in seconds, and cache figures; belongs to the event loop."""

    tools: dict[str, list[float]] = field(default_factory=dict)
    hits: int = 0
    misses: int = 0

    def add(self, tool: str, seconds: float) -> None:
        """Count one call."""
        self.tools.setdefault(tool, []).append(seconds)

    def message(self, elapsed: float) -> pb.DiscoverStatistics:
        """The figures for the summary; ``elapsed`` is the wall-clock time, seconds."""
        work = sum(sum(times) for times in self.tools.values())
        return pb.DiscoverStatistics(
            tools=[
                pb.ToolTime(tool=tool, calls=len(times), total_ms=sum(times) * 1e3, max_ms=max(times) * 1e3)
                for tool, times in sorted(self.tools.items())
            ],
            cache_hits=self.hits,
            cache_misses=self.misses,
            elapsed_ms=elapsed * 1e3,
            work_ms=work * 1e3,
            parallel_gain=work / elapsed if elapsed > 0 else 1.0,
        )


@dataclass(slots=True)
class _ComponentResult:
    """A component after its search. ``target`` is None where the text was not understood."""

    index: int
    component: Component
    reading: ComponentPhrase
    matches: Sequence[ComponentMatch] = ()
    status: pb.ComponentStatus = pb.COMPONENT_STATUS_NOT_UNDERSTOOD
    reason: str = ""
    suggestions: Sequence[str] = ()
    parts: list[pb.Part] = field(default_factory=list)
    total: int = 0
    elapsed: float = 0.0
    choices: Sequence[Choice] = ()
    shown_instead: str = ""
    #: Words of the name that were left out, so that the rest is understood.
    unknown: str = ""

    @property
    def target(self) -> Target | None:
        return self.matches[0].target if self.matches else None


class PartsPipeline:
    """Answers damage reports; one object for all requests."""

    def __init__(self, catalogues: Catalogues, pool: Pool, *, workers: int = WORKERS) -> None:
        self.catalogues = catalogues
        self._pool = pool
        self._workers = workers
        self._vehicles: OrderedDict[tuple[int, str, bytes], Any] = OrderedDict()

    async def view(self, catalogue: str, deadline: Deadline) -> CatalogueView:
        """The visible state of a catalogue; without a thread where it was just checked."""
        name = catalogue_name(catalogue)
        fresh = self.catalogues.fresh(name)
        if fresh is not None:
            return fresh
        try:
            return await self._pool.call(AGENT, self.catalogues.view, name, deadline=deadline)
        except STORE_ERRORS as error:
            raise Unavailable("the catalogue cannot be read now") from error

    async def resolve(self, view: CatalogueView, query: pb.VehicleQuery, deadline: Deadline) -> Any:
        """(resolution, message) of a vehicle; what was resolved lately is remembered."""
        key = (view.row.generation, view.row.name, query.SerializeToString(deterministic=True))
        found = self._vehicles.get(key)
        if found is None:
            found = await self._pool.call(AGENT, resolve, view, query, deadline=deadline)
            self._vehicles[key] = found
            if len(self._vehicles) > REMEMBERED:
                self._vehicles.popitem(last=False)
        else:
            self._vehicles.move_to_end(key)
        return found

    async def prepare(self, request: pb.DiscoverRequest, tenant: str, deadline: Deadline, at: str = "") -> DiscoveryPlan:
        """Validate a request and resolve its vehicle; ``at`` is its path inside a batch."""
        check_discover(request, at)
        view = await self.view(request.catalogue, deadline)
        return make_plan(request, tenant, view, await self.resolve(view, request.vehicle, deadline))

    async def answer(self, request: pb.DiscoverRequest, tenant: str, emit: Emit, deadline: Deadline) -> Completion:
        """Prepare and produce in one."""
        return await self.produce(await self.prepare(request, tenant, deadline), emit, deadline)

    async def produce(self, plan: DiscoveryPlan, emit: Emit, deadline: Deadline) -> Completion:
        """Emit the whole answer. Raises Unavailable where the store answered no component at all."""
        if plan.only_cache:
            raise Unavailable("the answer is not in a cache, and only caches were to be read", 0.0)
        return await _Discovery(plan, emit, deadline.earlier(RESERVE), self._pool, self._workers).run()


class _Discovery:
    """One answer while it forms."""

    def __init__(self, plan: DiscoveryPlan, emit: Emit, deadline: Deadline, pool: Pool, workers: int) -> None:
        self.plan = plan
        self.view = plan.view
        self.emit = emit
        self.deadline = deadline
        self.pool = pool
        self.slots = asyncio.Semaphore(workers)
        self.statistics = Statistics()
        self.started = time.perf_counter()
        self.variants = tuple(match.variant.key for match in plan.resolution.variants if match.variant is not None)

    async def run(self) -> Completion:
        plan = self.plan
        self.emit(pb.DiscoverEvent(vehicle=plan.vehicle))
        found = await self._components()
        if found and all(entry.status == pb.COMPONENT_STATUS_FAILED for entry in found):
            raise Unavailable("the catalogue cannot be read now")
        propagation: list[pb.ImpliedPart] = []
        if plan.propagate:
            propagation = await self._implied(found)
            self.emit(pb.DiscoverEvent(propagation=pb.Propagation(implied=propagation)))
        bad = (pb.COMPONENT_STATUS_FAILED, pb.COMPONENT_STATUS_TIMED_OUT)
        statuses = [*(entry.status for entry in found), *(entry.status for entry in propagation)]
        complete = all(status not in bad for status in statuses)
        self.emit(pb.DiscoverEvent(summary=self._summary(found, propagation, complete)))
        return Completion(cacheable=complete)

    # -- components ---------------------------------------------------------------------------------------------------

    async def _components(self) -> list[_ComponentResult]:
        tasks = [asyncio.create_task(self._component(index, component)) for index, component in enumerate(self.plan.components)]
        found: list[_ComponentResult] = []
        try:
            for next_done in asyncio.as_completed(tasks):
                entry = await next_done
                found.append(entry)
                self.emit(pb.DiscoverEvent(component=self._component_message(entry)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return sorted(found, key=lambda entry: entry.index)

    async def _component(self, index: int, component: Component) -> _ComponentResult:
        begun = time.perf_counter()
        found = _ComponentResult(index, component, UNREAD)
        try:
            found.reading, found.matches, found.suggestions, found.unknown = await self._call("match", self._match, component)
            if not found.matches:
                found.reason = f"no product group of the catalogue resembles {component.name!r}"
            elif not self.variants:
                found.status = pb.COMPONENT_STATUS_NO_VEHICLE
                found.reason = "no variant of the vehicle was found in the catalogue"
            else:
                await self._search(found)
        except DeadlineExceeded:
            found.status, found.reason = pb.COMPONENT_STATUS_TIMED_OUT, "the deadline came before the search ended"
        except (*STORE_ERRORS, HexarError):
            found.status, found.reason = pb.COMPONENT_STATUS_FAILED, "the catalogue could not be read"
        found.elapsed = time.perf_counter() - begun
        return found

    def _match(self, component: Component) -> tuple[ComponentPhrase, list[ComponentMatch], list[str], str]:
        matcher = self.view.components
        reading = matcher.read(component.name)
        if component.side or component.position:
            words = tuple(word for word in reading.words if not component.position or word not in ("front", "rear"))
            named = {1: ("front",), 2: ("rear",)}.get(int(component.position), ())
            reading = ComponentPhrase(
                (*named, *words), component.side or reading.side, component.position or reading.position, reading.ambiguous
            )
        matches, unknown = matcher.match(reading), ""
        if not matches:
            matches, unknown = matcher.broader(reading)
        return reading, matches, [] if matches else matcher.suggestions(reading), unknown

    async def _search(self, found: _ComponentResult) -> None:
        match, reading = found.matches[0], found.reading
        target = match.target
        asked = self._asked(match.score, reading.side, reading.position)
        fits, found.parts, found.choices = await self._find(target, asked, self.plan.max_parts)
        found.status, found.reason = self._outcome(target, fits, asked)
        wider = self.view.components.kind_of(target) if not fits.fits and not fits.excluded else None
        if wider is not None:
            less = replace(asked, component=round(asked.component * BROADER, 6))
            others, parts, told = await self._find(wider, less, self.plan.max_parts)
            if others.fits:
                fits, found.parts, found.choices, found.shown_instead = others, parts, told, wider.label
                found.status = pb.COMPONENT_STATUS_FOUND
                found.reason += f"; shown are {len(others.fits)} of {wider.label}, of which it is a kind"
        found.total = len(fits.fits)
        if found.choices:
            found.reason += f"; {sentence(found.choices)}"
        if found.unknown:
            found.reason += f"; {found.unknown!r} is not known and was left out"
        if reading.ambiguous and not reading.side:
            found.reason += "; an abbreviation in the name could be a side or an end, and was taken for neither"

    def _asked(self, score: float, side: Any, position: Any) -> Asked:
        plan = self.plan
        return Asked(self.variants, plan.resolution.confidence, score, side, position, plan.year, plan.steering)

    async def _find(self, target: Target, asked: Asked, limit: int) -> tuple[Fits, list[pb.Part], Sequence[Choice]]:
        """All fits, the best of them as parts, and what tells them apart."""
        if not target.groups:
            return Fits((), 0), [], ()
        chunks = [self.variants[at : at + VARIANTS_A_READ] for at in range(0, len(self.variants), VARIANTS_A_READ)]
        reads = await _gather(self._call("lookup", self.view.listed, chunk, target.groups) for chunk in chunks)
        rows: list[Listed] = []
        for listed, hits, misses in reads:
            rows.extend(listed)
            self.statistics.hits += hits
            self.statistics.misses += misses
        if not rows:
            return Fits((), 0), [], ()
        return await self._call("rank", self._rank, rows, target, asked, limit)

    def _rank(
        self, rows: list[Listed], target: Target, asked: Asked, limit: int
    ) -> tuple[Fits, list[pb.Part], Sequence[Choice]]:
        fits = choose(rows, target, asked)
        told: Sequence[Choice] = ()
        if len(fits.fits) > limit:
            told = choices(self.view.articles([fit.listed.article_key for fit in fits.fits[:MAX_COMPARED]]))
        best = varied(fits.fits, told, limit)
        articles = self.view.articles([fit.listed.article_key for fit in best])
        parts = [self._part(fit, articles[fit.listed.article_key]) for fit in best if fit.listed.article_key in articles]
        return fits, parts, told

    def _outcome(self, target: Target, fits: Fits, asked: Asked) -> tuple[pb.ComponentStatus, str]:
        vehicle = self._vehicle_name()
        if fits.fits:
            return pb.COMPONENT_STATUS_FOUND, f"the catalogue lists {len(fits.fits)} of {target.label} for {vehicle}"
        if fits.excluded:
            side = asked.side.name.lower() if asked.side else ""
            end = asked.position.name.lower() if asked.position else ""
            wanted = " ".join(word for word in (end, side) if word) or "this vehicle"
            hint = "; say on which side the driver sits" if side in ("driver", "passenger") and not asked.steering else ""
            return (
                pb.COMPONENT_STATUS_OTHER_SIDE_ONLY,
                f"the catalogue lists {fits.excluded} of {target.label} for {vehicle}, but none for {wanted}{hint}",
            )
        if not target.is_listed:
            return pb.COMPONENT_STATUS_NOT_LISTED, f"the catalogue lists no {target.label} for any vehicle"
        return pb.COMPONENT_STATUS_NOT_LISTED, f"the catalogue lists no {target.label} for {vehicle}"

    def _vehicle_name(self) -> str:
        variants = self.plan.resolution.variants
        if len(variants) == 1 and variants[0].variant is not None:
            return f"{variants[0].model.name} {variants[0].variant.name}"
        return f"the {len(variants)} variants of {variants[0].model.name}" if variants else "this vehicle"

    # -- what the damage implies --------------------------------------------------------------------------------------

    async def _implied(self, found: Sequence[_ComponentResult]) -> list[pb.ImpliedPart]:
        begun = time.perf_counter()
        damages = [
            rules.Damage(
                entry.index,
                entry.target.component,
                entry.component.severity,
                entry.reading.side,
                entry.reading.position,
            )
            for entry in found
            if entry.target is not None and entry.target.component
        ]
        proposed = rules.implied(damages)[:MAX_IMPLIED]
        self.statistics.add("propagation", time.perf_counter() - begun)
        return list(await _gather(self._one_implied(entry) for entry in proposed))

    async def _one_implied(self, entry: rules.Implied) -> pb.ImpliedPart:
        message = pb.ImpliedPart(
            kind=pb.IMPLIED_KIND_CONSUMABLE if entry.kind is rules.Kind.CONSUMABLE else pb.IMPLIED_KIND_SECONDARY,
            name=entry.component.replace("-", " "),
            likelihood=entry.likelihood,
            reason=entry.reason,
            rule_id=entry.rule_id,
            component_indices=entry.indices,
            side=contract.side(entry.side),
            position=contract.position(entry.position),
        )
        target = self.view.components.component(entry.component)
        if target is None or not self.variants:
            message.status = pb.COMPONENT_STATUS_NO_VEHICLE if target else pb.COMPONENT_STATUS_NOT_LISTED
            return message
        asked = self._asked(entry.likelihood, entry.side, entry.position)
        try:
            fits, parts, _ = await self._find(target, asked, IMPLIED_PARTS)
        except DeadlineExceeded:
            message.status = pb.COMPONENT_STATUS_TIMED_OUT
        except (*STORE_ERRORS, HexarError):
            message.status = pb.COMPONENT_STATUS_FAILED
        else:
            message.status, _ = self._outcome(target, fits, asked)
            message.parts.extend(parts)
            message.total_parts = len(fits.fits)
        return message

    # -- messages -----------------------------------------------------------------------------------------------------

    def _part(self, fit: Fit, article: ArticleRow) -> pb.Part:
        listed, vehicles = fit.listed, self.view.vehicles
        return pb.Part(
            article=contract.article(article),
            category=contract.category(self.view.categories[listed.category_key]),
            group=contract.group(self.view.groups[listed.group_key]),
            variant_ids=[vehicles.variants[key].id for key in fit.variants],
            confidence=fit.confidence,
            reason=fit.reason,
            factors=[pb.ConfidenceFactor(name=f.name, value=round(f.value, 4), reason=f.reason) for f in fit.factors],
            side=contract.side(listed.side),
            position=contract.position(listed.position),
        )

    def _component_message(self, entry: _ComponentResult) -> pb.ComponentResult:
        return pb.ComponentResult(
            index=entry.index,
            name=entry.component.name,
            status=entry.status,
            reason=entry.reason,
            reading=contract.component_reading(entry.reading),
            groups=contract.group_matches(((match.target, match.score) for match in entry.matches), self.view),
            parts=entry.parts,
            total_parts=entry.total,
            suggestions=entry.suggestions,
            confidence=entry.parts[0].confidence if entry.parts else 0.0,
            elapsed_ms=entry.elapsed * 1e3,
            choices=[
                pb.Choice(
                    name=choice.name,
                    values=[pb.ChoiceValue(value=value, parts=count) for value, count in choice.values],
                    unstated=max(0, entry.total - len(choice.of)),
                )
                for choice in entry.choices
            ],
            shown_instead=entry.shown_instead,
        )

    def _summary(
        self, found: Sequence[_ComponentResult], propagation: Sequence[pb.ImpliedPart], complete: bool
    ) -> pb.DiscoverSummary:
        merged: dict[str, pb.PartSummary] = {}
        for entry in found:
            for part in entry.parts:
                summary = _merge(merged, part, implied=False)
                summary.component_indices.append(entry.index)
        for proposal in propagation:
            for part in proposal.parts:
                _merge(merged, part, implied=True)
        ordered = list(merged.values())
        ordered.sort(key=lambda part: (part.implied, -part.confidence, part.article_id))
        return pb.DiscoverSummary(
            parts=ordered,
            not_found=[
                pb.NotFound(index=entry.index, name=entry.component.name, status=entry.status, reason=entry.reason)
                for entry in found
                if not entry.parts
            ],
            components_found=sum(1 for entry in found if entry.parts),
            statistics=self.statistics.message(time.perf_counter() - self.started),
            complete=complete,
        )

    async def _call(self, tool: str, function: Callable[..., T], *args: Any) -> T:
        async with self.slots:
            begun = time.perf_counter()
            try:
                return await self.pool.call(AGENT, function, *args, deadline=self.deadline)
            finally:
                self.statistics.add(tool, time.perf_counter() - begun)


def _merge(merged: dict[str, pb.PartSummary], part: pb.Part, *, implied: bool) -> pb.PartSummary:
    """Each article once, with the confidence and reason of where it is surest."""
    known = merged.get(part.article.id)
    if known is None:
        known = merged[part.article.id] = pb.PartSummary(
            article_id=part.article.id,
            name=part.article.name,
            part_number=part.article.part_number,
            brand=part.article.brand,
            confidence=part.confidence,
            reason=part.reason,
            implied=implied,
            variant_ids=part.variant_ids,
            side=part.side,
            position=part.position,
        )
    elif part.confidence > known.confidence and (known.implied or not implied):
        known.confidence, known.reason = part.confidence, part.reason
    return known


async def _gather(work: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order; when one raises, the others are cancelled and waited for."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
