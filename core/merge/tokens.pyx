"""From a seller's text to tokens that can be compared: words, numbers, quantities and codes.

Text is folded (NFKD without marks, lower case), cut into runs of letters and digits, and each run is read as what it is:
a number with its unit ("4 GB", 27"), a version ("v3"), a model code ("DSC-H50", kept whole), or a word of the lexicon
(:mod:`hexar.core.merge.lexicon`). A token's weight stands for its informativeness; :mod:`hexar.core.merge.matching` says why.

Bounded work: at most ``TEXT_LIMIT`` characters of a text and ``TOKEN_LIMIT`` distinct tokens of ``LENGTH_LIMIT``
characters; the rest is not read. Any ``str`` is safe: lone surrogates, NUL and symbols separate tokens.

Thread-safety: the tables are written at import only; a call shares nothing.
"""

import unicodedata

from cython.operator cimport dereference as deref
from cpython.unicode cimport PyUnicode_READ_CHAR, Py_UNICODE_ISALNUM, Py_UNICODE_ISALPHA
from libcpp.unordered_map cimport unordered_map
from libcpp.unordered_set cimport unordered_set

from hexar.core.merge.lexicon import GROUPS, SYNONYMS, UNITS, WEIGHTS

# hashing and the lexicon -----------------------------------------------------------------------------------------------

cdef uint64_t FNV_BASIS = 14695981039346656037ULL


cdef uint64_t hash_span(const Py_UCS4* text, size_t length) noexcept nogil:
    """FNV-1a over code points: equal on every platform and in every process."""
    cdef uint64_t state = FNV_BASIS
    cdef size_t i
    for i in range(length):
        state = hash_step(state, text[i])
    return state


cdef uint64_t hash_text(str text) noexcept:
    """The same over a Python string; never 0, which means "unknown"."""
    cdef uint64_t state = FNV_BASIS
    cdef Py_UCS4 c
    for c in text:
        state = hash_step(state, c)
    return state | (state == 0)


cdef uint8_t group_number(str name) except? 0:
    """A group's place in the lexicon, from 1."""
    return 1 + list(GROUPS).index(name)


cdef struct Meaning:
    uint8_t group
    uint8_t value
    double weight

cdef struct Unit:
    uint8_t dimension
    cbool glued  # a unit only where it touches its number
    double factor

cdef unordered_map[uint64_t, vector[Py_UCS4]] synonyms
cdef unordered_map[uint64_t, Meaning] meanings
cdef unordered_map[uint64_t, Unit] units
cdef unordered_set[uint64_t] systems
cdef uint8_t stop_group = group_number("stop")
cdef uint64_t WIN_HASH = hash_text("win")


cdef int load_lexicon() except -1:
    cdef Meaning meaning
    cdef Unit unit
    cdef vector[Py_UCS4] text
    cdef Py_UCS4 c
    for word, target in SYNONYMS.items():
        text.clear()
        for c in <str>target:
            text.push_back(c)
        synonyms[hash_text(word)] = text
    for number, (group, words) in enumerate(GROUPS.items(), 1):
        values = sorted(set(words.values()))
        if number >= GROUP_LIMIT or len(values) > 64:
            raise ValueError(f"the lexicon's group {group} does not fit")
        for word, value in words.items():
            meaning.group, meaning.value, meaning.weight = number, values.index(value), WEIGHTS[group]
            meanings[hash_text(word)] = meaning
    dimensions = sorted({dimension for dimension, _ in UNITS.values()})
    for word, (dimension, factor) in UNITS.items():
        unit.dimension, unit.factor = 1 + dimensions.index(dimension), factor
        unit.glued = word in ("m", "g", "l", "x", "st", "nd", "rd", "th", "in", "p", "i", "cu")
        units[hash_text(word)] = unit
    for word in ("95", "98", "me", "nt", "2000", "xp", "vista", "7", "8", "10", "11"):
        systems.insert(hash_text(word))
    return 0


load_lexicon()

# reading text ----------------------------------------------------------------------------------------------------------

cdef str fold(str text):
    """Lower case without accents, compatibility forms unified (NFKD)."""
    if len(text) > TEXT_LIMIT:
        text = text[:TEXT_LIMIT]
    if text.isascii():
        return text.lower()
    # in slices, since sorting a long run of marks is quadratic; the order of marks does not matter, they are dropped
    decomposed = "".join([unicodedata.normalize("NFKD", text[i : i + 256]) for i in range(0, len(text), 256)])
    decomposed = decomposed[: 2 * TEXT_LIMIT]  # one character can become eighteen
    return "".join([c for c in decomposed if not unicodedata.combining(c)]).casefold()[: 2 * TEXT_LIMIT]


cdef struct Piece:
    uint32_t start
    uint32_t length
    Py_UCS4 joiner
    cbool code  # a joined code: taken as it is
    cbool quote


cdef inline bint decimal(const Py_UCS4* text, size_t length) noexcept nogil:
    cdef size_t i
    for i in range(length):
        if not digit(text[i]) and text[i] != c'.':
            return False
    return length > 0


cdef inline bint digits_only(const Py_UCS4* text, size_t length) noexcept nogil:
    cdef size_t i
    for i in range(length):
        if not digit(text[i]):
            return False
    return length > 0


cdef inline bint year_like(const Py_UCS4* text, size_t length) noexcept nogil:
    cdef int value
    if length != 4 or not digits_only(text, 4):
        return False
    value = (<int>text[0] - 48) * 1000 + (<int>text[1] - 48) * 100 + (<int>text[2] - 48) * 10 + <int>text[3] - 48
    return 1900 <= value < 2040


cdef inline size_t leading_digits(const Py_UCS4* text, size_t length) noexcept nogil:
    cdef size_t i = 0
    while i < length and (digit(text[i]) or text[i] == c'.'):
        i += 1
    return i


cdef double number_value(const Py_UCS4* text, size_t length) noexcept nogil:
    """Fifteen digits before the point and six after it are read."""
    cdef double value = 0.0, scale = 0.1
    cdef size_t i = 0, seen = 0
    while i < length and text[i] != c'.':
        if seen < 15:
            value = value * 10 + (<int>text[i] - 48)
        seen += 1
        i += 1
    i += 1
    seen = 0
    while i < length and text[i] != c'.' and seen < 6:
        value += (<int>text[i] - 48) * scale
        scale /= 10
        seen += 1
        i += 1
    return value


cdef int plain_number(const Py_UCS4* text, size_t length, vector[Py_UCS4]& out) except -1:
    """Append a number without leading zeros and without zeros after the point: "2.0" and "02" are "2"."""
    cdef size_t point = 0, first = 0, last = length, i
    while point < length and text[point] != c'.':
        point += 1
    while first < point and text[first] == c'0':
        first += 1
    if first == point:
        out.push_back(c'0')
    for i in range(first, point):
        out.push_back(text[i])
    while last > point + 1 and (text[last - 1] == c'0' or text[last - 1] == c'.'):
        last -= 1
    if last > point + 1:
        for i in range(point, last):
            out.push_back(text[i])
    return 0


cdef bint is_unit(const Py_UCS4* text, size_t length) noexcept nogil:
    return units.count(hash_span(text, length)) > 0


cdef bint join_code(const vector[Py_UCS4]& pool, vector[Piece]& pieces, size_t first, vector[Py_UCS4]& out) except -1:
    """Whether the pieces from ``first`` are one hyphenated model code ("dsc-h50"); its compact form is appended."""
    cdef size_t i, j, digits = 0, total = 0, head, n = pieces.size()
    cdef const Py_UCS4* text
    cdef bint years = True, letters, counted = True
    if n - first < 2:
        return False
    for i in range(first, n):
        text = pool.data() + pieces[i].start
        if pieces[i].joiner == c'/' and pieces[i].length > 2:
            return False
        for j in range(pieces[i].length):
            if text[j] != c'.':
                total += 1
                digits += digit(text[j])
        years = years and year_like(text, pieces[i].length)
    if digits == total:
        if digits < 7 or years:
            return False
    else:
        if digits < 2 or total < 4:
            return False
        for i in range(first, n):
            text = pool.data() + pieces[i].start
            letters = True
            for j in range(pieces[i].length):
                letters = letters and Py_UNICODE_ISALPHA(text[j])
            if letters and pieces[i].length > 4:
                return False
            head = leading_digits(text, pieces[i].length)
            if head > 0 and head < pieces[i].length and is_unit(text + head, pieces[i].length - head):
                return False
            if i > first:
                counted = counted and is_unit(text, pieces[i].length)
        text = pool.data() + pieces[first].start
        if counted and decimal(text, pieces[first].length):
            return False
    total = 0
    for i in range(first, n):
        for j in range(pieces[i].length):
            if pool[pieces[i].start + j] != c'.' and total < LENGTH_LIMIT:
                out.push_back(pool[pieces[i].start + j])
                total += 1
    return True


cdef int split(str text, vector[Py_UCS4]& pool, vector[Piece]& pieces) except -1:
    """Cut folded ``text`` into runs of letters and digits; decimals stay whole, hyphenated codes become one piece."""
    cdef Py_ssize_t i = 0, n = len(text), start
    cdef size_t first, compounds = 0, code_start
    cdef Py_UCS4 c, joiner
    cdef Piece piece
    while i < n and compounds < 2 * DESCRIPTION_TOKENS:
        c = PyUnicode_READ_CHAR(text, i)
        if not Py_UNICODE_ISALNUM(c):
            if (c == c"'" or c == c'"') and not pieces.empty() and not pieces.back().code and not pieces.back().quote:
                if decimal(pool.data() + pieces.back().start, pieces.back().length):
                    piece.start, piece.length, piece.joiner, piece.code, piece.quote = <uint32_t>pool.size(), 1, 0, False, True
                    pool.push_back(c'"')
                    pieces.push_back(piece)
                    compounds += 1
            i += 1
            continue
        first = pieces.size()
        joiner = 0
        while True:
            start = i
            piece.start, piece.length, piece.joiner, piece.code, piece.quote = <uint32_t>pool.size(), 0, joiner, False, False
            while i < n:
                c = PyUnicode_READ_CHAR(text, i)
                if Py_UNICODE_ISALNUM(c):
                    if piece.length < LENGTH_LIMIT:
                        pool.push_back(c)
                        piece.length += 1
                    i += 1
                elif (c == c'.' or c == c',') and i > start and i + 1 < n and digit(PyUnicode_READ_CHAR(text, i - 1)) \
                        and digit(PyUnicode_READ_CHAR(text, i + 1)):
                    if c == c'.':
                        if piece.length < LENGTH_LIMIT:
                            pool.push_back(c)
                            piece.length += 1
                        i += 1
                    elif i + 3 < n and digit(PyUnicode_READ_CHAR(text, i + 2)) and digit(PyUnicode_READ_CHAR(text, i + 3)) \
                            and not (i + 4 < n and digit(PyUnicode_READ_CHAR(text, i + 4))):
                        i += 1
                    else:
                        break
                elif c == c' ' and i > start and i + 2 < n and PyUnicode_READ_CHAR(text, i + 1) == c'.' \
                        and digit(PyUnicode_READ_CHAR(text, i + 2)) and digit(PyUnicode_READ_CHAR(text, i - 1)):
                    if piece.length < LENGTH_LIMIT:
                        pool.push_back(c'.')
                        piece.length += 1
                    i += 2
                else:
                    break
            pieces.push_back(piece)
            if i + 1 < n and Py_UNICODE_ISALNUM(PyUnicode_READ_CHAR(text, i + 1)):
                c = PyUnicode_READ_CHAR(text, i)
                if (c == c'-' or c == c'/' or c == c'_') and pieces.size() - first < DESCRIPTION_TOKENS:
                    joiner = c
                    i += 1
                    continue
            break
        code_start = pool.size()
        if join_code(pool, pieces, first, pool):
            pieces.resize(first)
            piece.start, piece.length, piece.joiner, piece.code = <uint32_t>code_start, <uint32_t>(pool.size() - code_start), 0, True
            pieces.push_back(piece)
        compounds += 1
    return 0


cdef void ignore_systems(vector[Token]& tokens, size_t first) noexcept nogil:
    """A list of systems that a program runs on ("win 98 me 2000 xp") is not its version."""
    cdef size_t i = first, j
    while i < tokens.size():
        if tokens[i].hash != WIN_HASH:
            i += 1
            continue
        j = i + 1
        while j < tokens.size() and systems.count(tokens[j].hash):
            j += 1
        if j - i >= 3:
            for i in range(i + 1, j):
                tokens[i].kind, tokens[i].group, tokens[i].value, tokens[i].weight = WORD, stop_group, 0, 0.1
                tokens[i].year = False
        i = j


cdef int tokenize(str raw, vector[Py_UCS4]& text, vector[Token]& tokens, size_t limit) except -1:
    """Append the distinct tokens of ``raw``; their characters go to ``text``."""
    cdef vector[Py_UCS4] pool
    cdef vector[Piece] pieces
    cdef size_t i = 0, j, head, first = tokens.size(), digits, length
    cdef uint64_t h
    cdef const Py_UCS4* t
    cdef Token token
    cdef double decay
    cdef bint known
    cdef unordered_map[uint64_t, vector[Py_UCS4]].iterator synonym
    cdef unordered_map[uint64_t, Meaning].iterator meaning
    cdef Unit unit
    split(fold(raw), pool, pieces)
    for j in range(pieces.size()):
        if not pieces[j].code:
            synonym = synonyms.find(hash_span(pool.data() + pieces[j].start, pieces[j].length))
            if synonym != synonyms.end():
                pieces[j].start = <uint32_t>pool.size()
                pieces[j].length = <uint32_t>deref(synonym).second.size()
                pool.insert(pool.end(), deref(synonym).second.begin(), deref(synonym).second.end())
    while i < pieces.size() and tokens.size() - first < limit:
        t = pool.data() + pieces[i].start
        length = pieces[i].length
        i += 1
        if pieces[i - 1].quote:
            continue
        decay = 1.0 / (1.0 + (tokens.size() - first) / 16.0)
        token.kind, token.strong, token.year, token.group, token.value, token.dimension = WORD, False, False, 0, 0, 0
        token.number = 0.0
        token.start = <uint32_t>text.size()
        head = leading_digits(t, length)
        if pieces[i - 1].code:
            token.kind, token.strong, token.weight = CODE, True, 3.0 * decay
            text.insert(text.end(), t, t + length)
        elif head == length:
            known = False
            if i < pieces.size() and not pieces[i].code:
                h = hash_span(pool.data() + pieces[i].start, pieces[i].length)
                if units.count(h) and not units[h].glued:
                    unit, known = units[h], True
            if known:
                token.kind, token.weight = QUANTITY, 0.75 * decay
                token.number, token.dimension = number_value(t, length) * unit.factor, unit.dimension
                plain_number(t, length, text)
                i += 1
            elif length >= 5 and digits_only(t, length):
                token.kind, token.strong, token.weight = CODE, True, 2.0 * decay
                text.insert(text.end(), t, t + length)
            else:
                token.kind, token.weight, token.number = NUMBER, decay, number_value(t, length)
                plain_number(t, length, text)
        elif head > 0 and is_unit(t + head, length - head):
            unit = units[hash_span(t + head, length - head)]
            token.kind, token.weight = QUANTITY, 0.75 * decay
            token.number, token.dimension = number_value(t, head) * unit.factor, unit.dimension
            plain_number(t, head, text)
        elif t[0] == c'v' and decimal(t + 1, length - 1):
            token.kind, token.weight, token.number = NUMBER, decay, number_value(t + 1, length - 1)
            plain_number(t + 1, length - 1, text)
        elif any_digit(t, length):
            digits = 0
            for j in range(length):
                if t[j] != c'.':
                    text.push_back(t[j])
                    digits += digit(t[j])
            length = text.size() - token.start
            token.kind = CODE
            token.strong = (length >= 5 and digits >= 2) or (length >= 4 and digits >= 3)
            token.weight = (3.0 if token.strong else 1.5) * decay
        else:
            meaning = meanings.find(hash_span(t, length))
            if meaning != meanings.end():
                token.group, token.value = deref(meaning).second.group, deref(meaning).second.value
                token.weight = deref(meaning).second.weight * decay
            else:
                token.weight = (0.5 + 0.1 * min(length, 10)) * decay
            text.insert(text.end(), t, t + length)
        token.length = <uint16_t>(text.size() - token.start)
        t = text.data() + token.start
        token.hash = hash_span(t, token.length)
        known = False
        for j in range(first, tokens.size()):
            if tokens[j].hash == token.hash and tokens[j].dimension == token.dimension and tokens[j].number == token.number:
                known = True
                break
        if known:
            text.resize(token.start)
            continue
        token.year = token.kind == NUMBER and year_like(t, token.length)
        token.letters = 0
        for j in range(token.length):
            token.letters |= <uint64_t>1 << (<uint64_t>t[j] & 63)
        tokens.push_back(token)
    ignore_systems(tokens, first)
    return 0
