"""From a description to the variants of a catalogue: manufacturer, then models, then variants.

Names are compared by likeness (optimal string alignment); years, bodies, capacities and fuels are facts and never are.
Where nothing fits, the answer is "not found" with what is nearest; a near vehicle is never returned as the vehicle.

Thread-safety: a :class:`VehicleIndex` never changes after it is built.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Unpack

from rapidfuzz.distance import OSA

from hexar.agents.parts.components.phrases import fold
from hexar.agents.parts.data import load
from hexar.agents.parts.vehicles.description import Description, Stated, describe, kin, words_of
from hexar.agents.parts.vehicles.models import ModelName, generation_of, parse
from hexar.agents.parts.vehicles.rows import ManufacturerRow, Match, ModelRow, Resolution, VariantRow
from hexar.agents.parts.vehicles.vin import Vin

#: Variants kept when a description fits more; the notes say how many there were.
MAX_VARIANTS = 60
#: Alternatives told.
MAX_ALTERNATIVES = 5
#: Likeness that a name must reach to be the name.
MIN_NAME = 0.74
#: Confidence where no year was given, and where the catalogue does not say the body that was asked for.
WITHOUT_YEAR = 0.9
BODY_UNSAID = 0.95
BODY_KIN = 0.85


class VehicleIndex:
    """Manufacturers, models and variants of one catalogue, by key."""

    def __init__(
        self, manufacturers: Sequence[ManufacturerRow], models: Sequence[ModelRow], variants: Sequence[VariantRow]
    ) -> None:
        self.manufacturers = manufacturers
        self.models = models
        self.variants = variants
        self.variant_by_id = {variant.id: variant for variant in variants}
        self._names: list[ModelName] = [parse(model.name, manufacturers[model.manufacturer_key].name) for model in models]
        self._of_model: dict[int, list[VariantRow]] = defaultdict(list)
        for variant in variants:
            self._of_model[variant.model_key].append(variant)
        self._bases: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for model in models:
            for base in self._names[model.key].bases:
                self._bases[model.manufacturer_key][base].append(model.key)
        self._makes: dict[str, int] = {}
        by_fold = {" ".join(words_of(row.name)): row.key for row in manufacturers}
        for name, aliases in load("vehicles.yaml")["makes"].items():
            key = by_fold.get(" ".join(words_of(name)))
            if key is not None:
                for alias in aliases:
                    self._makes[" ".join(words_of(alias))] = key
        self._makes.update(by_fold)

    # -- public -------------------------------------------------------------------------------------------------------

    def by_id(self, variant_id: str) -> Resolution | None:
        """The resolution of one variant by its id, or None where the catalogue has no such variant."""
        variant = self.variant_by_id.get(variant_id)
        if variant is None:
            return None
        model = self.models[variant.model_key]
        match = Match(model, variant, 1.0, ("its id was given",))
        return Resolution(self.manufacturers[variant.manufacturer_key], [model], [match], [], 1.0, [])

    def resolve(self, text: str = "", *, vin: Vin | None = None, **stated: Unpack[Stated]) -> Resolution:
        """Find the variants that a description means: a text, the fields that were stated, a vehicle's number."""
        asked = describe(text, **stated)
        found = Resolution()
        if vin is not None and not asked.year and len(vin.model_years) == 1:
            asked.year = vin.model_years[0]
            found.notes.append(f"the year {asked.year} was read from the VIN")
        manufacturer, sureness, rest = self._manufacturer(asked, found)
        if manufacturer is None and vin is not None and vin.make and not asked.make:
            manufacturer = self._makes.get(" ".join(words_of(vin.make)))
            sureness = 1.0
            if manufacturer is not None:
                found.notes.append(f"the make {self.manufacturers[manufacturer].name} was read from the VIN")
        elif manufacturer is not None and vin is not None and vin.make:
            told = self._makes.get(" ".join(words_of(vin.make)))
            if told is not None and told != manufacturer:
                found.notes.append(f"the VIN belongs to a {vin.make}, not to a {self.manufacturers[manufacturer].name}")
                sureness *= 0.5
        name_words = words_of(asked.model) or rest
        if asked.make and manufacturer is None:
            found.notes.append(f"the catalogue has no manufacturer {asked.make!r}")
            found.alternatives = self._nearest(asked, name_words, None)
            return found
        if manufacturer is not None:
            found.manufacturer = self.manufacturers[manufacturer]
        if not name_words:
            found.notes.append("no model was named")
            found.alternatives = self._nearest(asked, name_words, manufacturer)
            return found
        self._models(asked, found, manufacturer, sureness, name_words)
        return found

    # -- manufacturer -------------------------------------------------------------------------------------------------

    def _manufacturer(self, asked: Description, found: Resolution) -> tuple[int | None, float, list[str]]:
        """(manufacturer key or None, likeness, words left)."""
        words = asked.words
        if asked.make:
            key, score = self._like_make(" ".join(words_of(asked.make)))
            if key is not None and score < 1:
                found.notes.append(f"the make {asked.make!r} was read as {self.manufacturers[key].name}")
            return key, score, words
        for length in (4, 3, 2, 1):
            for start in range(len(words) - length + 1):
                key = self._makes.get(" ".join(words[start : start + length]))
                if key is not None:
                    # "Range Rover" and "Mini" are makes and models: as a model they stay among the words.
                    phrase = words[start : start + length]
                    keep = phrase if self._begins_model(key, " ".join(phrase)) else []
                    return key, 1.0, [*words[:start], *keep, *words[start + length :]]
        best, best_score, place = None, 0.0, (0, 0)
        for length in (2, 1):
            for start in range(len(words) - length + 1):
                phrase_text = " ".join(words[start : start + length])
                if len(phrase_text) < 4 or phrase_text.isdigit():
                    continue
                key, score = self._like_make(phrase_text)
                if key is not None and score > best_score:
                    best, best_score, place = key, score, (start, length)
        if best is None:
            return None, 1.0, words
        start, length = place
        # A model's exact name is no misspelt make.
        if self._is_base(" ".join(words[start : start + length])):
            return None, 1.0, words
        written = " ".join(words[start : start + length])
        found.notes.append(f"the make {written!r} was read as {self.manufacturers[best].name}")
        return best, best_score, [*words[:start], *words[start + length :]]

    def _begins_model(self, maker: int, phrase: str) -> bool:
        own = " ".join(words_of(self.manufacturers[maker].name))
        bases = self._bases[maker]
        return phrase in bases or (phrase != own and any(base.startswith(f"{phrase} ") for base in bases))

    def _is_base(self, phrase: str) -> bool:
        return any(phrase in bases for bases in self._bases.values())

    def _like_make(self, written: str) -> tuple[int | None, float]:
        if written in self._makes:
            return self._makes[written], 1.0
        best, best_score = None, 0.0
        if len(written) < 3:
            return None, 0.0
        for name, key in self._makes.items():
            if len(name) < 4 or len(written) < 4:
                # Short names have little to be alike by: one slip, and never in the first letter.
                if min(len(name), len(written)) == 3 and name[0] == written[0] and OSA.distance(name, written) == 1:
                    best, best_score = (key, 0.8) if best_score < 0.8 else (best, best_score)
                continue
            cutoff = 0.79 if len(name) > 4 or name[0] != written[0] else 0.74
            score = OSA.normalized_similarity(name, written, score_cutoff=cutoff)
            if score > best_score:
                best, best_score = key, score
        return best, best_score

    # -- models -------------------------------------------------------------------------------------------------------

    def _models(
        self, asked: Description, found: Resolution, manufacturer: int | None, sureness: float, words: list[str]
    ) -> None:
        makers = [manufacturer] if manufacturer is not None else list(self._bases)
        hits = [(score, length, maker, base) for maker in makers for score, length, base in self._like_bases(maker, words)]
        if manufacturer is None:
            # Without its make, "1" is a number and no model, and what is only like a model may be another make's.
            hits = [hit for hit in hits if hit[0] == 1 and hit[1] >= (3 if hit[3].isdigit() else 2)]
        if not hits:
            written = " ".join(words)[:60]
            owner = found.manufacturer.name if found.manufacturer else "the catalogue"
            found.notes.append(f"{owner} has no model {written!r}")
            found.alternatives = self._nearest(asked, words, manufacturer)
            return
        # Of exact names the longest says most ("golf sportsvan"); of names that are only alike the likest is meant.
        best = max((score, length) for score, length, _, _ in hits)
        chosen = [hit for hit in hits if hit[:2] == best]
        score = chosen[0][0]
        if manufacturer is None and len({hit[2] for hit in chosen}) == 1:
            found.manufacturer = self.manufacturers[chosen[0][2]]
        if score < 1:
            found.notes.append(f"the model {' '.join(words)[:60]!r} was read as {chosen[0][3].upper()}")
        if manufacturer is None and (stranger := _stranger(chosen[0][3], words)):
            # A word before the model that is no make we know may be one that the catalogue lacks.
            found.notes.append(f"the catalogue has no manufacturer {stranger!r}")
            found.manufacturer = None
            found.alternatives = self._nearest(asked, words, None)
            return
        keys = list(dict.fromkeys(key for _, _, maker, base in chosen for key in self._bases[maker][base]))
        flat = chosen[0][3].replace(" ", "")
        left = [word for word in words if word not in flat and OSA.normalized_similarity(flat, word) < MIN_NAME]
        self._choose(asked, found, [self.models[key] for key in keys], sureness * score, left)

    def _like_bases(self, maker: int, words: list[str]) -> list[tuple[float, int, str]]:
        """(likeness, letters of the base, base) of the manufacturer's model names found in ``words``."""
        bases = self._bases[maker]
        phrases = {
            " ".join(words[start : start + length]) for length in (1, 2, 3, 4) for start in range(len(words) - length + 1)
        }
        for pattern, replacement in load("vehicles.yaml")["model_patterns"].get(self.manufacturers[maker].name, ()):
            for phrase in list(phrases):
                if re.fullmatch(pattern, phrase):
                    # Catalogue names are compared as words: "c-class" is "c class".
                    phrases.add(" ".join(words_of(re.sub(pattern, replacement, phrase))))
        exact = [(1.0, len(phrase.replace(" ", "")), phrase) for phrase in phrases if phrase in bases]
        if exact:
            return exact
        glued = {base.replace(" ", ""): base for base in bases}
        joined = [(1.0, len(flat), glued[flat]) for phrase in phrases if (flat := phrase.replace(" ", "")) in glued]
        if joined:
            return joined
        hits: dict[str, float] = {}
        for phrase in phrases:
            flat = phrase.replace(" ", "")
            # What "class" letters are alike by is "class".
            if len(flat) < 4 or flat.endswith("class"):
                continue
            for name, base in glued.items():
                if len(name) < 4 or abs(len(name) - len(flat)) > 3:
                    continue
                # Digits are part numbers of a name: a 206 is no misspelt 207, an A4 no A3.
                if re.sub(r"\D", "", name) != re.sub(r"\D", "", flat):
                    continue
                score = OSA.normalized_similarity(name, flat, score_cutoff=MIN_NAME)
                if score and score > hits.get(base, 0.0):
                    hits[base] = score
        return [(score, len(base.replace(" ", "")), base) for base, score in hits.items()]

    def _choose(self, asked: Description, found: Resolution, models: list[ModelRow], sureness: float, words: list[str]) -> None:
        in_year = [model for model in models if _covers(model.year_from, model.year_to, asked.year)]
        if not in_year:
            spans = ", ".join(sorted({_span(model.year_from, model.year_to) for model in models}))
            found.notes.append(f"{models[0].name} was not built in {asked.year}, but in {spans}")
            found.alternatives = self._matches(models, 0.3, "another year")[:MAX_ALTERNATIVES]
            return
        kept = self._narrow(asked, found, self._of_the_year(asked, found, in_year, words), words)
        scored: list[Match] = []
        rejected: list[Match] = []
        for model, factor, reasons in kept:
            for variant in self._of_model[model.key]:
                value, said = self._engine(asked, variant, words)
                if not _covers(variant.year_from, variant.year_to, asked.year):
                    rejected.append(Match(model, variant, round(sureness * factor * 0.3, 3), (*reasons, "another year")))
                elif value == 0.0:
                    rejected.append(Match(model, variant, round(sureness * factor * 0.3, 3), (*reasons, *said)))
                else:
                    scored.append(Match(model, variant, sureness * factor * value, (*reasons, *said)))
        if not scored:
            found.models = [model for model, _, _ in kept]
            if not any(self._of_model[model.key] for model, _, _ in kept):
                found.notes.append(
                    f"the catalogue lists no variant of {' nor '.join(model.name for model, _, _ in kept)[:200]}"
                )
            else:
                found.notes.append("no variant fits the year, engine or fuel")
            found.alternatives = sorted(rejected, key=_order)[:MAX_ALTERNATIVES] or self._siblings(kept[0][0])
            return
        # A capacity, code or trim that was told picks those that have it; without one all are equal.
        best = max(match.confidence for match in scored)
        chosen = [match for match in scored if match.confidence >= best - 1e-9 or not self._told(asked, words)]
        without = WITHOUT_YEAR if not asked.year else 1.0
        chosen = sorted(
            (Match(match.model, match.variant, round(match.confidence * without, 3), match.reasons) for match in chosen),
            key=_order,
        )
        others = [match for match in sorted(scored, key=_order) if match.variant not in {row.variant for row in chosen}]
        if len(chosen) > MAX_VARIANTS:
            found.notes.append(
                f"{len(chosen)} variants fit; the first {MAX_VARIANTS} are kept: a year or an engine narrows them"
            )
        found.variants = chosen[:MAX_VARIANTS]
        found.models = list({match.model.key: match.model for match in found.variants}.values())
        found.manufacturer = found.manufacturer or self.manufacturers[found.models[0].manufacturer_key]
        found.confidence = found.variants[0].confidence
        found.alternatives = [
            Match(match.model, match.variant, round(match.confidence * 0.5, 3), match.reasons)
            for match in others[:MAX_ALTERNATIVES]
        ]
        if not asked.year:
            found.notes.append("no year was given")

    def _of_the_year(self, asked: Description, found: Resolution, models: list[ModelRow], words: list[str]) -> list[ModelRow]:
        """The models of the generation that was built in the year asked for, and a note that names it.

        Convertibles and vans of the one before are often built on for years: who says "Golf 2015" means the Golf VII. In the
        year of a change both are kept. A code, a numeral or a body that was told decides by itself.
        """
        generations = {self._names[model.key].generation for model in models} - {0}
        told = {generation_of(word.removeprefix("mk")) for word in words} & generations
        coded = any(self._names[model.key].codes & set(words) for model in models)
        if not asked.year or told or coded or len(generations) < 2:
            return models
        plain = [model for model in models if self._names[model.key].generation and self._names[model.key].body == asked.body]
        plain = plain or [model for model in models if self._names[model.key].generation]
        newest = max(plain, key=lambda model: (model.year_from, self._names[model.key].generation))
        kept = {self._names[newest.key].generation}
        if newest.year_from == asked.year:
            before = [model for model in plain if model.year_from < asked.year]
            kept |= {self._names[max(before, key=lambda model: model.year_from).key].generation} if before else set()
        chosen = [model for model in models if self._names[model.key].generation in kept]
        spoken = sorted({f"{model.name} ({_span(model.year_from, model.year_to)})" for model in plain if model in chosen})
        found.notes.append(f"of {asked.year} is {' or '.join(spoken)}"[:300])
        return chosen

    def _narrow(
        self, asked: Description, found: Resolution, models: list[ModelRow], words: list[str]
    ) -> list[tuple[ModelRow, float, tuple[str, ...]]]:
        """Models with a factor and reasons, after chassis code, generation and body."""
        coded = [model for model in models if self._names[model.key].codes & set(words)]
        if coded:
            models = coded
        numerals = {generation_of(word.removeprefix("mk")) for word in words} - {0}
        of_generation = [model for model in models if self._names[model.key].generation in numerals]
        if of_generation:
            models = of_generation
        kept: list[tuple[ModelRow, float, tuple[str, ...]]] = []
        other_bodies: list[tuple[ModelRow, float, tuple[str, ...]]] = []
        for model in models:
            body = self._names[model.key].body
            if not asked.body:
                kept.append((model, 1.0, ()))
            elif body == asked.body:
                kept.append((model, 1.0, (f"body {body}",)))
            elif not body:
                kept.append((model, BODY_UNSAID, ("the catalogue does not say the body",)))
            elif body in kin(asked.body):
                kept.append((model, BODY_KIN, (f"body {body}, near {asked.body}",)))
            else:
                other_bodies.append((model, 0.5, (f"body {body}, not {asked.body}",)))
        exact = [entry for entry in kept if entry[1] == 1.0 and self._of_model[entry[0].key]]
        if asked.body and exact:
            return exact
        if kept:
            return kept
        found.notes.append(f"no model has the body {asked.body!r}; other bodies are kept with less confidence")
        return other_bodies

    def _told(self, asked: Description, words: list[str]) -> bool:
        return bool(asked.litres or asked.capacity_cc or asked.power_kw or asked.engine or asked.fuel or asked.body or words)

    def _engine(self, asked: Description, variant: VariantRow, words: list[str]) -> tuple[float, tuple[str, ...]]:
        """(factor, reasons): 0 where a fact contradicts, up to 1 where all that was told agrees."""
        reasons: list[str] = []
        value = 1.0
        name_words = self._variant_words(variant)
        if asked.capacity_cc and variant.capacity_cc and abs(asked.capacity_cc - variant.capacity_cc) > 30:
            return 0.0, (f"{variant.capacity_cc} cc, not {asked.capacity_cc}",)
        if asked.litres and not _same_litres(asked.litres, variant, name_words):
            return 0.0, (f"{variant.capacity_cc} cc, not {asked.litres} litres",)
        if asked.power_kw and variant.power_kw and abs(asked.power_kw - variant.power_kw) > 3:
            return 0.0, (f"{variant.power_kw} kW, not {asked.power_kw}",)
        if asked.fuel and not _same_fuel(asked.fuel, variant.fuel):
            return 0.0, (f"fuel {variant.fuel}, not {asked.fuel}",)
        codes = {fold(code) for code in variant.engine_codes}
        engine_words = set(words_of(asked.engine))
        told = engine_words | set(words)
        agreed = (name_words | codes) & told
        # What was given as the engine must agree in part; other words may be trim that the catalogue does not list.
        if engine_words and not (name_words | codes) & engine_words and not (asked.litres or asked.capacity_cc):
            return 0.0, (f"engine {asked.engine} is not {variant.name}",)
        if asked.litres or asked.capacity_cc or asked.power_kw:
            reasons.append(f"engine {variant.name}, {variant.capacity_cc} cc")
        missing = len(engine_words - name_words - codes)
        if missing:
            value *= 0.9**missing
        elif not agreed and told:
            value *= 0.97
        if agreed:
            reasons.append(f"engine {', '.join(sorted(agreed))}")
        return value, tuple(reasons)

    def _variant_words(self, variant: VariantRow) -> set[str]:
        """Words of a variant's name, neighbours also as one: "118 d" is "118d" too."""
        words = words_of(variant.name)
        return set(words) | {first + second for first, second in itertools.pairwise(words)}

    # -- what is near -------------------------------------------------------------------------------------------------

    def _nearest(self, asked: Description, words: list[str], manufacturer: int | None) -> list[Match]:
        """Models whose names are most like the words, of the manufacturer where it is known, else of any."""
        phrase = "".join(words)
        makers = [manufacturer] if manufacturer is not None else list(self._bases)
        near: list[tuple[float, int]] = []
        for maker in makers:
            for base, keys in self._bases[maker].items():
                flat = base.replace(" ", "")
                likeness = max((OSA.normalized_similarity(flat, word) for word in (phrase, *words)), default=0.0)
                near.extend(
                    (likeness, key) for key in keys if _covers(self.models[key].year_from, self.models[key].year_to, asked.year)
                )
        near.sort(key=lambda entry: (-entry[0], not self._of_model[entry[1]], entry[1]))
        return [
            Match(self.models[key], None, round(likeness * 0.5, 3), ("the nearest name",))
            for likeness, key in near[:MAX_ALTERNATIVES]
        ]

    def _siblings(self, model: ModelRow) -> list[Match]:
        """Variants under the same base name, of any manufacturer (a licensed or local edition)."""
        found: list[Match] = []
        for base in self._names[model.key].bases:
            for bases in self._bases.values():
                for key in bases.get(base, ()):
                    if key != model.key:
                        found.extend(
                            Match(self.models[key], variant, 0.2, ("another model of that name",))
                            for variant in self._of_model[key]
                        )
        return found[:MAX_ALTERNATIVES]

    def _matches(self, models: list[ModelRow], confidence: float, reason: str) -> list[Match]:
        return [Match(model, None, confidence, (reason, _span(model.year_from, model.year_to))) for model in models]


def _stranger(base: str, words: list[str]) -> str:
    """A word of three letters or more in front of the model's name; empty where there is none."""
    flat = base.replace(" ", "")
    for word in words:
        if flat.startswith(word) or OSA.normalized_similarity(flat, word) >= MIN_NAME:
            return ""
        if len(word) >= 3 and word.isalpha():
            return word
    return ""


def _covers(first: int, last: int, year: int) -> bool:
    return not year or ((not first or first <= year) and (not last or year <= last))


def _span(first: int, last: int) -> str:
    return f"{first or '?'} to {last or 'now'}"


def _same_litres(litres: float, variant: VariantRow, name_words: set[str]) -> bool:
    if f"{litres:.1f}" in name_words:
        return True
    if any(re.fullmatch(r"\d\.\d", word) for word in name_words):
        return False
    return bool(variant.capacity_cc) and abs(variant.capacity_cc / 1000 - litres) <= 0.06


def _same_fuel(asked: str, fuel: str) -> bool:
    told = fold(fuel)
    if not told:
        return True
    if asked == "hybrid":
        return "/electr" in told
    if asked == "electric":
        return told == "electric"
    if asked in ("lpg", "cng"):
        return asked in told
    return told.startswith(asked)


def _order(match: Match) -> tuple[float, str, str]:
    return (-match.confidence, match.model.name, match.variant.id if match.variant else "")
