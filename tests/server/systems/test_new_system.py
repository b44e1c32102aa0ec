"""A system is added by its declaration: its own folder, servicer and .proto, and a place in the list."""

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from pydantic import BaseModel, ValidationError

from hexar.core.store import Database
from hexar.core.store.migrations import current, heads, upgrade
from hexar.server.commands.db import schema_differences
from hexar.server.engine.system import tables
from hexar.server.process.app import App
from hexar.server.systems import SYSTEMS, settings_type
from hexar.v1 import ops_pb2, ops_pb2_grpc
from tests.server.systems.glossary.servicer import SERVICE, SYSTEM, GlossarySettings, pb

ROOT = Path(__file__).resolve().parents[3]
BOTH = (*SYSTEMS, SYSTEM)


@pytest.fixture
async def app(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    """A server that answers the glossary besides; its settings come from the environment."""
    monkeypatch.setenv("HEXAR_GLOSSARY__LONGEST_TERM", "12")
    monkeypatch.setenv("HEXAR_CACHE__TTL", '{"glossary_answer": 60}')
    changes: dict[str, Any] = {}
    if store_url.startswith("postgresql"):
        changes["database_url"] = store_url
        database = Database(store_url)
        upgrade(database, tables(BOTH))
        database.close()
    made = App(settings_type(BOTH)(port=0, data_dir=tmp_path, metrics_port=0, drain_seconds=0, **changes), systems=BOTH)
    await made.start()
    yield made
    await made.stop(0)


class Caller:
    """Calls a method by its name: what a generated stub does."""

    def __init__(self, app: App) -> None:
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{app.port}")
        self.ops = ops_pb2_grpc.OpsServiceStub(self.channel)

    async def add(self, term: str, meaning: str) -> None:
        call = self.channel.unary_unary(
            f"/{SERVICE}/Add",
            request_serializer=pb.AddRequest.SerializeToString,
            response_deserializer=pb.AddResponse.FromString,
        )
        await call(pb.AddRequest(term=term, meaning=meaning))

    async def define(self, term: str, after: int = 0) -> tuple[str, list[Any]]:
        """How the answer was had (the header hexar-cache), and its events."""
        method = self.channel.unary_stream(
            f"/{SERVICE}/Define",
            request_serializer=pb.DefineRequest.SerializeToString,
            response_deserializer=pb.DefineEvent.FromString,
        )
        call = method(pb.DefineRequest(term=term, resume_after=after))
        events = [event async for event in call]
        return str(dict(await call.initial_metadata())["hexar-cache"]), events


@pytest.fixture
async def caller(app: App) -> AsyncIterator[Caller]:
    """A client of that server."""
    made = Caller(app)
    yield made
    await made.channel.close()


async def test_it_answers_with_all_that_the_engine_gives(caller: Caller) -> None:
    """Its table is there; its answers are numbered, cached, made anew when what they depend on changes, and resumed."""
    await caller.add("kernel", "the compiled part")
    cache, events = await caller.define("kernel")
    assert (cache, [(e.seq, e.meaning or e.count) for e in events]) == ("miss", [(1, "the compiled part"), (2, 1)])
    assert await caller.define("kernel") == ("hit", events)
    assert await caller.define("kernel", after=1) == ("hit", events[1:])
    await caller.add("kernel", "a seed")
    cache, events = await caller.define("kernel")
    assert (cache, [e.meaning for e in events]) == ("miss", ["a seed", "the compiled part", ""])


async def test_its_settings_are_read_and_checked(app: App, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its section comes from the environment; a wrong name in it, or another system's, is refused."""
    assert app.settings.section(GlossarySettings).glossary.longest_term == 12
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await caller.define("a term of more than 12")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(ValidationError, match=r"glossary\.shortest_term"):
        settings_type(BOTH)(glossary={"shortest_term": 1})
    with pytest.raises(ValidationError, match="glossary_answers: no such kind"):
        settings_type(BOTH)(cache={"ttl": {"glossary_answers": 1}})
    monkeypatch.delenv("HEXAR_CACHE__TTL")
    with pytest.raises(ValidationError, match="glossary"):
        settings_type(SYSTEMS)(glossary={"longest_term": 1})


def test_two_systems_cannot_have_the_same_setting() -> None:
    """A field that is there already is refused when the configuration is composed."""

    class Port(BaseModel):
        port: int = 1

    with pytest.raises(ValueError, match=r"Port\.port: Settings has a field of that name"):
        settings_type((*SYSTEMS, type(SYSTEM)(name="port", services=(), settings=Port)))


async def test_operators_see_it(app: App, caller: Caller) -> None:
    """Its service, cache kind with its time to live, figures and warming are there for operators and reflection."""
    status = await caller.ops.GetStatus(ops_pb2.GetStatusRequest())
    assert status.services[SERVICE] == "serving"
    stats = await caller.ops.GetCacheStats(ops_pb2.GetCacheStatsRequest())
    assert {kind.kind: kind.ttl.seconds for kind in stats.kinds}["glossary_answer"] == 60
    await caller.add("kernel", "the compiled part")
    warmed = await caller.ops.WarmCache(ops_pb2.WarmCacheRequest(queries=["kernel"]))
    jobs = [await caller.ops.GetJob(ops_pb2.GetJobRequest(id=each)) for each in warmed.job_ids]
    [job] = [each.job for each in jobs if each.job.kind == "glossary.warm"]
    async for change in caller.ops.WatchJob(ops_pb2.WatchJobRequest(id=job.id)):
        job = change.job
    assert job.state == ops_pb2.JOB_STATE_SUCCEEDED
    assert (await caller.define("kernel"))[0] == "hit"
    page = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{app.metrics_port}/metrics")
    assert "hexar_glossary_produced_total 1.0" in page.read().decode()
    reflection = reflection_pb2_grpc.ServerReflectionStub(caller.channel)
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE)
    async for answer in reflection.ServerReflectionInfo(iter([asked])):
        [file] = answer.file_descriptor_response.file_descriptor_proto
        assert FileDescriptorProto.FromString(file).package == "tests.glossary"


def test_its_table_is_migrated_beside_the_others(store_url: str) -> None:
    """A store that was made without the system gets its table by its own revisions; a store without the system stays whole."""
    database = Database(store_url)
    upgrade(database, tables(SYSTEMS))
    before, now = upgrade(database, tables(BOTH))
    assert set(now) - set(before) == {"glossary_0001"}
    assert current(database) == now == heads(tables(BOTH))
    assert schema_differences(database, tables(BOTH)) == []
    assert len(schema_differences(database, tables(SYSTEMS))) == 1
    database.close()


@pytest.mark.parametrize(
    "path",
    [
        "core/cache/kinds.py",
        "core/store/schema.py",
        "server/settings/config.py",
        "server/settings/models.py",
        "server/engine/engine.py",
    ],
)
def test_what_all_systems_share_names_none(path: str) -> None:
    """Neither a system nor what it caches or lets be set is spelt out where a new one would have to be added."""
    names = {system.name for system in SYSTEMS} | {kind.name for system in SYSTEMS for kind in system.kinds}
    names |= {field for system in SYSTEMS if system.settings for field in system.settings.model_fields}
    words = set(re.findall(r"[a-z_]+", (ROOT / path).read_text("utf-8").lower()))
    assert words & names == set()
