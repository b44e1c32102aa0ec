# distutils: language = c++
"""Is it one product? The score of a pair of listings, without training and without a corpus.

Algorithm. Each listing is read once into a :class:`Record` (``prepare``); a pair of records is scored without the
interpreter (``score``). The score is the logistic function of a sum of evidence in logits, as in Fellegi & Sunter,
"A Theory for Record Linkage" (JASA 64, 1969): each compared field adds its log-odds, a missing field adds nothing, and a
valid GTIN decides alone. Titles are compared token by token, each token against its closest on the other side (Monge &
Elkan, KDD 1996; Soft TF-IDF of Cohen, Ravikumar & Fienberg, IIWeb 2003, without its corpus). One pair has no IDF: a
token's weight stands for it, fixed by what the token is. Alphanumeric codes weigh three ordinary words (few products
share one), a word gains with its length (frequent words are short: Zipf 1935), words of the lexicon's groups have the
group's weight, brand words a quarter (candidates nearly always share the brand), and weight falls with position, since
sellers put what names the product first.

The constants are round and chosen for their meaning, not fitted:

====================================  ===========  =====================================================================
evidence                              logits       reason
====================================  ===========  =====================================================================
prior                                 -2           one compared pair in eight is a match
title                                 -3.5 .. +3   4 x the better covered side + 2 x the other; one side may say more
matched weight                        +ln(1+w)/2   two shared words are weaker than eight
words left over on both sides         -1/2 each    a word replaced by another is a difference, a word added is not
code in both                          +2.5         a long alphanumeric code names one product
only different codes                  -1.5         but some are a shop's own number
model or MPN equal / different        +3.5 / -2.5  fields made to identify
year or size equal / different        +1/2 / -3    "brand + model + year + size"
numbers / years / units differ        -1/-2/-1     "v3" and "v4", "2006" and "2007", "4 GB" and "8 GB"
exclusive words differ                -2 (side -4) "upgrade" and "full", "left" and "right" (:mod:`hexar.core.lexicon`)
price                                 +1/2 - |ln|  weak: shops differ, but rarely by three times; not below -1.5
brand agrees / differs                +-1/2        resellers name themselves
a field of another name: text         +-1          by similarity; agreement counts by the weight of the words in common
... a number equal / near / far       n/2 / -1/-2  by its n digits, at most 2; near is within a tenth; a phone number 3
... a name that differs               -3           a song, an album, a brewery
====================================  ===========  =====================================================================

Bounded work: at most 64 fields, 4096 characters a field, 64 tokens of at most 48 characters each; the rest is not read.
Any ``str`` is safe: lone surrogates, NUL and symbols separate tokens.

Thread-safety: the tables are written at import only; a call shares nothing. ``score`` needs no GIL.
"""

import unicodedata
from collections.abc import Mapping

from cython.operator cimport dereference as deref
from cpython.unicode cimport PyUnicode_READ_CHAR, Py_UNICODE_ISALNUM, Py_UNICODE_ISALPHA
from libc.math cimport exp, fabs, log, log1p
from libc.string cimport memcmp
from libcpp.algorithm cimport sort as std_sort
from libcpp.unordered_map cimport unordered_map
from libcpp.unordered_set cimport unordered_set

from hexar.core.lexicon import GROUP_DEFAULTS, GROUP_EVIDENCE, GROUPS, ROLES, SIZES, SYNONYMS, TITLE_ORDER, UNITS, WEIGHTS

DEFAULT_THRESHOLD = 0.5

cdef extern from *:
    """
    static inline int hexar_popcount(unsigned long long x) { int n = 0; while (x) { x &= x - 1; n++; } return n; }
    """
    int popcount "hexar_popcount"(uint64_t x) noexcept nogil

# hashing and the lexicon -----------------------------------------------------------------------------------------------

cdef uint64_t FNV_BASIS = 14695981039346656037ULL
cdef uint64_t FNV_PRIME = 1099511628211ULL


cdef inline uint64_t hash_step(uint64_t state, Py_UCS4 c) noexcept nogil:
    return (state ^ <uint64_t>c) * FNV_PRIME


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
cdef double[GROUP_LIMIT] group_differs
cdef double[GROUP_LIMIT] group_one_sided
cdef uint64_t[GROUP_LIMIT] group_marked  # the values that an unmarked product does not have
cdef int group_count = 0
cdef int color_group = 0
cdef int side_group = 0
cdef int position_group = 0
cdef int stop_group = 0
cdef int filler_group = 0
cdef uint64_t WIN_HASH = hash_text("win")


cdef int load_lexicon() except -1:
    global group_count, color_group, side_group, position_group, stop_group, filler_group
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
        group_count = number
        values = sorted(set(words.values()))
        if number >= GROUP_LIMIT or len(values) > 64:
            raise ValueError(f"the lexicon's group {group} does not fit")
        if group == "color":
            color_group = number
        elif group == "side":
            side_group = number
        elif group == "position":
            position_group = number
        elif group == "stop":
            stop_group = number
        elif group == "filler":
            filler_group = number
        group_differs[number], group_one_sided[number] = GROUP_EVIDENCE.get(group, (0.0, 0.0))
        group_marked[number] = ~<uint64_t>0
        if group in GROUP_DEFAULTS:
            group_marked[number] = ~(<uint64_t>1 << <int>values.index(GROUP_DEFAULTS[group]))
        for word, value in words.items():
            meaning.group, meaning.value, meaning.weight = number, values.index(value), WEIGHTS[group]
            meanings[hash_text(word)] = meaning
    dimensions = sorted({dimension for dimension, _ in UNITS.values()} | {"lines"})
    for word, (dimension, factor) in {**UNITS, "p": ("lines", 1.0), "i": ("lines", 1.0)}.items():
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
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join([c for c in decomposed if not unicodedata.combining(c)]).casefold()[: 2 * TEXT_LIMIT]


cdef inline bint digit(Py_UCS4 c) noexcept nogil:
    return c'0' <= c <= c'9'


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


cdef inline bint any_digit(const Py_UCS4* text, size_t length) noexcept nogil:
    cdef size_t i
    for i in range(length):
        if digit(text[i]):
            return True
    return False


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

# comparing tokens ------------------------------------------------------------------------------------------------------

cdef inline bint same_text(const Token* t, const Py_UCS4* a, const Token* u, const Py_UCS4* b) noexcept nogil:
    return t.hash == u.hash and t.length == u.length and memcmp(a + t.start, b + u.start, t.length * sizeof(Py_UCS4)) == 0


cdef double code_similarity(const Py_UCS4* a, size_t n, const Py_UCS4* b, size_t m) noexcept nogil:
    """1 where equal, 0.9 where the longer only adds letters (series, colour, region), 0.6 for other last letters, else 0."""
    cdef size_t at, p
    if n > m:
        a, b, n, m = b, a, m, n
    if n == m and memcmp(a, b, n * sizeof(Py_UCS4)) == 0:
        return 1.0
    if n < 3:
        return 0.0
    for at in range(m - n + 1):
        if at > 0 and digit(b[at - 1]):
            break
        if m - at - n <= 4 and memcmp(a, b + at, n * sizeof(Py_UCS4)) == 0 and not any_digit(b + at + n, m - at - n):
            return 0.9
    p = 0
    while p < n and a[p] == b[p]:
        p += 1
    if p >= 5 and n - p <= 3 and m - p <= 3 and not any_digit(a + p, n - p) and not any_digit(b + p, m - p):
        return 0.6
    return 0.0


cdef double edit_similarity(const Py_UCS4* a, size_t n, const Py_UCS4* b, size_t m) noexcept nogil:
    """1 - Levenshtein / longer length where that is at least 0.8, else 0; a band of the dynamic programme is computed."""
    cdef int[LENGTH_LIMIT + 2] row
    cdef int i, j, low, high, diagonal, above, value, best, longest = <int>max(n, m)
    cdef int limit = longest // 5, wide = limit + 1
    if (n - m if n > m else m - n) > <size_t>limit:
        return 0.0
    for j in range(<int>m + 1):
        row[j] = j
    for i in range(1, <int>n + 1):
        low, high = max(1, i - limit), min(<int>m, i + limit)
        diagonal = row[low - 1]
        row[low - 1] = i if low == 1 else wide
        best = row[low - 1]
        for j in range(low, high + 1):
            above = row[j] if j < i + limit else wide
            value = diagonal + (a[i - 1] != b[j - 1])
            value = min(value, min(above, row[j - 1]) + 1)
            diagonal = row[j]
            row[j] = value
            best = min(best, value)
        if best > limit:
            return 0.0
    if row[m] > limit:
        return 0.0
    return 1.0 - <double>row[m] / longest


cdef double closeness(const Token* t, const Py_UCS4* a, const Token* u, const Py_UCS4* b) noexcept nogil:
    """0..1: how surely two tokens say the same. Numbers and codes are exact; only ordinary words forgive typing errors."""
    cdef bint t_number, u_number
    if t.kind == WORD and u.kind == WORD:
        if t.hash == u.hash:
            return 1.0 if same_text(t, a, u, b) else 0.0
        if t.group or u.group or t.length < 4 or u.length < 4:
            return 0.0
        if popcount(t.letters ^ u.letters) > 2 * (max(t.length, u.length) // 5):
            return 0.0
        return edit_similarity(a + t.start, t.length, b + u.start, u.length)
    if t.kind == CODE and u.kind == CODE:
        return code_similarity(a + t.start, t.length, b + u.start, u.length)
    t_number, u_number = t.kind == NUMBER or t.kind == QUANTITY, u.kind == NUMBER or u.kind == QUANTITY
    if t_number and u_number:
        if t.dimension == u.dimension:
            return 1.0 if t.number == u.number else 0.0
        return 1.0 if (t.dimension == 0 or u.dimension == 0) and same_text(t, a, u, b) else 0.0
    if t.kind != CODE and u.kind != CODE:
        return 0.0
    if same_text(t, a, u, b):
        return 1.0
    if t.kind == NUMBER or u.kind == NUMBER:
        return 0.9 * code_similarity(a + t.start, t.length, b + u.start, u.length)
    return 0.0


cdef void cover_glued(
    const vector[Token]& left, const Py_UCS4* a, const vector[Token]& right, const Py_UCS4* b, double* cl, double* cr
) noexcept nogil:
    """Two neighbours of one side that are one token of the other ("print shop" and "printshop") cover each other."""
    cdef size_t i, j, k, total
    cdef uint64_t h
    for i in range(1, left.size()):
        total = left[i - 1].length + left[i].length
        h = 0
        for j in range(right.size()):
            if right[j].length != total:
                continue
            if h == 0:
                h = left[i - 1].hash
                for k in range(left[i].length):
                    h = hash_step(h, a[left[i].start + k])
            if (
                h == right[j].hash
                and memcmp(a + left[i - 1].start, b + right[j].start, left[i - 1].length * sizeof(Py_UCS4)) == 0
                and memcmp(
                    a + left[i].start, b + right[j].start + left[i - 1].length, left[i].length * sizeof(Py_UCS4)
                ) == 0
            ):
                cl[i - 1] = cl[i] = cr[j] = 1.0


cdef void cover(
    const vector[Token]& left, const Py_UCS4* a, const vector[Token]& right, const Py_UCS4* b, double* cl, double* cr
) noexcept nogil:
    """For each token the closeness of its closest on the other side. ``cl`` and ``cr`` hold TOKEN_LIMIT values."""
    cdef size_t i, j
    cdef double c
    for i in range(left.size()):
        cl[i] = 0.0
    for j in range(right.size()):
        cr[j] = 0.0
    for i in range(left.size()):
        for j in range(right.size()):
            c = closeness(&left[i], a, &right[j], b)
            if c > cl[i]:
                cl[i] = c
            if c > cr[j]:
                cr[j] = c
    cover_glued(left, a, right, b, cl, cr)
    cover_glued(right, b, left, a, cr, cl)

# evidence --------------------------------------------------------------------------------------------------------------

cdef double text_similarity(
    const vector[Token]& left, const Py_UCS4* a, const vector[Token]& right, const Py_UCS4* b, double* shared
) noexcept nogil:
    """Share of both texts' weight that the other covers, 0..1; ``shared`` becomes the weight that both have."""
    cdef double[TOKEN_LIMIT] cl, cr
    cdef double tl = 0.0, tr = 0.0, ml = 0.0, mr = 0.0
    cdef size_t i
    cover(left, a, right, b, cl, cr)
    for i in range(left.size()):
        tl += left[i].weight
        ml += left[i].weight * cl[i]
    for i in range(right.size()):
        tr += right[i].weight
        mr += right[i].weight * cr[i]
    shared[0] = min(ml, mr)
    return (ml + mr) / (tl + tr) if tl + tr > 0 else 0.0


cdef double brand_share(const Token* t, const Py_UCS4* text, const Record* left, const Record* right) noexcept nogil:
    cdef size_t i
    for i in range(left.brand.size()):
        if same_text(t, text, &left.brand[i], left.text.data()):
            return 0.25
    for i in range(right.brand.size()):
        if same_text(t, text, &right.brand[i], right.text.data()):
            return 0.25
    return 1.0


cdef bint numbers_differ(const vector[Token]& left, const vector[Token]& right, Kind kind, bint year, int dimension) noexcept nogil:
    """Whether both texts have numbers of this kind and share none."""
    cdef size_t i, j
    cdef bint one = False, other = False
    for i in range(left.size()):
        if left[i].kind != kind or left[i].year != year or left[i].dimension != dimension:
            continue
        one = True
        for j in range(right.size()):
            if right[j].kind == kind and right[j].year == year and right[j].dimension == dimension:
                other = True
                if left[i].number == right[j].number:
                    return False
    return one and other


cdef double title_evidence(const Record* left, const Record* right) noexcept nogil:
    cdef double[TOKEN_LIMIT] cl, cr
    cdef double tl = 0.0, tr = 0.0, ml = 0.0, mr = 0.0, w, evidence
    cdef const Py_UCS4* a = left.text.data()
    cdef const Py_UCS4* b = right.text.data()
    cdef size_t i
    cdef int conflicts = 0
    cdef uint64_t seen = 0
    cover(left.title, a, right.title, b, cl, cr)
    for i in range(left.title.size()):
        w = left.title[i].weight * brand_share(&left.title[i], a, left, right)
        tl += w
        ml += w * cl[i]
    for i in range(right.title.size()):
        w = right.title[i].weight * brand_share(&right.title[i], b, left, right)
        tr += w
        mr += w * cr[i]
    evidence = -3.5 + 4.0 * max(ml / tl, mr / tr) + 2.0 * min(ml / tl, mr / tr)
    evidence += 0.5 * log1p(min(ml, mr)) - 0.5 * min(min(tl - ml, tr - mr), 4.0)
    if numbers_differ(left.title, right.title, NUMBER, True, 0):
        evidence -= 2.0
    if numbers_differ(left.title, right.title, NUMBER, False, 0):
        evidence -= 1.0
    for i in range(left.title.size()):
        if left.title[i].kind == QUANTITY and not (seen >> left.title[i].dimension) & 1:
            seen |= <uint64_t>1 << left.title[i].dimension
            conflicts += numbers_differ(left.title, right.title, QUANTITY, False, left.title[i].dimension)
    return evidence - min(conflicts, 2)


cdef double best_code(const Record* left, const Record* right) noexcept nogil:
    """Closest pair of a strong code of ``left`` and any code of ``right``; three quarters where it is only described."""
    cdef double best = 0.0
    cdef size_t i, j
    for i in range(left.codes.size()):
        if left.codes[i].strong:
            if is_glued(&left.codes[i], left.text.data(), right.codes, right.text.data()):
                return 1.0
            for j in range(right.codes.size()):
                best = max(best, closeness(&left.codes[i], left.text.data(), &right.codes[j], right.text.data()))
            for j in range(right.described.size()):
                best = max(best, 0.75 * closeness(&left.codes[i], left.text.data(), &right.described[j], right.text.data()))
    return best


cdef bint is_glued(const Token* t, const Py_UCS4* a, const vector[Token]& codes, const Py_UCS4* b) noexcept nogil:
    """Whether a code is two neighbouring codes of the other side written as one ("SL-1200 MK2" and "SL1200MK2")."""
    cdef size_t i, n
    for i in range(1, codes.size()):
        n = codes[i - 1].length
        if (
            n + codes[i].length == t.length
            and memcmp(a + t.start, b + codes[i - 1].start, n * sizeof(Py_UCS4)) == 0
            and memcmp(a + t.start + n, b + codes[i].start, codes[i].length * sizeof(Py_UCS4)) == 0
        ):
            return True
    return False


cdef bint has_strong(const vector[Token]& tokens) noexcept nogil:
    cdef size_t i
    for i in range(tokens.size()):
        if tokens[i].strong:
            return True
    return False


cdef inline bint same_span(Span x, Span y) noexcept nogil:
    return x.length > 0 and x.length == y.length and x.hash == y.hash


cdef bint codes_differ(Span x, const Py_UCS4* a, Span y, const Py_UCS4* b) noexcept nogil:
    return x.length > 0 and y.length > 0 and code_similarity(a + x.start, x.length, b + y.start, y.length) < 0.5


cdef double code_evidence(const Record* left, const Record* right) noexcept nogil:
    cdef double best, conflict = 0.0, shared = 0.0
    cdef const Py_UCS4* a = left.text.data()
    cdef const Py_UCS4* b = right.text.data()
    if (
        same_span(left.model, right.model)
        or same_span(left.mpn, right.mpn)
        or same_span(left.model, right.mpn)
        or same_span(left.mpn, right.model)
    ):
        return 3.5
    best = max(best_code(left, right), best_code(right, left))
    if left.sku_strong and left.sku == right.sku:
        best = max(best, 0.75)
    if codes_differ(left.model, a, right.model, b) or codes_differ(left.mpn, a, right.mpn, b):
        conflict = -2.5
        if left.model.length and right.model.length and text_similarity(left.model_tokens, a, right.model_tokens, b, &shared) >= 0.75:
            conflict = 0.0
    if best < 0.5 and has_strong(left.codes) and has_strong(right.codes):
        conflict = min(conflict, -1.5)
    return 2.5 * best + conflict


cdef double group_evidence(const Record* left, const Record* right) noexcept nogil:
    cdef double evidence = 0.0
    cdef int group
    for group in range(1, group_count + 1):
        if left.groups[group] and right.groups[group]:
            if not left.groups[group] & right.groups[group]:
                evidence += group_differs[group]
        elif (left.groups[group] | right.groups[group]) & group_marked[group]:
            evidence += group_one_sided[group]
    return evidence


cdef double other_evidence(const Other* x, const Py_UCS4* a, const Other* y, const Py_UCS4* b) noexcept nogil:
    cdef double s, apart, shared = 0.0
    if x.category or y.category:
        return text_similarity(x.tokens, a, y.tokens, b, &shared) - 0.5
    if min(x.digits, y.digits) >= 7 and max(x.letters, y.letters) <= 2:
        return 3.0 if x.compact == y.compact else -1.0
    if x.numeric and y.numeric:
        if x.number == y.number:
            return min(0.5 * min(x.significant, y.significant), 2.0)
        apart = fabs(x.number - y.number) / max(x.number, y.number)
        return 0.25 if apart <= 0.01 else -1.0 if apart <= 0.1 else -2.0
    s = text_similarity(x.tokens, a, y.tokens, b, &shared)
    if s >= 0.5:  # one common word in common ("petrol") says little, an address says much
        return (2.0 * s - 1.0) * min(shared / 4.0, 1.0)
    return (2.0 * s - 1.0) * (3.0 if x.name_like or y.name_like else 1.0)


cdef double field_evidence(const Record* left, const Record* right) noexcept nogil:
    cdef double[TOKEN_LIMIT] cl, cr
    cdef double evidence = 0.0, total = 0.0, best = 0.0
    cdef const Py_UCS4* a = left.text.data()
    cdef const Py_UCS4* b = right.text.data()
    cdef size_t i, j
    if not left.brand.empty() and not right.brand.empty():
        cover(left.brand, a, right.brand, b, cl, cr)
        for i in range(left.brand.size()):
            best = max(best, cl[i])
        for i in range(right.brand.size()):
            best = max(best, cr[i])
        evidence += 0.5 if best >= 0.8 else -0.5
    if left.year and right.year:
        evidence += 0.5 if left.year == right.year else -3.0
    if left.size and right.size:
        evidence += 0.5 if left.size == right.size else -3.0
    if left.price > 0 and right.price > 0 and not (left.currency and right.currency and left.currency != right.currency):
        evidence += max(0.5 - log(max(left.price, right.price) / min(left.price, right.price)), -1.5)
    i = j = 0
    while i < left.others.size() and j < right.others.size():  # both are sorted by key
        if left.others[i].key < right.others[j].key:
            i += 1
        elif right.others[j].key < left.others[i].key:
            j += 1
        else:
            total += other_evidence(&left.others[i], a, &right.others[j], b)
            i += 1
            j += 1
    return evidence + min(max(total, -5.0), 4.0)


cdef double score(const Record* left, const Record* right) noexcept nogil:
    """0..1: the probability-like score of a pair; symmetric."""
    cdef double logit = -2.0
    if not left.filled or not right.filled:
        return 0.0
    if left.gtin and right.gtin:
        return 0.99 if left.gtin == right.gtin else 0.01
    if not left.title.empty() and not right.title.empty():
        logit += title_evidence(left, right)
    logit += code_evidence(left, right) + group_evidence(left, right) + field_evidence(left, right)
    return 1.0 / (1.0 + exp(-min(max(logit, -30.0), 30.0)))

# reading a row ---------------------------------------------------------------------------------------------------------

cdef str as_text(object value):
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


cdef str key_name(str key):
    return fold(key[:64]).strip().replace(" ", "_").replace("-", "_")


cdef str role_of(str key):
    role = ROLES.get(key)
    if role is not None:
        return role
    if "brand" in key or "manufacturer" in key or "factory" in key or "brewery" in key:
        return "brand"
    return "other"


cdef str compact(str text):
    """Letters and digits only, folded, at most LENGTH_LIMIT of them."""
    return "".join([c for c in fold(text) if c.isalnum()])[:LENGTH_LIMIT]


cdef str size_name(str text):
    """One form of a size: "Medium" is "m", "154 cm" is "154", "10.0" is "10"; the unit of other words stays."""
    cdef str name = "".join([c for c in fold(text) if c.isalnum() or c == "."])[:LENGTH_LIMIT].strip(".")
    cdef Py_ssize_t i = 0
    name = SIZES.get(name, name)
    while i < len(name) and (digit(name[i]) or name[i] == "."):
        i += 1
    if i > 0 and (i == len(name) or name[i:] in UNITS):
        name = name[:i]
        if "." in name:
            name = name.rstrip("0").rstrip(".")
    return name


cdef str first_number(str text):
    """The first number of a text without thousands separators; empty where there is none."""
    cdef Py_ssize_t i = 0, n = len(text)
    cdef Py_UCS4 c
    while i < n and not digit(text[i]):
        i += 1
    out = []
    while i < n and (digit(text[i]) or text[i] in ".,"):
        c = text[i]
        if c == c',' or (c == c'.' and not (i + 1 < n and digit(text[i + 1]))):
            if not (i + 3 < n and digit(text[i + 1]) and digit(text[i + 2]) and digit(text[i + 3])):
                break
        else:
            out.append(c)
        i += 1
    return "".join(out)[:24]


cdef double value_of(str number):
    cdef vector[Py_UCS4] text
    cdef Py_UCS4 c
    for c in number:
        text.push_back(c)
    return number_value(text.data(), text.size()) if not text.empty() else 0.0


cdef uint64_t gtin_of(str text) except? 0xFFFFFFFFFFFFFFFF:
    """The GTIN in ``text`` as a number, or 0. Check digit by the GS1 General Specifications, 7.9.

    Numbers that shops give themselves (prefixes 02, 04 and 2) identify nothing outside the shop and count as none.
    """
    cdef str digits = "".join([c for c in text if "0" <= c <= "9"])
    cdef int n = <int>len(digits), i, total = 0
    cdef uint64_t value = 0
    if n not in (8, 12, 13, 14):
        return 0
    for i in range(n):
        total += (<int>digits[i] - 48) * (3 if (n - 1 - i) % 2 else 1)
        value = value * 10 + <uint64_t>(<int>digits[i] - 48)
    if total % 10:
        return 0
    if n != 8:
        padded = digits.rjust(14, "0")
        if padded[1] == "2" or padded[1:3] in ("02", "04"):
            return 0
    return value


cdef int add_span(str text, vector[Py_UCS4]& pool, Span* span) except -1:
    cdef Py_UCS4 c
    span.start = <uint32_t>pool.size()
    for c in text:
        pool.push_back(c)
    span.length = <uint32_t>(pool.size() - span.start)
    span.hash = hash_span(pool.data() + span.start, span.length)
    return 0


cdef inline bint codelike(const Token* t) noexcept nogil:
    return t.kind == CODE or (t.kind == NUMBER and t.length >= 3)


cdef void note_group(const Token* t, Record* record) noexcept nogil:
    if t.group and t.group != stop_group and t.group != filler_group:
        record.groups[t.group] |= <uint64_t>1 << t.value


cdef int add_other(str key, str value, bint category, Record* record) except -1:
    cdef Other other
    cdef Py_UCS4 c
    cdef str text = compact(value), number = first_number(value[:TEXT_LIMIT])
    other.key = hash_text(key)
    other.name_like = key.endswith(("_name", "_title"))
    other.category = category
    other.digits = other.letters = 0
    for c in text:
        if digit(c):
            other.digits += 1
        else:
            other.letters += 1
    other.compact = hash_text(text)
    other.numeric = other.digits > 0 and other.letters <= 4 and other.digits == len(number.replace(".", ""))
    other.number = value_of(number)
    other.significant = <uint32_t>len(number.replace(".", "").strip("0"))
    tokenize(value, record.text, other.tokens, TOKEN_LIMIT)
    if not record.others.empty() and record.others.back().key == other.key:
        record.others.pop_back()
    record.others.push_back(other)
    return 0


cdef bint by_key(const Other& x, const Other& y) noexcept nogil:
    return x.key < y.key


cdef str pick_title(list named):
    """The field that is the title: by the lexicon's order, else the first ``…_name`` or ``…_title``."""
    present = {key for key, value in named if value.strip()}
    for wanted in TITLE_ORDER:
        if wanted in present:
            return wanted
    for key, value in named:
        if key.endswith(("_name", "_title")) and role_of(key) == "other" and value.strip():
            return key
    return ""


cdef int prepare(object row, Record* record) except -1:
    """Read one listing into ``record``, which must be new."""
    cdef vector[Token] extra, found
    cdef size_t i
    cdef int years = 0
    cdef uint64_t gtin
    cdef str key, value, role, title_key
    cdef list named = []
    record.filled = False
    record.gtin = record.size = record.currency = record.vendor = record.sku = 0
    record.model.length = record.mpn.length = record.model.start = record.mpn.start = 0
    record.year, record.price, record.sku_strong = 0, 0.0, False
    for i in range(GROUP_LIMIT):
        record.groups[i] = 0
    for name, content in row.items():
        if isinstance(name, str):
            named.append((key_name(str(name)), as_text(content)))
    named.sort()
    title_key = pick_title(named)
    for key, value in named[:FIELD_LIMIT]:
        if not value.strip():
            continue
        role = role_of(key)
        if key == title_key:
            role = "title"
        elif role == "title":
            continue
        if role == "ignored":
            continue
        if role != "vendor" and role != "currency":
            record.filled = True
        if role == "title":
            record.title.clear()
            tokenize(value, record.text, record.title, TOKEN_LIMIT)
        elif role == "brand":
            if record.brand.empty():
                tokenize(value, record.text, record.brand, TOKEN_LIMIT)
        elif role == "model" or role == "mpn":
            if role == "model" and not record.model.length:
                add_span(compact(value), record.text, &record.model)
            elif role == "mpn" and not record.mpn.length:
                add_span(compact(value), record.text, &record.mpn)
            found.clear()
            tokenize(value, record.text, found, TOKEN_LIMIT)
            extra.insert(extra.end(), found.begin(), found.end())
            if record.model_tokens.empty():
                record.model_tokens = found
        elif role == "sku":
            record.sku = hash_text(value[:TEXT_LIMIT])
            found.clear()
            tokenize(value, record.text, found, TOKEN_LIMIT)
            record.sku_strong = has_strong(found)
            for i in range(found.size()):  # a shop's own number may confirm, but never refutes
                if codelike(&found[i]):
                    record.described.push_back(found[i])
        elif role == "vendor":
            record.vendor = hash_text(value[:TEXT_LIMIT])
        elif role == "gtin":
            gtin = gtin_of(value[:TEXT_LIMIT])
            if gtin and (not record.gtin or gtin < record.gtin):
                record.gtin = gtin
        elif role == "price":
            if record.price == 0:
                record.price = value_of(first_number(value[:TEXT_LIMIT]))
        elif role == "currency":
            record.currency = hash_text(compact(value))
        elif role == "year":
            value = first_number(value[:TEXT_LIMIT]).partition(".")[0]
            if len(value) == 4 and 1900 <= int(value) < 2040:
                record.year = int(value)
        elif role == "size":
            value = size_name(value)
            record.size = hash_text(value) if value else 0
        elif role == "color":
            found.clear()
            tokenize(value, record.text, found, TOKEN_LIMIT)
            for i in range(found.size()):
                if found[i].group == color_group:
                    extra.push_back(found[i])
        elif role == "description":
            found.clear()
            tokenize(value, record.text, found, DESCRIPTION_TOKENS)
            for i in range(found.size()):
                if codelike(&found[i]):
                    record.described.push_back(found[i])
        else:
            add_other(key, value, role == "category", record)
    for i in range(record.title.size()):
        note_group(&record.title[i], record)
        if codelike(&record.title[i]):
            record.codes.push_back(record.title[i])
    for i in range(extra.size()):
        note_group(&extra[i], record)
        if codelike(&extra[i]):
            record.codes.push_back(extra[i])
    record.side, record.position = record.groups[side_group], record.groups[position_group]
    if not record.year:
        for i in range(record.title.size()):
            if record.title[i].year:
                years += 1
                record.year = <int>record.title[i].number
        if years != 1:
            record.year = 0
    std_sort(record.others.begin(), record.others.end(), by_key)
    return 0

# entry -----------------------------------------------------------------------------------------------------------------

cdef dict stated(object row):
    """What a row says: its fields that are neither empty nor unreadable."""
    return {key: text for key, value in row.items() if (text := as_text(value)) and not text.isspace()}


def same_product(left: Mapping[str, str], right: Mapping[str, str]) -> float:
    """How surely two listings are one product, 0..1; 0.5 and more is yes. Symmetric; equal non-empty rows score 1.

    Fields are found by their usual names in any case (title/name, brand/manufacturer, model, mpn, gtin/upc/ean, sku,
    price, description, category, year, size, color); a field of another name is compared with the same name of the other
    side. Values are text or numbers, all else is not read. Missing and empty values say nothing.

    Raises:
        TypeError: an argument is not a mapping.
    """
    cdef Record a, b
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        raise TypeError("a listing is a mapping of field names to values")
    said = stated(left)
    if said and said == stated(right):
        return 1.0
    prepare(left, &a)
    prepare(right, &b)
    return score(&a, &b)
