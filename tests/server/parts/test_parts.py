"""PartsService over a real channel."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from typer.testing import CliRunner

from hexar.agents.parts import demo
from hexar.agents.parts.importers.run import import_catalogue
from hexar.server.commands.imports import app as import_app
from hexar.server.process.app import App
from hexar.v1 import common_pb2, parts_pb2_grpc
from hexar.v1 import parts_pb2 as pb


@pytest.fixture
async def stub(app: App, channel: grpc.aio.Channel) -> AsyncIterator[Any]:
    """A stub of a server with the demo catalogue."""
    await app.engine.database.run(import_catalogue, app.engine.database, demo.PATH)
    return parts_pb2_grpc.PartsServiceStub(channel)


def report(*names: str, vehicle: str = "Vauxhall Astra 1.6 hatchback 2008", **fields: Any) -> pb.DiscoverRequest:
    components = [pb.DamagedComponent(name=name, severity=pb.SEVERITY_SEVERE) for name in names]
    return pb.DiscoverRequest(vehicle=pb.VehicleQuery(text=vehicle), components=components, **fields)


#: Asks for the events of a kept answer as they were first sent.
ORIGINAL = (("hexar-log", "original"),)


async def receive(call: Any) -> tuple[list[bytes], str]:
    """(serialized events, what the cache header says)."""
    events = [event.SerializeToString() async for event in call]
    return events, dict(await call.initial_metadata())["hexar-cache"]


async def test_a_second_equal_report_is_replayed_byte_for_byte(stub: Any) -> None:
    """In any order of components, and numbered from 1."""
    first, cache = await receive(stub.Discover(report("front bumper", "left headlight")))
    assert cache == "miss"
    again, cache = await receive(stub.Discover(report("left headlight", "front bumper"), metadata=ORIGINAL))
    assert (again, cache) == (first, "hit")
    again, cache = await receive(stub.Discover(report("front bumper", "left headlight"), metadata=ORIGINAL))
    assert (again, cache) == (first, "hit")
    events = [pb.DiscoverEvent.FromString(event) for event in first]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].summary.components_found == 2
    refreshed, cache = await receive(
        stub.Discover(report("front bumper", "left headlight", cache_policy=common_pb2.CACHE_POLICY_REFRESH))
    )
    assert cache == "miss"
    rest, cache = await receive(stub.Discover(report("front bumper", "left headlight", resume_after=3)))
    assert (rest, cache) == (refreshed[3:], "hit")


async def test_equal_reports_at_once_are_answered_once(app: App, stub: Any) -> None:
    """Fifty callers, one production."""
    answers = await asyncio.gather(*(receive(stub.Discover(report("air filter", "oil filter"))) for _ in range(50)))
    assert len({tuple(events) for events, cache in answers if cache != "hit"}) == 1
    assert sum(cache == "miss" for _, cache in answers) == 1


async def test_a_new_import_is_seen_and_old_answers_are_not(app: App, stub: Any) -> None:
    """Within a second of an import by another process the catalogue's version moves, and with it every key."""
    first, _ = await receive(stub.Discover(report("air filter")))
    await app.engine.database.run(lambda: import_catalogue(app.engine.database, demo.PATH, replace=True))
    await asyncio.sleep(1.1)
    second, cache = await receive(stub.Discover(report("air filter")))
    assert cache == "miss"
    assert pb.DiscoverEvent.FromString(first[0]).vehicle.catalogue.version == 1
    assert pb.DiscoverEvent.FromString(second[0]).vehicle.catalogue.version == 2


async def test_a_batch_answers_each_report_and_one_failure_stops_none(stub: Any) -> None:
    """Events carry their report's index; the failure names the field by its path in the batch."""
    bad = report("air filter")
    bad.vehicle.year = 1800
    request = pb.DiscoverBatchRequest(
        reports=[report("front bumper"), bad, report("left headlight", vehicle="VW Golf 2015 1.4 TSI")]
    )
    events = [event async for event in stub.DiscoverBatch(request)]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert (events[-1].summary.answered, events[-1].summary.failed) == (2, 1)
    failures = [event for event in events if event.HasField("failure")]
    assert [(event.report_index, event.failure.field) for event in failures] == [(1, "reports[1].vehicle.year")]
    for index in (0, 2):
        kinds = [
            event.report.WhichOneof("event") for event in events if event.report_index == index and event.HasField("report")
        ]
        assert (kinds[0], kinds[-1]) == ("vehicle", "summary")


async def code_of(call: Any) -> tuple[grpc.StatusCode, list[str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    status = rpc_status.from_call(caught.value)
    fields: list[str] = []
    for detail in status.details if status else ():
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            fields = [violation.field for violation in bad.field_violations]
    return caught.value.code(), fields


async def test_errors_have_their_codes_and_fields(stub: Any) -> None:
    """Wrong fields are named; unknown catalogues and variants are NOT_FOUND; a year 1800 asks nothing."""
    nan = report("x")
    nan.components[0].severity_score = float("nan")
    assert await code_of(stub.Discover(nan)) == (grpc.StatusCode.INVALID_ARGUMENT, ["components[0].severity_score"])
    many = report(*(["bumper"] * 10_000))
    assert await code_of(stub.Discover(many)) == (grpc.StatusCode.INVALID_ARGUMENT, ["components"])
    assert (await code_of(stub.Discover(report("bumper", catalogue="none"))))[0] == grpc.StatusCode.NOT_FOUND
    assert (await code_of(stub.ListVariants(pb.ListVariantsRequest(model_id="none"))))[0] == grpc.StatusCode.NOT_FOUND
    bad_vin = pb.ResolveVehicleRequest(vehicle=pb.VehicleQuery(vin="1M8GDM9AXKP042789"))
    assert await code_of(stub.ResolveVehicle(bad_vin)) == (grpc.StatusCode.INVALID_ARGUMENT, ["vehicle.vin"])
    page = pb.ListArticlesRequest(page=common_pb2.PageRequest(size=1001))
    assert await code_of(stub.ListArticles(page)) == (grpc.StatusCode.INVALID_ARGUMENT, ["page.size"])
    assert await code_of(stub.MatchParts(pb.MatchPartsRequest(names=[""]))) == (grpc.StatusCode.INVALID_ARGUMENT, ["names[0]"])
    assert await code_of(stub.DiscoverBatch(pb.DiscoverBatchRequest())) == (grpc.StatusCode.INVALID_ARGUMENT, ["reports"])


async def test_the_catalogue_can_be_walked(stub: Any) -> None:
    """Catalogues, manufacturers, models, variants, categories, articles: each level's ids open the next."""
    (catalogue,) = (await stub.ListCatalogues(pb.ListCataloguesRequest())).catalogues
    assert (catalogue.ref.name, catalogue.ref.version, catalogue.variants) == ("default", 1, 8)
    makers = (await stub.ListManufacturers(pb.ListManufacturersRequest())).manufacturers
    assert [maker.name for maker in makers] == ["Ford", "Seat", "VW", "Vauxhall"]
    models = (await stub.ListModels(pb.ListModelsRequest(manufacturer_id=makers[-1].id, year=2008))).models
    assert len(models) == 2
    variants = (await stub.ListVariants(pb.ListVariantsRequest(model_id=models[0].id))).variants
    trees = (await stub.ListCategories(pb.ListCategoriesRequest(variant_id=variants[0].id))).categories
    group = next(entry for tree in trees for entry in tree.groups if entry.articles)
    request = pb.ListArticlesRequest(variant_id=variants[0].id, product_group_id=group.group.id)
    assert len((await stub.ListArticles(request)).articles) == group.articles


async def test_a_vehicle_can_be_warmed_now_or_by_a_job(app: App, stub: Any) -> None:
    """The job's end leaves the listings in memory."""
    query = pb.VehicleQuery(text="VW Golf 2015 1.4 TSI")
    now = await stub.WarmUpVehicle(pb.WarmUpVehicleRequest(vehicle=query))
    assert now.lookups > 0
    assert now.articles > 0
    later = await stub.WarmUpVehicle(pb.WarmUpVehicleRequest(vehicle=query, background=True))
    assert later.job_id
    for _ in range(100):
        job = await app.engine.jobs.get("default", later.job_id)
        if job is not None and job.state.ended:
            break
        await asyncio.sleep(0.05)
    assert job is not None
    assert job.state.name == "SUCCEEDED"


async def test_names_are_matched_in_their_order(stub: Any) -> None:
    """One entry a name, a vehicle where one is given."""
    request = pb.MatchPartsRequest(names=["faro izq", "zzz", "brake pads"], vehicle=pb.VehicleQuery(text="ford focus 2014"))
    response = await stub.MatchParts(request)
    assert [entry.name for entry in response.matches] == ["faro izq", "zzz", "brake pads"]
    assert response.vehicle.status == pb.VEHICLE_STATUS_EXACT
    assert all(article.variant_ids for article in response.matches[0].articles)


def test_the_import_command_reports_what_it_did(tmp_path: Path) -> None:
    """Counts, problems with file and line, another exit code where a row was refused, and a message where the name is taken."""
    source = tmp_path / "list.csv"
    source.write_text(demo.PATH.read_text("utf-8") + "broken,row\n", "utf-8")
    run = CliRunner()
    arguments = ["parts", str(source), "--data-dir", str(tmp_path / "data")]
    done = run.invoke(import_app, arguments)
    assert done.exit_code == 3, done.output
    assert "list.csv, line" in done.output
    again = run.invoke(import_app, arguments)
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert run.invoke(import_app, [*arguments, "--replace"]).exit_code == 3
    source.write_text(demo.PATH.read_text("utf-8"), "utf-8")
    assert run.invoke(import_app, [*arguments, "--replace"]).exit_code == 0
    assert run.invoke(import_app, ["parts", str(tmp_path / "none"), "--data-dir", str(tmp_path / "data")]).exit_code == 1
