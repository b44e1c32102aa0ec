"""Reading static knowledge again before its time is over, for products that are still shown, a bounded number at a time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hexar.agents.gear.analysis.analyses import Analyses, Key
from hexar.agents.gear.products.assembly import Assembly
from hexar.agents.vendors.model import Listing

#: Listings that are remembered; of more, those that were shown longest ago are forgotten.
REMEMBERED = 20_000


@dataclass(slots=True)
class _Shown:
    listing: Listing
    shown_at: float
    due: float


class Upkeep:
    """What was shown, and when its knowledge is read again. ``ttl`` is that of static knowledge, seconds; ``share`` is how much
    of it passes before. ``clock`` gives Unix seconds.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self, analyses: Analyses, ttl: float, share: float, clock: Callable[[], float] = time.time) -> None:
        self._analyses = analyses
        self._ttl = ttl
        self._share = share
        self._clock = clock
        self._shown: OrderedDict[tuple[str, Key], _Shown] = OrderedDict()

    def shown(self, tenant: str, products: Iterable[Assembly]) -> None:
        """Remember products that an answer has shown, those whose knowledge is at hand."""
        now = self._clock()
        for product in products:
            for member in product.members:
                if member.knowledge is None:
                    continue
                due = member.knowledge.analysed_at + self._share * self._ttl
                self._shown[tenant, member.key] = _Shown(member.live.listing, now, due)
                self._shown.move_to_end((tenant, member.key))
        while len(self._shown) > REMEMBERED:
            self._shown.popitem(last=False)

    async def refresh(self, budget: int) -> int:
        """Queue the reading of up to ``budget`` listings whose time is nearly over; how many were queued.

        What nobody was shown for as long as knowledge holds is forgotten; what another process has read since is left alone.
        """
        now = self._clock()
        before = now - self._share * self._ttl
        wanted: dict[str, list[Listing]] = {}
        count = 0
        for (tenant, key), one in sorted(self._shown.items(), key=lambda item: item[1].due):
            if one.due > now or count >= budget:
                break
            if one.shown_at < now - self._ttl:
                del self._shown[tenant, key]
                continue
            known = await self._analyses.read(tenant, key)
            if known is not None and known.analysed_at >= before:
                one.due = known.analysed_at + self._share * self._ttl
                continue
            # Where the reading fails, it is tried again a while later.
            one.due = now + (1.0 - self._share) * self._ttl / 4
            wanted.setdefault(tenant, []).append(one.listing)
            count += 1
        for tenant, listings in wanted.items():
            await self._analyses.refresh(tenant, listings, before)
        return count
