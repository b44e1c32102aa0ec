"""The ledger's tables and the statements on them. All run inside one write transaction of their caller.

``held`` of a budget is always the sum of its leases, and ``spent`` the sum of the charges of its window, so that
``spent + held <= limit`` means that no set of processes can overdraw it. A charge that costs more than was reserved for
it is written as it is: the money is gone.

A transaction locks the budget's row before it touches the tenant's leases, and several tenants in the order of their names.
"""

import time
import uuid
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from hexar.core.ledger.window import Period, window_at, window_end
from hexar.core.store import metadata

budgets = Table(
    "ledger_budgets",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("limit_micros", BigInteger, nullable=False),
    Column("period", String(8), nullable=False),
    Column("window", Integer, nullable=False),
    Column("spent_micros", BigInteger, nullable=False),
    Column("held_micros", BigInteger, nullable=False),
    # When somebody was last refused what others hold, seconds since 1970: holders then return what lies idle.
    Column("wanted_at", Float, nullable=False),
)

leases = Table(
    "ledger_leases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("tenant", String(255), nullable=False, index=True),
    Column("window", Integer, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("expires_at", Float, nullable=False),
)

charges = Table(
    "ledger_charges",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("tenant", String(255), nullable=False),
    Column("at", Float, nullable=False),
    Column("window", Integer, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("model", String(255), nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Index("ix_ledger_charges_tenant_at", "tenant", "at"),
)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call has used. ``cost_micros`` are millionths of ``currency``; ``kind`` is the answer system."""

    cost_micros: int
    currency: str = ""
    kind: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """A tenant's budget now, micros. ``held`` is reserved, or leased to processes that will reserve it.

    ``resets_at`` is seconds since 1970; None: the budget does not become full again.
    """

    tenant: str
    currency: str
    limit_micros: int
    period: Period
    spent_micros: int
    held_micros: int
    resets_at: float | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over charges."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A slice of a budget that one process may hand out until ``expires_at`` (seconds since 1970)."""

    id: str
    tenant: str
    period: Period
    window: int
    amount_micros: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no lease was given: ``retry_after`` seconds until there may be one."""

    limit_micros: int
    currency: str
    retry_after: float


@dataclass(frozen=True, slots=True)
class Unlimited:
    """The tenant has no budget: nothing needs to be reserved."""


#: Part of what is free that a lease takes, beyond what is asked for: small slices near the limit, none at it.
SLICE_SHARE = 16

#: How long a refused caller should wait when others hold what they may not need, seconds.
HELD_RETRY = 2.0


def set_budget(connection: Connection, tenant: str, currency: str, limit_micros: int, period: Period, now: float) -> None:
    """Create a budget or change its limit. What is spent and held stays, unless the period changes."""
    window = window_at(period, now)
    # Processes that start together set the same budget; one of them makes the row.
    insert_new = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    made = connection.execute(
        insert_new(budgets)
        .values(
            tenant=tenant,
            currency=currency,
            limit_micros=limit_micros,
            period=period.value,
            window=window,
            spent_micros=0,
            held_micros=0,
            wanted_at=0.0,
        )
        .on_conflict_do_nothing()
        .returning(budgets.c.tenant)
    )
    if made.first() is not None:
        return
    row = connection.execute(select(budgets).where(budgets.c.tenant == tenant).with_for_update()).mappings().one()
    values: dict[str, object] = {"limit_micros": limit_micros, "currency": currency, "period": period.value}
    if row["period"] != period.value or row["currency"] != currency:
        connection.execute(delete(leases).where(leases.c.tenant == tenant))
        values |= {"window": window, "spent_micros": 0, "held_micros": 0}
    connection.execute(update(budgets).where(budgets.c.tenant == tenant).values(**values))


def remove_budget(connection: Connection, tenant: str) -> bool:
    """Make ``tenant`` unlimited. False where it was."""
    _lock(connection, tenant)
    connection.execute(delete(leases).where(leases.c.tenant == tenant))
    return connection.execute(delete(budgets).where(budgets.c.tenant == tenant)).rowcount > 0


def read_budget(connection: Connection, tenant: str, now: float) -> Budget | None:
    """The budget of ``tenant`` as it is now, or None."""
    row = connection.execute(select(budgets).where(budgets.c.tenant == tenant)).mappings().first()
    if row is None:
        return None
    period = Period(row["period"])
    window = window_at(period, now)
    current = row["window"] >= window
    return Budget(
        tenant=tenant,
        currency=row["currency"],
        limit_micros=row["limit_micros"],
        period=period,
        spent_micros=row["spent_micros"] if current else 0,
        held_micros=row["held_micros"] if current else 0,
        resets_at=window_end(period, window),
    )


def take_lease(
    connection: Connection, tenant: str, asked: int, most: int, now: float, seconds: float
) -> Lease | Refusal | Unlimited:
    """Lease at least ``asked`` micros, or tell why not; ``most`` bounds the slice. Lapsed leases are returned first."""
    row = connection.execute(select(budgets).where(budgets.c.tenant == tenant).with_for_update()).mappings().first()
    if row is None:
        return Unlimited()
    period = Period(row["period"])
    window = window_at(period, now)
    spent, held = row["spent_micros"], row["held_micros"]
    if row["window"] < window:
        _begin_window(connection, tenant, window)
        spent = held = 0
    else:
        window = row["window"]  # a clock behind the one that began this window stays in it
        held -= _drop_lapsed(connection, tenant, now)
    free = row["limit_micros"] - spent - held
    values: dict[str, float] = {"window": window, "spent_micros": spent, "held_micros": held}
    result: Lease | Refusal
    if asked > free:
        end = window_end(period, window)
        wait = end - now if end is not None else 3600.0
        if asked <= free + held:
            wait = HELD_RETRY
            values["wanted_at"] = now
        result = Refusal(row["limit_micros"], row["currency"], max(1.0, wait))
    else:
        amount = max(asked, min(most, free // SLICE_SHARE))
        result = Lease(uuid.uuid4().hex, tenant, period, window, amount, now + seconds)
        values["held_micros"] = held + amount
        connection.execute(
            insert(leases).values(
                id=result.id, tenant=tenant, window=window, amount_micros=amount, expires_at=result.expires_at
            )
        )
    connection.execute(update(budgets).where(budgets.c.tenant == tenant).values(**values))
    return result


def give_back(connection: Connection, lease_id: str, tenant: str, amount: int) -> None:
    """Return ``amount`` of a lease; the lease ends when it is empty. A lease that has lapsed was returned already."""
    _lock(connection, tenant)
    taken = _shrink(connection, lease_id, amount)
    if taken:
        _add(connection, tenant, spent=0, held=-taken)


# Built once: composing a statement costs more than running it, and every model call is charged.
_BUDGET_LOCKED = select(budgets).where(budgets.c.tenant == bindparam("tenant")).with_for_update()
_CHARGE = select(charges.c.id).where(charges.c.id == bindparam("id"))
_INSERT_CHARGE = insert(charges)


def record(
    connection: Connection,
    charge_id: str,
    tenant: str,
    lease: Lease | None,
    covered: int,
    charge: Charge,
    now: float,
) -> None:
    """Write a charge, of which ``covered`` micros come out of ``lease``. The same ``charge_id`` is written once.

    Without a lease the charge burdens the window that is now, where the tenant has a budget by now.
    """
    row = connection.execute(_BUDGET_LOCKED, {"tenant": tenant}).mappings().first()
    if connection.execute(_CHARGE, {"id": charge_id}).first() is not None:
        return
    window = row["window"] if row is not None else 0
    if lease is not None:
        window = lease.window
    elif row is not None and window_at(Period(row["period"]), now) > window:
        window = window_at(Period(row["period"]), now)
        _begin_window(connection, tenant, window)
    values = {
        "id": charge_id,
        "tenant": tenant,
        "at": now,
        "window": window,
        "kind": charge.kind,
        "model": charge.model,
        "prompt_tokens": charge.prompt_tokens,
        "completion_tokens": charge.completion_tokens,
        "estimated": charge.estimated,
        "cost_micros": charge.cost_micros,
        "currency": charge.currency,
    }
    connection.execute(_INSERT_CHARGE, values)
    taken = _shrink(connection, lease.id, covered) if lease is not None and covered else 0
    # A charge of a window that is over does not burden the new one; its lease went with its window.
    if row is not None and (lease is None or row["window"] == window):
        _add(connection, tenant, spent=charge.cost_micros, held=-taken)


def wanted(connection: Connection, tenants: list[str], since: float) -> set[str]:
    """Those of ``tenants`` where somebody was refused after ``since`` what others hold."""
    query = select(budgets.c.tenant).where(budgets.c.tenant.in_(tenants), budgets.c.wanted_at >= since)
    return set(connection.scalars(query))


def renew(connection: Connection, lease_ids: dict[str, list[str]], expires_at: float) -> set[str]:
    """Prolong the leases of each tenant; the ids of those that still exist."""
    known: set[str] = set()
    for tenant, ids in sorted(lease_ids.items()):
        # As every statement on leases: first the budget's row, so that nobody waits in a circle.
        _lock(connection, tenant)
        prolonged = update(leases).where(leases.c.id.in_(ids)).values(expires_at=expires_at).returning(leases.c.id)
        known.update(connection.scalars(prolonged))
    return known


def return_lapsed(connection: Connection, now: float) -> int:
    """Return every lapsed lease of every tenant to its budget; micros returned."""
    tenants = sorted(set(connection.scalars(select(leases.c.tenant).where(leases.c.expires_at <= now))))
    total = 0
    for tenant in tenants:
        _lock(connection, tenant)
        returned = _drop_lapsed(connection, tenant, now)
        _add(connection, tenant, spent=0, held=-returned)
        total += returned
    return total


def tenants(connection: Connection) -> list[str]:
    """Everybody who was ever charged, by name."""
    return [name for (name,) in connection.execute(select(charges.c.tenant).distinct().order_by(charges.c.tenant))]


def totals(connection: Connection, tenant: str, since: float = 0.0, until: float | None = None) -> Totals:
    """Sums of the charges of ``tenant`` from ``since`` to before ``until`` (seconds since 1970)."""
    query = select(
        func.count(),
        func.coalesce(func.sum(charges.c.prompt_tokens), 0),
        func.coalesce(func.sum(charges.c.completion_tokens), 0),
        func.coalesce(func.sum(charges.c.cost_micros), 0),
    ).where(charges.c.tenant == tenant, charges.c.at >= since, charges.c.at < (until or time.time() + 1e9))
    calls, prompt, completion, cost = connection.execute(query).one()
    return Totals(int(calls), int(prompt), int(completion), int(cost))


def _lock(connection: Connection, tenant: str) -> None:
    """Lock the budget's row (SQLite has locked the whole file)."""
    connection.execute(select(budgets.c.window).where(budgets.c.tenant == tenant).with_for_update())


def _begin_window(connection: Connection, tenant: str, window: int) -> None:
    connection.execute(delete(leases).where(leases.c.tenant == tenant))
    connection.execute(update(budgets).where(budgets.c.tenant == tenant).values(window=window, spent_micros=0, held_micros=0))


def _add(connection: Connection, tenant: str, spent: int, held: int) -> None:
    connection.execute(
        update(budgets)
        .where(budgets.c.tenant == tenant)
        .values(spent_micros=budgets.c.spent_micros + spent, held_micros=budgets.c.held_micros + held)
    )


def _shrink(connection: Connection, lease_id: str, amount: int) -> int:
    """Take up to ``amount`` out of a lease; what was taken. The lease goes when it is empty."""
    held = connection.scalar(select(leases.c.amount_micros).where(leases.c.id == lease_id))
    if held is None:
        return 0
    taken = min(int(held), amount)
    if taken == held:
        connection.execute(delete(leases).where(leases.c.id == lease_id))
    else:
        connection.execute(update(leases).where(leases.c.id == lease_id).values(amount_micros=leases.c.amount_micros - taken))
    return taken


def _drop_lapsed(connection: Connection, tenant: str, now: float) -> int:
    # Counted by the statement that deletes, so that what is returned is what is gone.
    lapsed = (leases.c.tenant == tenant) & (leases.c.expires_at <= now)
    return sum(connection.scalars(delete(leases).where(lapsed).returning(leases.c.amount_micros)))
