"""Static knowledge and the live readings of every vendor become one record a product.

``same_product`` and ``cluster`` find out which listings are one product (:mod:`hexar.core.merge.matching`,
:mod:`hexar.core.merge.clustering`); ``merge`` joins what is said about products whose identity is known.

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
from cpython.bool cimport PyBool_Check
from cpython.dict cimport PyDict_Copy, PyDict_GetItemWithError, PyDict_Next, PyDict_SetItem
from cpython.float cimport PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_GET_LENGTH
from libc.math cimport INFINITY, isnan
from libc.stdint cimport uint64_t, uintptr_t
from libcpp.vector cimport vector

from hexar.core.merge.records cimport gtin_of

from hexar.core.merge.clustering import cluster
from hexar.core.merge.matching import DEFAULT_THRESHOLD, same_product

__all__ = [
    "DEFAULT_THRESHOLD", "LIVE_FIRST", "OFFER_FIELDS", "Merged", "Offer", "Product", "Source", "cluster", "combine", "merge",
    "same_product",
]  # fmt: skip

OFFER_FIELDS = frozenset(
    "price list_price sale_price discount currency availability stock sizes shipping variants offers url sku".split()
)
LIVE_FIRST = frozenset(("rating", "rating_count", "reviews"))

cdef extern from "Python.h":
    void PyObject_GC_UnTrack(void*) noexcept

cdef enum Kind:
    KNOWLEDGE
    VOLATILE  # of LIVE_FIRST
    OFFER
    SKU  # of the offer, and a key
    ID
    PRODUCT_ID
    VENDOR
    FETCHED_AT
    TIER
    STALE

cdef frozenset offer_fields = OFFER_FIELDS
cdef dict KINDS = {
    **dict.fromkeys(OFFER_FIELDS, OFFER),
    **dict.fromkeys(LIVE_FIRST, VOLATILE),
    **{"sku": SKU, "id": ID, "product_id": PRODUCT_ID, "vendor": VENDOR},
    **{"fetched_at": FETCHED_AT, "tier": TIER, "stale": STALE},
}


@cython.final
@cython.no_gc  # it holds text alone: no cycles
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
@cython.no_gc  # it holds a source and a row of plain values: no cycles
@cython.freelist(256)
cdef class Offer:
    """One vendor's reading of one SKU: its ``source``, and ``values`` by field of OFFER_FIELDS, a view of the row."""

    cdef readonly Source source
    cdef readonly str sku
    cdef dict row

    @property
    def vendor(self):
        return self.source.vendor

    @property
    def values(self):
        return {name: value for name, value in self.row.items() if name in OFFER_FIELDS and not unknown(value)}

    def get(self, str name, default=None):
        """One of ``values``; ``default`` where it is unknown."""
        cdef PyObject* value = PyDict_GetItemWithError(self.row, name)
        if value is NULL or name not in offer_fields or unknown(<object>value):
            return default
        return <object>value

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


cdef inline bint unknown(object value) except -1:
    if value is None:
        return True
    if PyUnicode_CheckExact(value):
        return PyUnicode_GET_LENGTH(value) == 0
    if PyLong_CheckExact(value) or PyFloat_CheckExact(value) or PyBool_Check(value):
        return False
    return isinstance(value, (str, list, tuple, set, frozenset, Mapping)) and len(value) == 0

# one row ---------------------------------------------------------------------------------------------------------------

cdef enum:
    NAME_SLOTS = 64

cdef class Reader:
    """Cuts rows into what is about the row, the offer and the product.

    The names of fields are mostly the same few objects in all rows: their kinds are remembered by address, and ``kept``
    holds the names so that no other object can get their address.
    """

    cdef void* names[NAME_SLOTS]
    cdef Kind kinds[NAME_SLOTS]
    cdef list kept
    # of the row that was read last; borrowed from it
    cdef vector[PyObject*] fields  # name, value, name, value, …
    cdef vector[bint] volatile
    cdef PyObject* id
    cdef PyObject* product_id
    cdef PyObject* vendor
    cdef PyObject* sku
    cdef PyObject* fetched_at
    cdef PyObject* tier
    cdef PyObject* stale
    cdef bint offers

    def __cinit__(self):
        cdef int i
        self.kept = []
        for i in range(NAME_SLOTS):
            self.names[i] = NULL

    cdef Kind kind_of(self, PyObject* name) except *:
        cdef size_t slot = (<uintptr_t>name >> 4) & (NAME_SLOTS - 1)
        cdef PyObject* found
        if self.names[slot] != <void*>name:
            found = PyDict_GetItemWithError(KINDS, <object>name)
            self.kinds[slot] = KNOWLEDGE if found is NULL else <Kind><int><object>found
            self.names[slot] = <void*>name
            if len(self.kept) >= 16 * NAME_SLOTS:  # names that are new objects in each row: start again
                self.kept = []
                for other in range(NAME_SLOTS):
                    if other != slot:
                        self.names[other] = NULL
            self.kept.append(<object>name)
        return self.kinds[slot]

    cdef int read(self, dict row) except -1:
        cdef PyObject* name
        cdef PyObject* value
        cdef Py_ssize_t at = 0
        cdef Kind kind
        self.fields.clear()
        self.volatile.clear()
        self.id = self.product_id = self.vendor = self.sku = self.fetched_at = self.tier = self.stale = NULL
        self.offers = False
        while PyDict_Next(row, &at, &name, &value):
            kind = self.kind_of(name)
            if (kind == OFFER and self.offers) or unknown(<object>value):
                continue
            if kind == OFFER:
                self.offers = True
            elif kind == KNOWLEDGE or kind == VOLATILE:
                self.fields.push_back(name)
                self.fields.push_back(value)
                self.volatile.push_back(kind == VOLATILE)
            elif kind == SKU:
                self.offers = True
                self.sku = value
            elif kind == PRODUCT_ID:
                self.product_id = value
            elif kind == FETCHED_AT:
                self.fetched_at = value
            elif kind == TIER:
                self.tier = value
            elif kind == STALE:
                self.stale = value
            elif kind == ID:
                self.id = value
            else:
                self.vendor = value
        return 0

    cdef Source source(self, str vendor, bint live):
        cdef Source source = Source.__new__(Source)
        source.vendor, source.live = vendor, live
        source.tier = text_of(self.tier)
        source.stale = self.stale is not NULL and <object>self.stale
        source.when = -INFINITY
        if self.fetched_at is not NULL:
            source.when = <object>self.fetched_at
            if isnan(source.when):
                raise ValueError("fetched_at is not a number")
        return source

    cdef int put(self, Product product, dict row, str vendor, bint live) except -1:
        """Add the row that was read last, which is ``row``, to ``product``."""
        cdef Source source = self.source(vendor, live)
        cdef Offer offer
        cdef size_t i
        for i in range(self.volatile.size()):
            put_field(product, <object>self.fields[2 * i], <object>self.fields[2 * i + 1], source, self.volatile[i])
        if self.offers and vendor:
            offer = Offer.__new__(Offer)
            offer.source, offer.sku, offer.row = source, text_of(self.sku), row
            put_offer(product, offer)
        return 0


cdef str text_of(PyObject* value):
    """A value as text, empty where it is unknown."""
    if value is NULL:
        return ""
    return <str>value if PyUnicode_CheckExact(<object>value) else str(<object>value)


cdef int put_field(Product product, object name, object value, Source source, bint live_first) except -1:
    cdef PyObject* present = PyDict_GetItemWithError(product.provenance, name)
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
    cdef tuple name = (offer.source.vendor, offer.sku)
    cdef PyObject* present
    cdef int order
    PyObject_GC_UnTrack(<void*>name)  # two texts: no cycles, as the collector would find out later
    present = PyDict_GetItemWithError(product.offers, name)
    if present is not NULL:
        order = compare(offer.source, (<Offer>present).source, True)
        if order < 0 or (order == 0 and not precedes(offer.values, (<Offer>present).values)):
            return 0
    PyDict_SetItem(product.offers, name, offer)
    return 0


cdef inline dict as_dict(object row):
    if type(row) is dict:
        return <dict>row
    if not isinstance(row, Mapping):
        raise TypeError("a row is a mapping of field names to values")
    return dict(row)

# joining ---------------------------------------------------------------------------------------------------------------

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
        cdef str id, vendor
        cdef Reader reader = Reader()
        cdef uint64_t gtin
        if isinstance(static, Mapping):
            pairs = static.items()
        else:
            pairs = [(None, found) for found in static]
        for name, found in pairs:
            row = as_dict(found)
            reader.read(row)
            id = str(name) if name is not None else text_of(reader.id) or text_of(reader.product_id)
            if not id:
                raise ValueError("a static row has no id")
            present = self.products.get(id)
            if present is None:
                present = self.products[id] = new_product(id)
            vendor = text_of(reader.vendor)
            reader.put(present, row, vendor, False)
            if vendor and reader.sku is not NULL:
                key = (vendor, text_of(reader.sku))
                self.by_sku[key] = min(id, self.by_sku.get(key, id))
            gtin = row_gtin(row)
            if gtin:
                self.by_gtin[gtin] = min(id, self.by_gtin.get(gtin, id))
        return 0

    cdef str identify(self, Reader reader, dict row, str vendor):
        """The product that a live row belongs to; empty where it names none."""
        cdef PyObject* found
        cdef uint64_t gtin
        if reader.product_id is not NULL:
            return text_of(reader.product_id)
        if reader.sku is not NULL:
            found = PyDict_GetItemWithError(self.by_sku, (vendor, text_of(reader.sku)))
            if found is not NULL:
                return <str>found
        gtin = row_gtin(row)
        if gtin:
            found = PyDict_GetItemWithError(self.by_gtin, gtin)
            return <str>found if found is not NULL else f"gtin:{gtin:014d}"
        name = text_of(reader.sku) or row.get("name") or row.get("title")
        return f"{vendor}/{name}" if name else ""

    cdef int add_live(self, object live_by_vendor, dict shared) except -1:
        """``shared``: products that belong to another Merged and are copied before they are written."""
        cdef dict row
        cdef str vendor, id
        cdef PyObject* present
        cdef Product product
        cdef Reader reader = Reader()
        for vendor_name, rows in live_by_vendor.items():
            vendor = str(vendor_name)
            for found in rows:
                row = as_dict(found)
                reader.read(row)
                id = self.identify(reader, row, vendor)
                if not id:
                    continue
                present = PyDict_GetItemWithError(self.products, id)
                if present is NULL:
                    product = new_product(id)
                    self.products[id] = product
                else:
                    product = <Product>present
                    if shared is not None and shared.get(id) is product:
                        product = copy_product(product)
                        self.products[id] = product
                reader.put(product, row, vendor, True)
        return 0


cdef uint64_t row_gtin(dict row) except? 0xFFFFFFFFFFFFFFFF:
    """The valid GTIN of a row, or 0."""
    cdef PyObject* value = PyDict_GetItemWithError(row, "gtin")
    return 0 if value is NULL or <object>value is None else gtin_of(text_of(value))

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
