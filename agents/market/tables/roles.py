"""What a column can mean, and how its name and its values tell.

A role's ``names`` are phrases of normalised words. A column's confidence for a role is how well its name holds one of them,
nothing where the values are of another type. Names of marketing channels mark columns of spend, one a channel.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hexar.v1 import market_pb2 as pb


class Type(StrEnum):
    """What a column's values are."""

    DATE = "date"
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Role:
    """One meaning. ``words`` that rule it out stand in ``never``; ``computed`` says from what it can be made."""

    name: str
    number: pb.ColumnRole
    types: frozenset[Type]
    description: str
    names: tuple[str, ...]
    never: frozenset[str] = frozenset()
    computed: str = ""


_RATIO = frozenset(
    ("margin", "margen", "pct", "percent", "percentage", "porcentaje", "rate", "ratio", "growth", "share", "index")
)
_PER = frozenset(("per", "unit", "each", "unitario", "unitaria", "por", "unidad"))
_DATE, _NUMBER = frozenset((Type.DATE,)), frozenset((Type.NUMBER,))
_LABEL = frozenset((Type.TEXT, Type.NUMBER))
_TEXT = frozenset((Type.TEXT,))

ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role(
            "date", pb.COLUMN_ROLE_DATE, _DATE, "The day or the period of the sale.",
            ("date", "sale date", "sales date", "order date", "invoice date", "transaction date", "fecha",
             "fecha venta", "fecha de venta", "fecha pedido", "fecha factura", "day", "dia", "month", "mes", "week",
             "semana", "period", "periodo", "datum", "timestamp", "datetime", "dt", "data", "jour", "mois",
             "verkaufsdatum", "bestelldatum", "rechnungsdatum", "tag", "woche", "monat", "date de vente",
             "date commande", "data venda", "data vendita", "data ordine", "giorno", "mese"),
            computed="year, month and day columns",
        ),
        Role("brand", pb.COLUMN_ROLE_BRAND, _TEXT, "The brand.",
             ("brand", "brand name", "marca", "marke", "marque", "make", "label", "manufacturer", "fabricante",
             "vendor brand", "marchio", "hersteller")),
        Role("category", pb.COLUMN_ROLE_CATEGORY, _TEXT, "The product category.",
             ("category", "product category", "categoria", "product line", "product type", "segment", "segmento",
             "kategorie", "family", "familia", "department", "departamento", "rubro", "class", "product group", "linea",
             "sub category", "categorie", "warengruppe", "produktgruppe", "produktkategorie", "categoria prodotto",
             "reparto", "rayon", "famille")),
        Role("product", pb.COLUMN_ROLE_PRODUCT, _LABEL, "The product.",
             ("product", "product name", "producto", "item", "item name", "articulo", "sku", "product id",
             "product code", "produkt", "artikel", "produit", "model", "modelo", "stock code", "upc", "ean", "gtin",
             "prodotto", "produto", "articolo", "artigo", "bezeichnung", "artikelname", "descricao", "article"),
             never=frozenset(("category", "categoria", "line", "type", "group", "price", "cost", "brand", "marca", "precio"))),
        Role("region", pb.COLUMN_ROLE_REGION, _TEXT, "The sales region.",
             ("region", "sales region", "zona", "zone", "area", "territory", "territorio", "state", "estado", "province",
             "provincia", "market", "mercado", "gebiet", "bundesland", "comunidad", "regione", "regiao")),
        Role("country", pb.COLUMN_ROLE_COUNTRY, _TEXT, "The country.", ("country", "pais", "nation", "land", "pays",
        "country code", "paese", "staat")),
        Role("store", pb.COLUMN_ROLE_STORE, _LABEL, "The store.",
             ("store", "store id", "store name", "shop", "tienda", "outlet", "branch", "sucursal", "filiale", "magasin",
             "location", "local", "punto de venta", "pos", "store code", "warehouse", "negozio", "loja", "laden",
             "geschaft", "markt", "punto vendita", "tienda id")),
        Role("channel", pb.COLUMN_ROLE_CHANNEL, _TEXT, "The sales or marketing channel.",
             ("channel", "sales channel", "marketing channel", "canal", "canal de venta", "kanal", "medium", "media",
             "medio", "platform", "campaign channel", "source", "order method", "vertriebskanal", "canale",
             "canale di vendita", "vertriebsweg", "vertriebslinie", "canal de venda", "canal de vente")),
        Role("units", pb.COLUMN_ROLE_UNITS, _NUMBER, "Units sold.",
             ("units", "units sold", "quantity", "qty", "quantity sold", "unidades", "unidades vendidas", "cantidad",
             "uds", "menge", "anzahl", "pieces", "volume", "volumen", "quantite", "order quantity", "quantity ordered",
             "sold", "num units", "vendidas", "stuck", "stuckzahl", "absatz", "verkaufsmenge", "quantidade", "quantita",
             "pezzi", "unites", "quantite vendue", "quantita venduta", "quantidade vendida"),
             never=_RATIO | frozenset(("price", "cost", "precio", "coste", "costo", "per"))),
        Role("price", pb.COLUMN_ROLE_PRICE, _NUMBER, "Price of one unit.",
             ("price", "unit price", "price per unit", "price each", "sale price", "selling price", "precio",
             "precio unitario", "precio venta", "precio por unidad", "pvp", "preis", "stuckpreis", "prix", "list price",
             "avg price", "average price", "einzelpreis", "verkaufspreis", "prix unitaire", "prix de vente", "preco",
             "preco unitario", "prezzo", "prezzo unitario"),
             never=_RATIO | frozenset(("total", "cost"))),
        Role("revenue", pb.COLUMN_ROLE_REVENUE, _NUMBER, "Revenue of the row.",
             ("revenue", "total revenue", "sales revenue", "sales amount", "sales value", "net sales", "gross sales",
             "total sales", "sales", "turnover", "amount", "total", "value", "ingresos", "ingreso", "ventas", "venta",
             "venta total", "ventas netas", "importe", "importe total", "facturacion", "umsatz", "erlos",
             "chiffre affaires", "total amount", "order total", "line total", "total price", "net amount",
             "sales total", "monto", "gesamtbetrag", "betrag", "gesamtumsatz", "nettoumsatz", "bruttoumsatz",
             "verkaufserlos", "montant", "montant total", "ca", "chiffre d affaires", "recettes", "receita",
             "receita total", "faturamento", "valor", "valor total", "vendas", "fatturato", "ricavi", "ricavo",
             "incasso", "vendite", "importo", "totale"),
             never=_RATIO | _PER | frozenset(("cost", "coste", "costo", "profit", "tax", "quantity", "units", "unidades",
             "target")),
             computed="units × price, or cost + profit"),
        Role("cost", pb.COLUMN_ROLE_COST, _NUMBER, "Cost of the row.",
             ("cost", "total cost", "cost of goods sold", "cogs", "coste", "costo", "coste total", "costo total",
             "kosten", "cout", "sales cost", "cost amount", "gesamtkosten", "couts", "cout total", "custo",
             "custo total", "costi", "costo totale", "einstandskosten", "wareneinsatz"),
             never=_RATIO | _PER | frozenset(("ad", "advertising", "marketing", "media", "price", "shipping")),
             computed="units × unit cost, or revenue − profit"),
        Role("profit", pb.COLUMN_ROLE_PROFIT, _NUMBER, "Profit of the row; losses are negative.",
             ("profit", "gross profit", "total profit", "net profit", "operating profit", "beneficio", "ganancia",
             "utilidad", "gewinn", "earnings", "profit amount", "benefice", "rohertrag", "deckungsbeitrag", "ganancias",
             "lucro", "utile", "profitto", "resultado", "ergebnis", "marge brute"),
             never=_RATIO | _PER, computed="revenue − cost"),
        Role("spend", pb.COLUMN_ROLE_SPEND, _NUMBER, "Marketing spend of the row; each column with this role is a channel.",
             ("spend", "ad spend", "marketing spend", "advertising spend", "media spend", "advertising", "ad cost",
             "marketing cost", "gasto", "gasto publicidad", "gasto marketing", "inversion", "inversion publicitaria",
             "publicidad", "investment", "campaign spend", "amount spent", "werbekosten", "depenses", "werbeausgaben",
             "mediaspend", "budget pub", "despesas publicidade", "spesa pubblicitaria"),
             never=_RATIO),
        Role("unit_cost", pb.COLUMN_ROLE_UNIT_COST, _NUMBER, "Cost of one unit.",
             ("unit cost", "cost per unit", "cost each", "coste unitario", "costo unitario", "coste por unidad",
             "stuckkosten", "cost price", "precio de coste", "precio costo", "einstandspreis", "cout unitaire",
             "custo unitario"), never=_RATIO | frozenset(("total",))),
        Role("currency", pb.COLUMN_ROLE_CURRENCY, _TEXT, "ISO 4217 code of the row's amounts.",
             ("currency", "currency code", "moneda", "divisa", "wahrung", "devise", "ccy", "valuta", "moeda")),
    )
}  # fmt: skip

BY_NUMBER: dict[int, Role] = {role.number: role for role in ROLES.values()}
#: Roles whose values name a group of rows.
DIMENSIONS = ("brand", "category", "product", "region", "country", "store", "channel")
#: Roles whose values are sums.
MEASURES = ("units", "revenue", "cost", "profit", "spend")
#: Names of marketing channels: a column of numbers of such a name holds the spend of that channel.
CHANNELS = frozenset(
    ("tv", "television", "radio", "newspaper", "newspapers", "print", "press", "prensa", "social", "social media", "facebook",
     "instagram", "google", "google ads", "search", "paid search", "display", "email", "youtube", "tiktok", "linkedin",
     "twitter",
     "outdoor", "billboard", "ooh", "sem", "seo", "affiliate", "influencer", "influencers", "cinema", "magazine", "podcast",
     "direct mail", "digital", "online ads", "vallas", "revistas", "periodico", "redes sociales", "buscadores")
)  # fmt: skip
#: Words beside a role's phrase that do not change what it means.
NEUTRAL = frozenset(
    ("name", "nombre", "id", "code", "codigo", "total", "amount", "usd", "eur", "gbp", "net", "gross", "the", "of", "de",
     "la", "el",
     "in", "en", "sold", "value", "local", "no", "number", "num", "key", "desc", "description", "k", "order", "sale",
     "sales", "title")
)  # fmt: skip
#: From here a column gets a role, and from here a role is told as an alternative.
SURE, POSSIBLE = 0.5, 0.3


def words(name: str) -> tuple[str, ...]:
    """A name as lower-case words without accents: "PrecioUnitario (€)" → ("precio", "unitario")."""
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name))
    plain = "".join(character for character in plain if not unicodedata.combining(character)).casefold()
    return tuple(re.findall(r"[a-z0-9]+", plain))


def _score(name: Sequence[str], phrase: Sequence[str]) -> float:
    """How well a name holds a phrase, 0 to 1."""
    width = len(phrase)
    for start in range(len(name) - width + 1):
        if tuple(name[start : start + width]) == tuple(phrase):
            rest = [word for at, word in enumerate(name) if not start <= at < start + width]
            if not rest:
                return 1.0
            strange = sum(1 for word in rest if word not in NEUTRAL and not word.isdigit())
            return max(0.0, 0.92 - 0.02 * (len(rest) - strange) - 0.2 * strange) + 0.02 * min(width, 3)
    return 0.0


#: Phrases that say less than the others of their role: another reading is as likely.
_VAGUE = {
    "revenue": {"valor": 0.7, "betrag": 0.8, "ca": 0.6, "totale": 0.6, "sales": 0.75, "ventas": 0.75, "venta": 0.7,
    "total": 0.6, "value": 0.6, "amount": 0.7, "ingreso": 0.9,
    "monto": 0.7},
    "units": {"volume": 0.75, "volumen": 0.75, "sold": 0.6, "vendidas": 0.6},
    "date": {"data": 0.6, "dt": 0.8},
    "brand": {"make": 0.6, "label": 0.6, "manufacturer": 0.7, "fabricante": 0.7},
    "category": {"segment": 0.7, "segmento": 0.7, "class": 0.6, "department": 0.8, "sub category": 0.7, "product line": 0.85},
    "product": {"item": 0.85, "model": 0.7, "modelo": 0.7},
    "region": {"state": 0.75, "area": 0.8, "market": 0.7, "province": 0.8, "provincia": 0.8},
    "store": {"location": 0.7, "local": 0.6, "warehouse": 0.6},
    "channel": {"source": 0.6, "media": 0.6, "platform": 0.7, "medium": 0.6},
    "spend": {"advertising": 0.85, "investment": 0.7, "inversion": 0.8},
    "price": {"list price": 0.8},
}  # fmt: skip


def confidence(role: Role, name: str, kind: Type) -> float:
    """How likely a column of this name and type has ``role``, 0 to 1."""
    if kind not in role.types:
        return 0.0
    parts = words(name)
    if not parts or role.never.intersection(parts):
        return 0.0
    vague = _VAGUE.get(role.name, {})
    best = max(_score(parts, tuple(phrase.split())) * vague.get(phrase, 1.0) for phrase in role.names)
    if (
        role.name == "spend"
        and kind is Type.NUMBER
        and " ".join(word for word in parts if word not in ("spend", "cost", "ad", "ads")) in CHANNELS
    ):
        best = max(best, 0.9 if len(parts) > 1 else 0.8)
    if "id" in parts or "code" in parts or "codigo" in parts:
        best *= 0.9
    return round(min(best, 1.0), 2)


@dataclass(frozen=True, slots=True)
class Assigned:
    """A column's role and what else it might be, by falling confidence."""

    role: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...]


def assign(columns: Mapping[str, Type], given: Mapping[str, Sequence[str]]) -> dict[str, Assigned]:
    """The role of each column; ``given`` are the caller's, by role, and hold whatever the names say.

    A role goes to the column that is surest of it; only spend may have several columns.
    """
    scores = {
        column: sorted(((confidence(role, column, kind), role.name) for role in ROLES.values()), reverse=True)
        for column, kind in columns.items()
    }
    taken: dict[str, Assigned] = {}
    for role, names in given.items():
        for name in names:
            taken[name] = Assigned(role, 1.0, ())
    claims = sorted(
        ((score, -list(columns).index(column), role, column) for column, row in scores.items() for score, role in row),
        reverse=True,
    )
    roles = set(given)
    for score, _, role, column in claims:
        if score < SURE:
            break
        if column in taken or (role in roles and (role != "spend" or role in given)):
            continue
        roles.add(role)
        taken[column] = Assigned(role, score, ())
    return {
        column: Assigned(
            taken[column].role if column in taken else "",
            taken[column].confidence if column in taken else 0.0,
            tuple(
                (role, score)
                for score, role in scores[column]
                if score >= POSSIBLE and (column not in taken or role != taken[column].role)
            )[:3],
        )
        for column in columns
    }


#: What each tool needs: all of the first, and one of each of the others.
NEEDS: dict[pb.MarketTool, tuple[tuple[str, ...], ...]] = {
    pb.MARKET_TOOL_OVERVIEW: (("revenue", "units"),),
    pb.MARKET_TOOL_BRAND: (("brand",), ("revenue", "units")),
    pb.MARKET_TOOL_CATEGORY: (("category",), ("revenue", "units")),
    pb.MARKET_TOOL_PRODUCT: (("product",), ("revenue", "units")),
    pb.MARKET_TOOL_REGION: (("region", "country"), ("revenue", "units")),
    pb.MARKET_TOOL_STORE: (("store",), ("revenue", "units")),
    pb.MARKET_TOOL_CHANNEL: (("channel",), ("revenue", "units")),
    pb.MARKET_TOOL_PROFITABILITY: (("profit",), ("revenue",), DIMENSIONS),
    pb.MARKET_TOOL_PRICE_VOLUME_MIX: (("date",), ("units",), ("revenue",), ("product", "brand", "category")),
    pb.MARKET_TOOL_TREND: (("date",), ("revenue", "units")),
    pb.MARKET_TOOL_FORECAST: (("date",), ("revenue", "units")),
    pb.MARKET_TOOL_ANOMALIES: (("date",), ("revenue", "units")),
    pb.MARKET_TOOL_SHARE: (DIMENSIONS, ("revenue", "units")),
    pb.MARKET_TOOL_KPI: (("revenue", "units"),),
    pb.MARKET_TOOL_ROI: (("spend",), ("revenue",)),
    pb.MARKET_TOOL_BUDGET: (("spend",), ("revenue",)),
}


def unavailable(tool: pb.MarketTool, roles: Iterable[str]) -> pb.ToolUnavailable | None:
    """Why ``tool`` cannot run on a table with ``roles``; None where it can."""
    have = set(roles)
    for need in NEEDS[tool]:
        if not have.intersection(need):
            missing = [ROLES[name].number for name in need]
            said = need[0] if len(need) == 1 else f"{', '.join(need[:-1])} or {need[-1]}"
            reason = f"no column has the role {said.replace('_', ' ')}"
            computed = ROLES[need[0]].computed if len(need) == 1 else ""
            if computed:
                reason += f", and it cannot be computed from {computed}"
            return pb.ToolUnavailable(tool=tool, missing=missing, any_of=len(need) > 1, reason=reason)
    return None
