"""A store file that is damaged ends the start with one line: which file, and what to do."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from hexar.server.engine.store import StoreNotReady
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.v1 import portfolio_pb2, portfolio_pb2_grpc
from tests.fix.server_process import ServerProcess


@pytest.mark.parametrize(
    "content", [b"this is no database\n" * 100, bytes(range(256)) * 64, b"SQLite format 3\0" + b"\xff" * 4096]
)
async def test_a_damaged_store_is_told_with_its_path(settings: Callable[..., Settings], tmp_path: Path, content: bytes) -> None:
    """Whatever stands in it; nothing of it is changed."""
    path = tmp_path / "data" / "store.db"
    path.parent.mkdir()
    path.write_bytes(content)
    app = App(settings())
    try:
        with pytest.raises(StoreNotReady, match=r"store\.db cannot be read as a store .*: restore a backup") as caught:
            await app.start()
    finally:
        await app.stop(0)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


async def test_damage_in_the_middle_of_a_file_is_found_at_the_start(settings: Callable[..., Settings], tmp_path: Path) -> None:
    """Its first pages are whole: the check of the whole file says what is wrong."""
    app = App(settings())
    await app.start()
    await app.stop(0)
    path = tmp_path / "data" / "store.db"
    content = bytearray(path.read_bytes())
    for at in range(2 * 4096, len(content) - 4096, 4096):
        content[at : at + 8] = b"\xff" * 8
    path.write_bytes(content)
    app = App(settings())
    try:
        with pytest.raises(StoreNotReady, match=r"store\.db cannot be read as a store .*: restore a backup"):
            await app.start()
    finally:
        await app.stop(0)


async def test_a_store_that_is_damaged_while_it_is_served_is_told_once(tmp_path: Path) -> None:
    """Its calls end as UNAVAILABLE and never as a bug; one line of the log names the file and says what to do."""
    data = tmp_path / "data"
    async with ServerProcess(tmp_path, "server", data_dir=str(data), vendors=str(tmp_path / "none.yaml")) as server:
        async with server.channel() as channel:
            stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)
            # More than the connections keep of the file in memory.
            with closing(sqlite3.connect(data / "store.db")) as store, store:
                rows = [(f"p{number:06}", "x" * 200) for number in range(30_000)]
                store.executemany("INSERT INTO portfolios VALUES (NULL, 'default', ?, ?, 1, 0, 0)", rows)
            for name in ("store.db", "store.db-wal"):
                if (data / name).exists():
                    (data / name).write_bytes(b"\xa5" * (data / name).stat().st_size)
            codes = set()
            for number in range(0, 30_000, 1000):
                request = portfolio_pb2.GetPortfolioRequest(portfolio_id=f"p{number:06}")
                with pytest.raises(grpc.aio.AioRpcError) as failed:
                    await stub.GetPortfolio(request)
                codes.add(failed.value.code())
                assert "store.db" not in str(failed.value.details())
        log = server.log
    assert codes == {grpc.StatusCode.UNAVAILABLE}
    told = [line for line in log.splitlines() if "store_damaged" in line]
    assert len(told) == 1
    assert str(data / "store.db") in told[0]
    assert "restore a backup" in told[0]
    assert "internal_error" not in log
