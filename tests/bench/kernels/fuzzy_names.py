"""Part-like names and labelled spelling variants of them, from a seed. Nothing here was used to choose the scorer.

A name has six fields: brand, place (side and end), part, model, year, code. A variant drops some, and mangles what it keeps
as people do; it is answered rightly by any name that agrees with the original in all fields that were kept.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

_SYLLABLES = """
    ba ce di fo gu ka le mi no pu ra se ti vo xa ze bro cla dri fel gra hol jen kri lum mar nor pal rin sol tur
""".split()  # noqa: SIM905
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CODE_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"

PARTS = (
    """
    headlight,headlight assembly,tail light,tail light assembly,fog light,bumper,bumper cover,bumper bracket,fender,
    fender liner,door,door handle,door mirror,hood,hood hinge,windshield,brake pad,brake disc,brake caliper,shock absorber,
    grille,grille assembly,radiator,radiator fan assembly,radiator support,water pump,oil filter,air filter,fuel pump,
    alternator,alternator bracket,starter motor,wheel bearing,wheel speed sensor,control arm,tie rod end,ball joint,
    ignition coil,spark plug,window regulator,window switch,axle shaft,strut mount,stabilizer link,engine mount,
    transmission mount,timing belt,thermostat,oxygen sensor,camshaft sensor,steering rack,condenser,washer pump,wiper blade,
    wiper motor,clutch kit,muffler,catalytic converter,exhaust pipe,intake manifold,throttle body,suspension spring,
    seat belt,sunroof motor
""".replace("\n    ", "")
    .strip()
    .split(",")
)
PLACES = ("front left", "front right", "rear left", "rear right", "front", "rear", "left", "right", "")

_SHORT = {
    "assembly": ("assy", "assembl", "assmbly"),
    "headlight": ("headlt", "hdlight", "head light", "head-light"),
    "sunroof": ("sun roof",),
    "windshield": ("wind shield", "wndshld"),
    "thermostat": ("thermo stat", "thermost"),
    "camshaft": ("cam shaft",),
    "bracket": ("brkt", "brckt"),
    "bumper": ("bmpr", "bump"),
    "sensor": ("snsr", "sens"),
    "switch": ("swtch", "swt"),
    "mirror": ("mirr", "mrr"),
    "alternator": ("altern", "alt"),
    "transmission": ("trans", "transm"),
    "suspension": ("susp",),
    "condenser": ("cond", "cndnsr"),
    "radiator": ("rad", "radtr"),
    "regulator": ("reg", "regul"),
    "stabilizer": ("stab", "stabil"),
    "absorber": ("abs", "absorb"),
    "left": ("LH", "L/H", "lt", "l", "izquierdo"),
    "right": ("RH", "R/H", "rt", "r", "derecho"),
    "front": ("frt", "fr", "delantero"),
    "rear": ("rr", "trasero"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """The six fields of a name."""

    brand: str
    place: str
    part: str
    model: str
    year: str
    code: str

    def fields(self) -> tuple[str, ...]:
        return (self.brand, self.place, self.part, self.model, self.year, self.code)

    def __str__(self) -> str:
        return " ".join(field for field in self.fields() if field)


@dataclass(frozen=True, slots=True)
class Variant:
    """A spelling of ``target``; ``kept`` marks the fields that are in it."""

    query: str
    target: Part
    kept: tuple[bool, ...]

    def answered_by(self, part: Part) -> bool:
        pairs = zip(self.target.fields(), part.fields(), self.kept, strict=True)
        return all(mine == theirs for mine, theirs, kept in pairs if kept)


def _invented(rng: random.Random, count: int) -> list[str]:
    words: set[str] = set()
    while len(words) < count:
        words.add("".join(rng.choices(_SYLLABLES, k=rng.randint(2, 3))).title())
    return sorted(words)


def parts(count: int, seed: int = 1) -> Iterator[Part]:
    """``count`` parts, one after the other; the same for the same seed."""
    rng = random.Random(seed)
    brands, models = _invented(rng, 60), _invented(rng, 400)
    for _ in range(count):
        code = "".join(rng.choices(_CODE_LETTERS, k=3)) + f"-{rng.randint(1000, 99999)}" + rng.choice(("", "", "A", "B"))
        yield Part(
            rng.choice(brands), rng.choice(PLACES), rng.choice(PARTS), rng.choice(models), str(rng.randint(1995, 2024)), code
        )


def mistype(word: str, rng: random.Random) -> str:
    """One slip inside a word of four characters or more: swap, loss, replacement or addition."""
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    return rng.choice(
        (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + rng.choice(_LETTERS) + word[at + 1 :],
            word[:at] + rng.choice(_LETTERS) + word[at:],
        )
    )


def mistyped_query(part: Part, rng: random.Random) -> str:
    """What the speed is measured with: one or two slips, a lost field, the code half of the time, often another order."""
    words = " ".join(field for field in part.fields()[: rng.choice((5, 6))] if field).lower().split()
    if len(words) > 3 and rng.random() < 0.5:
        words.pop(rng.randrange(len(words)))
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(words))
        words[at] = mistype(words[at], rng)
    if rng.random() < 0.5:
        rng.shuffle(words)
    return " ".join(words)


def variants(catalogue: list[Part], count: int, seed: int) -> Iterator[Variant]:
    """Labelled variants: fields missing, words abbreviated, translated, glued, split, mistyped, out of order."""
    rng = random.Random(seed)
    for _ in range(count):
        target = rng.choice(catalogue)
        kept = [rng.random() < share for share in (0.8, 1.0, 1.0, 0.9, 0.7, 0.35)]
        groups: list[list[str]] = []
        mistypable: list[list[str]] = []  # all but the place: a side that is not written down cannot be kept apart
        for field, keep in zip(target.fields(), kept, strict=True):
            if not keep or not field:
                continue
            words = [rng.choice(_SHORT[word]) if word in _SHORT and rng.random() < 0.5 else word for word in field.split()]
            if len(words) == 2 and rng.random() < 0.15 and field == target.part:
                words = ["".join(words)]
            if field == target.code and rng.random() < 0.5:
                words = [field.replace("-", rng.choice(("", " ", ".")))]
            groups.append(words)
            if field != target.place:
                mistypable.append(words)
        for _ in range(rng.choice((0, 1, 1, 2))):
            group = rng.choice(mistypable)
            at = rng.randrange(len(group))
            group[at] = mistype(group[at], rng)
        if rng.random() < 0.6:
            rng.shuffle(groups)
        text = " ".join(word for group in groups for word in group)
        yield Variant(rng.choice((text, text.lower(), text.upper())), target, tuple(kept))
