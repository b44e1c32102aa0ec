"""Which listings are one product: blocking, scoring, and a transitive closure that keeps its vetoes.

Algorithm. (1) Equal rows are folded and the rest sorted by content, so that nothing after this step depends on the order
of the input. (2) Blocking: listings that share a rare key meet (GTIN, model, codes, title words and glued neighbours;
common words meet in pairs). A key of more than ``BLOCK_LIMIT`` listings makes a sorted neighbourhood of
``WINDOW`` instead of a block (Hernandez & Stolfo, SIGMOD 1995). (3) Meta-blocking: each listing keeps its
``CANDIDATE_LIMIT`` candidates of the greatest shared IDF (Papadakis et al., TKDE 26, 2014: cardinality node pruning).
(4) The candidates of one vendor teach which words tell
siblings apart (below); the others are scored by :mod:`hexar.core.merge.matching`. (5) Pairs at or above the threshold are joined, surest first,
by union-find; a join is left out that would put two listings with a veto into one cluster, or whose scored pairs between
the two clusters are below the threshold on average (a chain of near matches is not one product).

Learning from siblings. Two listings of one vendor with different SKUs are almost always two products. Where two of them differ in
one or two words alone, these words tell products apart here, though a lexicon may call them a description: two such pairs
are believed. A word that six of ten listings of a vendor have, of eight at least, says nothing here. This needs no
labels and holds within the batch alone. So does a word that stands behind the brand in all listings of that brand, of four at least: it is part
of the brand's name there ("Hoka One One"). It costs nothing beyond clustering: the pairs of one vendor need no score.

A veto is exact and pairwise: different valid GTINs; different years, sizes, sides or positions, where both are known (a
year read from a title gives way to equal GTINs); one vendor's two SKUs, unless their GTINs are equal.

Work: at most N x ``CANDIDATE_LIMIT`` pairs are scored, and at most N x keys x ``BLOCK_LIMIT`` are counted; never N².

Thread-safety: a call shares nothing with another. The GIL is released from blocking to closure.
"""

from collections.abc import Mapping

cimport cython
from cython.operator cimport dereference as deref, preincrement
from libc.math cimport log
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.algorithm cimport sort as std_sort, unique as std_unique, partial_sort
from libcpp.pair cimport pair
from libcpp.unordered_map cimport unordered_map
from libcpp.vector cimport vector

from hexar.core.merge.matching cimport Lessons, differences, score
from hexar.core.merge.records cimport Record, as_text, prepare
from hexar.core.merge.tokens cimport WORD, Token, group_number, hash_step

from hexar.core.merge.matching import DEFAULT_THRESHOLD

cdef enum:
    BLOCK_LIMIT = 48  # listings of a block
    CANDIDATE_LIMIT = 24  # candidates that a listing keeps
    WINDOW = 4  # neighbours met in a block that is too large
    COMMON_WORDS = 5  # the rarest of a listing's common words, which meet in pairs
    SIBLINGS = 2  # pairs of siblings that a word sets apart before it is believed
    FAMILY = 4  # listings of a brand from which on a word behind it in all of them is part of its name
    CATALOGUE = 8  # listings of a vendor from which on a word can be in nearly all

cdef uint8_t STOP = group_number("stop")
cdef uint8_t FILLER = group_number("filler")

ctypedef pair[uint64_t, uint32_t] Entry  # key, listing


cdef struct Edge:
    double score
    uint32_t left
    uint32_t right


cdef struct Claim:
    uint64_t sku
    cbool single  # all listings of this vendor have one SKU
    cbool coded  # all of them have a GTIN


cdef struct Link:
    double total  # of the scores of the pairs between two groups
    uint32_t count


cdef cppclass Group:
    uint64_t gtin
    uint64_t size
    int year
    cbool dated  # a field states the year
    uint64_t sides  # 1: left alone was seen, 2: right alone
    uint64_t positions
    unordered_map[uint64_t, Claim] claims  # by vendor
    unordered_map[uint32_t, Link] links  # by the root of the other group


cdef inline uint64_t mix(uint64_t a, uint64_t b) noexcept nogil:
    """A key made of two; the order of the two matters."""
    a = (a ^ (b + 0x9E3779B97F4A7C15ULL + (a << 6) + (a >> 2))) * 0xBF58476D1CE4E5B9ULL
    return a ^ (a >> 31)


cdef bint surer(const Edge& x, const Edge& y) noexcept nogil:
    if x.score != y.score:
        return x.score > y.score
    if x.left != y.left:
        return x.left < y.left
    return x.right < y.right


cdef bint heavier(const pair[int64_t, uint32_t]& x, const pair[int64_t, uint32_t]& y) noexcept nogil:
    if x.first != y.first:
        return x.first > y.first
    return x.second < y.second

# blocking --------------------------------------------------------------------------------------------------------------

cdef int list_keys(const Record* record, uint32_t index, vector[Entry]& keys) except -1 nogil:
    """Append the blocking keys of one listing, each once. The salt keeps kinds of key apart."""
    cdef size_t i, k, first = keys.size()
    cdef uint64_t h
    cdef const Token* token
    if record.gtin:
        keys.push_back(Entry(mix(record.gtin, 1), index))
    if record.model.length:
        keys.push_back(Entry(mix(record.model.hash, 2), index))
    if record.mpn.length:
        keys.push_back(Entry(mix(record.mpn.hash, 2), index))
    for i in range(record.codes.size()):
        keys.push_back(Entry(mix(record.codes[i].hash, 2), index))
    for i in range(record.title.size()):
        token = &record.title[i]
        if token.kind == WORD and (token.group == STOP or token.group == FILLER):
            continue
        keys.push_back(Entry(mix(token.hash, 3), index))
        if i > 0:  # with the word before it, in case the other side writes both as one
            h = record.title[i - 1].hash
            for k in range(token.length):
                h = hash_step(h, record.text[token.start + k])
            keys.push_back(Entry(mix(h, 3), index))
    std_sort(keys.begin() + first, keys.end())
    keys.erase(std_unique(keys.begin() + first, keys.end()), keys.end())
    return 0


cdef int pair_common(const vector[Entry]& keys, unordered_map[uint64_t, uint32_t]& counts, vector[Entry]& pairs) except -1 nogil:
    """For each listing, keys of two common keys each, of its ``COMMON_WORDS`` rarest ones."""
    cdef size_t i = 0, j, k, end
    cdef vector[pair[int64_t, uint64_t]] common
    cdef uint32_t index
    while i < keys.size():
        index = keys[i].second
        common.clear()
        end = i
        while end < keys.size() and keys[end].second == index:
            if counts[keys[end].first] > BLOCK_LIMIT:
                common.push_back(pair[int64_t, uint64_t](<int64_t>counts[keys[end].first], keys[end].first))
            end += 1
        std_sort(common.begin(), common.end())
        for j in range(min(common.size(), <size_t>COMMON_WORDS)):
            for k in range(j):
                pairs.push_back(Entry(mix(min(common[j].second, common[k].second), max(common[j].second, common[k].second)), index))
        i = end
    return 0


cdef int find_candidates(const vector[Record*]& records, vector[pair[uint32_t, uint32_t]]& candidates) except -1 nogil:
    """The pairs worth scoring, sorted, each once with the smaller index first."""
    cdef size_t n = records.size(), i, j, k, end, block
    cdef vector[Entry] keys, pairs
    cdef unordered_map[uint64_t, uint32_t] counts
    cdef vector[pair[uint32_t, uint32_t]] blocks  # first and end in keys
    cdef vector[vector[pair[uint32_t, uint32_t]]] places  # of each listing: block, position in it
    cdef vector[int64_t] shared
    cdef vector[uint32_t] touched
    cdef vector[pair[int64_t, uint32_t]] best
    cdef int64_t weight
    cdef uint32_t other
    cdef size_t low, high, keep
    for i in range(n):
        list_keys(records[i], <uint32_t>i, keys)
    for i in range(keys.size()):
        counts[keys[i].first] += 1
    pair_common(keys, counts, pairs)
    keys.insert(keys.end(), pairs.begin(), pairs.end())
    std_sort(keys.begin(), keys.end())
    keys.erase(std_unique(keys.begin(), keys.end()), keys.end())
    places.resize(n)
    i = 0
    while i < keys.size():
        end = i + 1
        while end < keys.size() and keys[end].first == keys[i].first:
            end += 1
        if end - i > 1:
            for j in range(i, end):
                places[keys[j].second].push_back(pair[uint32_t, uint32_t](<uint32_t>blocks.size(), <uint32_t>j))
            blocks.push_back(pair[uint32_t, uint32_t](<uint32_t>i, <uint32_t>end))
        i = end
    shared.resize(n, 0)
    for i in range(n):
        touched.clear()
        for j in range(places[i].size()):
            low, high = blocks[places[i][j].first].first, blocks[places[i][j].first].second
            weight = 1 + <int64_t>(1024 * log(<double>n / <double>(high - low)))
            if high - low > BLOCK_LIMIT:
                block = places[i][j].second
                low = block - WINDOW if block >= low + WINDOW else low
                high = block + WINDOW + 1 if block + WINDOW + 1 <= high else high
            for k in range(low, high):
                other = keys[k].second
                if other != i:
                    if shared[other] == 0:
                        touched.push_back(other)
                    shared[other] += weight
        best.clear()
        for j in range(touched.size()):
            best.push_back(pair[int64_t, uint32_t](shared[touched[j]], touched[j]))
            shared[touched[j]] = 0
        keep = min(best.size(), <size_t>CANDIDATE_LIMIT)
        partial_sort(best.begin(), best.begin() + keep, best.end(), heavier)
        for j in range(keep):
            candidates.push_back(
                pair[uint32_t, uint32_t](min(<uint32_t>i, best[j].second), max(<uint32_t>i, best[j].second))
            )
    std_sort(candidates.begin(), candidates.end())
    candidates.erase(std_unique(candidates.begin(), candidates.end()), candidates.end())
    return 0

# closure ---------------------------------------------------------------------------------------------------------------

cdef inline uint64_t alone(uint64_t mask) noexcept nogil:
    """A pair of sides ("left and right") contradicts neither."""
    return 0 if mask == 3 else mask


cdef int begin_group(const Record* record, Group* group) except -1 nogil:
    cdef Claim claim
    group.gtin, group.size, group.year, group.dated = record.gtin, record.size, record.year, record.dated
    group.sides, group.positions = alone(record.side), alone(record.position)
    if record.vendor and record.sku:
        claim.sku, claim.single, claim.coded = record.sku, True, record.gtin != 0
        group.claims[record.vendor] = claim
    return 0


cdef bint compatible(Group* a, Group* b) except -1 nogil:
    """Whether no listing of one group has a veto against one of the other."""
    cdef unordered_map[uint64_t, Claim].iterator mine, theirs
    if a.gtin and b.gtin and a.gtin != b.gtin:
        return False
    if a.year and b.year and a.year != b.year and not (a.gtin and a.gtin == b.gtin and not (a.dated and b.dated)):
        return False
    if a.size and b.size and a.size != b.size:
        return False
    if (a.sides | b.sides) == 3 or (a.positions | b.positions) == 3:
        return False
    if a.claims.size() > b.claims.size():
        a, b = b, a
    mine = a.claims.begin()
    while mine != a.claims.end():
        theirs = b.claims.find(deref(mine).first)
        if theirs != b.claims.end():
            if not (deref(mine).second.coded and deref(theirs).second.coded) and not (
                deref(mine).second.single and deref(theirs).second.single and deref(mine).second.sku == deref(theirs).second.sku
            ):
                return False
        preincrement(mine)
    return True


cdef int absorb(Group* a, Group* b) except -1 nogil:
    """Add what ``b`` knows to ``a``; ``b`` is empty afterwards."""
    cdef unordered_map[uint64_t, Claim].iterator mine, theirs
    if not a.year or (b.year and b.dated and not a.dated):
        a.year = b.year
    a.gtin, a.size, a.dated = a.gtin or b.gtin, a.size or b.size, a.dated or b.dated
    a.sides, a.positions = a.sides | b.sides, a.positions | b.positions
    if a.claims.size() < b.claims.size():
        a.claims.swap(b.claims)
    theirs = b.claims.begin()
    while theirs != b.claims.end():
        mine = a.claims.find(deref(theirs).first)
        if mine == a.claims.end():
            a.claims.insert(deref(theirs))
        else:
            deref(mine).second.single = (
                deref(mine).second.single and deref(theirs).second.single and deref(mine).second.sku == deref(theirs).second.sku
            )
            deref(mine).second.coded = deref(mine).second.coded and deref(theirs).second.coded
        preincrement(theirs)
    b.claims.clear()
    return 0


cdef uint32_t find_root(vector[uint32_t]& parent, uint32_t i) noexcept nogil:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


cdef int add_link(Group* group, uint32_t other, double total, uint32_t count) except -1 nogil:
    cdef unordered_map[uint32_t, Link].iterator found = group.links.find(other)
    cdef Link link
    if found == group.links.end():
        link.total, link.count = total, count
        group.links[other] = link
    else:
        deref(found).second.total += total
        deref(found).second.count += count
    return 0


cdef int move_links(vector[Group]& groups, uint32_t a, uint32_t b) except -1 nogil:
    """Redirect the links of ``b`` to ``a``."""
    cdef unordered_map[uint32_t, Link].iterator it
    groups[a].links.erase(b)
    groups[b].links.erase(a)
    it = groups[b].links.begin()
    while it != groups[b].links.end():
        groups[deref(it).first].links.erase(b)
        add_link(&groups[a], deref(it).first, deref(it).second.total, deref(it).second.count)
        add_link(&groups[deref(it).first], a, deref(it).second.total, deref(it).second.count)
        preincrement(it)
    groups[b].links.clear()
    return 0


cdef int close_pairs(
    const vector[Record*]& records, const vector[Edge]& edges, double threshold, vector[uint32_t]& parent
) except -1 nogil:
    """Join along ``edges``, all scored pairs, which are sorted, surest first."""
    cdef vector[Group] groups
    cdef Link link
    cdef size_t i
    cdef uint32_t a, b
    groups.resize(records.size())
    for i in range(records.size()):
        parent.push_back(<uint32_t>i)
        begin_group(records[i], &groups[i])
    for i in range(edges.size()):
        add_link(&groups[edges[i].left], edges[i].right, edges[i].score, 1)
        add_link(&groups[edges[i].right], edges[i].left, edges[i].score, 1)
    for i in range(edges.size()):
        if edges[i].score < threshold:
            break
        a, b = find_root(parent, edges[i].left), find_root(parent, edges[i].right)
        if a == b:
            continue
        link = groups[a].links[b]
        if link.total < threshold * link.count:
            continue
        if groups[a].links.size() < groups[b].links.size() or (groups[a].links.size() == groups[b].links.size() and b < a):
            a, b = b, a
        if not compatible(&groups[a], &groups[b]):
            link.total, link.count = -1e300, 1  # stays refused, whatever joins them
            groups[a].links[b] = link
            groups[b].links[a] = link
            continue
        absorb(&groups[a], &groups[b])
        move_links(groups, a, b)
        parent[b] = a
    return 0


cdef inline bint siblings(const Record* left, const Record* right) noexcept nogil:
    """Whether a vendor lists two as two: they can never be one product."""
    return (
        left.vendor != 0 and left.vendor == right.vendor and left.sku != 0 and right.sku != 0 and left.sku != right.sku
        and not (left.gtin and left.gtin == right.gtin)
    )


cdef int learn_common(const vector[Record*]& records, Lessons& lessons) except -1 nogil:
    """Add the words that nearly all listings of a vendor have."""
    cdef unordered_map[uint64_t, uint32_t] listings, words
    cdef unordered_map[uint64_t, uint64_t] vendor_of, word_of
    cdef unordered_map[uint64_t, uint32_t].iterator it
    cdef size_t i, j
    cdef uint64_t key
    for i in range(records.size()):
        if records[i].vendor:
            listings[records[i].vendor] += 1
    for i in range(records.size()):
        if records[i].vendor == 0 or listings[records[i].vendor] < CATALOGUE:
            continue
        for j in range(records[i].title.size()):
            if records[i].title[j].kind == WORD:
                key = mix(records[i].title[j].hash, records[i].vendor)
                words[key] += 1
                if words[key] == 1:
                    vendor_of[key], word_of[key] = records[i].vendor, records[i].title[j].hash
    it = words.begin()
    while it != words.end():
        if 10 * deref(it).second >= 6 * listings[vendor_of[deref(it).first]]:
            lessons[word_of[deref(it).first]] = -1
        preincrement(it)
    return 0


cdef int learn_brands(const vector[Record*]& records, Lessons& lessons) except -1 nogil:
    """Add the words that stand behind the brand in all of a vendor's listings of that brand."""
    cdef unordered_map[uint64_t, uint32_t] listings, words
    cdef unordered_map[uint64_t, uint64_t] brand_of, word_of
    cdef unordered_map[uint64_t, uint32_t].iterator it
    cdef size_t i, at
    cdef uint64_t brand, key
    for i in range(records.size()):
        if records[i].vendor == 0 or records[i].brand.empty() or records[i].title.size() < 3:
            continue
        at = behind_brand(records[i])
        if at == 0 or at + 1 >= records[i].title.size():
            continue
        brand = mix(records[i].brand[0].hash, records[i].vendor)
        listings[brand] += 1
        if records[i].title[at].kind == WORD and records[i].title[at].group == 0:
            key = mix(records[i].title[at].hash, brand)
            words[key] += 1
            brand_of[key], word_of[key] = brand, records[i].title[at].hash
    it = words.begin()
    while it != words.end():
        if deref(it).second >= FAMILY and deref(it).second == listings[brand_of[deref(it).first]]:
            lessons[word_of[deref(it).first]] = -1
        preincrement(it)
    return 0


cdef size_t behind_brand(const Record* record) noexcept nogil:
    """The place in the title behind the brand that leads it; 0 where none does."""
    cdef size_t i = 0
    while i < record.title.size() and i < record.brand.size() and record.title[i].hash == record.brand[i].hash:
        i += 1
    return i


cdef int learn(
    const vector[Record*]& records, const vector[pair[uint32_t, uint32_t]]& candidates, Lessons& lessons
) except -1 nogil:
    cdef unordered_map[uint64_t, uint32_t] seen
    cdef vector[uint64_t] words
    cdef size_t i, j
    learn_common(records, lessons)
    learn_brands(records, lessons)
    for i in range(candidates.size()):
        if not siblings(records[candidates[i].first], records[candidates[i].second]):
            continue
        if differences(records[candidates[i].first], records[candidates[i].second], words):
            for j in range(words.size()):
                seen[words[j]] += 1
                if seen[words[j]] == SIBLINGS:
                    lessons[words[j]] = 1
    return 0


cdef int join(const vector[Record*]& records, double threshold, vector[uint32_t]& parent) except -1 nogil:
    cdef vector[pair[uint32_t, uint32_t]] candidates
    cdef vector[Edge] edges
    cdef Lessons lessons
    cdef Edge edge
    cdef size_t i
    find_candidates(records, candidates)
    learn(records, candidates, lessons)
    for i in range(candidates.size()):
        edge.left, edge.right = candidates[i].first, candidates[i].second
        if siblings(records[edge.left], records[edge.right]):
            continue
        edge.score = score(records[edge.left], records[edge.right], &lessons)
        edges.push_back(edge)
    std_sort(edges.begin(), edges.end(), surer)
    return close_pairs(records, edges, threshold, parent)

# entry -----------------------------------------------------------------------------------------------------------------

cdef tuple content_of(object row):
    """What a row says, in one order; equal for equal rows."""
    if not isinstance(row, Mapping):
        raise TypeError("a listing is a mapping of field names to values")
    return tuple(sorted([(str(key), as_text(value)) for key, value in row.items() if isinstance(key, str)]))


@cython.final
@cython.no_gc  # it holds texts alone: no cycles
cdef class Prepared:
    """A listing that is read already, for those that cluster it again and again. Never changed, shared by all threads."""

    cdef tuple content
    cdef Record* record

    def __cinit__(self, row):
        self.content = content_of(row)
        self.record = new Record()
        prepare(dict(self.content), self.record)

    def __dealloc__(self):
        del self.record


def cluster(listings, double threshold=DEFAULT_THRESHOLD):
    """Partition listings into products.

    Every index of ``listings`` is in exactly one cluster; members ascend, clusters ascend by their first member. The
    partition does not depend on the order of ``listings``. Fields are those of :func:`hexar.core.merge.same_product`, and
    ``vendor``; a listing may be :class:`Prepared`. A row that says nothing is a cluster of its own.

    Raises:
        TypeError: a listing is not a mapping.
        ValueError: ``threshold`` is not within 0..1 (NaN included).
    """
    cdef vector[Record*] records
    cdef vector[uint32_t] parent
    cdef Prepared one
    cdef size_t i
    cdef dict same = {}, read = {}
    cdef list lonely = [], rows, clusters
    if not 0.0 <= threshold <= 1.0:
        raise ValueError("threshold is a number from 0 to 1")
    for index, row in enumerate(listings):
        one = row if isinstance(row, Prepared) else Prepared(row)
        same.setdefault(one.content, []).append(index)
        read[one.content] = one
    rows = sorted(same)
    for content in rows:
        one = read[content]
        records.push_back(one.record)
    with nogil:
        join(records, threshold, parent)
    together = {}
    for i in range(records.size()):
        if records[i].filled:
            together.setdefault(find_root(parent, <uint32_t>i), []).extend(same[rows[i]])
        else:
            lonely.extend([[index] for index in same[rows[i]]])
    clusters = [sorted(members) for members in together.values()]
    clusters.extend(lonely)
    clusters.sort()
    return clusters
