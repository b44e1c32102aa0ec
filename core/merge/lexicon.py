"""Words that mean something in any shop's titles, in English, Spanish, French, Italian and German.

This is data for :mod:`hexar.core.merge`, kept apart from its code. It names no product, no brand and no shop. ``goods.toml``
beside this file lists kinds of goods, their parts, colours and what describes them; a row gives all forms one name.

``PHRASES``
    written form, one to four words, folded → its words in one form. Applied before anything is compared.
``GROUPS``
    group → {word → value}. Where ``EVIDENCE`` has the group, two listings that name *different* values of it differ.
``UNITS``
    written unit → (dimension, factor to the dimension's base unit).
``ROLES``
    field name → what it says.
"""

import tomllib
import unicodedata
from importlib.resources import files

LANGUAGES = ("en", "es", "fr", "it", "de")


def folded(text: str) -> str:
    """Lower case without accents; what is no letter or digit separates words, but for one apostrophe that is dropped."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in text.replace("'s", "")).split())


def plurals(form: str, language: str) -> set[str]:
    """``form`` and what its language's rules make of it. Forms that nobody writes do no harm."""
    words = form.split()
    made = {form, form + "s"}
    if len(words) > 1 and language != "en" and language != "de":  # the first word is the thing: "saco de dormir"
        head, rest = words[0], " ".join(words[1:])
        made |= {f"{one} {rest}" for one in plurals(head, language)}
    if language == "en":
        made |= {form + "es", form[:-1] + "ies"} if form.endswith("y") else {form + "es"}
    elif language == "es":
        made |= {form + "es"}
    elif language == "fr":
        made |= {form + "x"}
    elif language == "it" and form[-1:] in "oae":
        made |= {form[:-1] + ("e" if form[-1] == "a" else "i")}
    elif language == "de":
        made |= {form + ending for ending in ("e", "en", "n", "er")}
    return made


def forms(row: str) -> dict[str, str]:
    """All folded forms of a row, each with its language, English first."""
    found: dict[str, str] = {}
    for language, column in zip(LANGUAGES, row.split("|"), strict=True):
        for form in column.split(","):
            if form.strip():
                found.setdefault(folded(form), language)
    return found


#: first parts of German compounds ("Herrenjacke", "Skihelm", "Ersatzakku") → the word that they stand for
COMPOUNDS: dict[str, str] = {
    "herren": "men",
    "damen": "women",
    "kinder": "kids",
    "ersatz": "spare",
    "akku": "cordless",
    "ski": "ski",
    "snowboard": "snowboard",
    "winter": "snow",
    "sommer": "summer",
    "sport": "training",
    "fitness": "training",
    "outdoor": "camping",
    "camping": "camping",
    "reise": "camping",
    "trekking": "trekking",
    "wander": "hiking",
    "kletter": "climbing",
    "touren": "allmountain",
    "lauf": "running",
}


def _read() -> tuple[dict[str, tuple[str, ...]], dict[str, dict[str, str]], frozenset[str]]:
    with files("hexar.core.merge").joinpath("goods.toml").open("rb") as file:
        tables: dict[str, dict[str, str]] = tomllib.load(file)
    phrases: dict[str, tuple[str, ...]] = {}
    groups: dict[str, dict[str, str]] = {}
    rows = [(table, name, forms(row)) for table, rows in tables.items() for name, row in rows.items()]
    heads: set[str] = set()
    for english in (True, False):  # of a form that two rows have the English one stays, then the earlier
        for table, name, row in rows:
            for form, language in row.items():
                if (language == "en") != english:
                    continue
                inflected = plurals(form, language) if table in ("kinds", "parts", "sports", "describing") else {form}
                if (table in ("filler", "variants", "describing") or name == "the") and " " not in form:
                    # kept as written: "shop" is half of "print shop"
                    groups.setdefault(table, {}).update(dict.fromkeys(inflected, table))
                    if table == "stop":  # "the" is no French tea
                        phrases.setdefault(form, (form,))
                    continue
                for one in sorted(inflected):
                    if (
                        language == "de"
                        and table in ("kinds", "parts")
                        and " " not in one
                        and len(form) >= 4
                        and one not in phrases
                        and one != name
                    ):
                        heads.add(one)
                    phrases.setdefault(one, (name,))
                    if language == "de" and table == "kinds":
                        phrases.setdefault(f"akku {one}", ("cordless", name))
    for table, name, _ in rows:
        if table != "spellings":
            groups.setdefault(table, {})[name] = name
    return {form: words for form, words in phrases.items() if (form,) != words}, groups, frozenset(heads)


PHRASES, _NAMES, HEADS = _read()
PHRASES |= {
    **dict.fromkeys(("ed", "edn", "editions"), ("new",)),
    **dict.fromkeys(("pk", "pks", "packs", "pkg", "pak"), ("pack",)),
    **dict.fromkeys(("twin pack", "twinpack", "double pack", "duo pack", "doppelpack"), ("2", "pack")),
    **dict.fromkeys(("triple pack", "trio pack", "dreierpack"), ("3", "pack")),
    **dict.fromkeys(("svr", "srv"), ("server",)),
    **dict.fromkeys(("ent",), ("enterprise",)),
    **dict.fromkeys(("biz",), ("business",)),
    "half": ("0.5",), "two": ("2",), "three": ("3",), "four": ("4",), "five": ("5",), "six": ("6",), "ten": ("10",),
    "ii": ("2",), "iii": ("3",), "iv": ("4",), "vi": ("6",), "vii": ("7",), "viii": ("8",), "ix": ("9",),
    "cu ft": ("cuft",), "cubic feet": ("cuft",), "cubic foot": ("cuft",), "fl oz": ("floz",),
}  # fmt: skip

GROUPS: dict[str, dict[str, str]] = {
    "side": {word: word for word in ("left", "right")},
    "position": {word: word for word in ("front", "rear")},
    "person": _NAMES["persons"],
    "license": {"upgrade": "upgrade", "full": "full", "oem": "oem", "trial": "trial", "renewal": "upgrade"},
    "audience": {"academic": "academic"},
    "condition": {"refurbished": "refurbished", "used": "used"},
    "platform": {word: word for word in ("mac", "win", "linux", "android", "ios")},
    "color": _NAMES["colors"],
    "variant": dict.fromkeys(_NAMES["variants"], "variant"),
    "kind": dict.fromkeys(_NAMES["kinds"], "kind"),
    "sport": dict.fromkeys(_NAMES["sports"], "sport"),
    "part": dict.fromkeys(_NAMES["parts"], "part"),
    "describing": dict.fromkeys(_NAMES["describing"], "describing"),
    "filler": dict.fromkeys([*_NAMES["filler"], "license", "software", "server", "user", "pc", "computer", "shop"], "filler"),
    "stop": dict.fromkeys(_NAMES["stop"], "stop"),
}  # fmt: skip

#: group → (cost in logits where both name values and share none, where one side alone names a value). What is unmarked is the
#: ordinary product: a licence, an audience or a condition that one side alone names is a difference.
EVIDENCE: dict[str, tuple[float, float]] = {
    "side": (6.0, 1.5),
    "position": (6.0, 1.5),
    "person": (5.0, 3.4),
    "license": (3.0, 2.8),
    "audience": (3.0, 2.5),
    "condition": (3.0, 3.0),
    "platform": (3.0, 0.5),
    "color": (4.5, 1.0),
}

#: group → the value that an unmarked product has; naming it on one side alone is no difference
DEFAULTS: dict[str, str] = {"license": "full", "person": "men", "color": "black", "platform": "win"}

#: nouns before or behind the number of things that are sold together ("3-pack", "set of 3"), after PHRASES
PACKS = frozenset(
    ("pack", "kit", "set", "bundle", "lot", "multipack", "paquete", "paquet", "confezione", "conf", "packung", "paket")
)

_UNIT_FORMS: dict[str, tuple[tuple[str, float], str]] = {
    "byte": (("bytes", 1.0), "byte bytes"),
    "kb": (("bytes", 1e3), "kb"),
    "mb": (("bytes", 1e6), "mb megabyte megabytes mo"),
    "gb": (("bytes", 1e9), "gb gig gigabyte gigabytes go"),
    "tb": (("bytes", 1e12), "tb terabyte terabytes to"),
    "hz": (("hertz", 1.0), "hz"),
    "khz": (("hertz", 1e3), "khz"),
    "mhz": (("hertz", 1e6), "mhz"),
    "ghz": (("hertz", 1e9), "ghz"),
    "mm": (("metres", 1e-3), "mm millimeter millimetre"),
    "cm": (("metres", 1e-2), "cm centimeter centimetre zentimeter"),
    "m": (("metres", 1.0), "m meter metre meters metres metros metri"),
    "in": (("metres", 0.0254), "inch inches in zoll pulgadas pouces pollici"),
    '"': (("metres", 0.0254), '"'),
    "ft": (("metres", 0.3048), "ft feet foot"),
    "mg": (("grams", 1e-3), "mg"),
    "g": (("grams", 1.0), "g gr gram grams gramos grammes grammi gramm"),
    "kg": (("grams", 1e3), "kg kilo kilos"),
    "oz": (("grams", 28.3495), "oz ounce ounces"),
    "lb": (("grams", 453.592), "lb lbs pound pounds"),
    "ml": (("litres", 1e-3), "ml"),
    "cl": (("litres", 1e-2), "cl"),
    "l": (("litres", 1.0), "l lt ltr liter litre liters litres litro litros litri"),
    "floz": (("litres", 0.0295735), "floz"),
    "gal": (("litres", 3.78541), "gal gallon gallons"),
    "qt": (("litres", 0.946353), "quart quarts qt"),
    "cuft": (("litres", 28.3168), "cuft"),
    "cup": (("cups", 1.0), "cup cups tazas tasses tazze tassen"),
    "w": (("watts", 1.0), "w watt watts vatios"),
    "kw": (("watts", 1e3), "kw"),
    "v": (("volts", 1.0), "v volt volts voltios"),
    "ah": (("charge", 1e3), "ah"),
    "mah": (("charge", 1.0), "mah"),
    "wh": (("energy", 1.0), "wh"),
    "btu": (("btu", 1.0), "btu"),
    "cfm": (("cfm", 1.0), "cfm"),
    "lm": (("lumens", 1.0), "lm lumen lumens lumenes"),
    "mp": (("pixels", 1.0), "mp megapixel megapixels mpx"),
    "rpm": (("rpm", 1.0), "rpm"),
    "bar": (("bar", 1.0), "bar bars"),
    "psi": (("psi", 1.0), "psi"),
    "pack": (("count", 1.0), "pack er"),
    "pcs": (
        ("count", 1.0),
        "pcs pc pieces piece ct count uds unidades unidad piezas pieza pezzi pz stuck stk teile teilig x",
    ),
    "pair": (("pairs", 1.0), "pair pairs pares paires paia paar"),
    "user": (("users", 1.0), "user users license seat device devices"),
    "port": (("ports", 1.0), "port ports puertos"),
    "year": (("years", 1.0), "year yr years yrs anos ans anni jahre"),
    "month": (("months", 1.0), "month months meses mois mesi monate"),
    "bit": (("bits", 1.0), "bit"),
    "speed": (("speeds", 1.0), "speed speeds s fach velocidades vitesses velocita gang"),
    "person": (("persons", 1.0), "person p places plazas posti"),
    "celsius": (("degrees", 1.0), "degrees celsius"),
    "fahrenheit": (("degrees", 0.5555555555555556), "fahrenheit"),
    "grade": (("ordinal", 1.0), "st nd rd th grade"),
}
#: "fahrenheit" is (n - 32) times its factor
UNITS: dict[str, tuple[str, float]] = {form: unit for unit, text in _UNIT_FORMS.values() for form in text.split()}
#: classes whose number has a plus sign that says nothing more ("SPF50+"); three letters each
RATINGS = frozenset(["spf", "upf"])
#: units only where they touch their number: on their own they are words or letters
GLUED_UNITS = frozenset(["m", "s", "p", "x", "st", "nd", "rd", "th", "in", "er", "go", "mo", "to"])
#: units of one letter that also ends names ("iPhone 5s"): equal to a number of the same unit alone, not to a bare number
STRICT_UNITS = frozenset(["s", "p", "x"])
#: dimension → cost where one side alone names a quantity of it: what sizes a thing more than what describes it
DIMENSIONS: dict[str, float] = {"count": 4.0, "pairs": 2.0, "bytes": 1.5, "persons": 1.0, "degrees": 1.0, "users": 1.0}
DIMENSION_COST = 0.2

#: size as written, compacted → one form
SIZES: dict[str, str] = {
    **dict.fromkeys(("xsmall", "extrasmall"), "xs"),
    **dict.fromkeys(("small", "sm", "sml"), "s"),
    **dict.fromkeys(("medium", "med", "md"), "m"),
    **dict.fromkeys(("large", "lg", "lrg"), "l"),
    **dict.fromkeys(("xlarge", "extralarge", "xlg"), "xl"),
    **dict.fromkeys(("xxlarge", "2xl", "2xlarge"), "xxl"),
    **dict.fromkeys(("xxxlarge", "3xl", "3xlarge"), "xxxl"),
    **dict.fromkeys(("onesize", "onesizefitsall", "osfa"), "os"),
}

#: field names of a title, best first
TITLE_ORDER: tuple[str, ...] = (
    "title",
    "name",
    "product_title",
    "product_name",
    "producttitle",
    "productname",
    "product",
    "label",
)

#: field name (lower case, underscores) → what it says; names not listed are compared with the same name of the other side
ROLES: dict[str, str] = {
    **dict.fromkeys(TITLE_ORDER, "title"),
    **dict.fromkeys(("brand", "manufacturer", "maker", "brand_name", "mfr", "mfg", "make"), "brand"),
    **dict.fromkeys(("model", "modelno", "model_no", "model_number", "modelnumber", "model_name"), "model"),
    **dict.fromkeys(("mpn", "part_number", "partno", "part_no", "partnumber", "manufacturer_part_number"), "mpn"),
    **dict.fromkeys(
        ("gtin", "gtin8", "gtin12", "gtin13", "gtin14", "upc", "ean", "ean13", "isbn", "isbn13", "barcode"), "gtin"
    ),
    **dict.fromkeys(("price", "price_amount", "sale_price", "offer_price"), "price"),
    **dict.fromkeys(("description", "desc", "summary", "short_description", "long_description", "features"), "description"),
    **dict.fromkeys(("year", "model_year", "modelyear"), "year"),
    **dict.fromkeys(("category", "categories", "product_type", "type"), "category"),
    **dict.fromkeys(("color", "colour"), "color"),
    **dict.fromkeys(("vendor", "shop", "store", "seller", "source"), "vendor"),
    "sku": "sku",
    "size": "size",
    "currency": "currency",
    **dict.fromkeys(
        [
            "id",
            "product_id",
            "url",
            "link",
            "image",
            "image_url",
            "fetched_at",
            "availability",
            "stock",
            "rating",
            "rating_count",
            "reviews",
            "tier",
            "stale",
            "offers",
            "tags",
            "attributes",
            "sizes",
            "variants",
            "shipping",
            "list_price",
            "discount",
        ],
        "ignored",
    ),
}

#: What evidence is worth, in logits; docs/adr/0023 says how the values were found.
COSTS: dict[str, float] = {
    # what both titles share: base + gain x (1 - exp(-rate x worth)), and more for each shared word beyond two
    "base": -1.5,
    "gain": 4.5,
    "rate": 0.9,
    "nothing": -3.0,
    "long": 0.35,
    "long_limit": 2.0,
    # what one title alone says: the greatest cost counts in full, the sum of the others by "more", up to two words
    "word": 3.7,
    "word_unbranded": 3.0,  # where a brand is not known, a word may be one
    "leading": 1.5,
    "letter": 3.8,
    "variant": 3.9,
    "describing": 0.35,
    "filler": 0.05,
    "more": 0.6,
    "two": 0.7,  # a second and a third word without a counterpart are a description, unless brands are known
    "three": 0.6,
    "replaced": 0.45,
    # numbers and codes
    "number": 3.8,
    "number_replaced": 1.2,
    "quantity": 4.2,
    "weak_code": 3.6,
    "same_code": 1.0,
    "same_model": 2.5,
    "other_code": 5.0,
    "other_digits": 0.7,  # numbers alone are mostly a shop's own, unless they have one length
    "other_number": 4.5,
    "other_model": 2.5,
    "coded": 0.18,  # share of what words cost where a long code is equal
    "coded_number": 0.4,
    "coded_kind": 0.7,  # of another kind of goods where the code is short: parts of one series share it
    # kinds of goods
    "part": 6.0,
    "kind": 4.5,
    "kind_more": 2.8,
    # fields
    "made_for": 3.9,  # "for Mac", on one side alone
    "child": 4.0,  # for children, on one side alone
    "color_inside": 3.6,
    "year": 4.0,
    "brand": 2.0,
    "brand_inside": 0.5,
    "agrees": 0.2,
    "size": 4.0,
    "said": 0.1,  # share of the cost of a word that the other side says elsewhere
    "price": 0.6,  # less "price_apart" x the square of the logarithm of the ratio: a discount says little, a factor of two much
    "price_apart": 2.0,
    "price_limit": 2.5,
}

#: group → how much a word of it that both sides have says of their being one product; an ordinary word of five letters says 1
WORTH: dict[str, float] = {
    "variant": 0.6,
    "license": 0.3,
    "audience": 0.3,
    "platform": 0.3,
    "part": 0.3,
    "color": 0.15,
    "describing": 0.15,
    "person": 0.1,
}
#: the same for what is no word, and for a word of no group: least, for each letter, most
WORTH_OF = {
    "code": 2.0,
    "weak_code": 1.2,
    "number": 0.8,
    "year": 0.2,
    "quantity": 0.5,
    "least": 0.6,
    "letter": 0.08,
    "most": 1.4,
}
