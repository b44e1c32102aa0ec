"""The whole server over PostgreSQL and Redis: each system is asked, and what it keeps is there for another server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from hexar.agents.parts import demo
from hexar.agents.parts.importers.run import import_catalogue
from hexar.server.demo import DemoShops
from hexar.server.engine.store import open_database
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.v1 import chat_pb2, ops_pb2, ops_pb2_grpc, parts_pb2, parts_pb2_grpc, portfolio_pb2, query_pb2
from hexar.v1.query_pb2_grpc import QueryServiceStub
from tests.fix.stores.postgres_server import PostgresServer
from tests.fix.stores.redis_server import RedisServer
from tests.server.chat.test_chat import LIGHTS, WARRANTY, Chat, text_of

QUESTION = "What is the warranty of the Atlas 40 backpack?"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server of its own."""
    app = App(settings)
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            yield channel
    finally:
        await app.stop(0)


async def ended(ops: ops_pb2_grpc.OpsServiceStub, job_id: str) -> ops_pb2.Job:
    """The job once it has ended."""
    for _ in range(400):
        job = (await ops.GetJob(ops_pb2.GetJobRequest(id=job_id))).job
        if job.state not in (ops_pb2.JOB_STATE_QUEUED, ops_pb2.JOB_STATE_RUNNING):
            return job
        await asyncio.sleep(0.05)
    pytest.fail("the job did not end")


async def test_two_servers_share_postgresql_and_redis(
    postgres_url: str, redis_server: RedisServer, settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Gear, chat, parts and jobs work, and what one server keeps or caches, the other one has."""
    with DemoShops() as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml())
        options = {"database_url": postgres_url, "redis_url": redis_server.url}
        one, two = (settings(data_dir=tmp_path / name, **options) for name in ("one", "two"))
        database = open_database(one)
        import_catalogue(database, demo.PATH)
        database.close()
        async with serving(one) as first, serving(two) as second:
            chat, elsewhere = Chat(first), Chat(second)
            await chat.add("gear", backpack__md=WARRANTY, lights__txt=LIGHTS)
            fresh, kept = await chat.ask("gear", QUESTION), await elsewhere.ask("gear", QUESTION)
            assert "three years" in text_of(fresh)
            assert text_of(kept) == text_of(fresh)
            assert kept[-1].done.cache_status == chat_pb2.CACHE_STATUS_EXACT
            assert not kept[-1].done.turn_unconfirmed
            request = chat_pb2.GetConversationRequest(conversation_id=fresh[-1].done.conversation_id)
            assert [turn.message for turn in (await elsewhere.chat.GetConversation(request)).turns] == [QUESTION]
            await elsewhere.add("gear", backpack__md=WARRANTY.replace(b"three years", b"five years"))
            assert "five years" in text_of(await chat.ask("gear", QUESTION))
            search = portfolio_pb2.SearchRequest(portfolio_id="gear", query="left headlight", top_k=1)
            assert (await elsewhere.portfolios.Search(search)).passages[0].document_id == "lights.txt"

            query = query_pb2.QueryRequest(text="beginner snowboard under $400")
            events = [event async for event in QueryServiceStub(first).Query(query)]
            assert events[-1].completed.product_ids
            assert events[-1].completed.jobs
            ops = ops_pb2_grpc.OpsServiceStub(second)
            for job_id in events[-1].completed.jobs:
                assert (await ended(ops, job_id)).state == ops_pb2.JOB_STATE_SUCCEEDED

            catalogue = parts_pb2_grpc.PartsServiceStub(second)
            makers = await catalogue.ListManufacturers(parts_pb2.ListManufacturersRequest())
            assert makers.manufacturers


def test_a_wrong_address_names_the_setting(settings: Callable[..., Settings]) -> None:
    """Another database, no database, no address: each is refused before anything starts, and no password is shown."""
    for url in ("mysql://u:hidden@h/d", "postgresql://u:hidden@h", "nothing", "sqlite:///x.db"):
        with pytest.raises(ValueError, match="database_url") as caught:
            settings(database_url=url)
        assert "hidden" not in str(caught.value)


async def test_a_server_does_not_start_without_the_schema(empty_postgres_url: str, settings: Callable[..., Settings]) -> None:
    """The message says what to run."""
    app = App(settings(database_url=empty_postgres_url))
    with pytest.raises(OSError, match="hexar db upgrade"):
        await app.start()
    await app.stop(0)


async def test_a_server_gives_up_where_postgresql_does_not_answer(
    fragile_postgres: PostgresServer, settings: Callable[..., Settings]
) -> None:
    """It waits as long as it was told, and then names the address without the password."""
    fragile_postgres.kill()
    url = fragile_postgres.url().replace("postgres@", "postgres:hidden@")
    app = App(settings(database_url=url, database_wait_seconds=0.5))
    with pytest.raises(OSError, match=str(fragile_postgres.port)) as caught:
        await app.start()
    assert "hidden" not in str(caught.value)
    await app.stop(0)
