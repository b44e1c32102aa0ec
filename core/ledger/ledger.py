"""Reservations and settlements of one process.

The slices that this process has leased are handed out under a lock in memory. Only when a slice is used up, the store is asked,
and a slice that runs low is refilled ahead of need. See :mod:`hexar.core.ledger.statements` for what the store guarantees.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from sqlalchemy import Connection

from hexar.core.errors import InvalidArgument, ResourceExhausted
from hexar.core.ids import random_hex
from hexar.core.ledger import statements
from hexar.core.ledger.statements import Budget, Charge, Lease, Refusal, Totals, Unlimited
from hexar.core.ledger.usage import Usage, UsageCounters, usage
from hexar.core.ledger.window import Period, window_at
from hexar.core.ledger.writer import Writer
from hexar.core.store import STORE_ERRORS, Database

_log = logging.getLogger(__name__)

#: How long a lease lives without being renewed, seconds: after this a killed process's money is back.
LEASE_SECONDS = 30.0

#: How often leases are renewed and what is not needed is returned, seconds.
MAINTENANCE_SECONDS = 1.0

#: How long "this tenant has no budget" is believed, seconds: a new budget takes hold after this at the latest.
UNLIMITED_SECONDS = 2.0

#: A slice that was not used for this long is returned, seconds; sooner where others are refused for want of it.
IDLE_SECONDS = 60.0
WANTED_IDLE_SECONDS = 1.0

#: The share of its life in which a lease is used: clocks differ, and a settlement takes time.
USABLE_SHARE = 0.8

#: How long a refusal asks the other holders to return what they do not use, seconds.
WANTED_SECONDS = 10.0

#: After a refusal no slice is fetched ahead for this long, seconds.
REFILL_PAUSE = 1.0

#: The most that one lease takes beyond what is asked for, micros.
MAX_SLICE = 50_000_000


@dataclass(slots=True, eq=False)
class _Slice:
    """A lease in this process: ``free`` and ``reserved`` are what is left of it."""

    lease: Lease
    free: int
    usable_until: float
    used_at: float
    reserved: int = 0


@dataclass(slots=True)
class _Tenant:
    slices: list[_Slice] = field(default_factory=list)
    #: Monotonic seconds until which the tenant is believed to have no budget.
    unlimited_until: float = 0.0
    #: The one request to the store that is under way, and when one ahead of need may follow a refusal.
    asking: "_Asking | None" = None
    refill_after: float = 0.0


@dataclass(slots=True, eq=False)
class _Asking:
    """A request for a slice. ``held`` is its asker's reservation, taken out of the slice before anybody else sees it."""

    future: "Future[Lease | Refusal | Unlimited]"
    held: "Reservation | None" = None


class _State(Enum):
    OPEN = 0
    LAPSED = 1
    CLOSED = 2


class Reservation:
    """Money set aside for one call. Settle or release it, once; what is left unsettled lapses by itself.

    ``with`` releases it where it was not settled.
    """

    __slots__ = ("_ledger", "_slice", "_state", "expires_at", "id", "micros", "tenant")

    def __init__(self, ledger: "Ledger", tenant: str, micros: int, part: _Slice | None, expires_at: float) -> None:
        self._ledger = ledger
        self._slice = part
        self._state = _State.OPEN
        self.id = random_hex(16)
        self.tenant = tenant
        self.micros = micros
        #: Monotonic seconds.
        self.expires_at = expires_at

    def settle(self, charge: Charge) -> None:
        """Write what the call has cost and return the rest. Durable when this returns. Blocking.

        A call that outlived its reservation is charged all the same.
        """
        self._ledger._settle(self, charge).result()

    async def settle_async(self, charge: Charge) -> None:
        """As :meth:`settle`. A cancelled caller's charge is written all the same."""
        await asyncio.shield(asyncio.wrap_future(self._ledger._settle(self, charge)))

    def settle_soon(self, charge: Charge) -> None:
        """As :meth:`settle`, without waiting until it is durable: for a caller that is leaving."""
        self._ledger._settle(self, charge)

    @property
    def open(self) -> bool:
        """True until it is settled or released."""
        return self._state is not _State.CLOSED

    def release(self) -> None:
        """Return all of it: nothing was used. Never blocks; a second call, or one after settling, does nothing."""
        self._ledger._release(self)

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Ledger:
    """The ledger of one process; several processes may share its database.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(
        self, database: Database, *, clock: Callable[[], float] | None = None, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._database = database
        self._clock = clock or database.time
        self._lease_seconds = lease_seconds
        self._lock = threading.Lock()
        self._tenants: dict[str, _Tenant] = {}
        self._reservations: dict[str, Reservation] = {}
        self._next_renewal = time.monotonic() + lease_seconds / 3
        #: What this process has charged since it started.
        self.counters = UsageCounters()
        self._writer = Writer(database, self._maintain, MAINTENANCE_SECONDS)

    def set_budget(self, tenant: str, limit_micros: int, *, currency: str = "USD", period: Period = Period.MONTH) -> None:
        """Limit ``tenant``; raises InvalidArgument. Takes hold in every process within :data:`UNLIMITED_SECONDS`. Blocking."""
        if limit_micros < 0:
            raise InvalidArgument("limit_micros", "must not be negative")
        now = self._clock()
        self._writer.submit(tenant, lambda c: statements.set_budget(c, tenant, currency, limit_micros, period, now)).result()
        self._forget(tenant)

    def remove_budget(self, tenant: str) -> bool:
        """Let ``tenant`` spend without limit; False where it had none. Blocking."""
        removed = self._writer.submit(tenant, lambda c: statements.remove_budget(c, tenant)).result()
        self._forget(tenant)
        return removed

    def budget(self, tenant: str) -> Budget | None:
        """The budget of ``tenant`` now, or None where it is unlimited. Blocking."""
        with self._database.read() as connection:
            return statements.read_budget(connection, tenant, self._clock())

    def usage(
        self, tenant: str, since: float = 0.0, until: float | None = None, *, period: Period = Period.TOTAL, model: str = ""
    ) -> list[Usage]:
        """What ``tenant`` has used by model, kind and period; see :func:`hexar.core.ledger.usage.usage`. Blocking."""
        with self._database.read() as connection:
            return usage(connection, tenant, since, until if until is not None else self._clock(), period, model)

    def tenants(self) -> list[str]:
        """Everybody who was ever charged, by name. Blocking."""
        with self._database.read() as connection:
            return statements.tenants(connection)

    def totals(self, tenant: str, since: float = 0.0, until: float | None = None) -> Totals:
        """What ``tenant`` has used, from ``since`` to before ``until`` (seconds since 1970). Blocking."""
        with self._database.read() as connection:
            return statements.totals(connection, tenant, since, until)

    def reserve(self, tenant: str, micros: int, *, seconds: float = 600.0) -> Reservation:
        """Set ``micros`` aside for a call of at most ``seconds``; raises ResourceExhausted.

        Waits for the store only where the slice in memory does not suffice.
        """
        while True:
            held = self._from_memory(tenant, micros, seconds)
            if held is not None:
                return held
            asking, mine = self._ask(tenant, micros, seconds)
            result = asking.future.result()
            if mine and asking.held is not None:
                return asking.held
            if mine:
                _check(result)

    async def reserve_async(self, tenant: str, micros: int, *, seconds: float = 600.0) -> Reservation:
        """As :meth:`reserve`, on the event loop. A caller that is cancelled holds nothing."""
        while True:
            held = self._from_memory(tenant, micros, seconds)
            if held is not None:
                return held
            asking, mine = self._ask(tenant, micros, seconds)
            try:
                result = await asyncio.shield(asyncio.wrap_future(asking.future))
            except asyncio.CancelledError:
                if mine:
                    asking.future.add_done_callback(partial(_give_up, asking))
                raise
            if mine and asking.held is not None:
                return asking.held
            if mine:
                _check(result)

    def close(self) -> None:
        """Return what is leased and end the writer's thread. Open reservations are returned too."""
        with self._lock:
            slices = [part for state in self._tenants.values() for part in state.slices]
            self._tenants.clear()
            self._reservations.clear()
        for part in slices:
            lease = part.lease
            self._writer.submit(lease.tenant, partial(_return, lease, part.free + part.reserved))
        self._writer.close()

    def _from_memory(self, tenant: str, micros: int, seconds: float) -> Reservation | None:
        if micros < 0:
            raise InvalidArgument("micros", "must not be negative")
        now = time.monotonic()
        with self._lock:
            state = self._tenants.get(tenant) or self._tenants.setdefault(tenant, _Tenant())
            if state.unlimited_until > now:
                held = self._reservation(tenant, micros, None, now + seconds)
                refill = state.unlimited_until - now < UNLIMITED_SECONDS / 2 and now >= state.refill_after
            else:
                part = next((one for one in state.slices if one.free >= micros and self._usable(one, now)), None)
                if part is None:
                    return None
                part.free -= micros
                part.reserved += micros
                part.used_at = now
                held = self._reservation(tenant, micros, part, now + seconds)
                left = sum(one.free for one in state.slices)
                refill = left < max(2 * micros, part.lease.amount_micros // 4) and now >= state.refill_after
        if refill:
            # Before anybody has to wait for it.
            self._ask(tenant, micros, 0.0, ahead=True)
        return held

    def _reservation(self, tenant: str, micros: int, part: _Slice | None, expires_at: float) -> Reservation:
        held = Reservation(self, tenant, micros, part, expires_at)
        self._reservations[held.id] = held
        return held

    def _usable(self, part: _Slice, now: float) -> bool:
        return part.usable_until > now and window_at(part.lease.period, self._clock()) <= part.lease.window

    def _ask(self, tenant: str, micros: int, seconds: float, *, ahead: bool = False) -> tuple[_Asking, bool]:
        """Ask the store for a slice of at least ``micros``, or join the request that is under way (False).

        What is left of this process's slices is returned first, so that small rests are no reason to refuse. A request
        ``ahead`` of need leaves them.
        """
        drained: list[tuple[_Slice, int]] = []
        started = time.monotonic()

        def run(connection: Connection) -> Lease | Refusal | Unlimited:
            if not ahead:
                with self._lock:
                    parts = self._tenants.setdefault(tenant, _Tenant()).slices
                    drained.extend((part, part.free) for part in parts if part.free)
                    for part in parts:
                        part.free = 0
            for part, amount in drained:
                statements.give_back(connection, part.lease.id, tenant, amount)
            return statements.take_lease(connection, tenant, micros, MAX_SLICE, self._clock(), self._lease_seconds)

        def committed(result: Lease | Refusal | Unlimited) -> None:
            now = time.monotonic()
            with self._lock:
                state = self._tenants.setdefault(tenant, _Tenant())
                state.asking = None
                if isinstance(result, Lease):
                    usable_until = started + self._lease_seconds * USABLE_SHARE
                    part = _Slice(result, result.amount_micros, usable_until, now)
                    state.slices.append(part)
                    if not ahead:
                        part.free -= micros
                        part.reserved += micros
                        asking.held = self._reservation(tenant, micros, part, now + seconds)
                elif isinstance(result, Unlimited):
                    state.unlimited_until = now + UNLIMITED_SECONDS
                else:
                    state.refill_after = now + REFILL_PAUSE

        def failed() -> None:
            with self._lock:
                self._tenants.setdefault(tenant, _Tenant()).asking = None
                for part, amount in drained:
                    part.free += amount

        with self._lock:
            state = self._tenants.setdefault(tenant, _Tenant())
            if state.asking is not None:
                return state.asking, False
            # Submitted under the lock: the writer's answer waits for it, so `asking` is there before it is used.
            state.asking = asking = _Asking(self._writer.submit(tenant, run, committed, failed))
        return asking, True

    def _wanted(self, now: float) -> set[str]:
        """The tenants of which this process holds idle slices that others are refused for."""
        with self._lock:
            holding = [
                tenant
                for tenant, state in self._tenants.items()
                if any(part.free and part.used_at + WANTED_IDLE_SECONDS <= now for part in state.slices)
            ]
        if not holding:
            return set()
        with self._database.read() as connection:
            return statements.wanted(connection, holding, self._clock() - WANTED_SECONDS)

    def _settle(self, held: Reservation, charge: Charge) -> "Future[None]":
        if charge.cost_micros < 0:
            raise InvalidArgument("cost_micros", "must not be negative")
        part = held._slice
        covered = 0
        with self._lock:
            if held._state is _State.CLOSED:
                raise RuntimeError("a reservation is settled or released once")
            reserved = held.micros if held._state is _State.OPEN else 0
            held._state = _State.CLOSED
            self._reservations.pop(held.id, None)
            if part is not None:
                part.reserved -= reserved
                part.free += reserved
                # What the call cost beyond its reservation comes out of the slice too, as far as that goes.
                covered = min(charge.cost_micros, part.free)
                part.free -= covered
        lease = part.lease if part is not None else None
        now = self._clock()
        return self._writer.submit(
            held.tenant,
            lambda c: statements.record(c, held.id, held.tenant, lease, covered, charge, now),
            lambda _: self.counters.add(held.tenant, charge),
        )

    def _release(self, held: Reservation, state: _State = _State.CLOSED) -> None:
        with self._lock:
            if held._state is _State.OPEN:
                self._reservations.pop(held.id, None)
                if held._slice is not None:
                    held._slice.reserved -= held.micros
                    held._slice.free += held.micros
                held._state = state

    def _forget(self, tenant: str) -> None:
        with self._lock:
            state = self._tenants.get(tenant)
            if state is not None:
                state.unlimited_until = 0.0

    def _maintain(self) -> None:
        """On the writer's thread, when nothing is to be written or every so often: lapse, return, renew."""
        now = time.monotonic()
        with self._lock:
            lapsed = [held for held in self._reservations.values() if held.expires_at <= now]
        for held in lapsed:
            self._release(held, _State.LAPSED)
        try:
            wanted = self._wanted(now)
        except STORE_ERRORS:
            _log.exception("the ledger could not look for refused callers")
            wanted = set()
        with self._lock:
            idle = [
                part
                for tenant, state in self._tenants.items()
                for part in state.slices
                if not part.reserved
                and (not part.free or part.used_at + (WANTED_IDLE_SECONDS if tenant in wanted else IDLE_SECONDS) <= now)
            ]
            for part in idle:
                self._tenants[part.lease.tenant].slices.remove(part)
            renewing = now >= self._next_renewal
            kept = [part for state in self._tenants.values() for part in state.slices] if renewing else []
            if renewing:
                self._next_renewal = now + self._lease_seconds / 3
                self._tenants = {
                    tenant: state
                    for tenant, state in self._tenants.items()
                    if state.slices or state.asking is not None or state.unlimited_until > now
                }
        idle.sort(key=lambda part: part.lease.tenant)
        if not idle and not renewing:
            return
        try:
            # Each by itself: one transaction would come back to tenants that it has passed.
            with self._database.write() as connection:
                for part in idle:
                    _return(part.lease, part.free, connection)
            renewed: dict[str, list[str]] = {}
            for part in kept:
                renewed.setdefault(part.lease.tenant, []).append(part.lease.id)
            with self._database.write() as connection:
                known = statements.renew(connection, renewed, self._clock() + self._lease_seconds)
            with self._database.write() as connection:
                statements.return_lapsed(connection, self._clock())
        except STORE_ERRORS:
            # The store is busy or gone: leases that are not renewed are not used, and come back when they lapse.
            _log.exception("the ledger could not renew its leases")
            return
        with self._lock:
            for part in kept:
                part.usable_until = now + self._lease_seconds * USABLE_SHARE if part.lease.id in known else 0.0


def _give_up(asking: _Asking, _: object) -> None:
    if asking.held is not None:
        asking.held.release()


def _return(lease: Lease, amount: int, connection: Connection) -> None:
    statements.give_back(connection, lease.id, lease.tenant, amount)


def _check(result: Lease | Refusal | Unlimited) -> None:
    if isinstance(result, Refusal):
        limit = result.limit_micros / 1_000_000
        raise ResourceExhausted(f"the budget of {limit:.2f} {result.currency} is used up", result.retry_after)
