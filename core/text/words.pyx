"""Text into words, for what reads every question: folding, and the word patterns of classing, of telling languages and of search.

Each pattern is written as the regular expression that it equals. Classes of characters are those of ``str`` and ``re``: a
letter or digit is ``str.isalnum``, a decimal is ``str.isdecimal``. Any ``str`` is safe; time is linear.

Thread-safety: the functions share no state but tables that are filled at import.
"""

from unicodedata import combining, normalize

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libcpp.vector cimport vector

cdef extern from "Python.h":
    int PyUnicode_KIND(object text)
    const void* PyUnicode_DATA(object text)
    Py_UCS4 PyUnicode_READ(int kind, const void* data, Py_ssize_t index)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    bint PyUnicode_IS_ASCII(object text)
    object PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t end)
    object PyUnicode_FromKindAndData(int kind, const void* data, Py_ssize_t length)
    const int PyUnicode_2BYTE_KIND


# Folding -----------------------------------------------------------------------------------------------------------------

cdef enum:
    # Latin with its extensions, and the punctuation and signs of currency from PUNCTUATION on, fold character by character.
    LATIN = 0x250
    PUNCTUATION = 0x2000
    MARKS = 0x20D0
    # A character of which nothing stays, and one that becomes several.
    NOTHING = 0xFFFE
    SEVERAL = 0xFFFF

cdef uint16_t latin[LATIN]
cdef uint16_t punctuation[MARKS - PUNCTUATION]


cdef str decomposed(str text):
    return "".join([c for c in normalize("NFKD", text.lower()) if not combining(c)])


cdef uint16_t folded(int character) except? 0:
    plain = decomposed(chr(character))
    return ord(plain) if len(plain) == 1 else SEVERAL if plain else NOTHING


cdef int fill_folded() except -1:
    cdef int character
    for character in range(LATIN):
        latin[character] = folded(character)
    for character in range(PUNCTUATION, MARKS):
        punctuation[character - PUNCTUATION] = folded(character)
    return 0


fill_folded()


def fold(str text not None):
    """Lower case without diacritics: ``"Opción"`` becomes ``"opcion"``. Compatibility characters become plain ones (NFKD)."""
    if PyUnicode_IS_ASCII(text):
        return text.lower()
    cdef int kind = PyUnicode_KIND(text)
    cdef const void* data = PyUnicode_DATA(text)
    cdef Py_ssize_t i
    cdef uint32_t character
    cdef uint16_t plain
    cdef vector[uint16_t] result
    result.reserve(PyUnicode_GET_LENGTH(text))
    for i in range(PyUnicode_GET_LENGTH(text)):
        character = <uint32_t>PyUnicode_READ(kind, data, i)
        if character < LATIN:
            plain = latin[character]
        elif PUNCTUATION <= character < MARKS:
            plain = punctuation[character - PUNCTUATION]
        else:
            plain = SEVERAL
        if plain == SEVERAL:
            return decomposed(text)
        if plain != NOTHING:
            result.push_back(plain)
    return PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, result.data(), result.size())


# Words -------------------------------------------------------------------------------------------------------------------

# Classes of characters: a letter is here what is alphanumeric and no decimal, such as a superscript two.
cdef enum:
    LETTER = 1
    DECIMAL = 2
    UNDERSCORE = 4

cdef uint8_t ascii[128]


cdef uint8_t class_of_any(Py_UCS4 character) noexcept:
    if character == u"_":
        return UNDERSCORE
    return DECIMAL if character.isdecimal() else LETTER if character.isalnum() else 0


cdef inline uint8_t class_of(Py_UCS4 character) noexcept:
    return ascii[<uint32_t>character] if <uint32_t>character < 128 else class_of_any(character)


cdef int fill_classes() except -1:
    cdef size_t character
    for character in range(128):
        ascii[character] = class_of_any(<Py_UCS4>character)
    return 0


fill_classes()


cdef inline Py_ssize_t run_end(int kind, const void* data, Py_ssize_t start, Py_ssize_t length, uint8_t classes) noexcept:
    """Where the characters of ``classes`` that begin at ``start`` end."""
    while start < length and class_of(PyUnicode_READ(kind, data, start)) & classes:
        start += 1
    return start


def alphanumeric(str text not None):
    """The runs of letters and digits: ``[^\\W_]+``."""
    cdef int kind = PyUnicode_KIND(text)
    cdef const void* data = PyUnicode_DATA(text)
    cdef Py_ssize_t start = 0, end, length = PyUnicode_GET_LENGTH(text)
    words = []
    while start < length:
        end = run_end(kind, data, start, length, LETTER | DECIMAL)
        if start < end:
            words.append(PyUnicode_Substring(text, start, end))
        start = end + 1
    return words


def alphabetic(str text not None):
    """The runs of letters, also two around an apostrophe: ``[^\\W\\d_]+(?:['’][^\\W\\d_]+)?``."""
    cdef int kind = PyUnicode_KIND(text)
    cdef const void* data = PyUnicode_DATA(text)
    cdef Py_ssize_t start = 0, end, second, length = PyUnicode_GET_LENGTH(text)
    words = []
    while start < length:
        end = run_end(kind, data, start, length, LETTER)
        if start == end:
            start += 1
            continue
        if end < length and PyUnicode_READ(kind, data, end) in (u"'", u"’"):
            second = run_end(kind, data, end + 1, length, LETTER)
            if second > end + 1:
                end = second
        words.append(PyUnicode_Substring(text, start, end))
        start = end
    return words


def coded(str text not None):
    """The words, and codes such as ``AB-12`` and ``4.5`` whole: ``\\w+(?:[.\\-/]\\d\\w*)*``."""
    cdef int kind = PyUnicode_KIND(text)
    cdef const void* data = PyUnicode_DATA(text)
    cdef Py_ssize_t start, end = 0, length = PyUnicode_GET_LENGTH(text)
    cdef Py_UCS4 character
    words = []
    while end < length:
        start = end
        while end < length:
            character = PyUnicode_READ(kind, data, end)
            if class_of(character):
                end += 1
            elif (
                start < end < length - 1
                and (character == u"." or character == u"-" or character == u"/")
                and class_of(PyUnicode_READ(kind, data, end + 1)) == DECIMAL
            ):
                end += 2
            else:
                break
        if start < end:
            words.append(PyUnicode_Substring(text, start, end))
        end += 1
    return words
