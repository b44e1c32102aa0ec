# distutils: language = c++
"""Table of contents of the tokenizer, shared by the matching kernels."""

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
    GROUP_LIMIT = 16  # groups of the lexicon
    DIMENSION_LIMIT = 64  # dimensions of its units

# tokens ----------------------------------------------------------------------------------------------------------------

cdef enum Kind:
    WORD
    NUMBER
    QUANTITY
    CODE

cdef struct Token:
    Kind kind
    cbool strong  # a code long enough to name one product
    cbool year  # a number from 1900 to 2039
    cbool strict  # a quantity that no bare number equals
    uint8_t group  # 0: of no group
    uint8_t value  # bit of the group's mask
    uint8_t dimension  # 0: of no unit
    uint16_t length
    uint32_t start  # offset into Record.text
    uint64_t hash
    uint64_t letters  # which characters occur, folded to 64 bits
    double number
    double factor  # of the unit


cdef inline bint digit(Py_UCS4 c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef inline bint any_digit(const Py_UCS4* text, size_t length) noexcept nogil:
    cdef size_t i
    for i in range(length):
        if digit(text[i]):
            return True
    return False


cdef inline uint64_t hash_step(uint64_t state, Py_UCS4 c) noexcept nogil:
    """FNV-1a, one code point a step."""
    return (state ^ <uint64_t>c) * 1099511628211ULL


cdef inline bint codelike(const Token* t) noexcept nogil:
    return t.kind == CODE or (t.kind == NUMBER and t.length >= 3)

# functions ------------------------------------------------------------------------------------------------------------

cdef uint64_t hash_span(const Py_UCS4* text, size_t length) noexcept nogil
cdef uint64_t hash_text(str text) noexcept
cdef uint8_t group_number(str name) except? 0
cdef uint8_t dimension_number(str name) except? 0
cdef str fold(str text)
cdef double number_value(const Py_UCS4* text, size_t length) noexcept nogil
cdef int tokenize(str raw, vector[Py_UCS4]& text, vector[Token]& tokens, size_t limit) except -1
