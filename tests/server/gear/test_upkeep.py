"""Upkeep in a running server: the most asked queries are answered ahead, and every tunable is reachable."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson
import pytest

from hexar.agents.gear.config import GearConfig
from hexar.agents.gear.products.ranking import Weights
from hexar.core.jobs import JobState
from hexar.core.resilience import RetryPolicy
from hexar.core.resilience.hedging import HedgeConfig
from hexar.server.demo import DemoShops
from hexar.server.process.app import App
from hexar.server.servicers.query import WARM_JOB, GearHedge, GearOptions, GearRetry, GearSettings, GearWeights, QueryServicer
from hexar.server.settings.config import Settings
from hexar_client import AsyncClient


async def test_the_most_asked_query_is_answered_ahead(settings: Callable[..., Settings], tmp_path: Path) -> None:
    """Asked three times, its answer forgotten, it is made again by a round of upkeep; what was asked once is not."""
    with DemoShops() as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml(("alpine",)))
        app = App(settings())
        await app.start()
        try:
            servicer = next(one for one in app.servicers if isinstance(one, QueryServicer))
            async with AsyncClient(f"127.0.0.1:{app.port}") as client:
                for text in ("snowboard", "snowboard", "snowboard", "boots"):
                    _ = [event async for event in client.query(text)]
                assert (await servicer.upkeep())[1] == 0
                app.engine.caches.memory.clear()
                assert (await servicer.upkeep())[1] == 1
                (job,) = await app.engine.jobs.page("default", kind=WARM_JOB)
                ended = await app.engine.jobs.wait(job.id, 60.0)
                assert ended is not None
                assert ended.state is JobState.SUCCEEDED
                assert orjson.loads(ended.payload) == {"text": "snowboard", "vendors": []}
                assert orjson.loads(ended.result or b"{}")["events"] > 0
        finally:
            await app.stop(0)


async def test_without_a_vendor_there_is_nothing_to_answer_ahead(settings: Callable[..., Settings]) -> None:
    """The job of a warmed cache ends well at its first try, and nothing is logged as an error."""
    app = App(settings())
    await app.start()
    try:
        async with AsyncClient(f"127.0.0.1:{app.port}") as client:
            await client.ops.warm(queries=["snowboard"])
            (job,) = await app.engine.jobs.page("default", kind=WARM_JOB)
            ended = await app.engine.jobs.wait(job.id, 60.0)
            assert ended is not None
            assert (ended.state, ended.attempts, orjson.loads(ended.result or b"{}")) == (JobState.SUCCEEDED, 1, {"events": 0})
    finally:
        await app.stop(0)


def test_every_tunable_is_in_the_configuration() -> None:
    """With the pipeline's own default."""
    assert GearOptions().config() == GearConfig()
    assert {one.name for one in fields(GearConfig)} <= set(GearOptions.model_fields)
    assert {one.name for one in fields(Weights)} == set(GearWeights.model_fields)
    assert {one.name for one in fields(RetryPolicy)} == set(GearRetry.model_fields)
    assert {one.name for one in fields(HedgeConfig)} == set(GearHedge.model_fields)


def test_a_tunable_is_set_by_the_environment(settings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested names take two underscores."""
    monkeypatch.setenv("HEXAR_GEAR__VENDOR_TIMEOUT", "7.5")
    monkeypatch.setenv("HEXAR_GEAR__WEIGHTS__PRICE", "0.9")
    config = settings().section(GearSettings).gear.config()
    assert (config.vendor_timeout, config.weights.price) == (7.5, 0.9)
