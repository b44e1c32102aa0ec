"""Words that mean something in any product listing: synonyms, exclusive groups, and words that tell little.

This is data for :mod:`hexar.core.merge`, kept apart from its code. It holds general retail and catalogue vocabulary only.

``SYNONYMS``
    written form → one form, applied token by token before anything is compared.
``GROUPS``
    group → {word → value}. Two listings that name *different* values of one group are probably different products
    ("left" and "right", "upgrade" and "full"). Words of a group also carry the group's weight as tokens.
``WEIGHTS``
    group → token weight, in units of an ordinary five-letter word. It stands for the missing IDF of a single pair.
``UNITS``
    written unit → (dimension, factor to the dimension's base unit).
"""

SYNONYMS: dict[str, str] = {
    **dict.fromkeys(("professional", "prof"), "pro"),
    **dict.fromkeys(("std", "stand"), "standard"),
    **dict.fromkeys(("dlx", "delux"), "deluxe"),
    **dict.fromkeys(("upg", "upgrd", "upgd", "upgrades", "update", "upsell", "crossgrade"), "upgrade"),
    **dict.fromkeys(("ed", "edn", "editon", "editions"), "edition"),
    **dict.fromkeys(("ver", "vers", "v", "release"), "version"),
    **dict.fromkeys(("macintosh", "osx", "macos"), "mac"),
    **dict.fromkeys(("windows", "win32", "win64"), "win"),
    **dict.fromkeys(("lic", "licence", "licences", "licenses", "licensing"), "license"),
    **dict.fromkeys(("svr", "srv"), "server"),
    **dict.fromkeys(("ent",), "enterprise"),
    **dict.fromkeys(("biz",), "business"),
    **dict.fromkeys(("television", "tvs", "televisions"), "tv"),
    **dict.fromkeys(("photograph", "photos"), "photo"),
    **dict.fromkeys(("grey",), "gray"),
    **dict.fromkeys(("colour",), "color"),
    **dict.fromkeys(("pk", "pks", "packs", "pkg"), "pack"),
    **dict.fromkeys(("mens", "man"), "men"),
    **dict.fromkeys(("womens", "woman", "ladies", "lady"), "women"),
    **dict.fromkeys(("boys",), "boy"),
    **dict.fromkeys(("girls",), "girl"),
    **dict.fromkeys(("lh", "izquierdo", "izquierda"), "left"),
    **dict.fromkeys(("rh", "derecho", "derecha"), "right"),
    **dict.fromkeys(("delantero", "delantera"), "front"),
    **dict.fromkeys(("trasero", "trasera"), "rear"),
    **dict.fromkeys(("refurb", "renewed", "reconditioned"), "refurbished"),
    **dict.fromkeys(("incl", "includes", "including", "included"), "include"),
    **dict.fromkeys(("w", "con"), "with"),
    **dict.fromkeys(("y", "und", "et"), "and"),
    **dict.fromkeys(("street", "str"), "st"),
    **dict.fromkeys(("avenue", "av"), "ave"),
    **dict.fromkeys(("boulevard",), "blvd"),
    **dict.fromkeys(("road",), "rd"),
    **dict.fromkeys(("restaurant",), "rest"),
    **dict.fromkeys(("proceedings",), "proc"),
    **dict.fromkeys(("conference",), "conf"),
    **dict.fromkeys(("journal",), "j"),
    **dict.fromkeys(("international",), "intl"),
    **dict.fromkeys(("transactions",), "trans"),
    **{"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "ten": "10"},
    **{"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9"},
}

_COLORS = (
    "black white silver gray red blue green yellow pink purple orange brown beige gold bronze copper titanium graphite "
    "navy teal turquoise violet burgundy ivory cream charcoal khaki olive maroon stainless platinum"
).split()
_LANGUAGES = "english german french spanish italian portuguese dutch japanese chinese russian korean arabic latin".split()

GROUPS: dict[str, dict[str, str]] = {
    "side": {word: word for word in ("left", "right")},
    "position": {word: word for word in ("front", "rear")},
    "person": {"men": "men", "women": "women", "boy": "kids", "girl": "kids", "kids": "kids", "youth": "kids"},
    "license": {"upgrade": "upgrade", "full": "full", "oem": "oem", "trial": "trial", "renewal": "upgrade"},
    "audience": dict.fromkeys(("academic", "education", "educational", "edu", "student", "students", "teacher"), "academic"),
    "condition": {"refurbished": "refurbished", "used": "used"},
    "platform": {"mac": "mac", "win": "win", "linux": "linux", "ps2": "ps2", "ps3": "ps3", "xbox": "xbox", "wii": "wii"},
    "tier": {
        **{word: word for word in ("standard", "pro", "premium", "deluxe", "basic", "enterprise", "ultimate", "lite")},
        **{word: word for word in ("express", "essentials", "elite", "advanced", "starter", "business", "home")},
        **{word: word for word in ("studio", "premier", "mini", "max", "plus", "ultra", "junior", "jr")},
    },
    "color": {word: word for word in _COLORS},
    "language": {word: word for word in _LANGUAGES},
    "filler": dict.fromkeys(
        (
            "new version edition pack set kit series system software hardware complete product products item model version "
            "pc cd dvd rom box boxed jewel case jc retail small large medium size color finish include only free"
            " inc llc ltd corp co company corporation gmbh group intl user users computer digital electronics technology "
            "technologies genuine original official brand media"
        ).split(),
        "filler",
    ),
    "stop": dict.fromkeys(
        "the a an of for and with in on to by from or at as is it s your you de la el los las para der die das le les".split(),
        "stop",
    ),
}

WEIGHTS: dict[str, float] = {
    "side": 1.0,
    "position": 1.0,
    "person": 0.5,
    "license": 0.5,
    "audience": 0.5,
    "condition": 0.5,
    "platform": 0.25,
    "tier": 0.75,
    "color": 0.5,
    "language": 1.0,
    "filler": 0.25,
    "stop": 0.1,
}

UNITS: dict[str, tuple[str, float]] = {
    **{"kb": ("bytes", 1e3), "mb": ("bytes", 1e6), "gb": ("bytes", 1e9), "gig": ("bytes", 1e9), "tb": ("bytes", 1e12)},
    **{"gigabyte": ("bytes", 1e9), "gigabytes": ("bytes", 1e9), "megabyte": ("bytes", 1e6), "terabyte": ("bytes", 1e12)},
    **{"hz": ("hertz", 1.0), "khz": ("hertz", 1e3), "mhz": ("hertz", 1e6), "ghz": ("hertz", 1e9)},
    **{"mm": ("metres", 1e-3), "cm": ("metres", 1e-2), "m": ("metres", 1.0), "meter": ("metres", 1.0), "metre": ("metres", 1.0)},
    **{"inch": ("inches", 1.0), "inches": ("inches", 1.0), "in": ("inches", 1.0), "'": ("inches", 1.0), '"': ("inches", 1.0)},
    **{"ft": ("feet", 1.0), "feet": ("feet", 1.0), "foot": ("feet", 1.0)},
    **{"mg": ("grams", 1e-3), "g": ("grams", 1.0), "gr": ("grams", 1.0), "kg": ("grams", 1e3)},
    **{"oz": ("ounces", 1.0), "ounce": ("ounces", 1.0), "ounces": ("ounces", 1.0)},
    **{"lb": ("pounds", 1.0), "lbs": ("pounds", 1.0), "pound": ("pounds", 1.0), "pounds": ("pounds", 1.0)},
    **{"ml": ("litres", 1e-3), "cl": ("litres", 1e-2), "l": ("litres", 1.0), "liter": ("litres", 1.0), "litre": ("litres", 1.0)},
    **{"watt": ("watts", 1.0), "watts": ("watts", 1.0), "kw": ("watts", 1e3)},
    **{"volt": ("volts", 1.0), "volts": ("volts", 1.0), "mah": ("charge", 1.0), "btu": ("btu", 1.0), "cfm": ("cfm", 1.0)},
    **{"mp": ("pixels", 1.0), "megapixel": ("pixels", 1.0), "megapixels": ("pixels", 1.0), "rpm": ("rpm", 1.0)},
    **{"pack": ("count", 1.0), "ct": ("count", 1.0), "count": ("count", 1.0), "pcs": ("count", 1.0), "piece": ("count", 1.0)},
    **{"user": ("users", 1.0), "users": ("users", 1.0), "license": ("users", 1.0), "seat": ("users", 1.0), "port": ("ports", 1.0)},
    **{"year": ("years", 1.0), "yr": ("years", 1.0), "years": ("years", 1.0), "cu": ("cubic", 1.0), "x": ("times", 1.0)},
    **{"bit": ("bits", 1.0), "speed": ("speeds", 1.0), "cup": ("cups", 1.0), "cups": ("cups", 1.0), "quart": ("quarts", 1.0)},
    **{"st": ("ordinal", 1.0), "nd": ("ordinal", 1.0), "rd": ("ordinal", 1.0), "th": ("ordinal", 1.0), "grade": ("ordinal", 1.0)},
}

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

#: group → (evidence when both name values and share none, evidence when one side alone names a value), in logits.
#: What is unmarked is the ordinary product: a licence, an audience or a condition named on one side alone is a difference.
GROUP_EVIDENCE: dict[str, tuple[float, float]] = {
    "side": (-4.0, 0.0),
    "position": (-4.0, 0.0),
    "person": (-2.0, 0.0),
    "license": (-2.0, -1.0),
    "audience": (-2.0, -1.0),
    "condition": (-2.0, -1.0),
    "platform": (-2.0, 0.0),
    "tier": (-2.0, -0.5),
    "color": (-2.0, -0.5),
    "language": (-2.0, -0.5),
}

#: field names of a title, best first
TITLE_ORDER: tuple[str, ...] = ("title", "name", "product_title", "product_name", "producttitle", "productname", "product", "label")

#: field name (lower case, underscores) → what it says; names not listed are compared with the same name of the other side
ROLES: dict[str, str] = {
    **dict.fromkeys(TITLE_ORDER, "title"),
    **dict.fromkeys(("brand", "manufacturer", "maker", "brand_name", "mfr", "mfg", "make"), "brand"),
    **dict.fromkeys(("model", "modelno", "model_no", "model_number", "modelnumber", "model_name"), "model"),
    **dict.fromkeys(("mpn", "part_number", "partno", "part_no", "partnumber", "manufacturer_part_number"), "mpn"),
    **dict.fromkeys(("gtin", "gtin8", "gtin12", "gtin13", "gtin14", "upc", "ean", "ean13", "isbn", "isbn13", "barcode"), "gtin"),
    **dict.fromkeys(("price", "price_amount", "sale_price", "offer_price"), "price"),
    **dict.fromkeys(("description", "desc", "summary", "short_description", "long_description", "features"), "description"),
    **dict.fromkeys(("year", "model_year", "modelyear"), "year"),
    **dict.fromkeys(("category", "categories", "product_type", "type", "genre", "style"), "category"),
    **dict.fromkeys(("color", "colour"), "color"),
    **dict.fromkeys(("vendor", "shop", "store", "seller", "source"), "vendor"),
    **{"sku": "sku", "size": "size", "currency": "currency"},
    **dict.fromkeys(
        (
            "id product_id url link image image_url fetched_at availability stock rating rating_count reviews tier stale offers "
            "tags attributes sizes variants shipping list_price discount"
        ).split(),
        "ignored",
    ),
}
