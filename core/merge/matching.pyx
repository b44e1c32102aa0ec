"""Is it one product? The score of a pair of listings, without training and without a corpus.

Algorithm. Each listing is read once (:mod:`hexar.core.merge.records`); a pair of records is scored without the
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
exclusive words differ                -2 (side -4) "upgrade" and "full", "left" and "right" (:mod:`hexar.core.merge.lexicon`)
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

from collections.abc import Mapping

from libc.math cimport exp, fabs, log, log1p
from libc.stdint cimport uint64_t
from libc.string cimport memcmp
from libcpp.vector cimport vector

from hexar.core.merge.records cimport Other, Record, Span, as_text, prepare
from hexar.core.merge.tokens cimport (
    CODE, GROUP_LIMIT, LENGTH_LIMIT, NUMBER, QUANTITY, TOKEN_LIMIT, WORD, Kind, Token, any_digit, digit, has_strong, hash_step,
)

from hexar.core.merge.lexicon import GROUP_DEFAULTS, GROUP_EVIDENCE, GROUPS

DEFAULT_THRESHOLD = 0.5

cdef extern from *:
    """
    static inline int hexar_popcount(unsigned long long x) { int n = 0; while (x) { x &= x - 1; n++; } return n; }
    """
    int popcount "hexar_popcount"(uint64_t x) noexcept nogil

cdef int group_count = len(GROUPS)
cdef double[GROUP_LIMIT] group_differs
cdef double[GROUP_LIMIT] group_one_sided
cdef uint64_t[GROUP_LIMIT] group_marked  # the values that an unmarked product does not have


cdef int load_evidence() except -1:
    for number, (group, words) in enumerate(GROUPS.items(), 1):
        group_differs[number], group_one_sided[number] = GROUP_EVIDENCE.get(group, (0.0, 0.0))
        group_marked[number] = ~<uint64_t>0
        if group in GROUP_DEFAULTS:
            group_marked[number] = ~(<uint64_t>1 << <int>sorted(set(words.values())).index(GROUP_DEFAULTS[group]))
    return 0


load_evidence()

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
