"""What was charged, summed: from the store by period, and counted in this process for its figures."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client.core import Metric
from sqlalchemy import ColumnElement, Connection, case, func, literal_column, select

from hexar.core.errors import InvalidArgument
from hexar.core.ledger.statements import Charge, charges
from hexar.core.ledger.window import Period
from hexar.core.telemetry.metrics import counter

#: Sums of one answer.
MAX_SUMS = 10_000

#: Tenants that have figures of their own in this process; those that come later are counted together.
MAX_TENANTS = 200
OTHERS = "(others)"

DAY_SECONDS = 86_400

#: The number of a charge's day since 1970, without a bound parameter, so that it can be grouped by.
_DAY = {
    "sqlite": f"CAST(ledger_charges.at / {DAY_SECONDS} AS INTEGER)",
    "postgresql": f"FLOOR(ledger_charges.at / {DAY_SECONDS})",
}


@dataclass(slots=True)
class Usage:
    """Charges of one model, kind and currency in one period. ``start`` is seconds since 1970; None: the period is all time."""

    model: str
    kind: str
    currency: str
    start: float | None
    calls: int = 0
    estimated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_micros: int = 0


def usage(
    connection: Connection, tenant: str, since: float, until: float, period: Period = Period.TOTAL, model: str = ""
) -> list[Usage]:
    """The sums of ``tenant`` from ``since`` to before ``until`` (seconds since 1970), the latest period first.

    Raises InvalidArgument where there are more than :data:`MAX_SUMS`.
    """
    by = (charges.c.model, charges.c.kind, charges.c.currency)
    # Months are put together of days: no calendar in SQL is the same in two stores.
    day: ColumnElement[int] = literal_column(_DAY[connection.dialect.name] if period is not Period.TOTAL else "0")
    query = (
        select(
            *by,
            day,
            func.count(),
            func.sum(case((charges.c.estimated, 1), else_=0)),
            func.sum(charges.c.prompt_tokens),
            func.sum(charges.c.completion_tokens),
            func.sum(charges.c.cost_micros),
        )
        .where(charges.c.tenant == tenant, charges.c.at >= since, charges.c.at < until)
        .group_by(*by, *(() if period is Period.TOTAL else (day,)))
        .limit(MAX_SUMS * 31 + 1)
    )
    if model:
        query = query.where(charges.c.model == model)
    found: dict[tuple[object, ...], Usage] = {}
    for name, kind, currency, number, *sums in connection.execute(query):
        start = None if period is Period.TOTAL else _start(period, float(number) * DAY_SECONDS)
        row = found.setdefault((name, kind, currency, start), Usage(name, kind, currency, start))
        calls, estimated, prompt, completion, cost = map(int, sums)
        row.calls += calls
        row.estimated += estimated
        row.prompt_tokens += prompt
        row.completion_tokens += completion
        row.cost_micros += cost
    if len(found) > MAX_SUMS:
        raise InvalidArgument("since", f"spans more than {MAX_SUMS} sums; ask for a shorter time or a longer period")
    return sorted(found.values(), key=lambda row: (-(row.start or 0.0), row.model, row.kind, row.currency))


class UsageCounters:
    """What this process has charged since it started, by tenant, model and kind.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tenants: set[str] = set()
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self._tokens: Counter[tuple[str, str, str, str]] = Counter()
        self._costs: Counter[tuple[str, str, str, str]] = Counter()

    def add(self, tenant: str, charge: Charge) -> None:
        """Count one charge."""
        with self._lock:
            if tenant not in self._tenants and len(self._tenants) >= MAX_TENANTS:
                tenant = OTHERS
            self._tenants.add(tenant)
            key = (tenant, charge.model, charge.kind)
            self._calls[key] += 1
            self._tokens[(*key, "prompt")] += charge.prompt_tokens
            self._tokens[(*key, "completion")] += charge.completion_tokens
            if charge.currency:
                self._costs[(*key, charge.currency)] += charge.cost_micros

    def rows(self) -> list[tuple[str, str, str, str, int, int, int, int]]:
        """Tenant, model, kind, currency ("": no price), calls, prompt tokens, completion tokens, cost in micros."""
        with self._lock:
            found = []
            for key, calls in sorted(self._calls.items()):
                currency = next((name for *same, name in self._costs if tuple(same) == key), "")
                prompt, completion = self._tokens[(*key, "prompt")], self._tokens[(*key, "completion")]
                found.append((*key, currency, calls, prompt, completion, self._costs[(*key, currency)]))
            return found

    def collect(self) -> Iterable[Metric]:
        """The figures for Prometheus."""
        with self._lock:
            calls, tokens, costs = dict(self._calls), dict(self._tokens), dict(self._costs)
        names = ("tenant", "model", "system")
        yield counter(
            "hexar_model_calls", "Calls of language models that were charged", [(_row(names, k), v) for k, v in calls.items()]
        )
        yield counter(
            "hexar_model_tokens",
            "Tokens of language models",
            [(_row((*names, "direction"), k), v) for k, v in tokens.items()],
        )
        yield counter(
            "hexar_model_cost_micros",
            "Cost of language models, millionths of the currency",
            [(_row((*names, "currency"), k), v) for k, v in costs.items()],
        )


def _row(names: tuple[str, ...], values: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(names, values, strict=True))


def _start(period: Period, at: float) -> float:
    if period is Period.DAY:
        return at
    return datetime.fromtimestamp(at, UTC).replace(day=1).timestamp()
