# distutils: language = c++
"""From a seller's text to tokens that can be compared: words, numbers, quantities and codes.

Text is folded (NFKD without marks, lower case), cut into runs of letters and digits, and each run is read as what it is:
a number with its unit ("4 GB", 27", -10 °C), a season ("2025/26" is 2026), a count of things sold together ("3-pack"),
a model code ("DSC-H50", kept whole), or a word. Words and phrases of the lexicon (:mod:`hexar.core.merge.lexicon`) are put
into one form first, so that languages and spellings meet.

Bounded work: at most ``TEXT_LIMIT`` characters of a text and ``TOKEN_LIMIT`` distinct tokens of ``LENGTH_LIMIT``
characters; the rest is not read. Any ``str`` is safe: lone surrogates, NUL and symbols separate tokens.

Cutting, phrases and tokens are one file because they share the pools of characters; the file is long for that reason.

Thread-safety: the tables are written at import only; a call shares nothing.
"""

import unicodedata

from cython.operator cimport dereference as deref
from cpython.unicode cimport PyUnicode_READ_CHAR, Py_UNICODE_ISALNUM, Py_UNICODE_ISALPHA
from libcpp.unordered_map cimport unordered_map
from libcpp.unordered_set cimport unordered_set
from libcpp.utility cimport pair

from hexar.core.merge.lexicon import COMPOUNDS, GLUED_UNITS, GROUPS, HEADS, PACKS, PHRASES, RATINGS, STRICT_UNITS, UNITS

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


cdef uint8_t dimension_number(str name) except? 0:
    """A dimension's place among those of the units, from 1."""
    return 1 + sorted({dimension for dimension, _ in UNITS.values()}).index(name)


ctypedef vector[Py_UCS4] Text

cdef struct Meaning:
    uint8_t group
    uint8_t value

cdef struct Unit:
    uint8_t dimension
    cbool glued  # a unit only where it touches its number
    cbool strict
    double factor

cdef enum:
    PHRASE_WORDS = 4

cdef unordered_map[uint64_t, vector[Text]] phrases
cdef vector[pair[Text, Text]] compounds  # first part, the word that it stands for
cdef unordered_set[uint64_t] heads  # nouns that end compounds
cdef unordered_map[uint64_t, Meaning] meanings
cdef unordered_map[uint64_t, Unit] units
cdef unordered_set[uint64_t] packs
cdef unordered_set[uint64_t] ratings

cdef uint64_t MINUS = hash_text("minus")
cdef uint64_t PACK = hash_text("pack")
cdef uint64_t TIMES = hash_text("x")
cdef uint64_t EACH = hash_text("er")
cdef uint64_t WATTS = hash_text("w")
cdef uint64_t FAHRENHEIT = hash_text("fahrenheit")
cdef uint8_t stop_group = group_number("stop")
cdef uint8_t count_dimension = dimension_number("count")


cdef Text as_span(str word):
    cdef Text text
    cdef Py_UCS4 c
    for c in word:
        text.push_back(c)
    return text


cdef int load_lexicon() except -1:
    cdef Meaning meaning
    cdef Unit unit
    cdef vector[Text] words
    for form, made in PHRASES.items():
        if len(form.split()) <= PHRASE_WORDS:
            words.clear()
            for word in made:
                words.push_back(as_span(word))
            phrases[hash_text(form)] = words
    for first, word in COMPOUNDS.items():
        compounds.push_back(pair[Text, Text](as_span(first), as_span(word)))
    for number, (group, of_group) in enumerate(GROUPS.items(), 1):
        values = sorted(set(of_group.values()))
        if number >= GROUP_LIMIT or len(values) > 64:
            raise ValueError(f"the lexicon's group {group} does not fit")
        for word, value in of_group.items():
            meaning.group, meaning.value = number, values.index(value)
            if not meanings.count(hash_text(word)):
                meanings[hash_text(word)] = meaning
    for word, (dimension, factor) in UNITS.items():
        unit.dimension, unit.factor = dimension_number(dimension), factor
        if unit.dimension >= DIMENSION_LIMIT:
            raise ValueError("the lexicon has too many dimensions")
        unit.glued, unit.strict = word in GLUED_UNITS, word in STRICT_UNITS
        units[hash_text(word)] = unit
    for word in HEADS:
        heads.insert(hash_text(word))
    for word in PACKS:
        packs.insert(hash_text(word))
    for word in RATINGS:
        ratings.insert(hash_text(word))
    return 0


load_lexicon()

# reading text ----------------------------------------------------------------------------------------------------------

cdef dict PUNCTUATION = str.maketrans("’‘´`″”“−–º™℠", 4 * "'" + 3 * '"' + "--°  ")
cdef tuple MARKS = ("(r)", "(tm)", "(c)", "(s)", "( r )", "( tm )", "( c )", "( s )")  # of trade marks, and of a plural


cdef str fold(str text):
    """Lower case without accents, compatibility forms and kinds of quotes and dashes unified (NFKD)."""
    if len(text) > TEXT_LIMIT:
        text = text[:TEXT_LIMIT]
    if text.isascii():
        return text.lower()
    text = text.translate(PUNCTUATION)
    # in slices, since sorting a long run of marks is quadratic; the order of marks does not matter, they are dropped
    decomposed = "".join([unicodedata.normalize("NFKD", text[i : i + 256]) for i in range(0, len(text), 256)])
    decomposed = decomposed[: 2 * TEXT_LIMIT]  # one character can become eighteen
    return "".join([c for c in decomposed if not unicodedata.combining(c)]).casefold()[: 2 * TEXT_LIMIT]


cdef struct Piece:
    uint32_t start
    uint32_t length
    Py_UCS4 joiner
    cbool code  # a joined code: taken as it is


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


cdef inline bint letters_only(const Py_UCS4* text, size_t length) noexcept:
    cdef size_t i
    for i in range(length):
        if not Py_UNICODE_ISALPHA(text[i]):
            return False
    return length > 0


cdef inline int small_value(const Py_UCS4* text, size_t length) noexcept nogil:
    """The value of at most four digits."""
    cdef int value = 0
    cdef size_t i
    for i in range(length):
        value = value * 10 + <int>text[i] - 48
    return value


cdef bint is_unit(const Py_UCS4* text, size_t length) noexcept nogil:
    return units.count(hash_span(text, length)) > 0


cdef bint is_known(const Py_UCS4* text, size_t length) noexcept nogil:
    """Whether the lexicon has a word of three letters and more."""
    cdef uint64_t h = hash_span(text, length)
    return length >= 3 and (phrases.count(h) > 0 or meanings.count(h) > 0)


cdef int season(const Text& pool, const vector[Piece]& pieces, size_t first) noexcept nogil:
    """The year that "2025/26", "2025-2026" or "25/26" is the season of; 0 where it is none."""
    cdef const Py_UCS4* a
    cdef const Py_UCS4* b
    cdef size_t n, m
    cdef int one, two
    if pieces.size() - first != 2:
        return 0
    a = pool.data() + pieces[first].start
    b = pool.data() + pieces[first + 1].start
    n, m = pieces[first].length, pieces[first + 1].length
    if not digits_only(a, n) or not digits_only(b, m) or n > 4 or m > 4:
        return 0
    one, two = small_value(a, n), small_value(b, m)
    if year_like(a, n) and ((m == 4 and two == one + 1) or (m == 2 and two == (one + 1) % 100)):
        return one + 1
    if pieces[first + 1].joiner == c'/' and n == 2 and m == 2 and 5 <= one < 39 and two == one + 1:
        return 2000 + two
    return 0


cdef inline bint is_generation(const Py_UCS4* text, size_t length) noexcept:
    """Three letters and a digit ("ddr5"): what follows a hyphen is a measure, not the rest of a code."""
    return length == 4 and digit(text[3]) and letters_only(text, 3)


cdef bint join_code(const Text& pool, vector[Piece]& pieces, size_t first, Text& out) except -1:
    """Whether the pieces from ``first`` are one hyphenated model code ("dsc-h50"); its compact form is appended."""
    cdef size_t i, j, digits = 0, total = 0, head, n = pieces.size()
    cdef const Py_UCS4* text
    cdef bint years = True, counted = True
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
            if letters_only(text, pieces[i].length) and (pieces[i].length > 4 or is_known(text, pieces[i].length)):
                return False
            if i == first and is_generation(text, pieces[i].length):
                return False
            if i > first and year_like(text, pieces[i].length) and small_value(text, 4) >= 2005:
                return False
            head = leading_digits(text, pieces[i].length)
            if head > 0 and head < pieces[i].length and is_unit(text + head, pieces[i].length - head):
                return False
            if i > first:
                counted = counted and is_unit(text, pieces[i].length)
        text = pool.data() + pieces[first].start
        if counted and decimal(text, pieces[first].length):
            return False
    # numbers behind a slash are those of a market ("hx9911/09")
    if digits < total and pieces[n - 1].joiner == c'/' and digits_only(pool.data() + pieces[n - 1].start, pieces[n - 1].length):
        n -= 1
    total = 0
    for i in range(first, n):
        for j in range(pieces[i].length):
            if pool[pieces[i].start + j] != c'.' and total < LENGTH_LIMIT:
                out.push_back(pool[pieces[i].start + j])
                total += 1
    return True


cdef inline Py_UCS4 char_at(str text, Py_ssize_t i, Py_ssize_t n) noexcept:
    return PyUnicode_READ_CHAR(text, i) if 0 <= i < n else c' '


cdef int add_piece(str word, Text& pool, vector[Piece]& pieces) except -1:
    cdef Piece piece
    cdef Py_UCS4 c
    piece.start, piece.length, piece.joiner, piece.code = <uint32_t>pool.size(), <uint32_t>len(word), 0, False
    for c in word:
        pool.push_back(c)
    pieces.push_back(piece)
    return 0


cdef Py_ssize_t read_symbol(str text, Py_ssize_t i, Py_ssize_t n, Text& pool, vector[Piece]& pieces) except -1:
    """What a character that is no letter or digit says: inches, a year, a minus, "plus", degrees. The last index that it takes."""
    cdef Py_UCS4 c = PyUnicode_READ_CHAR(text, i), before = char_at(text, i - 1, n), after = char_at(text, i + 1, n)
    cdef bint number = False
    cdef Py_ssize_t j
    if c == c'(':
        for mark in MARKS:
            if text.startswith(mark, i):
                return i + len(mark) - 1
    if not pieces.empty() and not pieces.back().code:
        number = decimal(pool.data() + pieces.back().start, pieces.back().length)
    if (c == c"'" or c == c'"') and number and not digit(after):
        add_piece('"', pool, pieces)
    elif (
        c == c"'" and not Py_UNICODE_ISALNUM(before) and digit(after) and digit(char_at(text, i + 2, n))
        and not Py_UNICODE_ISALNUM(char_at(text, i + 3, n))
    ):
        add_piece("20" + text[i + 1 : i + 3], pool, pieces)
        i += 2
    elif c == c"'" and Py_UNICODE_ISALPHA(before) and after == c's' and not Py_UNICODE_ISALNUM(char_at(text, i + 2, n)):
        i += 1
    elif c == c'-' and not Py_UNICODE_ISALNUM(before) and before != c'-' and digit(after):
        add_piece("minus", pool, pieces)
    elif c == c'+' and Py_UNICODE_ISALNUM(before) and not Py_UNICODE_ISALNUM(after) and not pieces.empty() and not number:
        if pieces.back().length < 3 or not ratings.count(hash_span(pool.data() + pieces.back().start, 3)):
            add_piece("plus", pool, pieces)
    elif c == 0xB0:  # a degree sign
        j = i + 2 if after == c' ' else i + 1
        c = char_at(text, j, n)
        if (c == c'c' or c == c'f') and not Py_UNICODE_ISALNUM(char_at(text, j + 1, n)):
            add_piece("celsius" if c == c'c' else "fahrenheit", pool, pieces)
            i = j
        else:
            add_piece("degrees", pool, pieces)
    return i


cdef bint grouped_thousands(const Py_UCS4* text, size_t length) noexcept nogil:
    """Whether a point groups thousands: three digits behind it that end with 0 ("24.000", "1.250"); nobody writes such decimals."""
    if not 5 <= length <= 7 or text[length - 4] != c'.' or text[length - 1] != c'0' or text[0] == c'0':
        return False
    return digits_only(text, length - 4) and digits_only(text + length - 3, 3)


cdef Py_ssize_t read_run(str text, Py_ssize_t i, Py_ssize_t n, Text& pool, Piece* piece) except -1:
    """Read one run of letters and digits into ``piece``: decimals and initials ("D.O.A.") stay whole. Where it ends."""
    cdef Py_ssize_t start = i
    cdef bint initials = False
    cdef Py_UCS4 c
    cdef size_t k
    while i < n:
        c = PyUnicode_READ_CHAR(text, i)
        if Py_UNICODE_ISALNUM(c):
            if piece.length < LENGTH_LIMIT:
                pool.push_back(c)
                piece.length += 1
            i += 1
        elif (c == c'.' or c == c',') and i > start and digit(char_at(text, i - 1, n)) and digit(char_at(text, i + 1, n)):
            if c == c',' and digit(char_at(text, i + 2, n)) and digit(char_at(text, i + 3, n)) and not digit(char_at(text, i + 4, n)):
                i += 1
                continue
            if c == c',' and not digits_only(pool.data() + piece.start, piece.length):
                break
            if piece.length < LENGTH_LIMIT:
                pool.push_back(c'.')
                piece.length += 1
            i += 1
        elif (
            c == c'.' and (piece.length == 1 or initials) and Py_UNICODE_ISALPHA(char_at(text, i - 1, n))
            and Py_UNICODE_ISALPHA(char_at(text, i + 1, n)) and not Py_UNICODE_ISALNUM(char_at(text, i + 2, n))
        ):
            initials = True
            i += 1
        elif (
            c == c'.' and i > start and Py_UNICODE_ISALNUM(char_at(text, i - 1, n)) and Py_UNICODE_ISALNUM(char_at(text, i + 1, n))
            and any_digit(pool.data() + piece.start, piece.length) and not decimal(pool.data() + piece.start, piece.length)
        ):  # inside of a code: "ecam22.110.b"
            i += 1
        elif c == c' ' and i > start and char_at(text, i + 1, n) == c'.' and digit(char_at(text, i + 2, n)) and digit(char_at(text, i - 1, n)):
            if piece.length < LENGTH_LIMIT:
                pool.push_back(c'.')
                piece.length += 1
            i += 2
        else:
            break
    if grouped_thousands(pool.data() + piece.start, piece.length):
        for k in range(piece.length - 4, piece.length - 1):
            pool[piece.start + k] = pool[piece.start + k + 1]
        pool.pop_back()
        piece.length -= 1
    return i


cdef Py_UCS4 bracket_before(str text, Py_ssize_t i) noexcept:
    """An opening parenthesis where one stands before ``i``, else 0."""
    while i > 0 and PyUnicode_READ_CHAR(text, i - 1) == c' ':
        i -= 1
    return c'(' if i > 0 and PyUnicode_READ_CHAR(text, i - 1) in (c'(', c'[') else 0


cdef int split(str text, Text& pool, vector[Piece]& pieces) except -1:
    """Cut folded ``text`` into runs of letters and digits; hyphenated codes and seasons become one piece."""
    cdef Py_ssize_t i = 0, n = len(text)
    cdef size_t first, compounds_read = 0, code_start
    cdef Py_UCS4 c, joiner
    cdef Piece piece
    cdef int year
    while i < n and compounds_read < 2 * DESCRIPTION_TOKENS:
        first = pieces.size()
        if not Py_UNICODE_ISALNUM(PyUnicode_READ_CHAR(text, i)):
            i = read_symbol(text, i, n, pool, pieces) + 1
            compounds_read += pieces.size() - first
            continue
        joiner = bracket_before(text, i)
        while True:
            piece.start, piece.length, piece.joiner, piece.code = <uint32_t>pool.size(), 0, joiner, False
            i = read_run(text, i, n, pool, &piece)
            pieces.push_back(piece)
            c = char_at(text, i, n)
            if not Py_UNICODE_ISALNUM(char_at(text, i + 1, n)) or pieces.size() - first >= DESCRIPTION_TOKENS:
                break
            if c != c'-' and c != c'/' and c != c'_':
                break
            joiner = c
            i += 1
        year = season(pool, pieces, first)
        code_start = pool.size()
        if year:
            pieces.resize(first)
            add_piece(str(year), pool, pieces)
        elif join_code(pool, pieces, first, pool):
            pieces.resize(first)
            piece.start, piece.length, piece.joiner, piece.code = <uint32_t>code_start, <uint32_t>(pool.size() - code_start), 0, True
            pieces.push_back(piece)
        compounds_read += 1
    return 0


cdef bint readable(const Py_UCS4* text, size_t length) noexcept nogil:
    """Whether letters can be spoken, so that a number behind them is one of a name ("hero12") and they are no code."""
    cdef size_t i, vowels = 0
    for i in range(length):
        vowels += text[i] == c'a' or text[i] == c'e' or text[i] == c'i' or text[i] == c'o' or text[i] == c'u'
    return 3 * vowels >= length + (length == 3)


cdef int part(Piece piece, const Text& pool, vector[Piece]& out) except -1:
    """Append ``piece``, in two where it is a name with a number ("hero12"), in three where it counts ("2x16gb")."""
    cdef const Py_UCS4* t = pool.data() + piece.start
    cdef size_t n = piece.length, k = 0, head, digits
    cdef Piece one = piece
    while k < n and Py_UNICODE_ISALPHA(t[k]):
        k += 1
    if k >= 3 and 1 <= n - k <= 2 and digits_only(t + k, n - k) and readable(t, k):
        one.length = <uint32_t>k
        out.push_back(one)
        one.start, one.length, one.joiner = piece.start + <uint32_t>k, <uint32_t>(n - k), c'-'
        out.push_back(one)
        return 0
    head = leading_digits(t, n)
    if 1 <= head <= 2 and head + 1 < n and t[head] == c'x' and digits_only(t, head):
        digits = leading_digits(t + head + 1, n - head - 1)
        if digits > 0 and is_unit(t + head + 1 + digits, n - head - 1 - digits):
            one.length = <uint32_t>head
            out.push_back(one)
            one.start, one.length, one.joiner = piece.start + <uint32_t>head, 1, c'-'
            out.push_back(one)
            one.start, one.length = piece.start + <uint32_t>head + 1, <uint32_t>(n - head - 1)
            out.push_back(one)
            return 0
    out.push_back(piece)
    return 0


cdef int put_word(const Text& word, Py_UCS4 joiner, Text& pool, vector[Piece]& out) except -1:
    cdef Piece piece
    piece.start, piece.length, piece.joiner, piece.code = <uint32_t>pool.size(), <uint32_t>word.size(), joiner, False
    pool.insert(pool.end(), word.begin(), word.end())
    out.push_back(piece)
    return 0


cdef bint put_compound(Piece piece, Text& pool, vector[Piece]& out) except -1:
    """Whether ``piece`` is a compound: of a known first part and a known word, or ending with a noun. The words are appended."""
    cdef size_t i, n
    cdef const Py_UCS4* t = pool.data() + piece.start
    cdef unordered_map[uint64_t, vector[Text]].iterator found
    for i in range(compounds.size()):
        n = compounds[i].first.size()
        if piece.length < n + 3 or not same_start(t, compounds[i].first):
            continue
        found = phrases.find(hash_span(t + n, piece.length - n))
        if found != phrases.end() and deref(found).second.size() == 1:
            put_word(compounds[i].second, piece.joiner, pool, out)
            put_word(deref(found).second[0], 0, pool, out)
            return True
    for i in range(3, piece.length - 3 if piece.length >= 7 else 0):  # the longest noun at its end
        if heads.count(hash_span(t + i, piece.length - i)):
            put_word(phrases[hash_span(t + i, piece.length - i)][0], piece.joiner, pool, out)
            return True
    return False


cdef inline bint same_start(const Py_UCS4* text, const Text& head) noexcept nogil:
    cdef size_t i
    for i in range(head.size()):
        if text[i] != head[i]:
            return False
    return True


cdef int put_phrases(const vector[Piece]& pieces, Text& pool, vector[Piece]& out) except -1:
    """Append the pieces with the longest phrases of the lexicon in their one form."""
    cdef size_t i = 0, j, k, best
    cdef uint64_t h
    cdef unordered_map[uint64_t, vector[Text]].iterator found, longest
    while i < pieces.size():
        best, h, j = 0, FNV_BASIS, i
        while j < pieces.size() and j - i < PHRASE_WORDS and not pieces[j].code:
            if j > i:
                h = hash_step(h, c' ')
            for k in range(pieces[j].length):
                h = hash_step(h, pool[pieces[j].start + k])
            j += 1
            found = phrases.find(h)
            if found != phrases.end():
                best, longest = j - i, found
        if best:
            for k in range(deref(longest).second.size()):
                put_word(deref(longest).second[k], pieces[i].joiner if k == 0 else 0, pool, out)
            i += best
        elif pieces[i].code or not put_compound(pieces[i], pool, out):
            out.push_back(pieces[i])
            i += 1
        else:
            i += 1
    return 0

# tokens ----------------------------------------------------------------------------------------------------------------

cdef inline uint64_t hash_piece(const vector[Piece]& pieces, size_t i, const Text& pool) noexcept nogil:
    return hash_span(pool.data() + pieces[i].start, pieces[i].length) if i < pieces.size() else 0


cdef inline bint is_stop(uint64_t h) noexcept nogil:
    cdef unordered_map[uint64_t, Meaning].iterator meaning = meanings.find(h)
    return meaning != meanings.end() and deref(meaning).second.group == stop_group


cdef inline bint decimal_piece(const vector[Piece]& pieces, size_t i, const Text& pool) noexcept nogil:
    return i < pieces.size() and not pieces[i].code and decimal(pool.data() + pieces[i].start, pieces[i].length)


cdef int put_number(const Py_UCS4* t, size_t length, bint negative, Text& text, Token* token) except -1:
    if negative:
        text.push_back(c'-')
    plain_number(t, length, text)
    token.kind = NUMBER
    token.number = -number_value(t, length) if negative else number_value(t, length)
    return 0


cdef int put_quantity(const Py_UCS4* t, size_t length, uint64_t of, bint negative, Text& text, Token* token) except -1:
    """A number of the unit whose hash is ``of``."""
    cdef Unit unit = units[of]
    put_number(t, length, negative, text, token)
    token.kind, token.dimension, token.factor, token.strict = QUANTITY, unit.dimension, unit.factor, unit.strict
    if of == FAHRENHEIT:
        token.number -= 32.0
    token.number *= unit.factor
    return 0


cdef bint counts(const vector[Piece]& pieces, size_t i, const Text& pool, bint first, double number) noexcept nogil:
    """Whether the piece at ``i`` makes the number before it one of things sold together; what a bracket sets apart does not."""
    cdef size_t k
    cdef uint64_t h = hash_piece(pieces, i, pool)
    cdef unordered_map[uint64_t, Unit].iterator unit
    if i >= pieces.size() or pieces[i].code or pieces[i].joiner == c'(':
        return False
    for k in range(pieces[i - 1].length):
        if pool[pieces[i - 1].start + k] == c'.':
            return False
    unit = units.find(h)
    if unit == units.end() or deref(unit).second.dimension != count_dimension:
        return False
    if h == PACK:  # "65 pack" is a backpack of 65 litres
        return pieces[i].joiner == c'-' or number <= 12
    if h == TIMES:
        return number <= 24 and (
            first or (i + 1 < pieces.size() and leading_digits(pool.data() + pieces[i + 1].start, pieces[i + 1].length) > 0)
        )
    return True


cdef size_t read_number(const vector[Piece]& pieces, size_t i, const Text& pool, bint negative, Text& text, Token* token) except 0:
    """Read the number at ``i`` with the unit behind it; the index after what was read."""
    cdef const Py_UCS4* t = pool.data() + pieces[i].start
    cdef size_t length = pieces[i].length
    cdef uint64_t h = hash_piece(pieces, i + 1, pool)
    cdef unordered_map[uint64_t, Unit].iterator unit = units.end()
    if i + 1 < pieces.size() and not pieces[i + 1].code and pieces[i + 1].joiner != c'(':
        unit = units.find(h)
    if counts(pieces, i + 1, pool, i == 0, number_value(t, length)):
        put_quantity(t, length, PACK, False, text, token)
        return i + 2
    if unit != units.end() and h != PACK and not deref(unit).second.glued and (h != WATTS or number_value(t, length) >= 100):
        put_quantity(t, length, h, negative, text, token)
        return i + 2
    if length >= 5 and digits_only(t, length) and not negative:
        token.kind, token.strong = CODE, True
        text.insert(text.end(), t, t + length)
    else:
        put_number(t, length, negative, text, token)
    return i + 1


cdef bint measures(const Py_UCS4* t, size_t length) noexcept nogil:
    """Whether it is two measures ("700x35c", "10x42") rather than a code."""
    cdef size_t head = leading_digits(t, length), tail
    if head == 0 or head + 1 >= length or t[head] != c'x':
        return False
    tail = leading_digits(t + head + 1, length - head - 1)
    return tail > 0 and head + 1 + tail + 1 >= length


cdef int read_word(const Py_UCS4* t, size_t length, Text& text, Token* token) except -1:
    """Read a run that begins with a letter, or with digits that have no unit."""
    cdef size_t j, digits = 0
    cdef unordered_map[uint64_t, Meaning].iterator meaning
    if not any_digit(t, length):
        meaning = meanings.find(hash_span(t, length))
        if meaning != meanings.end():
            token.group, token.value = deref(meaning).second.group, deref(meaning).second.value
        text.insert(text.end(), t, t + length)
        return 0
    for j in range(length):
        if t[j] != c'.':
            text.push_back(t[j])
            digits += digit(t[j])
    length = text.size() - token.start
    token.kind = CODE
    token.strong = ((length >= 5 and digits >= 2) or (length >= 4 and digits >= 3)) and not measures(t, length)
    return 0


cdef size_t read_token(const vector[Piece]& pieces, size_t i, const Text& pool, Text& text, Token* token) except 0:
    """Read the token at ``i``; the index after it. One that has no characters is none."""
    cdef const Py_UCS4* t = pool.data() + pieces[i].start
    cdef size_t length = pieces[i].length, head
    cdef bint negative = False
    cdef uint64_t unit
    if length == 1 and t[0] == c'"':
        return i + 1
    if not pieces[i].code and hash_piece(pieces, i, pool) == MINUS and decimal_piece(pieces, i + 1, pool):
        negative = True
        i += 1
        t = pool.data() + pieces[i].start
        length = pieces[i].length
    if pieces[i].code:
        token.kind, token.strong = CODE, True
        text.insert(text.end(), t, t + length)
        return i + 1
    if length == 1 and t[0] == c'v' and decimal_piece(pieces, i + 1, pool):  # "v. 3" is version 3
        return read_number(pieces, i + 1, pool, False, text, token)
    head = leading_digits(t, length)
    if head == length:
        return read_number(pieces, i, pool, negative, text, token)
    if packs.count(hash_span(t, length)) and is_stop(hash_piece(pieces, i + 1, pool)) and decimal_piece(pieces, i + 2, pool):
        put_quantity(pool.data() + pieces[i + 2].start, pieces[i + 2].length, PACK, False, text, token)
        return i + 3
    if t[0] == c'x' and 1 < length <= 3 and digits_only(t + 1, length - 1):
        put_quantity(t + 1, length - 1, PACK, False, text, token)
        return i + 1
    if head > 0:
        unit = hash_span(t + head, length - head)
        if unit == TIMES and i == 0 and length <= 3:
            put_quantity(t, head, PACK, False, text, token)
            return i + 1
        if unit != TIMES and units.count(unit):
            put_quantity(t, head, unit, negative, text, token)
            return i + 2 if unit == EACH and hash_piece(pieces, i + 1, pool) == PACK else i + 1
    if t[0] == c'v' and decimal(t + 1, length - 1):
        put_number(t + 1, length - 1, False, text, token)
    else:
        read_word(t, length, text, token)
    return i + 1


cdef int tokenize(str raw, Text& text, vector[Token]& tokens, size_t limit) except -1:
    """Append the distinct tokens of ``raw``; their characters go to ``text``."""
    cdef Text pool
    cdef vector[Piece] cut, whole, pieces
    cdef size_t i = 0, j, first = tokens.size()
    cdef const Py_UCS4* t
    cdef Token token
    cdef bint known
    split(fold(raw), pool, cut)
    for j in range(cut.size()):
        if cut[j].code:
            whole.push_back(cut[j])
        else:
            part(cut[j], pool, whole)
    put_phrases(whole, pool, pieces)
    while i < pieces.size() and tokens.size() - first < limit:
        token.kind, token.strong, token.year, token.strict, token.group, token.value = WORD, False, False, False, 0, 0
        token.number, token.factor, token.dimension = 0.0, 0.0, 0
        token.start = <uint32_t>text.size()
        i = read_token(pieces, i, pool, text, &token)
        token.length = <uint16_t>(text.size() - token.start)
        if token.length == 0 or (token.dimension == count_dimension and token.number <= 1.0):
            text.resize(token.start)
            continue
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
    return 0
