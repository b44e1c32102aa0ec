# distutils: language = c++
"""Table of contents of the matching kernel, shared with ``hexar.core.clustering``."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

# limits of the work on hostile input -----------------------------------------------------------------------------------

cdef enum:
    TEXT_LIMIT = 4096  # characters of a field that are read
    TOKEN_LIMIT = 64  # distinct tokens of a field
    DESCRIPTION_TOKENS = 128  # distinct tokens of a description
    LENGTH_LIMIT = 48  # characters of a token
    FIELD_LIMIT = 64  # fields of a row
    GROUP_LIMIT = 16  # exclusive groups of the lexicon

# a prepared listing ----------------------------------------------------------------------------------------------------

cdef enum Kind:
    WORD
    NUMBER
    QUANTITY
    CODE

cdef struct Token:
    Kind kind
    cbool strong  # a code long enough to name one product
    cbool year  # a number from 1900 to 2039
    uint8_t group  # 0: of no group
    uint8_t value  # bit of the group's mask
    uint8_t dimension  # 0: of no unit
    uint16_t length
    uint32_t start  # offset into Record.text
    uint64_t hash
    uint64_t letters  # which characters occur, folded to 64 bits
    double weight
    double number

cdef struct Span:
    uint32_t start
    uint32_t length
    uint64_t hash

cdef cppclass Other:
    uint64_t key
    cbool name_like
    cbool category
    uint32_t digits
    uint32_t letters
    uint64_t compact
    cbool numeric  # one number and at most a unit
    double number
    uint32_t significant
    vector[Token] tokens

cdef cppclass Record:
    cbool filled
    vector[Py_UCS4] text
    vector[Token] title
    vector[Token] brand
    vector[Token] codes
    vector[Token] described
    vector[Token] model_tokens
    vector[Other] others
    Span model
    Span mpn
    uint64_t[GROUP_LIMIT] groups
    uint64_t gtin  # 0: none that is valid
    uint64_t size  # 0: unknown
    uint64_t currency
    uint64_t vendor
    uint64_t sku
    cbool sku_strong  # it holds a strong code
    uint64_t side  # 1 left, 2 right, 3 both
    uint64_t position  # 1 front, 2 rear, 3 both
    int year  # 0: unknown
    double price  # 0: unknown

# the two steps ---------------------------------------------------------------------------------------------------------

cdef int prepare(object row, Record* record) except -1
cdef double score(const Record* left, const Record* right) noexcept nogil
cdef uint64_t hash_text(str text) noexcept
cdef str as_text(object value)
cdef uint64_t gtin_of(str text) except? 0xFFFFFFFFFFFFFFFF
