# distutils: language = c++
"""Static knowledge and the live readings of every vendor become one record a product.

``same_product`` and ``cluster`` find out which listings are one product (:mod:`hexar.core.matching`,
:mod:`hexar.core.clustering`); ``merge`` joins what is said about products whose identity is known.

Algorithm. Each field of a product is a last-writer-wins register (Shapiro et al., "Conflict-free Replicated Data Types",
SSS 2011): of two readings the greater in a total order stays. The maximum of a total order is commutative, associative and
idempotent, so the result is the same in any order and grouping of vendors. The order of two readings of a field:

1. for ``LIVE_FIRST`` fields (ratings and reviews) a live reading before a static one;
2. the later ``fetched_at`` first; a reading without one is older than all others;
3. live before static; then the vendor's name, the tier's name, fresh before stale;
4. the value's canonical text: reached only where one vendor says two things at one moment.

``OFFER_FIELDS`` (price, stock, …) are no fields of the product: they stay together, as read, in the offer of their vendor
and SKU. An offer is one reading, never mixed of two: of two readings of the same offer the live one stays, then by the
order above. So no vendor overwrites another, and no price is shown with the currency of another reading.

A live row joins the product it names in ``product_id``; else the one whose static row has the same vendor and ``sku``;
else the one whose static row has the same valid GTIN; else it is a product of its own, called ``gtin:`` and 14 digits,
``vendor/sku`` or ``vendor/name``. That depends on the row and the static rows alone, never on other vendors. A row that
has none of these names nothing and is left out. What is None, empty text or an empty collection is unknown and absent.

The classes and the join are in one file because they share C fields; the file is long for that reason.

Thread-safety: a Merged is never changed once it is returned. It keeps the rows, it does not copy them: who changes a row
after merging it changes the offers that are views of it.
"""

from collections.abc import Mapping

cimport cython
from cpython.dict cimport PyDict_Copy, PyDict_GetItem, PyDict_Next, PyDict_SetItem
from cpython.object cimport PyObject
from libc.math cimport INFINITY, isnan

from hexar.core.records cimport gtin_of

from hexar.core.clustering import cluster
from hexar.core.matching import DEFAULT_THRESHOLD, same_product

__all__ = [
    "DEFAULT_THRESHOLD", "LIVE_FIRST", "OFFER_FIELDS", "Merged", "Offer", "Product", "Source", "cluster", "combine", "merge",
    "same_product",
]  # fmt: skip

OFFER_FIELDS = frozenset(
    "price list_price sale_price discount currency availability stock sizes shipping variants offers url sku".split()
)
LIVE_FIRST = frozenset(("rating", "rating_count", "reviews"))

cdef enum Kind:
    KNOWLEDGE
    META  # about the row, not the product
    OFFER
    VOLATILE

cdef dict KINDS = {
    **dict.fromkeys(("id", "product_id", "vendor", "fetched_at", "tier", "stale"), META),
    **dict.fromkeys(OFFER_FIELDS, OFFER),
    **dict.fromkeys(LIVE_FIRST, VOLATILE),
}


@cython.final
@cython.freelist(256)
cdef class Source:
    """Where a value comes from: ``vendor``, ``fetched_at`` (Unix seconds or None), ``tier``, ``stale``, ``live``."""

    cdef readonly str vendor
    cdef double when  # -inf: unknown
    cdef readonly str tier
    cdef readonly bint stale
    cdef readonly bint live

    @property
    def fetched_at(self):
        return None if self.when == -INFINITY else self.when

    def __eq__(self, other):
        return isinstance(other, Source) and compare(self, <Source>other, False) == 0

    def __hash__(self):
        return hash((self.vendor, self.when, self.tier, self.stale, self.live))

    def __repr__(self):
        kind = "live" if self.live else "static"
        return f"Source({self.vendor!r}, fetched_at={self.fetched_at}, tier={self.tier!r}, stale={self.stale}, {kind})"


@cython.final
@cython.freelist(256)
cdef class Offer:
    """One vendor's reading of one SKU: ``values`` by field of OFFER_FIELDS, and its ``source``."""

    cdef readonly Source source
    cdef readonly dict values

    @property
    def vendor(self):
        return self.source.vendor

    @property
    def sku(self):
        return self.values.get("sku", "")

    def __eq__(self, other):
        return isinstance(other, Offer) and self.source == (<Offer>other).source and self.values == (<Offer>other).values

    __hash__ = None

    def __repr__(self):
        return f"Offer({self.source!r}, {self.values!r})"


@cython.final
@cython.freelist(256)
cdef class Product:
    """One product: the winning ``fields``, the ``provenance`` of each, and ``offers`` by (vendor, sku)."""

    cdef readonly str id
    cdef readonly dict fields
    cdef readonly dict provenance
    cdef readonly dict offers

    def offers_of(self, str vendor):
        """This vendor's offers, by SKU."""
        return [self.offers[key] for key in sorted(self.offers) if key[0] == vendor]

    def __eq__(self, other):
        cdef Product that
        if not isinstance(other, Product):
            return False
        that = other
        return (
            self.id == that.id
            and self.fields == that.fields
            and self.provenance == that.provenance
            and self.offers == that.offers
        )

    __hash__ = None

    def __repr__(self):
        return f"Product({self.id!r}, {self.fields!r}, offers={list(self.offers.values())!r})"


cdef Product new_product(str id):
    cdef Product product = Product.__new__(Product)
    product.id, product.fields, product.provenance, product.offers = id, {}, {}, {}
    return product


cdef Product copy_product(Product old):
    cdef Product product = Product.__new__(Product)
    product.id, product.fields, product.provenance = old.id, PyDict_Copy(old.fields), PyDict_Copy(old.provenance)
    product.offers = PyDict_Copy(old.offers)
    return product

# the total order -------------------------------------------------------------------------------------------------------

cdef int compare(Source a, Source b, bint live_first) except -2:
    """1 where a reading of ``a`` comes before one of ``b``, -1 where after, 0 where they are the same source."""
    if a is b:
        return 0
    if live_first and a.live != b.live:
        return 1 if a.live else -1
    if a.when != b.when:
        return 1 if a.when > b.when else -1
    if a.live != b.live:
        return 1 if a.live else -1
    if a.vendor != b.vendor:
        return 1 if a.vendor < b.vendor else -1
    if a.tier != b.tier:
        return 1 if a.tier < b.tier else -1
    if a.stale != b.stale:
        return -1 if a.stale else 1
    return 0


cdef str canonical(object value, int depth=0):
    """A text of a value that does not depend on the order of a mapping's keys or of a set's members; 32 levels deep."""
    if depth > 32:
        return "..."
    if isinstance(value, Mapping):
        members = sorted([f"{canonical(key, depth + 1)}:{canonical(item, depth + 1)}" for key, item in value.items()])
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([canonical(item, depth + 1) for item in value]) + "]"
    if isinstance(value, (set, frozenset)):
        return "<" + ",".join(sorted([canonical(item, depth + 1) for item in value])) + ">"
    return f"{type(value).__name__} {value!r}"


cdef inline bint unknown(object value):
    if value is None:
        return True
    if type(value) is str or type(value) is list or type(value) is tuple or type(value) is dict:
        return len(value) == 0
    return isinstance(value, (str, list, tuple, set, frozenset, Mapping)) and not value

# one row ---------------------------------------------------------------------------------------------------------------

cdef Source read_source(dict row, str vendor, bint live):
    cdef Source source = Source.__new__(Source)
    cdef PyObject* value
    source.vendor, source.live, source.tier, source.stale, source.when = vendor, live, "", False, -INFINITY
    value = PyDict_GetItem(row, "fetched_at")
    if value is not NULL and <object>value is not None:
        source.when = <double?><object>value
        if isnan(source.when):
            raise ValueError("fetched_at is not a number")
    value = PyDict_GetItem(row, "tier")
    if value is not NULL and <object>value is not None:
        source.tier = str(<object>value)
    value = PyDict_GetItem(row, "stale")
    if value is not NULL:
        source.stale = bool(<object>value)
    return source


cdef int put_field(Product product, object name, object value, Source source, bint live_first) except -1:
    cdef PyObject* present = PyDict_GetItem(product.provenance, name)
    cdef int order
    if present is not NULL:
        order = compare(source, <Source>present, live_first)
        if order < 0 or (order == 0 and not precedes(value, product.fields[name])):
            return 0
    PyDict_SetItem(product.fields, name, value)
    PyDict_SetItem(product.provenance, name, source)
    return 0


cdef bint precedes(object value, object present) except -1:
    return value is not present and canonical(value) < canonical(present)


cdef int put_offer(Product product, Offer offer) except -1:
    cdef PyObject* sku = PyDict_GetItem(offer.values, "sku")
    cdef tuple name = (offer.source.vendor, <object>sku if sku is not NULL else "")
    cdef PyObject* present = PyDict_GetItem(product.offers, name)
    cdef int order
    if present is not NULL:
        order = compare(offer.source, (<Offer>present).source, True)
        if order < 0 or (order == 0 and not precedes(offer.values, (<Offer>present).values)):
            return 0
    PyDict_SetItem(product.offers, name, offer)
    return 0


cdef int put_row(Product product, dict row, str vendor, bint live) except -1:
    cdef Source source = read_source(row, vendor, live)
    cdef dict values = None
    cdef PyObject* name
    cdef PyObject* value
    cdef PyObject* kind
    cdef Py_ssize_t at = 0
    cdef int k
    cdef Offer offer
    while PyDict_Next(row, &at, &name, &value):
        if unknown(<object>value):
            continue
        kind = PyDict_GetItem(KINDS, <object>name)
        k = KNOWLEDGE if kind is NULL else <int><object>kind
        if k == OFFER:
            if values is None:
                values = {}
            PyDict_SetItem(values, <object>name, <object>value)
        elif k != META:
            put_field(product, <object>name, <object>value, source, k == VOLATILE)
    if values is not None and vendor:
        offer = Offer.__new__(Offer)
        offer.source, offer.values = source, values
        put_offer(product, offer)
    return 0

# joining ---------------------------------------------------------------------------------------------------------------

cdef inline dict as_dict(object row):
    if type(row) is dict:
        return <dict>row
    if not isinstance(row, Mapping):
        raise TypeError("a row is a mapping of field names to values")
    return dict(row)


cdef str text_of(dict row, str name):
    """A field as text, empty where it is unknown."""
    cdef PyObject* value = PyDict_GetItem(row, name)
    if value is NULL or <object>value is None:
        return ""
    return <str><object>value if type(<object>value) is str else str(<object>value)


@cython.final
cdef class Merged:
    """Products by id. ``merge`` and ``combine`` return a new Merged and leave this one as it is."""

    cdef readonly dict products
    cdef dict by_sku  # (vendor, sku) of a static row -> product id
    cdef dict by_gtin  # GTIN of a static row -> product id

    def merge(self, live_by_vendor):
        """This and the live rows of more vendors."""
        cdef Merged result = self.copy()
        result.add_live(live_by_vendor, self.products)
        return result

    def combine(self, Merged other not None):
        """This and ``other``, both made from the same static rows; commutative, associative and idempotent."""
        cdef Merged result = self.copy()
        cdef Product product, more
        cdef Source source
        for id, found in other.products.items():
            more = found
            if id not in result.products:
                result.products[id] = more
                continue
            product = copy_product(result.products[id])
            result.products[id] = product
            for name, value in more.fields.items():
                source = more.provenance[name]
                put_field(product, name, value, source, name in LIVE_FIRST)
            for offer in more.offers.values():
                put_offer(product, offer)
        for mine, theirs in ((result.by_sku, other.by_sku), (result.by_gtin, other.by_gtin)):
            for key, id in theirs.items():
                mine[key] = min(id, mine.get(key, id))
        return result

    def __or__(self, other):
        return self.combine(other) if isinstance(other, Merged) else NotImplemented

    def __eq__(self, other):
        return isinstance(other, Merged) and self.products == (<Merged>other).products

    __hash__ = None

    def __len__(self):
        return len(self.products)

    def __getitem__(self, id):
        return self.products[id]

    def __iter__(self):
        """Ids, sorted: the same in every process and for every order of merging."""
        return iter(sorted(self.products))

    def __contains__(self, id):
        return id in self.products

    def __repr__(self):
        return f"Merged({len(self.products)} products)"

    cdef Merged copy(self):
        cdef Merged result = Merged.__new__(Merged)
        result.products = PyDict_Copy(self.products)
        result.by_sku, result.by_gtin = PyDict_Copy(self.by_sku), PyDict_Copy(self.by_gtin)
        return result

    cdef int add_static(self, object static) except -1:
        cdef dict row
        cdef str id, vendor, sku
        cdef object gtin
        if isinstance(static, Mapping):
            pairs = static.items()
        else:
            pairs = [(None, found) for found in static]
        for name, found in pairs:
            row = as_dict(found)
            id = text_of(row, "id") or text_of(row, "product_id") if name is None else str(name)
            if not id:
                raise ValueError("a static row has no id")
            present = self.products.get(id)
            if present is None:
                present = self.products[id] = new_product(id)
            vendor, sku = text_of(row, "vendor"), text_of(row, "sku")
            put_row(present, row, vendor, False)
            if vendor and sku:
                key = (vendor, sku)
                self.by_sku[key] = min(id, self.by_sku.get(key, id))
            gtin = gtin_of(text_of(row, "gtin"))
            if gtin:
                self.by_gtin[gtin] = min(id, self.by_gtin.get(gtin, id))
        return 0

    cdef str identify(self, dict row, str vendor):
        cdef str id = text_of(row, "product_id"), sku
        cdef PyObject* found
        cdef object gtin
        if id:
            return id
        sku = text_of(row, "sku")
        if sku:
            found = PyDict_GetItem(self.by_sku, (vendor, sku))
            if found is not NULL:
                return <str>found
        gtin = gtin_of(text_of(row, "gtin"))
        if gtin:
            found = PyDict_GetItem(self.by_gtin, gtin)
            return <str>found if found is not NULL else f"gtin:{gtin:014d}"
        name = sku or text_of(row, "name") or text_of(row, "title")
        return f"{vendor}/{name}" if name else ""

    cdef int add_live(self, object live_by_vendor, dict shared) except -1:
        """``shared``: products that belong to another Merged and are copied before they are written."""
        cdef dict row
        cdef str vendor, id
        cdef PyObject* present
        cdef Product product
        for vendor_name, rows in live_by_vendor.items():
            vendor = str(vendor_name)
            for found in rows:
                row = as_dict(found)
                id = self.identify(row, vendor)
                if not id:
                    continue
                present = PyDict_GetItem(self.products, id)
                if present is NULL:
                    product = new_product(id)
                    self.products[id] = product
                else:
                    product = <Product>present
                    if shared is not None and shared.get(id) is product:
                        product = copy_product(product)
                        self.products[id] = product
                put_row(product, row, vendor, True)
        return 0

# entry -----------------------------------------------------------------------------------------------------------------

def merge(static, live_by_vendor):
    """Join static knowledge with the live rows of vendors.

    Args:
        static: rows by product id, or a sequence of rows that each have ``id``. Several rows may speak of one product.
        live_by_vendor: the rows of each vendor; the key is the vendor of its rows.

    Rows are mappings of field to value. These say where a row is from: ``vendor`` (static rows), ``fetched_at`` (Unix
    seconds), ``tier``, ``stale``.

    Raises:
        TypeError: a row is not a mapping, or ``fetched_at`` is not a number.
        ValueError: a static row has no id, or ``fetched_at`` is NaN.
    """
    cdef Merged result = Merged.__new__(Merged)
    result.products, result.by_sku, result.by_gtin = {}, {}, {}
    result.add_static(static)
    result.add_live(live_by_vendor, None)
    return result


def combine(Merged left not None, Merged right not None):
    """``left.combine(right)``."""
    return left.combine(right)
