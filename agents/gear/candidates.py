"""Which listings a query is about, and how well each answers it.

A :class:`Batch` is one vendor's reading, indexed once: token → rows. A query's relevance to a listing is the part of its
tokens, weighted by their inverse document frequency over the listings of the answer, that the listing covers; a token in a
name counts more than one in a description, and a misspelt token counts by its similarity (Damerau-Levenshtein).

A query that names a thing ("snowboard boots" names boots) is only about listings of that thing: a snowboard bag is no
snowboard, whatever words they share. Listings of relevance 0 are not part of an answer.

All figures depend on the set of batches only, never on their order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

from hexar.agents.gear.products.values import values_of
from hexar.agents.gear.request.conditions import stated_levels, stated_terrain
from hexar.agents.gear.request.words import category_head, head, heads, stem, table, tokens, words
from hexar.agents.vendors.model import Listing
from hexar.core.merge import Prepared

#: How much a token counts by the field it stands in.
WEIGHTS = {"name": 1.0, "brand": 1.0, "model": 1.0, "category": 1.0, "tags": 0.8, "attributes": 0.7, "description": 0.4}
#: Characters of a description that are read: the first sentences say what a thing is.
DESCRIPTION_LIMIT = 400
#: The least coverage of a listing that does not name the thing itself.
THRESHOLD = 0.5
#: The least similarity of a misspelt token.
SIMILAR = 0.8

#: The highest price that is believed, in micros.
MAX_MICROS = 10**15
#: Tokens of a query that are looked for; more than a person would type.
MAX_TOKENS = 48

#: Attributes, by the words of their names, whose values state a level or a terrain.
_LEVEL_NAMES = frozenset(["skill", "level", "ability", "rider", "nivel", "habilidad", "experience"])
_TERRAIN_NAMES = frozenset(["terrain", "terreno", "riding", "style", "estilo", "use", "uso", "snow", "nieve"])
_STOPWORDS = frozenset(
    stem(word) for language in ("en", "es") for item in table("understanding")["stopwords"][language] for word in words(item)
)

_SPORTS: dict[str, str] = table("concepts")["sports"]
_ONE_SPORT = frozenset(table("concepts")["one_sport_only"])

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Facts:
    """What one listing says, read once."""

    tokens: Mapping[str, float]
    #: The concept of the thing; empty where it is not known.
    head: str
    brand: tuple[str, ...]
    category: frozenset[str]
    levels: tuple[int, ...]
    terrain: tuple[str, ...]
    #: The sports that its name and category state it is for.
    sports: frozenset[str]


def facts(listing: Listing) -> Facts:
    """Read ``listing``; about 20 microseconds and as much again for a long description."""
    found: dict[str, float] = {}
    spread = (
        ("description", listing.description[:DESCRIPTION_LIMIT]),
        ("attributes", " ".join([*listing.attributes.keys(), *listing.attributes.values()])[:DESCRIPTION_LIMIT]),
        ("tags", " , ".join(listing.tags)[:DESCRIPTION_LIMIT]),
        ("category", listing.category),
        ("model", listing.model),
        ("brand", listing.brand),
        ("name", listing.name),
    )
    for name, text in spread:
        if text:
            weight = WEIGHTS[name]
            for token in tokens(text):
                found[token.text] = weight
    stating = [value for key, value in listing.attributes.items() if states_level(key)]
    riding = [value for key, value in listing.attributes.items() if states_terrain(key)]
    shelf = [*listing.tags, listing.category]
    return Facts(
        tokens=found,
        head=category_head(listing.category) or head(listing.name),
        brand=tuple(words(listing.brand)),
        category=frozenset(token.text for token in tokens(listing.category)),
        levels=tuple(sorted({level for text in (*stating, *shelf) if text for level in stated_levels(text)})),
        terrain=tuple(dict.fromkeys(name for text in (*riding, *shelf) if text for name in stated_terrain(text))),
        sports=frozenset(token for token, weight in found.items() if weight == 1.0 and token in _SPORTS),
    )


def states_level(attribute: str) -> bool:
    """True where an attribute of this name states a level ("Skill level")."""
    return not _LEVEL_NAMES.isdisjoint(words(attribute))


def states_terrain(attribute: str) -> bool:
    """True where an attribute of this name states a terrain ("Terrain", "Riding style")."""
    return not _TERRAIN_NAMES.isdisjoint(words(attribute))


def is_sound(listing: Listing) -> bool:
    """False where the contract cannot carry what the listing says: text that is no Unicode, amounts that are no prices.

    One such listing must not take the answer of all vendors along.
    """
    moneys = [listing.price, listing.list_price, listing.shipping]
    texts = [listing.sku, listing.name, listing.url, listing.brand, listing.gtin, listing.model, listing.category]
    texts += [listing.description, listing.image_url, *listing.tags, *listing.sizes]
    texts += [*listing.attributes.keys(), *listing.attributes.values()]
    for variant in listing.variants:
        moneys.append(variant.price)
        texts += [variant.sku, variant.title]
    for review in listing.reviews:
        texts += [review.id, review.text]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return all(money is None or 0 <= money.micros <= MAX_MICROS for money in moneys)


class Batch:
    """One vendor's reading, indexed. Read-only once built; built on the vendor's thread, since it takes milliseconds.

    Of listings with the same sku the first is kept: a vendor that repeats itself has one offer.
    """

    __slots__ = (
        "_close",
        "vocabulary",
        "brands",
        "facts",
        "fetched_at",
        "listings",
        "postings",
        "records",
        "skus",
        "values",
        "vendor",
    )

    def __init__(self, vendor: str, listings: Iterable[Listing]) -> None:
        self.vendor = vendor
        unique: dict[str, Listing] = {}
        for listing in listings:
            if is_sound(listing):
                unique.setdefault(listing.sku, listing)
        self.listings = tuple(unique[sku] for sku in sorted(unique))
        self.skus = tuple(listing.sku for listing in self.listings)
        self.facts = tuple(facts(listing) for listing in self.listings)
        self.records = tuple(Prepared(record(listing)) for listing in self.listings)
        pairs = zip(self.listings, self.facts, strict=True)
        self.values = tuple(values_of(listing, fact.brand, fact.levels, fact.terrain) for listing, fact in pairs)
        self.brands = frozenset(listing.brand for listing in self.listings if listing.brand)
        #: The oldest reading, Unix seconds; zero where nothing was read.
        self.fetched_at = min((listing.fetched_at for listing in self.listings), default=0.0)
        found: defaultdict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
        for row, fact in enumerate(self.facts):
            for token, weight in fact.tokens.items():
                rows, weights = found[token]
                rows.append(row)
                weights.append(weight)
        #: Rows and weights by token; arrays are made of the few that a query names.
        self.postings = dict(found)
        self.vocabulary = [token for token in self.postings if len(token) >= 4 and token.isalpha()]
        self._close: dict[str, tuple[tuple[str, float], ...]] = {}

    def __len__(self) -> int:
        return len(self.listings)

    def close(self, token: str) -> tuple[tuple[str, float], ...]:
        """The tokens here that ``token`` may be a misspelling of, with their similarity; itself is not among them."""
        if len(token) < 4 or not token.isalpha():
            return ()
        found = self._close.get(token)
        if found is None:
            matches = process.extract(
                token, self.vocabulary, scorer=DamerauLevenshtein.normalized_similarity, score_cutoff=SIMILAR, limit=8
            )
            found = tuple((name, score) for name, score, _ in matches if name != token and name[0] == token[0])
            if len(self._close) < 512:  # a batch may live for minutes and meet many words
                self._close[token] = found
        return found


def record(listing: Listing) -> dict[str, str]:
    """What identity is decided from."""
    values = {
        "vendor": listing.vendor,
        "sku": listing.sku,
        "name": listing.name,
        "brand": listing.brand,
        "gtin": listing.gtin,
        "mpn": listing.mpn,
        "model": listing.model,
        "category": listing.category,
        "year": str(listing.year) if listing.year else "",
        "size": listing.attributes.get("size", ""),
    }
    return {key: value for key, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """The terms of a query, read: its tokens without stopwords, and the things it names."""

    tokens: tuple[str, ...] = ()
    heads: frozenset[str] = frozenset()

    @classmethod
    def read(cls, terms: str, things: Sequence[str] | None = None) -> ParsedQuery:
        """Read ``terms``, which are spelled right already (:mod:`hexar.agents.gear.request.spelling`).

        ``things`` are the concepts that they name, where the text with its punctuation told.
        """
        found = dict.fromkeys(token.text for token in tokens(terms) if token.text not in _STOPWORDS)
        named = frozenset(heads(terms) if things is None else things)
        # Of several things each listing is one: that it is not the others is no fault of it.
        kept = [token for token in found if len(named) < 2 or token not in named]
        return cls(tuple(kept)[:MAX_TOKENS], named)

    @property
    def anything(self) -> bool:
        """True where no term says what is wanted: only filters do."""
        return not self.tokens and not self.heads


def relevance(batches: Sequence[Batch], wanted: ParsedQuery) -> dict[str, Scores]:
    """For each vendor, the relevance of each of its listings: 0 (not what is wanted) to 1. All 1 where anything is wanted."""
    scores = {batch.vendor: np.zeros(len(batch)) for batch in batches}
    if wanted.anything:
        return {vendor: values + 1.0 for vendor, values in scores.items()}
    total = sum(len(batch) for batch in batches)
    covered_weight = 0.0
    for token in wanted.tokens:
        part = {batch.vendor: _covered(batch, token) for batch in batches}
        frequency = sum(int(np.count_nonzero(values)) for values in part.values())
        weight = math.log(1.0 + (total - frequency + 0.5) / (frequency + 0.5)) if frequency else 1.0
        covered_weight += weight
        for vendor, values in part.items():
            scores[vendor] += weight * values
    for batch in batches:
        values = scores[batch.vendor]
        if covered_weight:
            values /= covered_weight
        else:
            values += 1.0
        np.clip(values, 0.0, 1.0, out=values)
        if wanted.heads:
            _judge_heads(batch, wanted, values)
        else:
            values[values < THRESHOLD] = 0.0
    return scores


def _covered(batch: Batch, token: str) -> Scores:
    """How well each listing holds ``token``: the weight of its field, times the similarity where it is misspelt."""
    values = np.zeros(len(batch))
    for name, similarity in ((token, 1.0), *batch.close(token)):
        posting = batch.postings.get(name)
        if posting is not None:
            rows, weights = posting
            np.maximum.at(values, rows, np.array(weights) * similarity)
    return values


def _judge_heads(batch: Batch, wanted: ParsedQuery, values: Scores) -> None:
    """Half of the relevance is to be the thing itself; to be another thing is no relevance at all."""
    sports = frozenset(token for token in wanted.tokens if token in _SPORTS and token not in wanted.heads)
    for row, fact in enumerate(batch.facts):
        if fact.head in wanted.heads:
            values[row] = 0.5 + 0.5 * values[row] if _same_sport(fact.head, sports, fact.sports) else 0.0
        elif fact.head or values[row] < THRESHOLD:
            values[row] = 0.0
        else:
            values[row] *= 0.5


def _same_sport(thing: str, wanted: frozenset[str], stated: frozenset[str]) -> bool:
    """True unless both name a sport and none fits: one helmet serves skis and boards, one boot does not."""
    if not wanted or not stated or not wanted.isdisjoint(stated):
        return True
    if thing in _ONE_SPORT:
        return False
    return not {_SPORTS[sport] for sport in wanted}.isdisjoint(_SPORTS[sport] for sport in stated)
