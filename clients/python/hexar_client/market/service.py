"""MarketService, blocking and asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

from hexar.v1 import market_pb2 as pb
from hexar.v1 import market_pb2_grpc
from hexar_client._rpc.calls import LONG_TIMEOUT, AsyncCalls, Calls, off_loop
from hexar_client._rpc.stream import AsyncStream, Stream
from hexar_client.market.analysis import UPLOAD_TIMEOUT, Analysis, AnalyzeEvents, parts


class Market:
    """MarketService for blocking code."""

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._stub: Any = market_pb2_grpc.MarketServiceStub(client.channel)

    def analyze(
        self, request: pb.AnalyzeRequest, timeout: float | None = None, *, restart: bool = False
    ) -> Stream[AnalyzeEvents]:
        """An analysis; iterate the result for typed events. ``restart`` as for Client.query."""
        return self._client.stream(self._stub.Analyze, request, self._client.seconds(timeout, LONG_TIMEOUT), restart)

    def run(self, request: pb.AnalyzeRequest, timeout: float | None = None) -> Analysis:
        """A whole analysis."""
        made = Analysis()
        for event in self.analyze(request, timeout, restart=True):
            made.apply(event)
        return made

    def upload(self, made: pb.TableOptions, *files: str | Path, timeout: float | None = None) -> pb.Table:
        """Bring a table of one or more files."""
        frames: Any = parts(made, files)
        response = self._client.unary(self._stub.UploadTable, frames, self._client.seconds(timeout, UPLOAD_TIMEOUT))
        return cast("pb.UploadTableResponse", response).table

    def register(self, made: pb.TableOptions, *paths: str, warehouse: str = "", relation: str = "") -> pb.Table:
        """Make a table known that lies in a table folder of the server, or in a warehouse."""
        request = pb.RegisterTableRequest(options=made, paths=paths, warehouse=warehouse, relation=relation)
        return cast("pb.RegisterTableResponse", self._client.unary(self._stub.RegisterTable, request)).table

    def table(self, name: str) -> pb.Table:
        """A table as it was read."""
        return cast("pb.GetTableResponse", self._client.unary(self._stub.GetTable, pb.GetTableRequest(name=name))).table

    def tables(self) -> Iterator[pb.Table]:
        """All tables by name, page by page."""
        return self._client.pages(self._stub.ListTables, pb.ListTablesRequest(), lambda page: page.tables)

    def delete(self, name: str) -> None:
        """Forget a table."""
        self._client.unary(self._stub.DeleteTable, pb.DeleteTableRequest(name=name))

    def roles(self) -> list[pb.ColumnRoleInfo]:
        """What columns can mean."""
        response = self._client.unary(self._stub.ListColumnRoles, pb.ListColumnRolesRequest())
        return list(cast("pb.ListColumnRolesResponse", response).roles)


class AsyncMarket:
    """MarketService on the event loop."""

    def __init__(self, client: AsyncCalls) -> None:
        self._client = client
        self._stub: Any = market_pb2_grpc.MarketServiceStub(client.channel)

    def analyze(
        self, request: pb.AnalyzeRequest, timeout: float | None = None, *, restart: bool = False
    ) -> AsyncStream[AnalyzeEvents]:
        """An analysis; iterate the result for typed events. ``restart`` as for Client.query."""
        return self._client.stream(self._stub.Analyze, request, self._client.seconds(timeout, LONG_TIMEOUT), restart)

    async def run(self, request: pb.AnalyzeRequest, timeout: float | None = None) -> Analysis:
        """A whole analysis."""
        made = Analysis()
        async for event in self.analyze(request, timeout, restart=True):
            made.apply(event)
        return made

    async def upload(self, made: pb.TableOptions, *files: str | Path, timeout: float | None = None) -> pb.Table:
        """Bring a table of one or more files, read off the event loop."""
        frames: Any = off_loop(parts(made, files))
        response = await self._client.unary(self._stub.UploadTable, frames, self._client.seconds(timeout, UPLOAD_TIMEOUT))
        return cast("pb.UploadTableResponse", response).table

    async def register(self, made: pb.TableOptions, *paths: str, warehouse: str = "", relation: str = "") -> pb.Table:
        """Make a table known that lies in a table folder of the server, or in a warehouse."""
        request = pb.RegisterTableRequest(options=made, paths=paths, warehouse=warehouse, relation=relation)
        return cast("pb.RegisterTableResponse", await self._client.unary(self._stub.RegisterTable, request)).table

    async def table(self, name: str) -> pb.Table:
        """A table as it was read."""
        response = await self._client.unary(self._stub.GetTable, pb.GetTableRequest(name=name))
        return cast("pb.GetTableResponse", response).table

    def tables(self) -> AsyncIterator[pb.Table]:
        """All tables by name, page by page."""
        return self._client.pages(self._stub.ListTables, pb.ListTablesRequest(), lambda page: page.tables)

    async def delete(self, name: str) -> None:
        """Forget a table."""
        await self._client.unary(self._stub.DeleteTable, pb.DeleteTableRequest(name=name))

    async def roles(self) -> list[pb.ColumnRoleInfo]:
        """What columns can mean."""
        response = await self._client.unary(self._stub.ListColumnRoles, pb.ListColumnRolesRequest())
        return list(cast("pb.ListColumnRolesResponse", response).roles)
