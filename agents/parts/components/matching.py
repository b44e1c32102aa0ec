"""Component names to the product groups and article names of one catalogue.

A *component* (``data/components``) is a thing people name in many ways and languages; the catalogue names it in its own.
The index holds every way to say it: the names and aliases of the components, and the article and group names of the
catalogue. What is found is a :class:`Target`: article names to look for, in which groups. Where the catalogue names
neither, the target says so, and the answer is "not listed", never the nearest other thing.

Thread-safety: a matcher never changes after it is built.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hexar.agents.parts.catalogue.records import Position
from hexar.agents.parts.components.phrases import ComponentPhrase, canonical, fold, read, translate
from hexar.agents.parts.data import components, load
from hexar.core.fuzzy import FuzzyIndex

#: A text whose best score is lower is not understood.
MIN_SCORE = 0.6
#: A name that holds the position itself ("rear light") is preferred to one that does not; a word-for-word translation counts
#: a little less than a name in its own language.
WITHOUT_POSITION = 0.99
TRANSLATED = 0.96
#: A part of a text that stands for the whole must be known so well, and counts so much less.
KNOWN_WELL = 0.9
BROADER = 0.8
#: Entries taken from the index for one text.
CANDIDATES = 40


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Articles of one name in one group under one category, over all variants; ``articles`` of 0: declared, none listed."""

    group_key: int
    category_key: int
    article_name: str
    articles: int


@dataclass(frozen=True, slots=True)
class Target:
    """What to look up: articles named ``names`` wherever they are listed; without names, all articles of ``groups``.

    ``rows`` are the groups in order of preference, for the answer; ``label`` is how to speak of it.
    """

    label: str
    component: str
    names: frozenset[str]
    groups: tuple[int, ...]
    rows: tuple[GroupRow, ...]
    #: The name that means the component most closely; the other names are kinds of it. Empty: all are alike.
    first_name: str = ""

    @property
    def is_listed(self) -> bool:
        """Whether the catalogue has any article of it, for any vehicle."""
        return bool(self.groups)


@dataclass(frozen=True, slots=True)
class ComponentMatch:
    """A target with its score from 0 to 1."""

    target: Target
    score: float


class ComponentMatcher:
    """Matches component texts against one catalogue.

    ``rows``: all (group, category, article name) with articles; ``declared``: (group, category) of the trees;
    ``group_names``, ``category_names`` by key.
    """

    def __init__(
        self,
        rows: Sequence[GroupRow],
        declared: Iterable[tuple[int, int]],
        group_names: Sequence[str],
        category_names: Sequence[str],
    ) -> None:
        self._group_names = group_names
        self._late = frozenset(key for key, name in enumerate(category_names) if name in load("words.yaml")["late_categories"])
        self._by_name: dict[str, list[GroupRow]] = defaultdict(list)
        for row in rows:
            self._by_name[row.article_name].append(row)
        self._by_group: dict[int, list[GroupRow]] = defaultdict(list)
        for row in rows:
            self._by_group[row.group_key].append(row)
        for group, category in declared:
            if group not in self._by_group or all(row.category_key != category for row in self._by_group[group]):
                self._by_group[group].append(GroupRow(group, category, "", 0))
        # By the words that matching sees, and by the name as it is: "Assembly Parts" has no word that says anything.
        self._groups_named: dict[str, list[int]] = defaultdict(list)
        self._groups_called: dict[str, list[int]] = defaultdict(list)
        for key, name in enumerate(group_names):
            self._groups_named[canonical(name)[0] or _plain(name)].append(key)
            self._groups_called[_plain(name)].append(key)

        texts: list[str] = []
        self._targets: list[Target] = []
        self._positions: list[Position] = []
        self._components: dict[str, Target] = {}
        seen: set[tuple[str, str]] = set()

        def enter(text: str, target: Target) -> None:
            words, position = canonical(text)
            if words and (words, target.label) not in seen:
                seen.add((words, target.label))
                texts.append(words)
                self._targets.append(target)
                self._positions.append(position)

        taken = self._enter_components(enter)
        for name in self._by_name:
            if name not in taken:
                enter(name, self._target(name, "", frozenset([name]), self._order(self._by_name[name], ())))
        for name, keys in self._groups_named.items():
            label = group_names[keys[0]]
            own = [row for key in keys for row in self._by_group.get(key, ())]
            listed = tuple(key for key in keys if any(row.articles for row in self._by_group.get(key, ())))
            enter(name, Target(label, "", frozenset(), listed, self._order(own, (label,))))
        # Names and texts are canonical already: the tables of this package have spoken, the index's own ones must not.
        # Sides were read and taken out, and our own tables rewrote the words: the index needs the positions alone.
        self._index = FuzzyIndex(texts, synonyms={}, constraints={"position": {"front": ["front"], "rear": ["rear"]}})
        self.vocabulary = frozenset(word for text in texts for word in text.split())

    # -- building -----------------------------------------------------------------------------------------------------

    def _enter_components(self, enter: Callable[[str, Target], None]) -> set[str]:
        """Enter the components that people name, and return the article names that belong to them."""
        named: dict[str, list[str]] = defaultdict(list)
        for name in self._by_name:
            named[canonical(name)[0]].append(name)
        taken: set[str] = set()
        for identifier, entry in components().items():
            target = self._bind(identifier, entry, named)
            self._components[identifier] = target
            taken.update(target.names)
            # Who writes the catalogue's own name of one kind ("Fuel Feed Unit") means that kind, unless people call all so.
            spoken = {canonical(alias)[0] for alias in (*entry["en"], *entry["es"])}
            narrow = {name for name in target.names if name != target.first_name and canonical(name)[0] not in spoken}
            for name in sorted(narrow):
                rows_named = tuple(row for row in target.rows if row.article_name == name)
                enter(name, self._target(name, identifier, frozenset([name]), rows_named))
            kinds = {canonical(name)[0] for name in narrow}
            for alias in (*entry["names"], *entry["en"], *entry["es"]):
                if canonical(alias)[0] not in kinds:
                    enter(alias, target)
        return taken

    def _bind(self, identifier: str, entry: Mapping[str, list[str]], named: Mapping[str, list[str]]) -> Target:
        label = identifier.replace("-", " ")
        names: list[str] = []
        for alias in (*entry["names"], *entry["en"]):
            names.extend(name for name in named.get(canonical(alias)[0], ()) if name not in names)
        rows = [row for name in names for row in self._by_name[name]]
        preferred = tuple(entry["groups"])
        if names:
            found = self._target(label, identifier, frozenset(names), self._order(rows, preferred, entry["groups"]))
            return replace(found, first_name=names[0])
        # A group that bears the component's own name holds it even if its articles are named otherwise.
        own = {key for alias in (*entry["names"], *entry["en"]) for key in self._groups_named.get(canonical(alias)[0], ())}
        whole = [row for key in own for row in self._by_group.get(key, ())]
        if any(row.articles for row in whole):
            groups = tuple(sorted(own))
            return Target(label, identifier, frozenset(), groups, self._order(whole, preferred))
        return Target(label, identifier, frozenset(), (), self._order((), preferred, entry["groups"]))

    def _target(self, label: str, identifier: str, names: frozenset[str], rows: tuple[GroupRow, ...]) -> Target:
        groups = tuple(dict.fromkeys(row.group_key for row in rows if row.articles))
        return Target(label, identifier, names, groups, rows)

    def _order(self, rows: Iterable[GroupRow], preferred: Sequence[str], declared: Sequence[str] = ()) -> tuple[GroupRow, ...]:
        """Rows by preference: groups in the component's order, then ordinary categories, then the most articles.

        ``declared`` names groups that are told although no article of the component is listed in them.
        """
        rank = {_plain(name): place for place, name in reversed(list(enumerate(preferred)))}
        found = list(rows)
        present = {(row.group_key, row.category_key) for row in found}
        for name in declared:
            for key in self._groups_called.get(_plain(name), ()):
                for row in self._by_group.get(key, ()):
                    if (key, row.category_key) not in present:
                        present.add((key, row.category_key))
                        found.append(GroupRow(key, row.category_key, "", 0))
        last = len(rank)

        def order(row: GroupRow) -> tuple[bool, int, bool, int, int]:
            place = rank.get(_plain(self._group_names[row.group_key]), last)
            return (row.category_key in self._late, place, not row.articles, -row.articles, row.group_key)

        return tuple(sorted(found, key=order))

    # -- searching ----------------------------------------------------------------------------------------------------

    def read(self, text: str) -> ComponentPhrase:
        """Read a text with this catalogue's words protected from being taken for sides."""
        return read(text, self.vocabulary)

    def component(self, identifier: str) -> Target | None:
        """The target of a component by its id in the data, or None where there is no such component."""
        return self._components.get(identifier)

    def match(self, reading: ComponentPhrase, limit: int = 5, min_score: float = MIN_SCORE) -> list[ComponentMatch]:
        """Targets for a reading, best first, each once; none below ``min_score``."""
        best: dict[str, ComponentMatch] = {}
        for text, factor in self._queries(reading):
            for hit in self._index.search(text, CANDIDATES, min_score * 0.5):
                position = self._positions[hit.index]
                if _opposed(position, reading.position):
                    continue
                target = self._at(self._targets[hit.index], reading.position)
                if target is None:
                    continue
                score = round(hit.score * factor, 6)
                known = best.get(target.label)
                if score >= min_score and (known is None or score > known.score):
                    best[target.label] = ComponentMatch(target, score)
        # Between equals a component knows more than a bare name of the catalogue, and what is listed more than what is not.
        ordered = sorted(
            best.values(),
            key=lambda match: (-match.score, not match.target.component, not match.target.is_listed, match.target.label),
        )
        return ordered[:limit]

    def broader(self, reading: ComponentPhrase, limit: int = 5) -> tuple[list[ComponentMatch], str]:
        """Targets for a text that is not understood as a whole, by what it is a kind of; and the words that were left out.

        An English name ends with what the thing is ("matrix laser headlight"), a Spanish one begins with it: only words before,
        or behind, are left out, and what remains must be known well.
        """
        ends = tuple(word for word in reading.words if word in ("front", "rear"))
        words = tuple(word for word in reading.words if word not in ends)
        spanish = translate(words, self.vocabulary) != words
        for count in range(1, len(words)):
            kept, dropped = (words[:-count], words[-count:]) if spanish else (words[count:], words[:count])
            matches = self.match(replace(reading, words=(*ends, *kept)), limit, KNOWN_WELL)
            if matches:
                return [ComponentMatch(match.target, round(match.score * BROADER, 6)) for match in matches], " ".join(dropped)
        return [], ""

    def kind_of(self, target: Target) -> Target | None:
        """What a component is a kind of, where the data says so and the catalogue lists it."""
        wider = load("kinds.yaml")["kind_of"].get(target.component)
        found = self._components.get(wider) if wider else None
        return found if found is not None and found.is_listed else None

    def _at(self, target: Target, position: Position) -> Target | None:
        """The target without article names that speak of the other end ("Front Fog Light"); None where no other is left."""
        if position not in (Position.FRONT, Position.REAR) or not target.names:
            return target
        names = frozenset(name for name in target.names if not _opposed(canonical(name)[1], position))
        if len(names) == len(target.names):
            return target
        rows = tuple(row for row in target.rows if not row.article_name or row.article_name in names)
        groups = tuple(dict.fromkeys(row.group_key for row in rows if row.articles))
        return replace(target, names=names, rows=rows, groups=groups) if names else None

    def suggestions(self, reading: ComponentPhrase, limit: int = 3) -> list[str]:
        """Names near a text that was not understood."""
        found: dict[str, float] = {}
        for text, _ in self._queries(reading):
            for hit in self._index.search(text, 10, 0.2):
                if not _opposed(self._positions[hit.index], reading.position):
                    label = self._targets[hit.index].label
                    found[label] = max(found.get(label, 0.0), hit.score)
        return sorted(found, key=lambda label: (-found[label], label))[:limit]

    def _queries(self, reading: ComponentPhrase) -> list[tuple[str, float]]:
        forms: dict[str, float] = {}
        translated = translate(reading.words, self.vocabulary)
        for words, factor in ((reading.words, 1.0), (translated, TRANSLATED)):
            forms.setdefault(" ".join(words), factor)
            bare = " ".join(word for word in words if word not in ("front", "rear"))
            forms.setdefault(bare, factor * WITHOUT_POSITION)
        return [(text, factor) for text, factor in forms.items() if text]


def _plain(name: str) -> str:
    """A group's name without case, accents and doubled space."""
    return " ".join(fold(name).split())


def _opposed(name: Position, asked: Position) -> bool:
    """Whether a name speaks of one end of the vehicle and the question of the other."""
    return {name, asked} == {Position.FRONT, Position.REAR}
