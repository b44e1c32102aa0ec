"""What hexar.core.search.postings must do: BM25 over lists of words, recounted for every question."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

K1, B = 1.2, 0.75


class Postings:
    """Documents as their lines of words."""

    def __init__(self) -> None:
        self.documents: dict[int, list[list[str]]] = {}

    def add(self, key: int, terms: str) -> None:
        """Hold a document, in place of the one under ``key``."""
        self.documents[key] = [words for line in terms.split("\n") if (words := [word for word in line.split(" ") if word])]

    def remove(self, key: int) -> bool:
        """Forget a document."""
        return self.documents.pop(key, None) is not None

    @property
    def average(self) -> float:
        """Words of a document on average, at least 1."""
        lengths = [sum(map(len, lines)) for lines in self.documents.values()]
        return max(1.0, sum(lengths) / len(lengths)) if lengths else 1.0

    def frequency(self, term: str) -> int:
        """Documents that hold ``term``."""
        return sum(any(term in line for line in lines) for lines in self.documents.values())

    def rarity(self, frequency: int) -> float:
        """A word's weight."""
        return math.log(1.0 + (len(self.documents) - frequency + 0.5) / (frequency + 0.5))

    def bm25(self, lines: Sequence[Sequence[str]], groups: Sequence[tuple[frozenset[str], float]]) -> float:
        """The score of one document over groups of words with their weights."""
        words = [word for line in lines for word in line]
        score = 0.0
        for group, weight in groups:
            count = sum(word in group for word in words)
            score += weight * count * (K1 + 1) / (count + K1 * (1 - B + B * len(words) / self.average)) if count else 0.0
        return score

    def search(self, terms: Iterable[str], limit: int, budget: int) -> list[tuple[int, float]]:
        """All documents that hold a chosen word with their scores, best first, of which the kernel gives ``limit``."""
        frequencies = {term: self.frequency(term) for term in terms}
        chosen: list[tuple[frozenset[str], float]] = []
        rows = 0
        # Words that are as rare as each other may be chosen in any order; the caller leaves them room.
        for term, frequency in sorted(frequencies.items(), key=lambda item: item[1]):
            if not frequency:
                continue
            if rows and rows + frequency > budget:
                break
            rows += frequency
            chosen.append((frozenset([term]), self.rarity(frequency)))
        scored = [(key, self.bm25(lines, chosen)) for key, lines in self.documents.items()]
        return sorted(((key, score) for key, score in scored if score > 0.0), key=lambda item: (-item[1], item[0]))

    def weigh(self, key: int, groups: Sequence[Sequence[str]]) -> tuple[float, float]:
        """BM25 of a document over ``groups``, and the most rarity in two neighbouring lines."""
        lines = self.documents.get(key, [])
        owner = {term: place for place, group in enumerate(groups) for term in group}
        rarities = [self.rarity(max(map(self.frequency, group), default=0)) for group in groups]
        members = [
            (frozenset(term for term, place in owner.items() if place == number), rarity)
            for number, rarity in enumerate(rarities)
        ]
        window = 0.0
        for before, here in zip([[], *lines], lines, strict=False):
            if any(word in owner for word in here):
                window = max(window, sum(rarities[place] for place in {owner[w] for w in (*before, *here) if w in owner}))
        return self.bm25(lines, members), window

    def rarities(self, groups: Sequence[Sequence[str]]) -> list[float]:
        """The weight of each group: that of its most frequent word."""
        return [self.rarity(max(map(self.frequency, group), default=0)) for group in groups]

    def distinct(self) -> Counter[str]:
        """In how many documents each word is."""
        return Counter(word for lines in self.documents.values() for word in {word for line in lines for word in line})
