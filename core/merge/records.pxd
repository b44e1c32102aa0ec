# distutils: language = c++
"""A listing, read once: what the scorer and the clustering compare."""

from libc.stdint cimport uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from hexar.core.merge.tokens cimport GROUP_LIMIT, Token


cdef struct Span:
    uint32_t start
    uint32_t length
    uint64_t hash

cdef cppclass Record:
    cbool filled
    vector[Py_UCS4] text
    vector[Token] title
    vector[Token] brand
    vector[Token] codes
    vector[Token] described  # codes of the description and the SKU: they confirm, but never refute
    vector[Token] model_tokens
    vector[uint64_t] said  # hashes of the words of all fields but title and brand, sorted
    uint64_t initials  # of a brand of several words, 0: none
    Span model
    Span mpn
    uint64_t[GROUP_LIMIT] groups
    uint64_t[GROUP_LIMIT] trailing  # of what stands behind all words that name the product
    uint64_t gtin  # 0: none that is valid
    uint64_t size  # 0: unknown
    uint64_t currency
    uint64_t vendor
    uint64_t sku
    uint64_t side  # 1 left, 2 right, 3 both
    uint64_t position  # 1 front, 2 rear, 3 both
    cbool dated  # the year is of a field, not read from the title
    int year  # 0: unknown
    double price  # 0: unknown


cdef int prepare(object row, Record* record) except -1
cdef str as_text(object value)
cdef uint64_t gtin_of(str text) except? 0xFFFFFFFFFFFFFFFF
