"""A real server on a free port, and channels to it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.server.systems import make_settings


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Make settings for a server in its own folder on a free port."""

    def make(**changes: Any) -> Settings:
        values: dict[str, Any] = {
            "port": 0,
            "data_dir": tmp_path / "data",
            "vendors": tmp_path / "vendors.yaml",
            "drain_seconds": 0,
            # A busy machine is no Redis that is gone; of the tests of outages each says its own.
            "redis_timeout": 5.0,
            # No answer is made a second time by chance.
            "chat": {"shadow_share": 0.0},
        }
        return make_settings(**(values | changes))

    return make


@pytest.fixture
async def app(settings: Callable[..., Settings]) -> AsyncIterator[App]:
    """A started server without vendors."""
    made = App(settings())
    await made.start()
    yield made
    await made.stop(0)


@pytest.fixture
async def channel(app: App) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as made:
        yield made
