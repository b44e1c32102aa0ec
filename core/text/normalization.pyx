"""Folding of text: different spellings of one query or name become equal.

Two things are called equal that a reader calls equal: letters that differ in case, width, ligature or composition, and texts
that differ in white space or in characters that are not seen. Accents and punctuation stay: they carry meaning.

Thread-safety: the functions share no state but tables that are filled at import.
"""

from unicodedata import combining, normalize

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_Check, PyUnicode_FromKindAndData
from libc.stdint cimport uint8_t

cdef extern from "Python.h":
    int PyUnicode_KIND(object text)
    const void* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const int PyUnicode_1BYTE_KIND


cdef enum:
    MARK_LIMIT = 256

#: The longest run of combining marks in a text.
MAX_MARKS = MARK_LIMIT

# Characters that are no combining marks themselves, but whose decomposition begins with one.
cdef str HIDDEN_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"


cpdef str normalize_text(object text):
    """Fold a text so that spellings of one query are equal: NFKC, case-folded, spaces collapsed, zero-width removed.

    Compatibility characters become plain ones (NFKC), case is folded (``str.casefold``), every run of white space
    (``str.isspace``) becomes one space, none at the ends, and Default_Ignorable_Code_Point characters (zero-width spaces and
    joiners, soft hyphens, directional marks, variation selectors) are removed. The function is idempotent and agrees with
    NFKC_Casefold (Unicode Standard, section 3.13) up to white space. Control characters and lone surrogates stay. Latin-1
    takes one pass.

    Raises:
        TypeError: ``text`` is no str.
        ValueError: more than ``MAX_MARKS`` combining marks in a row.
    """
    if not PyUnicode_Check(text):
        raise TypeError(f"text must be a str, not {type(text).__name__}")
    cdef str folded = None
    if PyUnicode_KIND(text) == PyUnicode_1BYTE_KIND:
        folded = fold_latin_1(text)
    return fold(str.__str__(text)) if folded is None else folded


cdef int has_long_run(object text) except -1:
    """Whether so many combining marks stand in a row that putting them in canonical order, quadratic work, would stall."""
    cdef Py_ssize_t run = 0
    cdef Py_UCS4 character
    if PyUnicode_GET_LENGTH(text) <= MARK_LIMIT:
        return 0
    for character in <str>text:
        if character < 0x300 or not (combining(character) or character in HIDDEN_MARKS):
            run = 0
            continue
        run += 1
        if run > MARK_LIMIT:
            return 1
    return 0


cdef str fold(str text):
    """``normalize_text`` of any text."""
    # The order makes one round enough: what is removed stood between characters that compose, compatibility characters
    # become letters that have a case, and folding takes composed letters apart.
    cdef str shown = without_ignorable(text)
    if has_long_run(shown):
        raise ValueError(f"text: more than {MARK_LIMIT} combining marks in a row")
    return " ".join(normalize("NFKC", normalize("NFKC", shown).casefold()).split())


cdef str without_ignorable(str text):
    cdef Py_UCS4 character
    for character in text:
        if is_ignorable(character):
            return "".join([kept for kept in text if not is_ignorable(kept)])
    return text


cdef bint is_ignorable(Py_UCS4 code) noexcept:
    """Default_Ignorable_Code_Point (Unicode Character Database, DerivedCoreProperties.txt): what NFKC_Casefold removes.

    It holds the zero-width space, joiners and no-break space, the soft hyphen, directional marks, variation selectors,
    fillers and tags.
    """
    if code < 0x200B:
        return (
            code == 0xAD or code == 0x34F or code == 0x61C or 0x115F <= code <= 0x1160 or 0x17B4 <= code <= 0x17B5
            or 0x180B <= code <= 0x180F
        )
    if code <= 0x206F:
        return code <= 0x200F or 0x202A <= code <= 0x202E or 0x2060 <= code
    if code < 0xFE00:
        return code == 0x3164
    return (
        code <= 0xFE0F or code == 0xFEFF or code == 0xFFA0 or 0xFFF0 <= code <= 0xFFF8 or 0x1BCA0 <= code <= 0x1BCA3
        or 0x1D173 <= code <= 0x1D17A or 0xE0000 <= code <= 0xE0FFF
    )


cdef enum:
    FOLDS_TO_SPACE = 0x100
    FOLDS_TO_OTHER = 0x101  # to nothing, to several characters, or to one beyond Latin-1

# What each Latin-1 character folds to. None of them is a combining mark, so each folds by itself.
cdef unsigned short LATIN_1[256]


cdef int fill_latin_1() except -1:
    cdef int code
    cdef str folded
    for code in range(256):
        folded = fold(chr(code))
        if chr(code).isspace():
            LATIN_1[code] = FOLDS_TO_SPACE
        else:
            LATIN_1[code] = ord(folded) if len(folded) == 1 and ord(folded) < 256 else FOLDS_TO_OTHER
    return 0


fill_latin_1()


cdef str fold_latin_1(object text):
    """``normalize_text`` of a Latin-1 text in one pass, or None if it holds a character that needs ``fold``."""
    cdef Py_ssize_t length = PyUnicode_GET_LENGTH(text)
    cdef const uint8_t* source = <const uint8_t*>PyUnicode_DATA(text)
    cdef uint8_t inline_folded[256]
    cdef uint8_t* folded = inline_folded
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t index
    cdef unsigned short character
    cdef bint gap = False
    if length > <Py_ssize_t>sizeof(inline_folded):
        folded = <uint8_t*>PyMem_Malloc(<size_t>length)
        if folded == NULL:
            raise MemoryError
    try:
        for index in range(length):
            character = LATIN_1[source[index]]
            if character == FOLDS_TO_SPACE:
                gap = size > 0
                continue
            if character == FOLDS_TO_OTHER:
                return None
            if gap:
                folded[size] = c" "
                size += 1
                gap = False
            folded[size] = <uint8_t>character
            size += 1
        return <str>PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, folded, size)
    finally:
        if folded != inline_folded:
            PyMem_Free(folded)
