# distutils: language = c++
"""Is it one product? The probability that two listings are, without training and without a corpus.

Algorithm. Each listing is read once (:mod:`hexar.core.merge.records`); a pair of records is scored without the interpreter
(``score``). The score is the logistic function of a sum of evidence in logits, as in Fellegi & Sunter, "A Theory for Record Linkage"
(JASA 64, 1969): what both say adds, what one alone says costs by what it is, and a valid GTIN decides alone.

Precision comes first: a wrong merge shows a wrong price, a missed one shows two rows. So titles are aligned token by token
(Monge & Elkan, KDD 1996; words glued and split are found), and the decision lies with what is left over:

====================================  =====================================================================================
left over on one side                 costs
====================================  =====================================================================================
a word of no group, a variant ("Pro") as much as two or three shared words say: it tells siblings of one brand apart
a number, a letter, a count           as much: "Clifton 9", "Custom X", "3-pack"
a noun for a part ("strap", "cover")  more than all that two titles can share
who it is for, a colour inside        as much; "men" and "black" are what unmarked products are
a description ("waterproof"), filler  next to nothing, and so does what the other listing says in another field
the kind of goods, a year, a code     nothing, unless both sides have one and they differ
====================================  =====================================================================================

A word on each side that the other has not is a replacement and costs more. A long code that both have makes words cheap,
never parts or counts. Where a brand is not known a leading word may be one, and three words are a description.

Constants are in :mod:`hexar.core.merge.lexicon` (``COSTS``, ``WORTH``, ``EVIDENCE``). Within a batch the clustering learns
which words set the siblings of one vendor apart and which all of them have (``Lessons``); that overrules the lexicon.

Bounded work: at most 64 fields, 4096 characters a field, 64 tokens of at most 48 characters each; the rest is not read.
Any ``str`` is safe: lone surrogates, NUL and symbols separate tokens.

The kinds of evidence are one file, although long, because they share the alignment of two titles (``Side``).

Thread-safety: the tables are written at import only; a call shares nothing. ``score`` needs no GIL.
"""

from collections.abc import Mapping

from libc.math cimport exp, fabs, log
from libc.stdint cimport int8_t, uint8_t, uint64_t
from libc.string cimport memcmp
from libcpp cimport bool as cbool
from libcpp.unordered_set cimport unordered_set
from libcpp.vector cimport vector

from hexar.core.merge.records cimport Record, Span, as_text, prepare
from hexar.core.merge.tokens cimport (
    CODE, DIMENSION_LIMIT, GROUP_LIMIT, LENGTH_LIMIT, NUMBER, QUANTITY, TOKEN_LIMIT, WORD, Kind, Token, any_digit, digit,
    dimension_number, group_number, hash_text,
)

from hexar.core.merge.lexicon import COSTS, DEFAULTS, DIMENSION_COST, DIMENSIONS, EVIDENCE, GROUPS, PACKS, UNITS, WORTH, WORTH_OF

DEFAULT_THRESHOLD = 0.5

cdef extern from *:
    """
    static inline int hexar_popcount(unsigned long long x) { int n = 0; while (x) { x &= x - 1; n++; } return n; }
    """
    int popcount "hexar_popcount"(uint64_t x) noexcept nogil

# constants -------------------------------------------------------------------------------------------------------------

cdef struct Costs:
    double base, gain, rate, nothing, long, long_limit
    double word, word_unbranded, leading, letter, variant, describing, filler, more, two, three, replaced
    double number, number_replaced, quantity, weak_code
    double same_code, same_model, other_code, other_digits, other_number, other_model, coded, coded_number, coded_kind
    double part, kind, kind_more, made_for, child, color_inside, year, brand, brand_inside, agrees, size, said
    double price, price_apart, price_limit

cdef struct Worth:
    double code, weak_code, number, year, quantity, least, letter, most

cdef Costs COST = COSTS
cdef Worth WORTHS = WORTH_OF
cdef double[GROUP_LIMIT] worth_of_group
cdef double[GROUP_LIMIT] differs
cdef double[GROUP_LIMIT] one_sided
cdef uint64_t[GROUP_LIMIT] marked  # the values that an unmarked product does not have
cdef double[DIMENSION_LIMIT] dimension_cost
cdef int group_count = len(GROUPS)
cdef uint8_t KIND = group_number("kind")
cdef uint8_t SPORT = group_number("sport")
cdef uint8_t PART = group_number("part")
cdef uint8_t PERSON = group_number("person")
cdef uint8_t COLOR = group_number("color")
cdef uint8_t PLATFORM = group_number("platform")
cdef uint8_t VARIANT = group_number("variant")
cdef uint8_t DESCRIBING = group_number("describing")
cdef uint8_t FILLER = group_number("filler")
cdef uint8_t STOP = group_number("stop")
cdef uint8_t COUNT = dimension_number("count")
cdef uint8_t BYTES = dimension_number("bytes")
cdef uint8_t DEGREES = dimension_number("degrees")
cdef uint8_t GRAMS = dimension_number("grams")
cdef uint8_t LITRES = dimension_number("litres")
cdef double OUNCE = UNITS["oz"][1]  # of weight; titles write it for the fluid ounce as well
cdef double FLUID_OUNCE = UNITS["floz"][1]
cdef uint64_t FOR = hash_text("for")
cdef uint64_t EDITION = hash_text("edition")
cdef uint64_t VERSION = hash_text("version")
cdef uint64_t SMALL = hash_text("small")
cdef uint64_t MEDIUM = hash_text("medium")
cdef uint64_t LARGE = hash_text("large")
cdef unordered_set[uint64_t] packs
cdef uint64_t children = 0
cdef int SEASON = 2005  # years from here on are those of a season, earlier ones may be part of a name


cdef int load_evidence() except -1:
    global children
    for number, (group, words) in enumerate(GROUPS.items(), 1):
        values = sorted(set(words.values()))
        worth_of_group[number] = WORTH.get(group, 0.0)
        differs[number], one_sided[number] = EVIDENCE.get(group, (0.0, 0.0))
        marked[number] = ~<uint64_t>0
        if group in DEFAULTS:
            marked[number] = ~(<uint64_t>1 << <int>values.index(DEFAULTS[group]))
        if group == "person":
            children = (<uint64_t>1 << <int>values.index("kids")) | (<uint64_t>1 << <int>values.index("baby"))
    for word in PACKS:
        packs.insert(hash_text(word))
    for number in range(DIMENSION_LIMIT):
        dimension_cost[number] = DIMENSION_COST
    for dimension, cost in DIMENSIONS.items():
        dimension_cost[dimension_number(dimension)] = cost
    return 0


load_evidence()

# comparing tokens ------------------------------------------------------------------------------------------------------

cdef inline bint same_text(const Token* t, const Py_UCS4* a, const Token* u, const Py_UCS4* b) noexcept nogil:
    return t.hash == u.hash and t.length == u.length and memcmp(a + t.start, b + u.start, t.length * sizeof(Py_UCS4)) == 0


cdef double code_similarity(const Py_UCS4* a, size_t n, const Py_UCS4* b, size_t m) noexcept nogil:
    """1 where equal, 0.9 where the longer only adds letters (series, colour, region), else 0."""
    cdef size_t at
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


cdef inline bint is_thing(const Token* t) noexcept nogil:
    return t.group == KIND or t.group == SPORT or t.group == PART


cdef double word_closeness(const Token* t, const Py_UCS4* a, const Token* u, const Py_UCS4* b) noexcept nogil:
    if t.hash == u.hash:
        return 1.0 if same_text(t, a, u, b) else 0.0
    if t.length > u.length:
        t, a, u, b = u, b, t, a
    a, b = a + t.start, b + u.start
    if is_thing(t) and is_thing(u):  # the wider kind ends the narrower one's name
        return 1.0 if t.length >= 3 and memcmp(a, b + u.length - t.length, t.length * sizeof(Py_UCS4)) == 0 else 0.0
    if u.hash == SMALL or u.hash == MEDIUM or u.hash == LARGE:
        return 1.0 if t.length == 1 and a[0] == b[0] else 0.0
    if t.group or u.group or t.length < 4:
        return 0.0
    if u.length == t.length + 1 and b[t.length] == c's' and memcmp(a, b, t.length * sizeof(Py_UCS4)) == 0:
        return 1.0
    if t.length < 7 or popcount(t.letters ^ u.letters) > 2 * (u.length // 5):
        return 0.0
    return edit_similarity(a, t.length, b, u.length)


cdef double number_closeness(const Token* t, const Py_UCS4* a, const Token* u, const Py_UCS4* b) noexcept nogil:
    """Numbers and quantities are equal or not; two units of one dimension leave room for rounding (1.2 %, 0.6 degrees)."""
    cdef double room
    if t.dimension == u.dimension:
        if t.factor == u.factor:
            return 1.0 if t.number == u.number else 0.0
        room = max(0.012 * max(fabs(t.number), fabs(u.number)), 0.6 if t.dimension == DEGREES else 0.0)
        return 1.0 if fabs(t.number - u.number) <= room else 0.0
    if t.dimension == GRAMS and u.dimension == LITRES and t.factor == OUNCE:
        return 1.0 if fabs(t.number / OUNCE * FLUID_OUNCE - u.number) <= 0.012 * u.number else 0.0
    if u.dimension == GRAMS and t.dimension == LITRES and u.factor == OUNCE:
        return 1.0 if fabs(u.number / OUNCE * FLUID_OUNCE - t.number) <= 0.012 * t.number else 0.0
    if (t.dimension and u.dimension) or t.strict or u.strict or t.dimension == COUNT or u.dimension == COUNT:
        return 0.0
    return 1.0 if same_text(t, a, u, b) else 0.0


cdef double closeness(const Token* t, const Py_UCS4* a, const Token* u, const Py_UCS4* b) noexcept nogil:
    """0..1: how surely two tokens say the same. Numbers and codes are exact; only ordinary words forgive typing errors."""
    if t.kind == WORD and u.kind == WORD:
        return word_closeness(t, a, u, b)
    if t.kind == CODE and u.kind == CODE:
        if not t.strong and not u.strong:
            return 1.0 if same_text(t, a, u, b) else 0.0
        if not (t.strong and u.strong) and (t.length == u.length + 1 or u.length == t.length + 1):
            return 0.0  # "sm58" and "sm58s" are two
        return code_similarity(a + t.start, t.length, b + u.start, u.length)
    if (t.kind == NUMBER or t.kind == QUANTITY) and (u.kind == NUMBER or u.kind == QUANTITY):
        return number_closeness(t, a, u, b)
    if t.kind != CODE and u.kind != CODE:
        return 0.0
    return 1.0 if same_text(t, a, u, b) else 0.0


cdef bint glued_equal(const vector[Token]& parts, const Py_UCS4* a, size_t i, size_t size, const Token* whole, const Py_UCS4* b) noexcept nogil:
    """Whether ``size`` neighbours from ``i`` written as one are ``whole``."""
    cdef size_t k, at = 0
    for k in range(i, i + size):
        at += parts[k].length
    if at != whole.length:
        return False
    at = whole.start
    for k in range(i, i + size):
        if memcmp(a + parts[k].start, b + at, parts[k].length * sizeof(Py_UCS4)) != 0:
            return False
        at += parts[k].length
    return True


cdef void cover_glued(
    const vector[Token]& left, const Py_UCS4* a, const vector[Token]& right, const Py_UCS4* b, double* cl, double* cr
) noexcept nogil:
    """Two or three neighbours of one side that are one token of the other ("print shop", "printshop") cover each other."""
    cdef size_t i, j, k, size
    for size in range(2, 4):
        i = 0
        while i + size <= left.size():
            for j in range(right.size()):
                if right[j].length > left[i].length and a[left[i].start] == b[right[j].start]:
                    if glued_equal(left, a, i, size, &right[j], b):
                        for k in range(i, i + size):
                            cl[k] = 1.0
                        cr[j] = 1.0
            i += 1


cdef bint digits_only(const Py_UCS4* text, size_t length) noexcept nogil:
    cdef size_t i
    for i in range(length):
        if not digit(text[i]):
            return False
    return length > 0


cdef bint initials_equal(const vector[Token]& tokens, const Py_UCS4* text, size_t first, size_t count, const Py_UCS4* letters) noexcept nogil:
    """Whether ``count`` words from ``first`` begin with ``letters``."""
    cdef size_t i
    if first + count > tokens.size():
        return False
    for i in range(count):
        if tokens[first + i].kind != WORD or text[tokens[first + i].start] != letters[i]:
            return False
    return True


cdef void cover_initials(
    const vector[Token]& left, const Py_UCS4* a, const vector[Token]& right, const Py_UCS4* b, double* cl, double* cr
) noexcept nogil:
    """What stands for words of the other side: a brand in short that leads ("TNF"), initials glued to a number ("GP5000")."""
    cdef size_t i, j, k, head
    for j in range(right.size()):
        if right[j].kind != CODE and (j > 0 or right[j].kind != WORD):
            continue
        head = 0
        while head < right[j].length and not digit(b[right[j].start + head]):
            head += 1
        if right[j].kind == WORD:
            if 2 <= head <= 4 and initials_equal(left, a, 0, head, b + right[j].start):
                for k in range(head):
                    cl[k] = 1.0
                cr[j] = 1.0
            continue
        if not 2 <= head <= 3 or not digits_only(b + right[j].start + head, right[j].length - head):
            continue
        for i in range(left.size() - head if left.size() > head else 0):
            if left[i + head].length == right[j].length - head and initials_equal(left, a, i, head, b + right[j].start):
                if memcmp(a + left[i + head].start, b + right[j].start + head, left[i + head].length * sizeof(Py_UCS4)) == 0:
                    for k in range(i, i + head + 1):
                        cl[k] = 1.0
                    cr[j] = 1.0


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
    cover_initials(left, a, right, b, cl, cr)
    cover_initials(right, b, left, a, cr, cl)

# codes -----------------------------------------------------------------------------------------------------------------

cdef inline bint same_span(Span x, Span y) noexcept nogil:
    return x.length > 0 and x.length == y.length and x.hash == y.hash


cdef bint codes_differ(Span x, const Py_UCS4* a, Span y, const Py_UCS4* b) noexcept nogil:
    return x.length > 0 and y.length > 0 and code_similarity(a + x.start, x.length, b + y.start, y.length) < 0.5


cdef double best_match(const Token* t, const Record* left, const Record* right) noexcept nogil:
    """Closest of ``right`` to a code of ``left``; three quarters of it where it is only described."""
    cdef double best = 0.0
    cdef size_t i
    cdef const Py_UCS4* a = left.text.data()
    cdef const Py_UCS4* b = right.text.data()
    for i in range(1, right.codes.size()):
        if glued_equal(right.codes, b, i - 1, 2, t, a):
            return 1.0
    for i in range(right.codes.size()):
        best = max(best, closeness(t, a, &right.codes[i], b))
    for i in range(right.title.size()):
        if right.title[i].kind != WORD:
            best = max(best, closeness(t, a, &right.title[i], b))
    for i in range(right.described.size()):
        best = max(best, 0.75 * closeness(t, a, &right.described[i], b))
    return best


cdef bint has_letter(const Token* t, const Py_UCS4* text) noexcept nogil:
    cdef size_t i
    for i in range(t.length):
        if not digit(text[t.start + i]):
            return True
    return False


cdef bint extend_one(const Py_UCS4* a, size_t n, const Py_UCS4* b, size_t m) noexcept nogil:
    """Whether two codes are one of four characters and more, each with other letters behind it ("fx820r", "fx820p")."""
    cdef size_t same = 0
    while same < n and same < m and a[same] == b[same]:
        same += 1
    if same < 4 or same == n or same == m or not digit(a[same - 1]):
        return False
    return not any_digit(a + same, n - same) and not any_digit(b + same, m - same)


cdef double other_codes(
    const Record* left, const double* cl, const Record* right, const double* cr, bint agree
) noexcept nogil:
    """What the long codes cost that only one side has. All are compared: beside an equal code only those of one series count."""
    cdef double cost = 0.0
    cdef size_t i, j
    cdef const Py_UCS4* a = left.text.data()
    cdef const Py_UCS4* b = right.text.data()
    cdef const Token* t
    cdef const Token* u
    cdef bint lettered
    for i in range(min(left.codes.size(), <size_t>TOKEN_LIMIT)):
        if not left.codes[i].strong:
            continue
        t = &left.codes[i]
        for j in range(min(right.codes.size(), <size_t>TOKEN_LIMIT)):
            if not right.codes[j].strong:
                continue
            u = &right.codes[j]
            if cl[i] >= 0.5 or cr[j] >= 0.5:
                if min(cl[i], cr[j]) >= 0.5 and max(cl[i], cr[j]) < 1.0 and extend_one(a + t.start, t.length, b + u.start, u.length):
                    cost = max(cost, COST.other_code)
                continue
            lettered = has_letter(t, a) and has_letter(u, b)
            if not agree:
                if lettered and digit(a[t.start]) == digit(b[u.start]):
                    cost = max(cost, COST.other_code)
                elif lettered:  # a maker's number and a shop's
                    cost = max(cost, COST.other_model)
                elif t.length == u.length and not has_letter(t, a) and not has_letter(u, b):
                    cost = max(cost, COST.other_number)
                else:
                    cost = max(cost, COST.other_digits)
            elif lettered and memcmp(a + t.start, b + u.start, 2 * sizeof(Py_UCS4)) == 0:
                cost = max(cost, COST.other_code)
    return cost


cdef bint long_equal(const Record* record, const double* covered) noexcept nogil:
    """Whether one of the codes that the other side has is longer than that of a series ("M8100")."""
    cdef size_t i
    for i in range(min(record.codes.size(), <size_t>TOKEN_LIMIT)):
        if record.codes[i].strong and covered[i] >= 0.9:
            if record.codes[i].length > 5 or not has_letter(&record.codes[i], record.text.data()):
                return True
    return False


cdef double code_evidence(const Record* left, const Record* right, double* agree, bint* series) noexcept nogil:
    """The evidence of codes, models and part numbers.

    ``agree`` becomes how surely a long code is equal, ``series`` whether only codes are that are as short as those of a series.
    """
    cdef double[TOKEN_LIMIT] cl, cr
    cdef double cost = 0.0
    cdef const Py_UCS4* a = left.text.data()
    cdef const Py_UCS4* b = right.text.data()
    cdef size_t i
    if (
        same_span(left.model, right.model)
        or same_span(left.mpn, right.mpn)
        or same_span(left.model, right.mpn)
        or same_span(left.mpn, right.model)
    ):
        agree[0], series[0] = 1.0, False
        return COST.same_model
    agree[0] = 0.0
    for i in range(min(left.codes.size(), <size_t>TOKEN_LIMIT)):
        if left.codes[i].strong:
            cl[i] = best_match(&left.codes[i], left, right)
            agree[0] = max(agree[0], cl[i])
    for i in range(min(right.codes.size(), <size_t>TOKEN_LIMIT)):
        if right.codes[i].strong:
            cr[i] = best_match(&right.codes[i], right, left)
            agree[0] = max(agree[0], cr[i])
    series[0] = not long_equal(left, cl) and not long_equal(right, cr)
    if codes_differ(left.model, a, right.model, b) or codes_differ(left.mpn, a, right.mpn, b):
        if not (left.model.length and right.model.length and similarity(left.model_tokens, a, right.model_tokens, b) >= 0.75):
            cost = COST.other_model
    return COST.same_code * agree[0] - max(cost, other_codes(left, cl, right, cr, agree[0] >= 0.5))


cdef double similarity(const vector[Token]& left, const Py_UCS4* a, const vector[Token]& right, const Py_UCS4* b) noexcept nogil:
    """Share of both texts' tokens that the other covers, 0..1."""
    cdef double[TOKEN_LIMIT] cl, cr
    cdef double covered = 0.0
    cdef size_t i
    if left.empty() or right.empty():
        return 0.0
    cover(left, a, right, b, cl, cr)
    for i in range(left.size()):
        covered += cl[i]
    for i in range(right.size()):
        covered += cr[i]
    return covered / (left.size() + right.size())

# titles ----------------------------------------------------------------------------------------------------------------

cdef struct Side:
    const Record* record
    const Record* other
    double[TOKEN_LIMIT] covered
    cbool[TOKEN_LIMIT] brand
    cbool[TOKEN_LIMIT] of_system  # versions behind a system: "win 98 me 2000"
    cbool counted  # both sides say how many are sold together
    size_t first  # the first token that the other side has
    cbool led  # by a brand


cdef inline bint left_over(const Side* side, size_t i) noexcept nogil:
    return side.covered[i] < 0.5 and not side.brand[i]


cdef bint names_brand(const Token* t, const Py_UCS4* text, const Record* record) noexcept nogil:
    cdef size_t i
    if record.initials and t.hash == record.initials:
        return True
    for i in range(record.brand.size()):
        if same_text(t, text, &record.brand[i], record.text.data()):
            return True
    return False


cdef void mark_brand(Side* side, const Record* record) noexcept nogil:
    """Mark the tokens that are words of ``record``'s brand, or that are the brand written otherwise ("Go Pro")."""
    cdef size_t i, j, k, size, at, whole = 0
    cdef const vector[Token]* title = &side.record.title
    cdef const Py_UCS4* a = side.record.text.data()
    cdef const Py_UCS4* b = record.text.data()
    cdef bint equal
    for i in range(title.size()):
        if not (title[0][i].group == KIND or title[0][i].group == SPORT) and names_brand(&title[0][i], a, record):
            side.brand[i] = True
    for j in range(record.brand.size()):
        whole += record.brand[j].length
    for i in range(title.size()):
        at = 0
        for size in range(1, 4):
            if i + size > title.size():
                break
            at += title[0][i + size - 1].length
            if at != whole or at == 0:
                continue
            equal = spelled(title[0], a, i, record.brand, b)
            if equal:
                for k in range(i, i + size):
                    side.brand[k] = True


cdef bint spelled(const vector[Token]& tokens, const Py_UCS4* a, size_t i, const vector[Token]& brand, const Py_UCS4* b) noexcept nogil:
    """Whether the characters of the tokens from ``i`` are those of all tokens of ``brand``."""
    cdef size_t j, k, at = 0
    for j in range(brand.size()):
        for k in range(brand[j].length):
            if at == tokens[i].length:
                i += 1
                at = 0
            if i >= tokens.size() or a[tokens[i].start + at] != b[brand[j].start + k]:
                return False
            at += 1
    return True


cdef double worth(const Token* t) noexcept nogil:
    """How much it says that both sides have the token."""
    if t.kind == CODE:
        return WORTHS.code if t.strong else WORTHS.weak_code
    if t.kind == NUMBER:
        return WORTHS.year if t.year else WORTHS.number
    if t.kind == QUANTITY:
        return WORTHS.quantity
    return worth_of_group[t.group] if t.group else min(WORTHS.most, WORTHS.least + WORTHS.letter * t.length)


cdef void look(Side* side, double* shared, double* total, int* words) noexcept nogil:
    """What the other side covers: its worth, the worth of all, and the number of covered words of no group."""
    cdef size_t i
    cdef const Token* t
    shared[0] = total[0] = 0.0
    words[0] = 0
    side.first = side.record.title.size()
    for i in range(side.record.title.size()):
        t = &side.record.title[i]
        if side.covered[i] >= 0.5 and t.group != STOP and t.group != FILLER:
            side.first = min(side.first, i)
        if side.brand[i]:
            continue
        total[0] += worth(t)
        shared[0] += worth(t) * side.covered[i]
        if side.covered[i] >= 0.5 and t.kind == WORD and not t.group and t.length > 2:
            words[0] += 1
    side.led = False
    for i in range(side.first):
        side.led = side.led or side.brand[i]
    if side.first == side.record.title.size():
        side.first = 0


cdef bint says(const Record* record, const Token* t) noexcept nogil:
    """Whether a field other than title and brand has the word: a binary search."""
    cdef size_t low = 0, high = record.said.size(), middle
    while low < high:
        middle = (low + high) // 2
        if record.said[middle] < t.hash:
            low = middle + 1
        else:
            high = middle
    return low < record.said.size() and record.said[low] == t.hash


cdef double word_cost(const Side* side, size_t i, bint branded, const Lessons* lessons) noexcept nogil:
    """What a left-over word costs; below 0 where it is judged elsewhere."""
    cdef const Token* t = &side.record.title[i]
    cdef double cost
    cdef int8_t lesson = 0
    if t.kind != WORD or is_thing(t) or one_sided[t.group] > 0 or t.group == STOP or side.of_system[i]:
        return -1.0
    if lessons is not NULL and lessons.count(t.hash):
        lesson = lessons.at(t.hash)
    if not t.group and t.length > 1 and i < side.first and not side.led:
        cost = COST.leading
    elif t.group == FILLER or (side.counted and packs.count(t.hash)):
        cost = COST.filler
    elif t.group == DESCRIBING:
        cost = COST.describing
    elif t.group == VARIANT:
        cost = COST.variant
    elif t.length == 1:
        cost = COST.letter
    else:
        cost = COST.word if branded else COST.word_unbranded
    if lesson > 0:
        cost = max(cost, COST.variant)
    elif lesson < 0:
        cost = min(cost, COST.describing)
    return cost * COST.said if says(side.other, t) else cost


cdef struct Words:
    double cost  # of all that are left over
    double greatest
    double variant  # the greatest cost of one that names a variant, 0: none does
    int dear  # how many tell products apart


cdef Words word_costs(const Side* side, bint branded, const Lessons* lessons) noexcept nogil:
    cdef Words found
    cdef double cost, total = 0.0
    cdef size_t i
    found.greatest = found.variant = 0.0
    found.dear = 0
    for i in range(side.record.title.size()):
        if left_over(side, i):
            cost = word_cost(side, i, branded, lessons)
            if cost > 0:
                total += cost
                found.greatest = max(found.greatest, cost)
                found.dear += cost >= 1.0
                if cost >= COST.letter:
                    found.variant = max(found.variant, cost)
    found.cost = found.greatest + COST.more * min((total - found.greatest) / COST.word, 2.0)
    return found


cdef double described(const Words* words) noexcept nogil:
    """What words cost that the other side has no counterpart to: two and three are a description, a variant's name is none."""
    if words.dear < 2:
        return words.cost
    return max(words.cost * (COST.two if words.dear == 2 else COST.three), words.variant)


cdef double words_evidence(const Words* left, const Words* right, bint branded, double shared) noexcept nogil:
    cdef double one = left.cost, other = right.cost
    if not branded and shared >= 2.0:
        if right.dear == 0:
            one = described(left)
        if left.dear == 0:
            other = described(right)
    return one + other + (COST.replaced if left.greatest > 1.0 and right.greatest > 1.0 else 0.0)


cdef struct Numbers:
    cbool number  # one that the other side has not, and no season
    cbool told  # the other side says all of them elsewhere
    cbool weak  # a short code that the other side has not
    uint64_t stated  # dimensions
    uint64_t left_over  # dimensions of quantities that the other side has not


cdef bint versions_differ(const Side* left, const Side* right) noexcept nogil:
    """Whether both sides name versions of a system, and none in common: the system is the product then."""
    cdef size_t i
    cdef bint a = False, b = False
    for i in range(left.record.title.size()):
        if left.of_system[i] and left.record.title[i].kind == NUMBER:
            a = True
            if left.covered[i] >= 0.5:
                return False
    for i in range(right.record.title.size()):
        b = b or (right.of_system[i] and right.record.title[i].kind == NUMBER)
    return a and b


cdef Numbers numbers_of(const Side* side, bint versions) noexcept nogil:
    cdef Numbers found
    cdef size_t i
    cdef const Token* t
    found.number = found.weak = False
    found.told = True
    found.stated = found.left_over = 0
    for i in range(side.record.title.size()):
        t = &side.record.title[i]
        if t.kind == QUANTITY:
            found.stated |= <uint64_t>1 << t.dimension
        if not left_over(side, i):
            continue
        if t.kind == QUANTITY:
            found.left_over |= <uint64_t>1 << t.dimension
        elif t.kind == NUMBER and not (t.year and t.number >= SEASON) and (versions or not side.of_system[i]):
            found.number = True
            found.told = found.told and says(side.other, t)
        elif t.kind == CODE and not t.strong:
            found.weak = True
    return found


cdef bint shares_quantity(const Record* left, const Record* right, uint8_t dimension) noexcept nogil:
    cdef size_t i, j
    for i in range(left.title.size()):
        if left.title[i].kind == QUANTITY and left.title[i].dimension == dimension:
            for j in range(right.title.size()):
                if right.title[j].kind == QUANTITY and right.title[j].dimension == dimension:
                    if number_closeness(&left.title[i], left.text.data(), &right.title[j], right.text.data()) == 1.0:
                        return True
    return False


cdef double numbers_evidence(const Side* left, const Side* right, double damp) noexcept nogil:
    cdef bint versions = versions_differ(left, right)
    cdef Numbers a = numbers_of(left, versions), b = numbers_of(right, versions)
    cdef double cost = 0.0, counts = 0.0
    cdef uint64_t both
    cdef uint8_t dimension
    if a.number and b.number:
        cost += COST.number + COST.number_replaced
    elif a.number or b.number:
        cost += COST.number * (0.35 if (a.told if a.number else b.told) else 1.0)
    both = a.stated & b.stated
    for dimension in range(1, DIMENSION_LIMIT):
        if not ((a.left_over | b.left_over) >> dimension) & 1:
            continue
        if dimension == COUNT:
            counts += COST.quantity if (both >> dimension) & 1 else dimension_cost[dimension]
        elif not (both >> dimension) & 1:
            cost += dimension_cost[dimension]
        elif not (a.left_over & b.left_over) >> dimension & 1 and shares_quantity(left.record, right.record, dimension):
            cost += 0.3
        elif dimension == BYTES:  # a capacity is told apart by no code
            counts += COST.quantity
        else:
            cost += COST.quantity
    if a.weak or b.weak:
        cost += COST.weak_code + (COST.number_replaced if a.weak and b.weak else 0.0)
    return cost * (damp if damp == 1.0 else COST.coded_number) + counts


cdef struct Things:
    cbool any  # the title names a kind, a sport or a part
    cbool shared  # one that the other side has
    cbool kind  # a kind that it has not
    cbool part
    cbool told  # all such parts are said elsewhere on the other side
    cbool bound  # "for" something


cdef Things things_of(const Side* side) noexcept nogil:
    cdef Things found
    cdef size_t i
    cdef const Token* t
    found.any = found.shared = found.kind = found.part = found.bound = False
    found.told = True
    for i in range(side.record.title.size()):
        t = &side.record.title[i]
        found.bound = found.bound or t.hash == FOR
        if not is_thing(t) or side.brand[i]:
            continue
        found.any = True
        if side.covered[i] >= 0.5:
            found.shared = True
        elif t.group == KIND:
            found.kind = True
        elif t.group == PART:
            found.part = True
            found.told = found.told and says(side.other, t)
    return found


cdef double things_evidence(const Side* left, const Side* right, double damp, bint series) noexcept nogil:
    cdef Things a = things_of(left), b = things_of(right)
    cdef double cost = 0.0, damp_part = damp
    if a.part or b.part:
        if (a.part and a.bound) or (b.part and b.bound):
            damp_part = 1.0
        cost += COST.part * (0.3 if (a.told or not a.part) and (b.told or not b.part) else damp_part)
    if a.any and b.any:
        if not a.shared and not b.shared:
            cost += COST.kind * (max(damp, COST.coded_kind) if series else damp)
        elif a.kind or b.kind:
            cost += COST.kind_more * damp
    return cost


cdef double years_evidence(const Record* left, const Record* right) noexcept nogil:
    """What the seasons in two titles cost: much where both have one and share none, a little where one has."""
    cdef size_t i, j
    cdef bint a = False, b = False
    for j in range(right.title.size()):
        b = b or (right.title[j].year and right.title[j].number >= SEASON)
    for i in range(left.title.size()):
        if left.title[i].year and left.title[i].number >= SEASON:
            a = True
            for j in range(right.title.size()):
                if right.title[j].year and right.title[j].number == left.title[i].number:
                    return 0.0
    return COST.year if a and b else COST.agrees if a or b else 0.0


cdef void note_systems(Side* side) noexcept nogil:
    """Mark what is said of a system ("for Mac OS 10.4", "win 98 me 2000"), and whether a count is shared."""
    cdef size_t i
    cdef const Token* t
    cdef bint inside = False
    side.counted = False
    for i in range(side.record.title.size()):
        t = &side.record.title[i]
        side.counted = side.counted or (t.kind == QUANTITY and t.dimension == COUNT and side.covered[i] >= 0.5)
        inside = t.group == PLATFORM or (inside and (t.kind == NUMBER or (t.kind == WORD and t.length <= 2)))
        side.of_system[i] = inside and t.group != PLATFORM


cdef void align(const Record* left, const Record* right, Side* one, Side* other) noexcept nogil:
    cdef size_t i
    one.record, one.other, other.record, other.other = left, right, right, left
    cover(left.title, left.text.data(), right.title, right.text.data(), one.covered, other.covered)
    for i in range(TOKEN_LIMIT):
        one.brand[i] = other.brand[i] = False
    note_systems(one)
    note_systems(other)
    mark_brand(one, left)
    mark_brand(one, right)
    mark_brand(other, left)
    mark_brand(other, right)


cdef double title_evidence(const Record* left, const Record* right, double damp, bint series, const Lessons* lessons) noexcept nogil:
    cdef Side one, other
    cdef Words mine, theirs
    cdef double a, b, all_left, all_right, shared, evidence
    cdef int words_left, words_right
    cdef bint branded = not left.brand.empty() and not right.brand.empty()
    align(left, right, &one, &other)
    look(&one, &a, &all_left, &words_left)
    look(&other, &b, &all_right, &words_right)
    mine, theirs = word_costs(&one, branded, lessons), word_costs(&other, branded, lessons)
    shared = min(a, b)
    if shared <= 0.3:
        evidence = COST.nothing if all_left > 0.3 or all_right > 0.3 else 0.3
    else:
        evidence = COST.base + COST.gain * (1.0 - exp(-COST.rate * shared))
        if not branded and mine.variant == 0 and theirs.variant == 0:
            evidence += min(COST.long * max(0, min(words_left, words_right) - 2), COST.long_limit)
    evidence -= words_evidence(&mine, &theirs, branded, shared) * damp
    evidence -= numbers_evidence(&one, &other, damp)
    evidence -= things_evidence(&one, &other, damp, series)
    return evidence - years_evidence(left, right)

# groups and fields -----------------------------------------------------------------------------------------------------

cdef bint made_for(const Record* record) noexcept nogil:
    """Whether a title is of a product for one system: "for Mac", "Mac edition"."""
    cdef size_t i
    cdef const Token* t
    cdef const Token* u
    for i in range(1, record.title.size()):
        t = &record.title[i - 1]
        u = &record.title[i]
        if (t.hash == FOR and u.group == PLATFORM) or (t.group == PLATFORM and (u.hash == EDITION or u.hash == VERSION)):
            return True
    return False


cdef double group_evidence(const Record* left, const Record* right, double damp) noexcept nogil:
    cdef double cost, total = 0.0
    cdef uint64_t alone
    cdef int group
    for group in range(1, group_count + 1):
        cost = 0.0
        if left.groups[group] and right.groups[group]:
            if not left.groups[group] & right.groups[group]:
                total -= differs[group]
        else:
            alone = (left.groups[group] | right.groups[group]) & marked[group]
            if alone:
                cost = one_sided[group]
                if group == PERSON and alone & children:
                    cost = COST.child
                if group == COLOR and alone & ~(left.trailing[group] | right.trailing[group]):
                    cost = COST.color_inside
                if group == PLATFORM and alone == left.groups[group] | right.groups[group]:
                    if made_for(left if left.groups[group] else right):
                        cost = COST.made_for
        total -= cost * damp if group == COLOR else cost
    return total


cdef bint brands_agree(const Record* left, const Record* right) noexcept nogil:
    """Whether two brands share a word, or one is the other's initials or beginning."""
    cdef double[TOKEN_LIMIT] cl, cr
    cdef size_t i
    cover(left.brand, left.text.data(), right.brand, right.text.data(), cl, cr)
    for i in range(left.brand.size()):
        if cl[i] >= 0.8:
            return True
    if left.initials and right.brand.size() == 1 and right.brand[0].hash == left.initials:
        return True
    if right.initials and left.brand.size() == 1 and left.brand[0].hash == right.initials:
        return True
    return spelled(left.brand, left.text.data(), 0, right.brand, right.text.data()) or spelled(
        right.brand, right.text.data(), 0, left.brand, left.text.data()
    )


cdef bint brand_in_title(const Record* left, const Record* right) noexcept nogil:
    """Whether the title of ``right`` has a word of the brand of ``left``."""
    cdef size_t i, j
    for i in range(left.brand.size()):
        for j in range(right.title.size()):
            if same_text(&left.brand[i], left.text.data(), &right.title[j], right.text.data()):
                return True
    return False


cdef bint in_season(const Record* record) noexcept nogil:
    cdef size_t i
    for i in range(record.title.size()):
        if record.title[i].year and record.title[i].number >= SEASON:
            return True
    return False


cdef double field_evidence(const Record* left, const Record* right) noexcept nogil:
    cdef double evidence = 0.0, apart
    if not left.brand.empty() and not right.brand.empty():
        if brands_agree(left, right):
            evidence += COST.agrees
        else:
            evidence -= COST.brand_inside if brand_in_title(left, right) or brand_in_title(right, left) else COST.brand
    if left.year and right.year:
        if left.year == right.year:
            evidence += COST.agrees
        elif not (in_season(left) and in_season(right)):  # else the titles have said so
            evidence -= COST.year
    if left.size and right.size:
        evidence += COST.agrees if left.size == right.size else -COST.size
    if left.price > 0 and right.price > 0 and not (left.currency and right.currency and left.currency != right.currency):
        apart = log(max(left.price, right.price) / min(left.price, right.price))
        evidence += max(COST.price - COST.price_apart * apart * apart, -COST.price_limit)
    return evidence


cdef double score(const Record* left, const Record* right, const Lessons* lessons) noexcept nogil:
    """0..1: the probability that a pair is one product; symmetric. ``lessons`` may be NULL."""
    cdef double logit, agree, damp
    cdef bint series
    if not left.filled or not right.filled:
        return 0.0
    if left.gtin and right.gtin:
        return 0.99 if left.gtin == right.gtin else 0.01
    logit = code_evidence(left, right, &agree, &series)
    damp = COST.coded if agree >= 0.9 else 1.0
    if left.title.empty() or right.title.empty():
        logit -= 2.0
    else:
        logit += title_evidence(left, right, damp, series, lessons)
    logit += group_evidence(left, right, damp) + field_evidence(left, right)
    return 1.0 / (1.0 + exp(-min(max(logit, -30.0), 30.0)))


cdef bint differences(const Record* left, const Record* right, vector[uint64_t]& words) except -1 nogil:
    """The hashes of the words that two titles do not share; False where they share nothing, or differ in more than two."""
    cdef Side one, other
    cdef size_t i
    cdef bint common = False
    words.clear()
    if left.title.empty() or right.title.empty():
        return False
    align(left, right, &one, &other)
    for i in range(left.title.size()):
        common = common or (one.covered[i] >= 0.5 and not one.brand[i] and left.title[i].kind == WORD and not left.title[i].group)
        if left_over(&one, i):
            words.push_back(left.title[i].hash)
    for i in range(right.title.size()):
        if left_over(&other, i):
            words.push_back(right.title[i].hash)
    return common and 0 < words.size() <= 2

# entry -----------------------------------------------------------------------------------------------------------------

cdef dict stated(object row):
    """What a row says: its fields that are neither empty nor unreadable."""
    return {key: text for key, value in row.items() if (text := as_text(value)) and not text.isspace()}


def same_product(left: Mapping[str, str], right: Mapping[str, str]) -> float:
    """The probability that two listings are one product, 0..1; 0.5 and more is yes. Symmetric; equal non-empty rows score 1.

    Fields are found by their usual names in any case (title/name, brand/manufacturer, model, mpn, gtin/upc/ean, sku,
    price, description, category, year, size, color); of a field of another name the words are read. Values are text or
    numbers, all else is not read. Missing and empty values say nothing.

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
    return score(&a, &b, NULL)
