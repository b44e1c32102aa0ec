"""The state of one answer while vendors arrive: batches in, ranked products out.

What is shown is a function of the batches and the knowledge on the board, never of the order in which they came, so every
order of arrival ends in the same list. Three steps make it: (1) cluster all listings into products; (2) filter and rank them
by what the live readings say, and keep a shortlist; (3) add static knowledge to the shortlist, filter and rank again.
Without the shortlist a large catalogue would cost a cache lookup for every product it lists.

What does not change between two steps (clusters, assemblies, messages) is kept, so that one more vendor costs little.

Thread-safety: none; one answer uses it, on the loop or on a thread, never both at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hexar.agents.gear.assemble import Assembly, Member, Reading, assembly, product_message
from hexar.agents.gear.candidates import Batch, Wanted, relevance
from hexar.agents.gear.criteria import Criteria
from hexar.agents.gear.fold import FILTERED, MERGED, OUTRANKED, Shown, State, diff, ranking
from hexar.agents.gear.knowledge import Knowledge
from hexar.agents.gear.ranking import Standing, Taste, Weights, rank
from hexar.core.cache import Tier
from hexar.core.merge import cluster
from hexar.v1 import query_pb2

#: Products whose static knowledge is looked up: at least so many, and this many times the limit.
SHORTLIST, SHORTLIST_TIMES = 100, 3

#: (vendor, sku): one listing.
Key = tuple[str, str]
#: Of a product whose listings stand differently, what is said of it.
_FIRST_SAID = (query_pb2.ANALYSIS_STATE_PENDING, query_pb2.ANALYSIS_STATE_FAILED)


@dataclass(frozen=True, slots=True)
class _Placed:
    batch: Batch
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    parts: Assembly
    relevance: float


class Board:
    """The products of one answer."""

    def __init__(
        self, wanted: Wanted, criteria: Criteria, taste: Taste, weights: Weights, limit: int, *, analyses: bool = True
    ) -> None:
        self._wanted = wanted
        self._criteria = criteria
        self._taste = taste
        self._weights = weights
        self._limit = limit
        self._unknown = query_pb2.ANALYSIS_STATE_PENDING if analyses else query_pb2.ANALYSIS_STATE_UNSPECIFIED
        self._placed: dict[str, _Placed] = {}
        self._knowledge: dict[Key, Knowledge] = {}
        self._states: dict[Key, query_pb2.AnalysisState] = {}
        self._clusters: list[list[Key]] = []
        self._clusters_of: tuple[int, ...] = ()
        self._assemblies: dict[Key, tuple[tuple[Member, ...], Assembly]] = {}
        self._messages: dict[str, tuple[Assembly, query_pb2.AnalysisState, query_pb2.Product]] = {}
        self._shortlist: list[_Candidate] = []
        self._surveyed = 0
        self._products: dict[Key, str] = {}
        self._shown_parts: dict[str, Assembly] = {}
        self._passed: frozenset[str] = frozenset()
        self.state: State = {}
        #: Products that met the filters, also those beyond the limit.
        self.matched = 0

    @property
    def listings(self) -> int:
        """Listings on the board."""
        return sum(len(placed.batch) for placed in self._placed.values())

    def place(self, batch: Batch, tier: Tier, *, stale: bool) -> None:
        """Put a vendor's batch on the board, in place of the one that is there."""
        readings = tuple(
            Reading(listing, facts, tier, stale) for listing, facts in zip(batch.listings, batch.facts, strict=True)
        )
        self._placed[batch.vendor] = _Placed(batch, readings)

    def learn(self, knowledge: Iterable[Knowledge]) -> None:
        """Add static knowledge."""
        for one in knowledge:
            self._knowledge[one.vendor, one.sku] = one

    def mark(self, keys: Iterable[Key], state: query_pb2.AnalysisState) -> None:
        """Say how far the analysis of these listings is, where nothing is known of them yet."""
        for key in keys:
            self._states[key] = state

    def knows(self, key: Key) -> bool:
        """True where static knowledge of the listing is on the board."""
        return key in self._knowledge

    def survey(self) -> list[Key]:
        """Steps 1 and 2; the listings of the shortlist, best product first."""
        self._cluster()
        scores = relevance([placed.batch for placed in self._placed.values()], self._wanted)
        rows = {vendor: placed.batch.rows for vendor, placed in self._placed.items()}
        candidates: list[_Candidate] = []
        self._products = {}
        for keys in self._clusters:
            score = max(float(scores[vendor][rows[vendor][sku]]) for vendor, sku in keys)
            parts = self._assembly(keys, [Member(self._placed[vendor].readings[rows[vendor][sku]]) for vendor, sku in keys])
            for key in keys:
                self._products[key] = parts.product_id
            if score > 0.0 and self._may_pass(parts):
                candidates.append(_Candidate(parts, score))
        self._surveyed = len(candidates)
        size = max(SHORTLIST, SHORTLIST_TIMES * self._limit)
        if len(candidates) > size:
            candidates = [candidates[standing.row] for standing in self._rank(candidates, size)]
        self._shortlist = candidates
        return [member.key for candidate in candidates for member in candidate.parts.members]

    def advance(self) -> list[query_pb2.QueryEvent]:
        """All three steps: the events from what was shown to what is to be shown now."""
        self.survey()
        return self.show()

    def show(self) -> list[query_pb2.QueryEvent]:
        """Step 3, over the shortlist of the last survey."""
        known = [self._enriched(candidate) for candidate in self._shortlist]
        passing = [candidate for candidate in known if self._passes(candidate.parts)]
        self.matched = self._surveyed - len(known) + len(passing)
        self._passed = frozenset(candidate.parts.product_id for candidate in passing)
        new: dict[str, Shown] = {}
        parts_of: dict[str, Assembly] = {}
        for standing in self._rank(passing, self._limit):
            parts = passing[standing.row].parts
            new[parts.product_id] = Shown(self._message(parts), standing.rank)
            parts_of[parts.product_id] = parts
        events = list(diff(self.state, new, self._why_gone))
        self.state, self._shown_parts = new, parts_of
        return events

    def ranking(self) -> list[str]:
        """The ids of what is shown, best first."""
        return ranking(self.state)

    def shown(self) -> list[Assembly]:
        """What is shown, best first."""
        return [self._shown_parts[product_id] for product_id in self.ranking()]

    def pending(self) -> int:
        """Products shown whose analysis is still to come."""
        return sum(
            shown.product.analysis_state == query_pb2.ANALYSIS_STATE_PENDING for shown in self.state.values()
        )

    # -- steps -----------------------------------------------------------------------------------------------------------

    def _cluster(self) -> None:
        vendors = sorted(self._placed)
        now = tuple(id(self._placed[vendor].batch) for vendor in vendors)
        if now == self._clusters_of:
            return
        keys = [(vendor, listing.sku) for vendor in vendors for listing in self._placed[vendor].batch.listings]
        records = [record for vendor in vendors for record in self._placed[vendor].batch.records]
        self._clusters = [[keys[row] for row in rows] for rows in cluster(records)]
        self._clusters_of = now

    def _assembly(self, keys: Sequence[Key], members: Sequence[Member]) -> Assembly:
        """The assembly of these members; the one of the last time where nothing about them changed."""
        now = tuple(members)
        kept = self._assemblies.get(keys[0])
        if kept is not None and len(kept[0]) == len(now) and all(map(_same, kept[0], now)):
            return kept[1]
        parts = assembly(now)
        self._assemblies[keys[0]] = (now, parts)
        return parts

    def _enriched(self, candidate: _Candidate) -> _Candidate:
        """The candidate with the static knowledge of its members."""
        members = candidate.parts.members
        if not any(member.key in self._knowledge for member in members):
            return candidate
        enriched = [Member(member.live, self._knowledge.get(member.key)) for member in members]
        # A slot of its own: the live-only assembly stays for the next survey.
        vendor, sku = members[0].key
        return _Candidate(self._assembly([(vendor, f"{sku}\0known")], enriched), candidate.relevance)

    def _rank(self, candidates: Sequence[_Candidate], limit: int) -> list[Standing]:
        scores = None if self._wanted.anything else [candidate.relevance for candidate in candidates]
        return rank([candidate.parts for candidate in candidates], scores, self._taste, self._weights, limit)

    def _may_pass(self, parts: Assembly) -> bool:
        """False only where no static knowledge can make the product pass."""
        criteria = self._criteria
        return (
            criteria.offers_pass(parts.offers)
            and (not parts.brand or criteria.brand_passes(parts.brand, parts.name))
            and (not parts.category or criteria.category_passes(parts.category, parts.name))
        )

    def _passes(self, parts: Assembly) -> bool:
        criteria = self._criteria
        return (
            criteria.offers_pass(parts.offers)
            and criteria.brand_passes(parts.brand, parts.name)
            and criteria.category_passes(parts.category, parts.name)
            and criteria.level_passes(parts.levels)
            and criteria.terrain_passes(parts.terrain)
        )

    def _message(self, parts: Assembly) -> query_pb2.Product:
        missing = {self._states.get(member.key, self._unknown) for member in parts.members if member.knowledge is None}
        state = next((one for one in _FIRST_SAID if one in missing), query_pb2.ANALYSIS_STATE_UNSPECIFIED)
        kept = self._messages.get(parts.product_id)
        if kept is not None and kept[0] is parts and kept[1] == state:
            return kept[2]
        message = product_message(parts, state)
        self._messages[parts.product_id] = (parts, state, message)
        return message

    def _why_gone(self, product_id: str) -> str:
        members = self._shown_parts[product_id].members
        now: Mapping[Key, str] = self._products
        homes = {now.get(member.key) for member in members}
        if any(home is not None and home != product_id for home in homes):
            return MERGED
        return OUTRANKED if product_id in self._passed else FILTERED


def _same(left: Member, right: Member) -> bool:
    return left.live is right.live and left.knowledge is right.knowledge
