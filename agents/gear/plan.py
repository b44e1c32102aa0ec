"""What one query's answer is made of, before anything is asked: its cache key, its scope, its user.

Look-up order: a user with a context has an answer of their own; everyone else shares the *global* answer, which is computed
without any context. A user's answer is never cut down to a global one, nor a global one shown to a user whose context would
rank it differently: their answer is then assembled from the static and live caches, which costs no vendor call.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hexar.agents.gear.analysis.knowledge import vendor_name, version_name
from hexar.agents.gear.kinds import QUERY_ANSWER, USER_CONTEXT
from hexar.agents.gear.request.criteria import brand_key, terrain_names
from hexar.agents.gear.request.sizes import size_key
from hexar.agents.gear.request.validation import DEFAULT_LIMIT
from hexar.core.cache import Caches
from hexar.core.cachekey import cache_key, normalize_text
from hexar.v1 import common_pb2, query_pb2

#: The cache kinds of answers and of users.
KIND, USER_KIND = QUERY_ANSWER.name, USER_CONTEXT.name


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """One request, ready to be answered.

    ``fields`` make the cache key ``key`` of the kind ``query_answer``; ``depends`` are the names of the versions that the
    answer is made from. ``scope`` is "user" or "global"; ``user`` is the context in force, None for a global answer.
    """

    request: query_pb2.QueryRequest
    tenant: str
    scope: str
    user: query_pb2.UserContext | None
    vendors: tuple[str, ...]
    limit: int
    wait: float
    fields: dict[str, object]
    key: bytes
    depends: tuple[str, ...]
    read_cache: bool
    write_cache: bool
    only_cache: bool


def make_plan(
    request: query_pb2.QueryRequest,
    tenant: str,
    user: query_pb2.UserContext | None,
    vendors: Iterable[str],
    revision: object,
) -> QueryPlan:
    """The plan of a request that passed validation. ``revision`` is what else answers depend on: weights, configuration."""
    asked = tuple(sorted(set(request.vendors) or set(vendors)))
    wait = request.wait_for_analysis.seconds + request.wait_for_analysis.nanos / 1e9
    limit = request.limit or DEFAULT_LIMIT
    fields: dict[str, object] = {
        "text": normalize_text(request.text),
        "filters": _filters(request.filters),
        "ordering": int(request.ordering),
        "limit": limit,
        "vendors": list(asked),
        "wait": wait,
        "revision": revision,
    }
    known = user if user is not None and user.ByteSize() else None
    if known is not None:
        fields["user"] = {"id": request.user_id, "context": _user(known)}
    policy = request.cache_policy
    only = policy == common_pb2.CACHE_POLICY_ONLY
    return QueryPlan(
        request=request,
        tenant=tenant,
        scope="global" if known is None else "user",
        user=known,
        vendors=asked,
        limit=limit,
        wait=wait,
        fields=fields,
        key=cache_key(tenant, KIND, fields),
        depends=tuple(name(vendor) for vendor in asked for name in (vendor_name, version_name)),
        read_cache=policy != common_pb2.CACHE_POLICY_REFRESH,
        # What was made of caches alone may lack a vendor that could have been asked.
        write_cache=not only,
        only_cache=only,
    )


def _filters(filters: query_pb2.Filters) -> dict[str, object]:
    return {
        "price_min": _money(filters.price_min) if filters.HasField("price_min") else None,
        "price_max": _money(filters.price_max) if filters.HasField("price_max") else None,
        "skill_level": int(filters.skill_level),
        "brands": sorted({" ".join(brand_key(name)) for name in filters.brands}),
        "categories": sorted({normalize_text(name) for name in filters.categories}),
        "in_stock": filters.in_stock,
        "terrain": sorted(terrain_names(filters.terrain)),
        "sizes": sorted({size_key(size) for size in filters.sizes}),
        "measures": [
            [
                int(measure.quantity),
                measure.min if measure.HasField("min") else None,
                measure.max if measure.HasField("max") else None,
            ]
            for measure in sorted(filters.measures, key=lambda one: one.SerializeToString(deterministic=True))
        ],
        "excluded_levels": sorted({int(level) for level in filters.excluded_levels}),
        "excluded_brands": sorted({" ".join(brand_key(name)) for name in filters.excluded_brands}),
        "excluded_terrain": sorted(terrain_names(filters.excluded_terrain)),
        "excluded_terms": sorted({normalize_text(term) for term in filters.excluded_terms}),
    }


def _user(user: query_pb2.UserContext) -> dict[str, object]:
    return {
        "skill_level": int(user.skill_level),
        "budget": _money(user.budget) if user.HasField("budget") else None,
        "brands": sorted({" ".join(brand_key(name)) for name in user.brands}),
        "terrain": sorted(terrain_names(user.terrain)),
    }


def _money(money: common_pb2.Money) -> list[object]:
    return [money.currency_code, money.micros]


def merged_context(given: query_pb2.UserContext | None, stored: query_pb2.UserContext | None) -> query_pb2.UserContext | None:
    """``stored`` with every field that ``given`` sets in its place; None where neither says anything."""
    result = query_pb2.UserContext()
    if stored is not None:
        result.CopyFrom(stored)
    if given is not None:
        if given.skill_level:
            result.skill_level = given.skill_level
        if given.HasField("budget"):
            result.budget.CopyFrom(given.budget)
        if given.brands:
            del result.brands[:]
            result.brands.extend(given.brands)
        if given.terrain:
            del result.terrain[:]
            result.terrain.extend(given.terrain)
    return result if result.ByteSize() else None


class Users:
    """The stored contexts of users, for seven days after they last gave one."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches

    async def context(self, request: query_pb2.QueryRequest, tenant: str) -> query_pb2.UserContext | None:
        """The context in force: the given one over the stored one. A given one is stored under the user's id."""
        given = request.user if request.HasField("user") else None
        if not request.user_id:
            return merged_context(given, None)
        key = cache_key(tenant, USER_KIND, {"user_id": request.user_id})
        entry = await self._caches.get(USER_KIND, key)
        stored = query_pb2.UserContext.FromString(entry.value) if entry is not None else None
        context = merged_context(given, stored)
        if given is not None and given.ByteSize() and context is not None:
            value = context.SerializeToString(deterministic=True)
            self._caches.put(USER_KIND, key, value, self._caches.snapshot(tenant, USER_KIND))
        return context
