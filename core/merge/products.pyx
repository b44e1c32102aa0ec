# distutils: language = c++
"""What all readings of one product say together: one value a field, where it is from, and each vendor's own offer.

Algorithm. Each field of a product is a register of which the reading that comes first in a total order is kept, the
mirror image of a last-writer-wins register (Shapiro et al., "Conflict-free Replicated Data Types", SSS 2011). The readings
are sorted once by the caller's precedence; a field is the first known value. Where the precedence tells all readings apart
the result depends on their set alone, never on the order in which vendors answered.

Offers are no fields: a live reading is its vendor's offer, as read. So no vendor overwrites another, and no price is shown
with the currency of another reading. Of two live readings of one (vendor, sku) the first in precedence is the offer.

What is None, empty text or an empty collection is unknown and absent.

Thread-safety: a Merged is never changed once it is returned; readings are never changed after they are made. A Merged shares
the values of its readings, it does not copy them.
"""

cimport cython
from cpython.bool cimport PyBool_Check
from cpython.dict cimport PyDict_GetItemWithError, PyDict_Next, PyDict_SetItem
from cpython.float cimport PyFloat_CheckExact
from cpython.list cimport PyList_GET_ITEM
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_Compare, PyUnicode_GET_LENGTH
from libc.math cimport INFINITY, isnan
from libcpp.vector cimport vector

from collections.abc import Mapping
from typing import Literal

Precedence = Literal["current", "static", "live", "newest", "vendor", "sku"]

cdef enum Order:
    CURRENT  # before stale
    STATIC  # before live
    LIVE  # before static
    NEWEST  # by the time of reading, unknown last
    VENDOR  # by name
    SKU

cdef dict ORDERS = {"current": CURRENT, "static": STATIC, "live": LIVE, "newest": NEWEST, "vendor": VENDOR, "sku": SKU}


cdef class Reading:
    """What one vendor says of one product at one moment. Subclasses may carry more."""

    cdef readonly str vendor
    cdef readonly str sku
    cdef readonly dict values
    cdef readonly bint live
    cdef readonly bint stale
    cdef double when  # -inf: unknown

    def __init__(self, str vendor not None, str sku not None, dict values not None, *, bint live, bint stale=False, fetched_at=None):
        self.vendor, self.sku, self.values, self.live, self.stale = vendor, sku, values, live, stale
        self.when = -INFINITY if fetched_at is None else fetched_at
        if isnan(self.when):
            raise ValueError("fetched_at is not a number")

    @property
    def fetched_at(self):
        return None if self.when == -INFINITY else self.when

    def __repr__(self):
        kind = "live" if self.live else "static"
        return f"Reading({self.vendor!r}, {self.sku!r}, {self.values!r}, {kind}, stale={self.stale})"


@cython.final
cdef class Merged:
    """One product: ``fields``, the reading of each in ``sources``, all ``readings`` in precedence, and ``offers``."""

    cdef readonly dict fields
    cdef readonly dict sources
    cdef readonly tuple readings
    cdef readonly tuple offers

    def __class_getitem__(cls, item):
        return cls

    def __repr__(self):
        return f"Merged({self.fields!r}, offers={len(self.offers)})"


cdef int compare(Reading a, Reading b, const vector[Order]& precedence) except -2:
    """-1 where ``a`` comes first, 1 where ``b`` does, 0 where the precedence does not tell them apart."""
    cdef size_t i
    cdef int order
    for i in range(precedence.size()):
        if precedence[i] == CURRENT:
            if a.stale != b.stale:
                return 1 if a.stale else -1
        elif precedence[i] == STATIC:
            if a.live != b.live:
                return 1 if a.live else -1
        elif precedence[i] == LIVE:
            if a.live != b.live:
                return -1 if a.live else 1
        elif precedence[i] == NEWEST:
            if a.when != b.when:
                return -1 if a.when > b.when else 1
        else:
            order = PyUnicode_Compare(a.vendor, b.vendor) if precedence[i] == VENDOR else PyUnicode_Compare(a.sku, b.sku)
            if order:
                return order
    return 0


cdef int insertion_sort(list readings, const vector[Order]& precedence) except -1:
    """Stable. A product has a handful of readings, mostly in order: nothing is faster for so few."""
    cdef Py_ssize_t i, j
    cdef Reading reading
    for i in range(1, len(readings)):
        reading = readings[i]
        j = i
        while j > 0 and compare(reading, <Reading>PyList_GET_ITEM(readings, j - 1), precedence) < 0:
            readings[j] = readings[j - 1]
            j -= 1
        readings[j] = reading
    return 0


cdef class _Key:
    """A reading in an order of :func:`sorted`, for products of many readings."""

    cdef Reading reading
    cdef vector[Order] precedence

    def __lt__(self, other):
        return compare(self.reading, (<_Key>other).reading, self.precedence) < 0


cdef list in_order(readings, const vector[Order]& precedence):
    cdef list found = list(readings)
    cdef list keys = []
    cdef _Key key
    for reading in found:
        if not isinstance(reading, Reading):
            raise TypeError("a reading is a Reading")
    if len(found) <= 32:
        insertion_sort(found, precedence)
        return found
    for reading in found:
        key = _Key.__new__(_Key)
        key.reading, key.precedence = reading, precedence
        keys.append(key)
    keys.sort()
    return [(<_Key>one).reading for one in keys]


cdef inline bint unknown(object value) except -1:
    if value is None:
        return True
    if PyUnicode_CheckExact(value):
        return PyUnicode_GET_LENGTH(value) == 0
    if PyLong_CheckExact(value) or PyFloat_CheckExact(value) or PyBool_Check(value):
        return False
    return isinstance(value, (str, list, tuple, set, frozenset, Mapping)) and len(value) == 0


def merge(readings, tuple precedence not None):
    """Merge the readings of one product.

    Args:
        readings: of any vendors; each is a :class:`Reading`.
        precedence: which reading speaks first, by the first of these that tells two apart: ``current`` before stale, ``static``
            before live or ``live`` before static, ``newest``, then by ``vendor`` and ``sku``. Ties keep the order given.

    Raises:
        TypeError: a reading is none.
        ValueError: the precedence has another name.
    """
    cdef vector[Order] orders
    cdef Merged merged = Merged.__new__(Merged)
    cdef dict fields = {}, sources = {}, offers = {}
    cdef list found
    cdef Reading reading
    cdef PyObject* name
    cdef PyObject* value
    cdef Py_ssize_t at
    for word in precedence:
        if word not in ORDERS:
            raise ValueError(f"precedence: {word!r} is none of {', '.join(ORDERS)}")
        orders.push_back(<Order><int>ORDERS[word])
    found = in_order(readings, orders)
    for one in found:
        reading = one
        at = 0
        while PyDict_Next(reading.values, &at, &name, &value):
            if PyDict_GetItemWithError(fields, <object>name) is NULL and not unknown(<object>value):
                PyDict_SetItem(fields, <object>name, <object>value)
                PyDict_SetItem(sources, <object>name, reading)
        if reading.live:
            offers.setdefault((reading.vendor, reading.sku), reading)
    merged.fields, merged.sources, merged.readings = fields, sources, tuple(found)
    merged.offers = tuple([offers[key] for key in sorted(offers)])
    return merged
