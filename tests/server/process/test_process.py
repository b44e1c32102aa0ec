"""What every process does when it starts, and in quiet moments."""

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from hexar.server.engine.process import YOUNG_OBJECTS, collect_young
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar_client import AsyncClient


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_cycles_of_young_objects_go_in_a_quiet_moment_where_there_are_many() -> None:
    """A few objects are not worth a look; among some thousands the cycles are found, without the interpreter's own rounds."""
    gc.collect()
    gc.disable()
    try:
        seen = weakref.ref(Knot())
        collect_young()
        assert seen() is not None
        held = [[each] for each in range(YOUNG_OBJECTS)]
        collect_young()
        assert seen() is None
        assert len(held) == YOUNG_OBJECTS
    finally:
        gc.enable()


async def test_it_is_ready_only_when_every_system_is_warm(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a system still loads what its first caller needs, nothing listens and nothing is said to be ready."""
    app = App(settings())
    loading, loaded, opened = asyncio.Event(), asyncio.Event(), app.servicers[-1].open

    async def slow() -> None:
        loading.set()
        await loaded.wait()
        await opened()

    monkeypatch.setattr(app.servicers[-1], "open", slow)
    starting = asyncio.create_task(app.start())
    try:
        await asyncio.wait_for(loading.wait(), 60)
        assert (app.port, app.ready) == (0, False)
        loaded.set()
        await starting
        async with AsyncClient(f"127.0.0.1:{app.port}") as client:
            assert (await client.ops.status()).ready
    finally:
        loaded.set()
        await asyncio.gather(starting, return_exceptions=True)
        await app.stop(0)
