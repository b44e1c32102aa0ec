"""Labelled pairs of shop titles, made by rule: brands and models are invented, the ways in which titles differ are not.

A product has a brand, a model, perhaps a variant, a kind of goods and attributes. :func:`pairs` writes it twice as two shops
might, in one of five languages each (label 1), or once beside a sibling that differs in what makes two products of one
catalogue (label 0). Half of the goods and of the words for variants are only used for the held-out part.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

LANGUAGES = ("en", "es", "fr", "it", "de")
#: kind → its noun in each language, a dimension of size with its unit, and sizes
GOODS: list[tuple[tuple[str, str, str, str, str], str, tuple[int, ...]]] = [
    (("snowboard", "tabla de snowboard", "snowboard", "tavola da snowboard", "Snowboard"), "", ()),
    (("backpack", "mochila", "sac à dos", "zaino", "Rucksack"), "L", (18, 22, 35, 50, 65)),
    (("sleeping bag", "saco de dormir", "sac de couchage", "sacco a pelo", "Schlafsack"), "°C", (-10, -5, 5, 10)),
    (("jacket", "chaqueta", "veste", "giacca", "Jacke"), "", ()),
    (("headphones", "auriculares", "casque audio", "cuffie", "Kopfhörer"), "", ()),
    (("hard drive", "disco duro", "disque dur", "hard disk", "Festplatte"), "TB", (1, 2, 4, 8, 12)),
    (("helmet", "casco", "casque de vélo", "casco", "Helm"), "", ()),
    (("vacuum cleaner", "aspiradora", "aspirateur", "aspirapolvere", "Staubsauger"), "W", (600, 800, 900)),
    (("coffee machine", "cafetera", "machine à café", "macchina da caffè", "Kaffeemaschine"), "", ()),
    (("monitor", "monitor", "écran", "monitor", "Monitor"), "inch", (24, 27, 32)),
    (("tent", "tienda de campaña", "tente", "tenda", "Zelt"), "person", (1, 2, 3, 4)),
    (("hiking boots", "botas de senderismo", "bottes de randonnée", "scarponi da trekking", "Wanderstiefel"), "", ()),
    (("skis", "esquís", "skis", "sci", "Ski"), "", ()),
    (("bottle", "botella", "gourde", "borraccia", "Trinkflasche"), "ml", (500, 750, 1000)),
    (("smartwatch", "reloj inteligente", "montre connectée", "smartwatch", "Smartwatch"), "mm", (41, 45, 49)),
    (("drill", "taladro", "perceuse", "trapano", "Bohrmaschine"), "V", (12, 18, 36)),
    (("blender", "batidora", "mixeur", "frullatore", "Standmixer"), "W", (800, 1200)),
    (("running shoes", "zapatillas de correr", "chaussures de running", "scarpe da corsa", "Laufschuhe"), "", ()),
    (("stroller", "cochecito", "poussette", "passeggino", "Kinderwagen"), "", ()),
    (("keyboard", "teclado", "clavier", "tastiera", "Tastatur"), "", ()),
    (("memory card", "tarjeta de memoria", "carte mémoire", "scheda di memoria", "Speicherkarte"), "GB", (64, 128, 256)),
    (("goggles", "gafas de esquí", "masque de ski", "maschera da sci", "Skibrille"), "", ()),
    (("gloves", "guantes", "gants", "guanti", "Handschuhe"), "", ()),
    (("camera", "cámara", "appareil photo", "fotocamera", "Kamera"), "", ()),
]
VARIANTS = [
    "Pro", "Plus", "Max", "Mini", "Lite", "Elite", "X", "XL", "Ultra", "Wide", "Sport", "S",
    "Comp", "Classic", "Air", "Neo", "Core", "Evo", "GTX", "MIPS", "LTD", "Carbon", "Tour", "Jr",
    "Mid", "Music", "Solar", "SE", "Duo", "Flying V", "Team", "Z", "RS", "One",
]  # fmt: skip
ACCESSORIES = [
    ("Strap for {}", "Correa para {}", "Sangle pour {}", "Cinturino per {}", "Riemen für {}"),
    ("Replacement Battery for {}", "Batería de repuesto para {}", "Batterie de rechange pour {}", "Batteria di ricambio per {}", "Ersatzakku für {}"),
    ("{} Cover", "Funda para {}", "Housse pour {}", "Custodia per {}", "Schutzhülle für {}"),
    ("{} Mount", "Soporte para {}", "Support pour {}", "Supporto per {}", "Halterung für {}"),
    ("{} Charger", "Cargador {}", "Chargeur {}", "Caricabatterie {}", "Ladegerät {}"),
    ("{} Replacement Lens", "Lente de repuesto {}", "Écran de rechange {}", "Lente di ricambio {}", "Ersatzglas {}"),
]  # fmt: skip
COLORS = [
    ("Black", "negro", "noir", "nero", "schwarz"), ("White", "blanco", "blanc", "bianco", "weiß"),
    ("Red", "rojo", "rouge", "rosso", "rot"), ("Blue", "azul", "bleu", "blu", "blau"), ("Green", "verde", "vert", "verde", "grün"),
    ("Gray", "gris", "gris", "grigio", "grau"), ("Orange", "naranja", "orange", "arancione", "orange"),
    ("Pink", "rosa", "rose", "rosa", "rosa"),
]  # fmt: skip
PERSONS = [
    ("Men's", "hombre", "homme", "uomo", "Herren"),
    ("Women's", "mujer", "femme", "donna", "Damen"),
    ("Kids'", "niños", "enfant", "bambini", "Kinder"),
]
TAILS = [
    ("lightweight", "ligero", "léger", "leggero", "leicht"), ("waterproof", "impermeable", "imperméable", "impermeabile", "wasserdicht"),
    ("new", "nuevo", "nouveau", "nuovo", "neu"), ("rechargeable", "recargable", "rechargeable", "ricaricabile", "wiederaufladbar"),
    ("compact", "compacto", "compact", "compatto", "kompakt"), ("official", "oficial", "officiel", "ufficiale", "original"),
    ("portable", "portátil", "portable", "portatile", "tragbar"), ("high quality", "alta calidad", "haute qualité", "alta qualità", "hochwertig"),
]  # fmt: skip
PACK = [
    "{n}-Pack|Pack of {n}|{n} pcs|x{n}",
    "pack de {n}|{n} unidades",
    "lot de {n}|pack de {n}",
    "confezione da {n}|{n} pezzi",
    "{n}er Pack|{n} Stück",
]
REAL = [
    "Ridge",
    "Falcon",
    "Orbit",
    "Summit",
    "Breeze",
    "Comet",
    "Harbor",
    "Ember",
    "Atlas",
    "Nomad",
    "Willow",
    "Canyon",
    "Raven",
    "Pulse",
    "Meadow",
    "Tundra",
    "Vertex",
    "Lynx",
]
PERSON_UNIT = ("{}-Person", "{} personas", "{} personnes", "{} posti", "{} Personen")


@dataclass(frozen=True)
class Item:
    """One product; ``good`` and ``color`` are places in the tables above."""

    brand: str
    model: str
    number: str
    variants: tuple[str, ...]
    good: int
    size: int | None
    person: int | None
    color: int | None
    year: int | None
    count: int
    code: str


def pseudo(rng: random.Random, syllables: int) -> str:
    return "".join(
        rng.choice("bcdfgklmnprstvz") + rng.choice("aeiou") + rng.choice(["", "", "n", "r", "l"]) for _ in range(syllables)
    ).title()


def item(rng: random.Random, goods: list[int], variants: list[str]) -> Item:
    good = rng.choice(goods)
    sizes = GOODS[good][2]
    return Item(
        brand=pseudo(rng, 2) + (f" {rng.choice(REAL)}" if rng.random() < 0.25 else ""),
        model=rng.choice(REAL) if rng.random() < 0.4 else pseudo(rng, rng.choice((2, 2, 3))),
        number=rng.choice(["", "", str(rng.randrange(2, 13)), str(rng.randrange(20, 999)), f"{rng.choice('ABCQRT')}{rng.randrange(1, 9)}"]),
        variants=tuple(rng.sample(variants, rng.choice((0, 0, 0, 1, 1, 2)))),
        good=good,
        size=rng.choice(sizes) if sizes and rng.random() < 0.85 else None,
        person=rng.choice((0, 0, 1, 2)) if rng.random() < 0.25 else None,
        color=rng.randrange(len(COLORS)) if rng.random() < 0.15 else None,
        year=rng.choice((2025, 2026)) if rng.random() < 0.3 else None,
        count=rng.choice((1,) * 12 + (2, 3, 4)),
        code=f"{rng.choice('ABDKMRS')}{rng.choice('CDLNPTX')}{rng.randrange(100, 99999)}{rng.choice(['', 'B', 'EU'])}",
    )  # fmt: skip


def sized(rng: random.Random, value: int, unit: str, tongue: int) -> str:
    if unit == "person":
        return PERSON_UNIT[tongue].format(value)
    if unit == "inch":
        return rng.choice((f'{value}"', f"{value} inch", f"{value}-inch") if tongue == 0 else (f'{value}"',))
    if unit == "°C":
        return rng.choice((f"{value}", f"{value} °C", f"{value}°C", f"{value}°"))
    if unit == "L":
        return rng.choice((f"{value}", f"{value}L", f"{value} L", f"{value} l"))
    return rng.choice((f"{value}{unit}", f"{value} {unit}"))


def write(rng: random.Random, it: Item, tongue: int, *, bare: bool = True) -> str:
    """The product's title as one shop of this language writes it."""
    nouns, unit, _ = GOODS[it.good]
    brand, model = it.brand, it.model
    if rng.random() < 0.15:
        brand = brand.upper()
    if rng.random() < 0.1 and " " in brand:
        brand = "".join(word[0] for word in brand.split())
    name = [model]
    if it.number:
        if rng.random() < 0.15 and it.number.isdigit() and len(it.number) < 3:
            name = [model + it.number]
        else:
            name.append(it.number)
    name += [
        {"Jr": rng.choice(("Jr", "Junior")), "GTX": rng.choice(("GTX", "GORE-TEX")), "XL": "XL"}.get(word, word)
        for word in it.variants
    ]
    if it.size is not None:
        name.append(sized(rng, it.size, unit, tongue))
    noun = nouns[tongue]
    person = PERSONS[it.person][tongue] if it.person is not None else ""
    if it.person == 0 and rng.random() < 0.3:
        person = ""
    tail: list[str] = []
    if it.color is not None:
        tail.append(rng.choice((COLORS[it.color][tongue], f"- {COLORS[it.color][tongue]}")))
    if it.count > 1:
        tail.append(rng.choice(PACK[tongue].split("|")).format(n=it.count))
    if it.year is not None and rng.random() < 0.75:
        tail.append(
            rng.choice((str(it.year), f"{it.year - 1}/{it.year % 100}", f"'{it.year % 100}", f"{it.year - 1}-{it.year}"))
        )
    for extra in rng.sample(TAILS, rng.choice((0, 0, 0, 1, 1, 2))):
        tail.append(extra[tongue])
    if rng.random() < 0.15:
        tail.append(rng.choice((it.code, f"({it.code})")))
    if bare and rng.random() < 0.12:
        noun = ""
    if tongue in (0, 4):
        words = [brand, *name, noun, *tail]
        if person:
            where = rng.random()
            words = (
                [brand, person, *name, noun, *tail]
                if where < 0.4
                else [brand, *name, person, noun, *tail]
                if where < 0.7
                else [*words, f"- {person}"]
            )
    elif rng.random() < 0.6:
        words = [noun, brand, *name, person, *tail]
    else:
        words = [brand, *name, noun, person, *tail]
    return " ".join(word for word in words if word)


def other_code(it: Item, rng: random.Random) -> Item:
    return replace(it, code=it.code[:2] + str(rng.randrange(100, 99999)))


def rename(it: Item, rng: random.Random) -> Item:
    return replace(it, model=pseudo(rng, 3) if rng.random() < 0.5 else rng.choice([word for word in REAL if word != it.model]))


def siblings(rng: random.Random, it: Item, variants: list[str]) -> list[tuple[str, Item]]:
    """What makes another product of ``it``, by kind."""
    unit, sizes = GOODS[it.good][1:]
    free = [word for word in variants if word not in it.variants]
    made: list[tuple[str, Item]] = [
        ("one variant more", replace(it, variants=(*it.variants, rng.choice(free)))),
        ("one variant more", replace(it, variants=(*it.variants, rng.choice(free)))),
        ("another model", rename(it, rng)),
        ("a pack", replace(it, count=it.count + rng.choice((1, 2, 4)))),
    ]
    if it.variants:
        made.append(("another variant", replace(it, variants=(rng.choice(free), *it.variants[1:]))))
    if it.size is not None:
        made.append(("another size", replace(it, size=rng.choice([size for size in sizes if size != it.size]))))
    if it.number:
        number = (
            str(int(it.number) + rng.choice((1, 2, 10))) if it.number.isdigit() else it.number[0] + str(1 + int(it.number[1:]))
        )
        made.append(("another number", replace(it, number=number)))
        made.append(("number on one side", replace(it, number="")))
    if it.person is not None:
        made.append(("another person", replace(it, person=(it.person + rng.choice((1, 2))) % 3)))
    if it.color is not None:
        made.append(("another colour", replace(it, color=(it.color + 1 + rng.randrange(len(COLORS) - 1)) % len(COLORS))))
    if it.year is not None:
        made.append(("another year", replace(it, year=it.year + rng.choice((-1, 1)))))
    made.append(
        (
            "another kind",
            replace(it, good=rng.choice([g for g in range(len(GOODS)) if g != it.good and not GOODS[g][1]]), size=None),
        )
    )
    return made


def pairs(count: int, seed: int, held_out: bool = False) -> Iterator[tuple[int, str, str, str, str]]:
    """(label, left, right, brand, kind of difference). A third are one product."""
    rng = random.Random(seed)
    half = 1 if held_out else 0
    goods = [g for g in range(len(GOODS)) if g % 2 == half]
    variants = [word for n, word in enumerate(VARIANTS) if n % 2 == half]
    for _ in range(count):
        it = item(rng, goods, variants)
        one = rng.randrange(5) if rng.random() < 0.6 else 0
        two = one if rng.random() < 0.6 else rng.randrange(5)
        left = write(rng, it, one)
        if rng.random() < 0.4:
            yield 1, left, write(rng, it, two), it.brand, "same"
        elif rng.random() < 0.12:
            yield (
                0,
                left,
                rng.choice(ACCESSORIES)[two].format(write(rng, other_code(replace(it, count=1), rng), two)),
                it.brand,
                "accessory",
            )
        else:
            kind, other = rng.choice(siblings(rng, it, variants))
            right = write(rng, other_code(other, rng), two, bare=kind != "another kind")
            if kind == "another kind":
                left = write(rng, it, one, bare=False)
            if (
                kind == "another year"
                and sum(any(str(y % 100) in text for y in (2024, 2025, 2026, 2027)) for text in (left, right)) < 2
            ):
                continue
            yield 0, left, right, it.brand, kind
