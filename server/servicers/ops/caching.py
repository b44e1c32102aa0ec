"""What operators see of the caches, and how they make them forget or fill."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hexar.agents.gear.analysis.knowledge import vendor_name
from hexar.agents.gear.kinds import QUERY_ANSWER
from hexar.agents.gear.products.carriers import carriers
from hexar.agents.portfolio.documents.library import dependency
from hexar.core.cache import Entry
from hexar.core.cache.caches import tenant_dependencies
from hexar.core.errors import InvalidArgument, NotFound
from hexar.core.jobs.jobs import BACKGROUND
from hexar.server.calls.rpc import Call, Handler
from hexar.server.engine.process import Process
from hexar.server.servicers.ops import messages
from hexar.server.servicers.ops.messages import timestamp
from hexar.v1 import ops_pb2 as pb

_KEY = re.compile(r"[0-9a-f]{64}").fullmatch
#: Entries of one listing: where the caller names no number, and at most.
LISTED, MOST_LISTED = 100, 1000


class CacheHandlers:
    """The handlers over one process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._engine = process.engine

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method name."""
        return {
            "GetCacheStats": self.get_cache_stats,
            "InspectCache": self.inspect_cache,
            "InvalidateCache": self.invalidate_cache,
            "WarmCache": self.warm_cache,
        }

    async def get_cache_stats(self, call: Call) -> bytes:
        """Hits and misses by kind and tier."""
        call.decode(pb.GetCacheStatsRequest)
        report = await self._process.monitor.report()
        memory = report["tiers"]["memory"]
        return pb.GetCacheStatsResponse(
            kinds=messages.caches(report), memory_bytes=memory["bytes"], memory_limit_bytes=memory["limit"]
        ).SerializeToString()

    async def inspect_cache(self, call: Call) -> bytes:
        """What memory keeps for the caller's tenant, without its content."""
        request = call.decode(pb.InspectCacheRequest)
        self._known_kind(request.kind)
        if request.limit > MOST_LISTED:
            raise InvalidArgument("limit", f"at most {MOST_LISTED}")
        entries = [
            (key, kind, entry, size)
            for key, entry, size in self._engine.caches.memory.entries()
            if (kind := _kind_of(entry, call.tenant)) and request.kind in ("", kind)
        ]
        holds = self._engine.versions.holds
        listed = [
            pb.CacheEntry(
                key=key.hex(),
                kind=kind,
                bytes=size,
                stored_at=timestamp(entry.stored_at),
                fresh_until=timestamp(entry.fresh_until),
                valid=holds(entry.depends),
                depends=sorted(entry.depends),
            )
            for key, kind, entry, size in entries[: request.limit or LISTED]
        ]
        return pb.InspectCacheResponse(entries=listed, total=len(entries)).SerializeToString()

    async def invalidate_cache(self, call: Call) -> bytes:
        """Bump the version that the entries depend on, or drop one entry."""
        request = call.decode(pb.InvalidateCacheRequest)
        target = request.WhichOneof("target")
        if target == "entry":
            return await self._forget(call, request.entry)
        names = (
            self._product(call.tenant, request.product)
            if target == "product"
            else [self._name(call.tenant, target or "", request)]
        )
        version = 0
        for name in names:
            version = await self._engine.database.run(self._engine.versions.bump, name)
        return pb.InvalidateCacheResponse(name=", ".join(names), version=version).SerializeToString()

    def _product(self, tenant: str, product_id: str) -> list[str]:
        """The versions of the vendors that carry a product. Raises NotFound where memory has no answer that shows it."""
        if not 1 <= len(product_id) <= 64 or not product_id.isascii() or not product_id.isprintable():
            raise InvalidArgument("product", "must be 1 to 64 printable characters")
        answers = [
            entry.value for _, entry, _ in self._engine.caches.memory.entries() if _kind_of(entry, tenant) == QUERY_ANSWER.name
        ]
        vendors = carriers(answers, product_id)
        if not vendors:
            raise NotFound("product", product_id)
        return sorted(map(vendor_name, vendors))

    def _name(self, tenant: str, target: str, request: pb.InvalidateCacheRequest) -> str:
        """The version to bump. Raises InvalidArgument or NotFound where there is nothing of that name."""
        if target == "kind":
            self._known_kind(request.kind or " ")
            return tenant_dependencies(tenant, request.kind)[1]
        if target == "dependency":
            return self._dependency(tenant, request.dependency)
        if target == "portfolio":
            name = dependency(tenant, request.portfolio)
            if not self._engine.versions.get(name):
                raise NotFound("portfolio", request.portfolio)
            return name
        if target == "vendor":
            if request.vendor not in {vendor for servicer in self._process.servicers for vendor in servicer.vendors()}:
                raise NotFound("vendor", request.vendor)
            return vendor_name(request.vendor)
        if target == "everything" and request.everything:
            return tenant_dependencies(tenant, "")[0]
        raise InvalidArgument("target", "set kind, dependency, everything, portfolio, vendor, product or entry")

    def _dependency(self, tenant: str, name: str) -> str:
        if not 1 <= len(name) <= 256 or not name.isprintable():
            raise InvalidArgument("dependency", "must be 1 to 256 printable characters")
        # The names of what a tenant has begin with what it is and then the tenant.
        _, _, rest = name.partition(":")
        owner = rest.replace("/", ":").partition(":")[0]
        if owner != tenant or not self._engine.versions.get(name):
            raise InvalidArgument("dependency", "nothing of yours has this name")
        return name

    async def _forget(self, call: Call, key: str) -> bytes:
        if not _KEY(key):
            raise InvalidArgument("entry", "must be 64 hexadecimal digits")
        entry = self._engine.caches.memory.get(bytes.fromhex(key))
        if entry is None or not _kind_of(entry, call.tenant):
            raise NotFound("entry", key)
        self._engine.caches.forget(bytes.fromhex(key))
        if self._process.monitor.tell is not None:
            await self._process.monitor.tell({"entry": key})
        return pb.InvalidateCacheResponse(name=key).SerializeToString()

    def _known_kind(self, kind: str) -> None:
        kinds = self._engine.caches.kinds
        if kind and kind not in kinds:
            raise InvalidArgument("kind", f"no such cache kind; known are {', '.join(sorted(kinds))}")

    async def warm_cache(self, call: Call) -> bytes:
        """Queue jobs that ask ahead."""
        request = call.decode(pb.WarmCacheRequest)
        if len(request.queries) > 100:
            raise InvalidArgument("queries", "at most 100")
        for index, text in enumerate(request.queries):
            if not 1 <= len(text) <= 1000:
                raise InvalidArgument(f"queries[{index}]", "must be 1 to 1000 characters")
        job_ids: list[str] = []
        for servicer in self._process.servicers:
            for kind, payload, key in servicer.warm_jobs(call.tenant, request):
                job = await self._engine.jobs.submit(kind, payload, tenant=call.tenant, priority=BACKGROUND, dedupe_key=key)
                job_ids.append(job.id)
        return pb.WarmCacheResponse(job_ids=job_ids).SerializeToString()


def _kind_of(entry: Entry, tenant: str) -> str:
    """The kind of an entry of ``tenant``; empty where it is another's."""
    mine = f"kind:{tenant}:"
    return next((name.removeprefix(mine) for name in entry.depends if name.startswith(mine)), "")
