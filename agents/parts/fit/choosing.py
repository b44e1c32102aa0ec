"""What tells many parts of one component apart: the facts of the vehicle that must be known to choose, and a varied first page.

A catalogue lists hundreds of brake pads for one car. They differ in facts of the car (axle, brake system, diameter) and in
brand. The specifications that state such facts are named in ``data/kinds.yaml``; which of them
tell these parts apart is counted.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from hexar.agents.parts.catalogue.reading import ArticleRow
from hexar.agents.parts.components.phrases import fold
from hexar.agents.parts.data import load
from hexar.agents.parts.fit.fitting import Fit

#: Parts whose specifications are read, facts told, and values told of each.
MAX_COMPARED, MAX_CHOICES, MAX_VALUES = 1000, 3, 12
#: A fact tells parts apart where at least this share states it, and none of its values holds more than this share of them.
MIN_STATED, MAX_SHARE = 0.3, 0.95
#: Sizes that differ by less are one: millimetres and shares.
SAME_SIZE, SAME_SHARE = 0.6, 0.025
_NUMBER = re.compile(r"\s*(\d{1,6}(?:[.,]\d{1,3})?)\s*(?:mm|cm|v)?\s*")
_NAMES = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Choice:
    """One fact: its name, its values with how many parts state them, and each article's value by key."""

    name: str
    values: tuple[tuple[str, int], ...]
    of: Mapping[int, str]


@cache
def _facts() -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((row["name"], frozenset(fold(word) for word in row["words"])) for row in load("kinds.yaml")["choices"])


def choices(articles: Mapping[int, ArticleRow]) -> list[Choice]:
    """The facts that tell ``articles`` (by key) apart, in the table's order, at most :data:`MAX_CHOICES`."""
    stated: dict[str, dict[int, str]] = defaultdict(dict)
    for key, article in articles.items():
        for name, value in article.details:
            fact = _fact(name)
            if fact and value.strip():
                stated[fact].setdefault(key, value.strip())
    found = []
    for name, _ in _facts():
        values = stated.get(name, {})
        if len(values) < MIN_STATED * len(articles):
            continue
        of = _grouped(values)
        counts = Counter(of.values())
        if len(counts) >= 2 and counts.most_common(1)[0][1] <= MAX_SHARE * len(of):
            ordered = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
            found.append(Choice(name, tuple(ordered[:MAX_VALUES]), of))
    return found[:MAX_CHOICES]


@cache
def _fact(name: str) -> str:
    plain = re.sub(r"\s*[\[(].*?[\])]|\s*\d+\s*$|:\s*$", "", fold(name)).strip()
    return next((fact for fact, spoken in _facts() if plain in spoken), "")


def _grouped(values: Mapping[int, str]) -> dict[int, str]:
    """Each value under the one that most parts write: near sizes are one, and "Ate-Teves" makes ATE and Teves one."""
    numbers = {key: float(match[1].replace(",", ".")) for key, value in values.items() if (match := _NUMBER.fullmatch(value))}
    if len(numbers) >= 0.8 * len(values):
        return _sizes(values, numbers)
    parent: dict[str, str] = {}

    def root(word: str) -> str:
        while parent.setdefault(word, word) != word:
            word = parent[word]
        return word

    spoken = {key: sorted(set(_NAMES.findall(fold(value)))) or [fold(value)] for key, value in values.items()}
    alone = {names[0] for names in spoken.values() if len(names) == 1}
    joined = [names for names in spoken.values() if len(names) == 2 and alone.issuperset(names)]
    for left, right in joined:
        parent[root(right)] = root(left)
    keys = {key: root(names[0]) if alone.issuperset(names) else " ".join(names) for key, names in spoken.items()}
    return _named(keys, values)


def _sizes(values: Mapping[int, str], numbers: Mapping[int, float]) -> dict[int, str]:
    group, groups, last = 0, {}, None
    for number in sorted(set(numbers.values())):
        if last is not None and number - last > max(SAME_SIZE, SAME_SHARE * number):
            group += 1
        groups[number] = str(group)
        last = number
    return _named({key: groups[number] for key, number in numbers.items()}, values)


def _named(keys: Mapping[int, str], values: Mapping[int, str]) -> dict[int, str]:
    """Each group by its most frequent value."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for key, group in keys.items():
        counts[group][values[key]] += 1
    names = {group: min(counted, key=lambda value: (-counted[value], value)) for group, counted in counts.items()}
    return {key: names[group] for key, group in keys.items()}


def varied(fits: Sequence[Fit], told: Sequence[Choice], limit: int) -> list[Fit]:
    """The first ``limit`` of ``fits``: among equally sure ones each value of the facts and each brand has its turn."""
    result: list[Fit] = []
    place = 0
    while place < len(fits) and len(result) < limit:
        end = place
        while end < len(fits) and fits[end].confidence == fits[place].confidence:
            end += 1
        result.extend(_in_turn(fits[place:end], told, limit - len(result)))
        place = end
    return result


def _in_turn(fits: Sequence[Fit], told: Sequence[Choice], limit: int) -> list[Fit]:
    groups: dict[tuple[str, ...], dict[str, list[Fit]]] = defaultdict(lambda: defaultdict(list))
    for fit in fits:
        key = tuple(choice.of.get(fit.listed.article_key, "") for choice in told)
        groups[key][fit.listed.brand].append(fit)
    # Inside a group brands take turns; groups that state more, and hold more, come first.
    rows = [
        _turns(list(brands.values()))
        for key, brands in sorted(groups.items(), key=lambda row: (row[0].count(""), -sum(map(len, row[1].values())), row[0]))
    ]
    return _turns(rows)[:limit]


def _turns(rows: Sequence[Sequence[Fit]]) -> list[Fit]:
    longest = max(map(len, rows), default=0)
    return [row[at] for at in range(longest) for row in rows if at < len(row)]


def sentence(told: Sequence[Choice]) -> str:
    """What must be known to choose, in words; empty where nothing tells the parts apart."""
    if not told:
        return ""
    facts = [f"{choice.name} ({', '.join(value for value, _ in choice.values[:4])})" for choice in told]
    return "to choose, one must know: " + "; ".join(facts)
