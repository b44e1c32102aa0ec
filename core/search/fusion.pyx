"""Two orders of the same documents made one, and scores of different scales made one score.

Source of the fusion: Cormack, Clarke and Büttcher, *Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
Methods* (2009).
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t
from libcpp.vector cimport vector

from hexar.core.search.hits cimport Hit, Hits


cdef extern from "fusion.hpp" namespace "hexar::fusion" nogil:
    cdef cppclass Ranked:
        int64_t key
        uint32_t first
        uint32_t second
        double score
        double second_score

    vector[Ranked] fuse_hits "hexar::fusion::fuse"(
        const vector[Hit]& first, const vector[Hit]& second, double constant, size_t limit
    ) except +

    cdef cppclass Scored:
        size_t place
        double score

    vector[Scored] order(const vector[Ranked]& ranked, const vector[double]& scores, double constant) except +
    void add_standard(vector[double]& scores, double weight, vector[double]& total)


@cython.final
cdef class Fused:
    """The best keys of two orders, best first. It never changes; :func:`fuse` makes it."""

    cdef vector[Ranked] ranked
    cdef double constant

    def __len__(self):
        return self.ranked.size()

    @property
    def keys(self):
        """The keys."""
        cdef size_t i
        return [self.ranked[i].key for i in range(self.ranked.size())]

    @property
    def places(self):
        """For each key its places in both orders, from 1; 0: it is not there."""
        cdef size_t i
        return [(self.ranked[i].first, self.ranked[i].second) for i in range(self.ranked.size())]

    @property
    def second_scores(self):
        """For each key its score in the second order; 0 where it is not there."""
        cdef size_t i
        return [self.ranked[i].second_score for i in range(self.ranked.size())]

    @property
    def lacking(self):
        """The keys that are not in the second order."""
        cdef size_t i
        return [self.ranked[i].key for i in range(self.ranked.size()) if not self.ranked[i].second]

    def only(self, held):
        """Those of the keys that are in ``held``, with the places that they have."""
        cdef Fused kept = Fused.__new__(Fused)
        cdef size_t i
        kept.constant = self.constant
        for i in range(self.ranked.size()):
            if self.ranked[i].key in held:
                kept.ranked.push_back(self.ranked[i])
        return kept

    def best(self, const vector[double]& scores, Py_ssize_t count):
        """The best ``count`` keys in the order of ``scores``, which are for the first keys and may be of any scale: for each its
        index in ``keys``, its score, and its places in both orders.

        Ties go to the lower key. Scores are moved so that the lowest is 1; a key that has none comes after those that have, in
        the order of the fusion, and scores ``1 / (constant + place)``. Raises ValueError for more scores than keys or a
        negative count.
        """
        cdef vector[Scored] ordered
        cdef size_t i
        if scores.size() > self.ranked.size() or count < 0:
            raise ValueError("at most one score a key, and no negative count")
        ordered = order(self.ranked, scores, self.constant)
        return [
            (ordered[i].place, ordered[i].score, self.ranked[ordered[i].place].first, self.ranked[ordered[i].place].second)
            for i in range(min(<size_t>count, ordered.size()))
        ]


def fuse(Hits first not None, Hits second not None, double constant, Py_ssize_t limit):
    """Reciprocal rank fusion of two orders, each best first: the best ``limit`` keys as :class:`Fused`.

    A key scores ``1 / (constant + place)`` for each order that holds it, by its first place there. Ties go to the key that is
    further in front in ``first``, then to the lower key. Raises ValueError for a negative constant or limit.
    """
    cdef Fused fused
    if not constant >= 0 or limit < 0:
        raise ValueError("constant and limit must not be negative")
    fused = Fused.__new__(Fused)
    fused.constant = constant
    fused.ranked = fuse_hits(first.found, second.found, constant, limit)
    return fused


def combine(rows, weights):
    """One score a document: the sum over ``rows`` of ``weights[i]`` times the document's distance from the row's mean in standard
    deviations. A row whose scores are all the same counts nothing.

    Raises ValueError where a row is not as long as the first, or there is not one weight a row.
    """
    cdef vector[double] scores, total
    cdef size_t i, count = len(rows[0]) if rows else 0
    if len(weights) != len(rows):
        raise ValueError("one weight a row")
    total.resize(count)
    for row, weight in zip(rows, weights):
        scores = row
        if scores.size() != count:
            raise ValueError("one score a document")
        add_standard(scores, weight, total)
    return [total[i] for i in range(count)]
