"""Damage reports through the pipeline, on the demo catalogue and on the real one."""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hexar.agents.parts.catalogue.records import Side
from hexar.agents.parts.catalogue.view import Catalogues
from hexar.agents.parts.fit.match import articles, categories, match_names, variants, warm
from hexar.agents.parts.messages.validation import check_page
from hexar.agents.parts.pipeline import PartsPipeline
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, InvalidArgument, NotFound, Unavailable
from hexar.core.resilience.dispatch import Dispatcher
from hexar.v1 import parts_pb2 as pb


def report(*components: str, vehicle: str = "2008 Vauxhall Astra 1.6 hatchback", **fields: Any) -> pb.DiscoverRequest:
    damaged = []
    for entry in components:
        name, _, degree = entry.partition(":")
        damaged.append(pb.DamagedComponent(name=name, severity=getattr(pb, f"SEVERITY_{degree.upper()}") if degree else 0))
    return pb.DiscoverRequest(vehicle=pb.VehicleQuery(text=vehicle), components=damaged, **fields)


async def ask(
    catalogues: Catalogues, pool: Dispatcher, request: pb.DiscoverRequest, seconds: float = 20
) -> list[pb.DiscoverEvent]:
    events: list[pb.DiscoverEvent] = []
    await PartsPipeline(catalogues, pool).answer(request, "t", events.append, Deadline.after(seconds))
    return events


def results(events: list[pb.DiscoverEvent]) -> dict[str, pb.ComponentResult]:
    return {event.component.name: event.component for event in events if event.HasField("component")}


async def test_the_events_come_in_their_order(catalogues: Catalogues, pool: Dispatcher) -> None:
    """Vehicle first, then each component once, then what is implied, then the summary."""
    events = await ask(catalogues, pool, report("front bumper:severe", "N/S headlight", "brake pads front"))
    assert [event.WhichOneof("event") for event in events] == ["vehicle", *["component"] * 3, "propagation", "summary"]
    assert events[0].vehicle.status == pb.VEHICLE_STATUS_EXACT
    summary = events[-1].summary
    assert (summary.components_found, summary.complete, len(summary.not_found)) == (3, True, 0)
    assert summary.statistics.work_ms > 0
    assert {tool.tool for tool in summary.statistics.tools} >= {"match", "lookup", "rank", "propagation"}


async def test_only_the_asked_side_is_returned(catalogues: Catalogues, pool: Dispatcher) -> None:
    """Left finds left, right finds right, and both are parts of the same group."""
    for text, side in (("left headlight", Side.LEFT), ("faro derecho", Side.RIGHT), ("O/S headlamp", Side.RIGHT)):
        found = results(await ask(catalogues, pool, report(text)))[text.lower()]
        assert found.status == pb.COMPONENT_STATUS_FOUND
        assert {part.side for part in found.parts} == {int(side)}
        assert found.confidence == pytest.approx(found.parts[0].confidence)


async def test_an_unclear_side_is_told(catalogues: Catalogues, pool: Dispatcher) -> None:
    """ "R headlight" may be right or rear: both sides are shown, and the answer says why."""
    found = results(await ask(catalogues, pool, report("R headlight")))["r headlight"]
    assert {part.side for part in found.parts} == {int(Side.LEFT), int(Side.RIGHT)}
    assert "taken for neither" in found.reason


async def test_a_side_field_overrides_the_name(catalogues: Catalogues, pool: Dispatcher) -> None:
    """The name says left, the field says right: right it is."""
    request = report("left headlight")
    request.components[0].side = pb.SIDE_RIGHT
    found = results(await ask(catalogues, pool, request))["left headlight"]
    assert {part.side for part in found.parts} == {pb.SIDE_RIGHT}


async def test_the_drivers_side_needs_the_steering_side(catalogues: Catalogues, pool: Dispatcher) -> None:
    """Unknown, it is neither left nor right, and the answer says what is missing; known, it is one of them."""
    request = report("driver side headlight")
    found = results(await ask(catalogues, pool, request))["driver side headlight"]
    assert found.status == pb.COMPONENT_STATUS_OTHER_SIDE_ONLY
    assert "driver sits" in found.reason
    request.vehicle.steering_side = pb.STEERING_SIDE_RIGHT
    found = results(await ask(catalogues, pool, request))["driver side headlight"]
    assert {part.side for part in found.parts} == {pb.SIDE_RIGHT}


async def test_what_is_not_listed_says_so(catalogues: Catalogues, pool: Dispatcher) -> None:
    """Known but not listed for this vehicle; known but in no vehicle; not understood: three different answers."""
    request = report("front fog light", "bonnet hinge", "flux capacitor", vehicle="Seat Leon ST 2015")
    events = await ask(catalogues, pool, request)
    found = results(events)
    assert found["front fog light"].status == pb.COMPONENT_STATUS_NOT_LISTED
    assert "no fog light for Leon III ST" in found["front fog light"].reason
    assert "for any vehicle" in found["bonnet hinge"].reason
    assert found["flux capacitor"].status == pb.COMPONENT_STATUS_NOT_UNDERSTOOD
    assert len(events[-1].summary.not_found) == 3
    assert all(entry.reason for entry in events[-1].summary.not_found)


async def test_an_unknown_vehicle_ends_well(catalogues: Catalogues, pool: Dispatcher) -> None:
    """The nearest vehicles are told, no part is, and the answer is complete."""
    events = await ask(catalogues, pool, report("front bumper", vehicle="Zorblax Quux 2010"))
    assert events[0].vehicle.status == pb.VEHICLE_STATUS_UNKNOWN
    assert events[0].vehicle.alternatives
    assert results(events)["front bumper"].status == pb.COMPONENT_STATUS_NO_VEHICLE
    assert not events[-1].summary.parts


async def test_damage_implies_parts_that_are_listed(catalogues: Catalogues, pool: Dispatcher) -> None:
    """Secondary parts and consumables come with reasons and the parts that fit; it can be left out."""
    request = report("front bumper:severe")
    events = await ask(catalogues, pool, request)
    implied = {entry.name: entry for entry in events[-2].propagation.implied}
    assert implied["bumper clip"].kind == pb.IMPLIED_KIND_CONSUMABLE
    assert implied["bumper clip"].parts[0].article.name == "Clip, bumper"
    assert implied["bumper absorber"].reason
    assert {part.article_id for part in events[-1].summary.parts if part.implied}
    request.skip_propagation = True
    assert not any(event.HasField("propagation") for event in await ask(catalogues, pool, request))


async def test_the_order_of_components_does_not_matter(catalogues: Catalogues, pool: Dispatcher) -> None:
    """Same set, same key; another catalogue version, severity or vehicle, another key."""
    pipeline = PartsPipeline(catalogues, pool)
    deadline = Deadline.after(20)

    async def key(request: pb.DiscoverRequest, tenant: str = "t") -> bytes:
        return (await pipeline.prepare(request, tenant, deadline)).key

    first = await key(report("front bumper", "Left  Headlight"))
    assert first == await key(report("left headlight", "front bumper", "front bumper"))
    assert first != await key(report("left headlight", "front bumper:severe"))
    assert first != await key(report("right headlight", "front bumper"))
    assert first != await key(report("left headlight", "front bumper", vehicle="VW Golf 2015 1.4 TSI"))
    assert first != await key(report("left headlight", "front bumper"), "other")


@pytest.mark.parametrize("workers", [1, 5])
async def test_lookups_run_side_by_side(
    catalogues: Catalogues, pool: Dispatcher, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """As many lookups of one report are in the store at once as there are workers, and never more."""
    view = catalogues.view("default")
    slow, lock = view.store.listed, threading.Lock()
    inside, most = 0, 0

    def wait(*args: Any) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.1)
        with lock:
            inside -= 1
        return slow(*args)

    monkeypatch.setattr(view.store, "listed", wait)
    names = ("front bumper", "left headlight", "front brake pads", "air filter", "battery", "windscreen", "bonnet")
    request = report(*names, skip_propagation=True)
    await PartsPipeline(catalogues, pool, workers=workers).answer(request, "t", lambda _: None, Deadline.after(60))
    assert most == workers


class _Failing:
    """A pool whose calls of some functions raise."""

    def __init__(self, pool: Dispatcher, names: set[str], error: Callable[[], Exception], first: int = 10**9) -> None:
        self.pool, self.names, self.error, self.left = pool, names, error, first

    async def call(self, agent: str, function: Callable[..., Any], *args: Any, deadline: Deadline | None = None) -> Any:
        if function.__name__ in self.names and self.left > 0:
            self.left -= 1
            raise self.error()
        return await self.pool.call(agent, function, *args, deadline=deadline)


async def test_a_store_that_is_away_is_unavailable(catalogues: Catalogues, pool: Dispatcher) -> None:
    """Every lookup failed: no empty answer pretends that nothing is listed."""
    failing = _Failing(pool, {"listed"}, lambda: OperationalError("", {}, Exception("locked")))
    with pytest.raises(Unavailable):
        await PartsPipeline(catalogues, failing).answer(report("air filter"), "t", lambda _: None, Deadline.after(60))


async def test_one_failure_is_one_components_failure(catalogues: Catalogues, pool: Dispatcher) -> None:
    """The others answer; the summary says that the answer is not complete, and it is not to be kept."""
    failing = _Failing(pool, {"listed"}, lambda: DeadlineExceeded("late"), first=1)
    events: list[pb.DiscoverEvent] = []
    request = report("air filter", "oil filter", skip_propagation=True)
    completion = await PartsPipeline(catalogues, failing).answer(request, "t", events.append, Deadline.after(60))
    statuses = sorted(found.status for found in results(events).values())
    assert statuses == [pb.COMPONENT_STATUS_FOUND, pb.COMPONENT_STATUS_TIMED_OUT]
    assert not events[-1].summary.complete
    assert not completion.cacheable


async def test_a_cancelled_answer_stops_its_work(
    catalogues: Catalogues, pool: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancellation is passed on, and no lookup begins after it."""
    view = catalogues.view("default")
    begun, release = threading.Event(), threading.Event()
    calls: list[int] = []

    def wait(*_: Any) -> list[Any]:
        calls.append(1)
        begun.set()
        release.wait(10)
        return []

    monkeypatch.setattr(view.store, "listed", wait)
    names = [
        f"{side} {name}" for side in ("left", "right") for name in ("headlight", "wing", "mirror", "rear light", "fog light")
    ]
    task = asyncio.create_task(PartsPipeline(catalogues, pool).answer(report(*names), "t", lambda _: None, Deadline.after(60)))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    await asyncio.sleep(0.1)
    assert len(calls) <= 5


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda r: setattr(r.vehicle, "year", 1800), "vehicle.year"),
        (lambda r: setattr(r.vehicle, "year", 9999), "vehicle.year"),
        (lambda r: setattr(r.vehicle, "vin", "1M8GDM9AXKP042789"), "vehicle.vin"),
        (lambda r: setattr(r.vehicle, "vin", "short"), "vehicle.vin"),
        (lambda r: (setattr(r.vehicle, "vin", "1M8GDM9AXKP042788"), setattr(r.vehicle, "year", 2015)), "vehicle.year"),
        (lambda r: setattr(r.vehicle, "make", "x" * 101), "vehicle.make"),
        (lambda r: setattr(r.vehicle, "text", "a\x00b"), "vehicle.text"),
        (lambda r: r.vehicle.Clear(), "vehicle"),
        (lambda r: r.ClearField("vehicle"), "vehicle"),
        (lambda r: setattr(r.components[0], "severity_score", float("nan")), "components[0].severity_score"),
        (lambda r: setattr(r.components[0], "severity_score", 1.5), "components[0].severity_score"),
        (lambda r: setattr(r.components[0], "name", "  "), "components[0].name"),
        (lambda r: setattr(r.components[0], "name", "y" * 201), "components[0].name"),
        (lambda r: setattr(r.components[0], "side", 77), "components[0].side"),
        (lambda r: r.components.extend([r.components[0]] * 9_999), "components"),
        (lambda r: r.ClearField("components"), "components"),
        (lambda r: setattr(r, "max_parts", 201), "max_parts"),
        (lambda r: setattr(r, "cache_policy", 99), "cache_policy"),
        (lambda r: setattr(r, "catalogue", "c" * 101), "catalogue"),
    ],
)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_bad_input_is_named(
    catalogues: Catalogues, pool: Dispatcher, change: Callable[[pb.DiscoverRequest], Any], field: str
) -> None:
    """Each wrong field is named by its path, before anything is looked up."""
    request = report("air filter")
    change(request)
    with pytest.raises(InvalidArgument) as caught:
        await ask(catalogues, pool, request)
    assert [name for name, _ in caught.value.violations] == [field]


@pytest.mark.parametrize(
    "name",
    ["'; DROP TABLE parts_articles; --", "%n%s%x", "../../etc/passwd", "\u202egnirts", "🚗" * 50, "a " * 99, "ß" * 200, "١٢٣"],
)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_hostile_names_are_only_not_understood(catalogues: Catalogues, pool: Dispatcher, name: str) -> None:
    """They end as a component's result, and the next one is answered."""
    found = results(await ask(catalogues, pool, report(name, "air filter", skip_propagation=True)))
    assert len(found) == 2
    assert found["air filter"].status == pb.COMPONENT_STATUS_FOUND


async def test_unknown_names_of_catalogues_and_variants_are_not_found(catalogues: Catalogues, pool: Dispatcher) -> None:
    """They read as such, not as an empty answer."""
    with pytest.raises(NotFound):
        await ask(catalogues, pool, report("air filter", catalogue="nowhere"))
    request = report("air filter")
    request.vehicle.variant_id = "nope"
    with pytest.raises(NotFound):
        await ask(catalogues, pool, request)


def test_names_match_articles_with_and_without_a_vehicle(catalogues: Catalogues) -> None:
    """The whole catalogue's articles, or those listed for the vehicle; sides are kept apart in both."""
    view = catalogues.view("default")
    request = pb.MatchPartsRequest(names=["left headlight", "pastillas de freno", "nonsense"], limit=5)
    left, pads, nonsense = match_names(view, request, request.names, None)
    assert {article.article.name for article in left.articles} == {"Headlight"}
    assert all("Right" not in {d.name: d.value for d in a.article.details}.get("Fitting Position", "") for a in left.articles)
    assert pads.groups[0].group.name == "Disc Brake"
    assert nonsense.status == pb.COMPONENT_STATUS_NOT_UNDERSTOOD
    found = view.vehicles.resolve("VW Golf 2015 1.4 TSI")
    (left,) = match_names(view, request, ["left headlight"], found)
    assert left.articles
    assert all(
        set(entry.variant_ids) <= {match.variant.id for match in found.variants if match.variant} for entry in left.articles
    )


def test_pages_cover_a_list_once(catalogues: Catalogues) -> None:
    """Page by page, every row comes once, in order; a token of another list is refused."""
    view = catalogues.view("default")
    request = pb.ListArticlesRequest()
    seen: list[str] = []
    while True:
        page = articles(view, request, check_page(request.page) if request.page.size else 7)
        seen.extend(article.id for article in page.articles)
        if not page.page.next_token:
            break
        request.page.token = page.page.next_token
    assert len(seen) == len(set(seen)) == page.page.total
    assert seen == sorted(seen)
    with pytest.raises(InvalidArgument):
        articles(view, pb.ListArticlesRequest(page={"token": "not-a-token"}), 5)
    with pytest.raises(NotFound):
        articles(view, pb.ListArticlesRequest(variant_id="nope"), 5)
    with pytest.raises(InvalidArgument):
        articles(view, pb.ListArticlesRequest(category_id="body"), 5)
    assert len(variants(view, pb.ListVariantsRequest(year=2008), 100).variants) == 3


def test_a_tree_counts_what_is_listed(catalogues: Catalogues) -> None:
    """A variant's groups come with the number of articles that its listing holds."""
    view = catalogues.view("default")
    variant = view.vehicles.variants[0]
    trees = categories(view, pb.ListCategoriesRequest(variant_id=variant.id), 100).categories
    counted = {entry.group.id: entry.articles for tree in trees for entry in tree.groups}
    for identifier, count in counted.items():
        assert len(view.listed((variant.key,), (view.group_by_id[identifier].key,))[0]) == count


def test_a_warm_vehicle_is_read_from_memory(catalogues: Catalogues) -> None:
    """After warming up, what is listed is answered without the store."""
    view = catalogues.view("default")
    found = view.vehicles.resolve("VW Golf 2015 1.4 TSI")
    pairs, count = warm(view, found)
    assert pairs > 10
    assert count > 20
    target = view.components.match(view.components.read("headlight"))[0].target
    keys = tuple(match.variant.key for match in found.variants if match.variant)
    assert view.listed(keys, target.groups)[1:] == (len(keys) * len(target.groups), 0)


COMPONENTS = ("front brake pads", "air filter", "left headlight", "cabin filter", "pastillas de freno traseras", "shock absorber", "fog light bulb", "wiper blade", "timing belt kit", "front bumper", "tailgate strut", "alternator", "ac compressor", "brake caliper o/s", "oil filter", "bonnet", "wheel bearing")  # fmt: skip


@pytest.mark.chaos
async def test_every_part_of_the_real_catalogue_fits_its_variant(real: Any, pool: Dispatcher) -> None:
    """500 random reports: each part is a row of the raw file for each variant it names, each id is the catalogue's, and a
    component without parts says why."""
    rng = random.Random(7)
    pipeline = PartsPipeline(real.catalogues, pool)
    checked = 0
    for _ in range(500):
        variant = rng.choice(real.view.vehicles.variants)
        model = real.view.vehicles.models[variant.model_key]
        request = report(*rng.sample(COMPONENTS, 3), vehicle="")
        request.vehicle.text = "" if rng.random() < 0.5 else f"{model.name.split('(')[0]} {variant.year_from or ''}"
        if not request.vehicle.text:
            request.vehicle.variant_id = variant.id
        events: list[pb.DiscoverEvent] = []
        await pipeline.answer(request, "t", events.append, Deadline.after(60))
        returned = {entry.variant.id for entry in events[0].vehicle.variants}
        parts = [part for found in results(events).values() for part in found.parts]
        parts += [part for entry in events[-2].propagation.implied for part in entry.parts]
        for part in parts:
            assert part.variant_ids
            assert set(part.variant_ids) <= returned
            assert part.group.id in real.view.group_by_id
            assert part.category.id in real.view.category_by_id
            for identifier in part.variant_ids:
                assert (identifier, part.article.id) in real.fitments
            checked += 1
        for found in results(events).values():
            assert bool(found.parts) == (found.status == pb.COMPONENT_STATUS_FOUND)
            assert found.reason
    assert checked > 2_000


@pytest.mark.chaos
async def test_a_pair_that_lists_nothing_says_so(real: Any, pool: Dispatcher) -> None:
    """A declared (variant, group) pair without articles in the raw file is answered as not listed."""
    view = real.view
    target = view.components.match(view.components.read("headlight"))[0].target
    variant = next(v for v in view.vehicles.variants if not view.listed((v.key,), target.groups)[0])
    request = report("headlight")
    request.vehicle.Clear()
    request.vehicle.variant_id = variant.id
    found = results(await ask(real.catalogues, pool, request))["headlight"]
    assert found.status == pb.COMPONENT_STATUS_NOT_LISTED
    assert "the catalogue lists no headlight" in found.reason
    assert not found.parts
