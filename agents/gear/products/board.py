"""The state of one answer while vendors arrive: batches in, ranked products out.

What is shown is a function of the batches and the knowledge on the board, never of the order in which they came, so every
order of arrival ends in the same list. Three steps make it: (1) cluster all listings into products; (2) filter and rank them
by what the live readings say, and keep a shortlist; (3) add static knowledge to the shortlist, filter and rank again.
Without the shortlist a large catalogue would cost a cache lookup for every product it lists.

What does not change between two steps is kept, and what depends on the batches alone is kept for the next query too
(:mod:`hexar.agents.gear.products.catalogue`), so that one more vendor, and one more query, cost little.

Thread-safety: none; one answer uses it, on the loop or on a thread, never both at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hexar.agents.gear.analysis.knowledge import Knowledge
from hexar.agents.gear.candidates import Batch, ParsedQuery, relevance
from hexar.agents.gear.fold import FILTERED, MERGED, OUTRANKED, Shown, State, diff, ranking
from hexar.agents.gear.products.assembly import Assembly, Member, assembly, product_message
from hexar.agents.gear.products.catalogue import Catalogue, Placed
from hexar.agents.gear.products.narrowing import narrowed, nothing_about
from hexar.agents.gear.products.ranking import Preferences, RankedProduct, Weights, rank
from hexar.agents.gear.request.criteria import Criteria
from hexar.core.cache import Tier
from hexar.v1 import query_pb2

#: Products whose static knowledge is looked up: at least so many, and this many times the limit.
SHORTLIST, SHORTLIST_TIMES = 100, 3

#: (vendor, sku): one listing.
Key = tuple[str, str]
#: Of a product whose listings stand differently, what is said of it.
_FIRST_SAID = (query_pb2.ANALYSIS_STATE_PENDING, query_pb2.ANALYSIS_STATE_FAILED)


@dataclass(frozen=True, slots=True)
class _Candidate:
    parts: Assembly
    relevance: float


class Board:
    """The products of one answer."""

    def __init__(
        self,
        wanted: ParsedQuery,
        criteria: Criteria,
        taste: Preferences,
        weights: Weights,
        limit: int,
        *,
        catalogue: Catalogue | None = None,
        analyses: bool = True,
    ) -> None:
        self._wanted = wanted
        self._criteria = criteria
        self._taste = taste
        self._weights = weights
        self._limit = limit
        self._catalogue = catalogue or Catalogue()
        #: What is said of an analysis that is not there: it comes, unless nobody makes any.
        self._unknown = query_pb2.ANALYSIS_STATE_PENDING if analyses else query_pb2.ANALYSIS_STATE_UNSPECIFIED
        self._placed: dict[str, Placed] = {}
        self._knowledge: dict[Key, Knowledge] = {}
        self._states: dict[Key, query_pb2.AnalysisState] = {}
        self._products: tuple[Assembly, ...] = ()
        self._shortlist: list[_Candidate] = []
        self._surveyed = 0
        self._relevant: list[_Candidate] = []
        self._enriched: dict[str, Assembly] = {}
        self._messages: dict[str, tuple[Assembly, query_pb2.AnalysisState, query_pb2.Product]] = {}
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
        self._placed[batch.vendor] = self._catalogue.place(batch, tier, stale=stale)

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
        self._products = self._catalogue.products(self._placed, self._products)
        scores = relevance([placed.batch for placed in self._placed.values()], self._wanted)
        found = {
            vendor: dict(zip(placed.batch.skus, scores[vendor].tolist(), strict=True))
            for vendor, placed in self._placed.items()
        }
        self._relevant = []
        for parts in self._products:
            score = max(found[vendor][sku] for vendor, sku in parts.keys)
            if score > 0.0:
                self._relevant.append(_Candidate(parts, score))
        candidates = [candidate for candidate in self._relevant if self._may_pass(candidate.parts)]
        self._surveyed = len(candidates)
        size = max(SHORTLIST, SHORTLIST_TIMES * self._limit)
        if len(candidates) > size:
            candidates = [candidates[standing.row] for standing in self._rank(candidates, size)]
        self._shortlist = candidates
        return [key for candidate in candidates for key in candidate.parts.keys]

    def advance(self) -> list[query_pb2.QueryEvent]:
        """All three steps: the events from what was shown to what is to be shown now."""
        self.survey()
        return self.show()

    def show(self) -> list[query_pb2.QueryEvent]:
        """Step 3, over the shortlist of the last survey."""
        known = [self._enrich(candidate) for candidate in self._shortlist]
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

    def narrowed(self, filters: query_pb2.Filters, terms: str) -> list[query_pb2.Narrowing]:
        """Which conditions kept products out, and what comes nearest; of the last survey and all that is known now."""
        if not self._relevant and self._products and not self._wanted.anything:
            return nothing_about(terms, len(self._products))
        known = ((candidate.parts, candidate.relevance) for candidate in map(self._enrich, self._relevant))
        return narrowed(known, self._criteria, filters)

    def ranking(self) -> list[str]:
        """The ids of what is shown, best first."""
        return ranking(self.state)

    def shown(self) -> list[Assembly]:
        """What is shown, best first."""
        return [self._shown_parts[product_id] for product_id in self.ranking()]

    def pending(self) -> int:
        """Products shown whose analysis is still to come."""
        return sum(shown.product.analysis_state == query_pb2.ANALYSIS_STATE_PENDING for shown in self.state.values())

    # -- steps -----------------------------------------------------------------------------------------------------------

    def _enrich(self, candidate: _Candidate) -> _Candidate:
        """The candidate with the static knowledge of its members."""
        members = candidate.parts.members
        known = [self._knowledge.get(key) for key in candidate.parts.keys]
        if not any(known):
            return candidate
        now = tuple(Member(member.live, one) for member, one in zip(members, known, strict=True))
        kept = self._enriched.get(candidate.parts.product_id)
        if kept is None or len(kept.members) != len(now) or not all(map(_same, kept.members, now)):
            kept = self._enriched[candidate.parts.product_id] = assembly(now)
        return _Candidate(kept, candidate.relevance)

    def _rank(self, candidates: Sequence[_Candidate], limit: int) -> list[RankedProduct]:
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
            and criteria.measures_pass([reading.listing for reading in parts.readings])
            and all(criteria.terms_pass(reading.facts.tokens) for reading in parts.readings)
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
        gone = frozenset(self._shown_parts[product_id].keys)
        homes = {parts.product_id for parts in self._products if not gone.isdisjoint(parts.keys)}
        if homes - {product_id}:
            return MERGED
        return OUTRANKED if product_id in self._passed else FILTERED


def _same(left: Member, right: Member) -> bool:
    return left.live is right.live and left.knowledge is right.knowledge
