"""MarketService: sales tables, and their analysis, over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, SecretStr, field_validator

from hexar.agents.market.compaction import compact
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.figures.warehouses import open_warehouse, scheme
from hexar.agents.market.kinds import KINDS
from hexar.agents.market.pipeline import AGENT, MarketPipeline
from hexar.agents.market.questions.reading import read
from hexar.agents.market.request.plan import KIND, make_plan
from hexar.agents.market.request.validation import check_analyze, check_name, check_page, check_register
from hexar.agents.market.tables.library import Entry, LibraryConfig, TableLibrary
from hexar.agents.market.tables.roles import NEEDS, ROLES
from hexar.agents.market.tables.schema import TABLES
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import Unavailable
from hexar.core.resilience.dispatch import BulkheadConfig
from hexar.core.store import STORE_ERRORS
from hexar.core.store.database import store_url
from hexar.core.telemetry.operations import Kind as Timed
from hexar.server.calls.rpc import Call, Handler
from hexar.server.calls.streaming import answer_spec, stream_answer
from hexar.server.engine import Engine
from hexar.server.engine.options import Option, attribute
from hexar.server.engine.system import Servicer, System
from hexar.server.servicers.market_upload import Upload
from hexar.server.settings.config import Strict
from hexar.v1 import market_pb2 as pb

T = TypeVar("T")

SERVICE = "hexar.v1.MarketService"
MEGABYTE = 1024 * 1024
#: Threads that tools and readings of tables hold at most, and how many wait: an analysis asks for a dozen at once.
THREADS, QUEUE = 16, 2048
#: Failures in a row that no pool sees.
NEVER = 1 << 62


class MarketConfig(Strict):
    """Sales tables: the folders that tables may be registered from, warehouses by name, and bounds.

    A warehouse is ``postgresql://…`` or ``sc://host:15002`` (Spark Connect).

    ``memory_mb`` is what all scans of a process hold together before they spill to disk; ``upload_mb`` and ``unpacked_mb`` are
    the most that an upload may have, and a file when it is unpacked.
    """

    roots: list[Path] = Field(default_factory=list)
    warehouses: dict[str, SecretStr] = Field(default_factory=dict)
    memory_mb: int = Field(default=512, ge=64)
    upload_mb: int = Field(default=1024, ge=1)
    unpacked_mb: int = Field(default=8192, ge=1)

    @field_validator("warehouses")
    @classmethod
    def _known(cls, warehouses: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, url in warehouses.items():
            try:
                if scheme(url.get_secret_value()) != "sc":
                    store_url(url.get_secret_value())
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return warehouses


class MarketSettings(BaseModel):
    """The section of the configuration."""

    market: MarketConfig = MarketConfig()


class MarketServicer(Servicer):
    """Analyses over the tables in the store, in the table folders and in the warehouses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        config = self._config = engine.settings.section(MarketSettings).market
        dispatch = engine.settings.dispatch
        engine.dispatcher.configure(
            AGENT,
            BulkheadConfig(
                max(dispatch.threads, THREADS),
                max(dispatch.queue, QUEUE),
                # The pool is this process' own: one caller's large table with a short deadline, or a warehouse that is away,
                # must not close it to the tables of others.
                breaker_threshold=NEVER,
            ),
        )
        self._folder = engine.settings.data_dir / "market"
        self._duck = DuckEngine(self._folder, config.roots, memory_mb=config.memory_mb)
        self._warehouses = {name: open_warehouse(url.get_secret_value()) for name, url in config.warehouses.items()}
        library = LibraryConfig(self._folder, tuple(config.roots), config.unpacked_mb * MEGABYTE)
        self.tables = TableLibrary(engine.database, self._duck, library, self._warehouses)
        self.pipeline = MarketPipeline(engine.dispatcher, engine.models, partial(engine.metrics.worked, Timed.TOOL))

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        return {
            f"{SERVICE}/Analyze": self.analyze,
            f"{SERVICE}/UploadTable": self.upload_table,
            f"{SERVICE}/RegisterTable": self.register_table,
            f"{SERVICE}/GetTable": self.get_table,
            f"{SERVICE}/ListTables": self.list_tables,
            f"{SERVICE}/DeleteTable": self.delete_table,
            f"{SERVICE}/ListColumnRoles": self.list_column_roles,
        }

    def options(self) -> Iterable[Option]:
        """Tools side by side."""
        text = "the tools of an analysis run one after the other"
        return (attribute("parallel_tools", text, self.pipeline, "side_by_side"),)

    async def close(self) -> None:
        """Close the engine and the connections to warehouses."""
        self._duck.close()
        for warehouse in self._warehouses.values():
            warehouse.close()

    # -- analysis -----------------------------------------------------------------------------------------------------------

    async def analyze(self, call: Call) -> None:
        """Stream one analysis."""
        request = call.decode(pb.AnalyzeRequest)
        check_analyze(request)
        entry = await self._entry(call, request.table)
        spend = await self._entry(call, request.spend_table) if request.spend_table else None
        reading = read(request.question, entry.profile) if request.question.strip() else None
        plan = make_plan(request, call.tenant, entry, spend, reading)
        spec = answer_spec(
            KIND, plan, self.pipeline.produce, self._engine.caches, call.deadline, compact=compact, adaptive=True
        )
        await stream_answer(call, spec, self._engine.answers, self._engine.gate, request.resume_after)

    async def _entry(self, call: Call, name: str) -> Entry:
        fresh = self.tables.fresh(call.tenant, name)
        return fresh if fresh is not None else await self._run(call, self.tables.get, call.tenant, name)

    # -- tables -------------------------------------------------------------------------------------------------------------

    async def upload_table(self, call: Call) -> bytes:
        """Take a table that a client streams."""
        upload = Upload(self._folder / "uploads", self._config.upload_mb * MEGABYTE)
        try:
            async for part in call.decode_stream(pb.UploadTableRequest):
                work = upload.accept(part)
                if work is not None:
                    await self._engine.dispatcher.call(AGENT, work, deadline=call.deadline)
            options, given = upload.complete()
            table = await self._run(call, self.tables.upload, call.tenant, options, given)
        finally:
            upload.remove()
        return pb.UploadTableResponse(table=table).SerializeToString()

    async def register_table(self, call: Call) -> bytes:
        """Make a table known that stays where it is."""
        request = call.decode(pb.RegisterTableRequest)
        check_register(request)
        if request.warehouse:
            table = await self._run(
                call, self.tables.register_relation, call.tenant, request.options, request.warehouse, request.relation
            )
        else:
            table = await self._run(call, self.tables.register, call.tenant, request.options, tuple(request.paths))
        return pb.RegisterTableResponse(table=table).SerializeToString()

    async def get_table(self, call: Call) -> bytes:
        """Describe a table as it is now."""
        request = call.decode(pb.GetTableRequest)
        check_name(request.name, "name")
        entry: Entry = await self._run(call, self.tables.get, call.tenant, request.name)
        return pb.GetTableResponse(table=entry.description).SerializeToString()

    async def list_tables(self, call: Call) -> bytes:
        """Tables by name."""
        request = call.decode(pb.ListTablesRequest)
        size = check_page(request.page)
        rows = await self._store(call, self.tables.page, call.tenant, request.page.token, size + 1)
        response = pb.ListTablesResponse(tables=rows[:size])
        if len(rows) > size:
            response.page.next_token = rows[size - 1].name
        return response.SerializeToString()

    async def delete_table(self, call: Call) -> bytes:
        """Forget a table."""
        request = call.decode(pb.DeleteTableRequest)
        check_name(request.name, "name")
        await self._store(call, self.tables.delete, call.tenant, request.name)
        return pb.DeleteTableResponse().SerializeToString()

    async def list_column_roles(self, call: Call) -> bytes:
        """What columns can mean."""
        call.decode(pb.ListColumnRolesRequest)
        roles = [
            pb.ColumnRoleInfo(
                role=role.number,
                name=role.name,
                description=role.description,
                found_as=role.names,
                computed_from=role.computed,
                needed_by=[tool for tool, needs in NEEDS.items() if any(role.name in need for need in needs)],
            )
            for role in sorted(ROLES.values(), key=lambda role: role.number)
        ]
        return pb.ListColumnRolesResponse(roles=roles).SerializeToString()

    async def _run(self, call: Call, function: Callable[..., T], *args: Any) -> T:
        """Run work on a table that can be cancelled: its last argument says so."""
        cancel = Cancel()
        try:
            return await self._engine.dispatcher.call(
                AGENT, function, *args, cancel, deadline=call.deadline, abandoned=cancel.cancel
            )
        except STORE_ERRORS as error:
            raise Unavailable("the tables cannot be read now") from error

    async def _store(self, call: Call, function: Callable[..., T], *args: Any) -> T:
        try:
            return await self._engine.dispatcher.call(AGENT, function, *args, deadline=call.deadline)
        except STORE_ERRORS as error:
            raise Unavailable("the tables cannot be read now") from error


SYSTEM = System(
    name="market",
    services=(pb.DESCRIPTOR,),
    servicer=MarketServicer,
    kinds=KINDS,
    tables=TABLES,
    settings=MarketSettings,
)
