# distutils: language = c++
"""Two orders of the same documents made one, and scores of different scales made one score.

Source of the fusion: Cormack, Clarke and Büttcher, *Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
Methods* (2009).
"""

from libc.stdint cimport int64_t, uint32_t
from libcpp.vector cimport vector


cdef extern from "fusion.hpp" namespace "hexar::fusion" nogil:
    cdef cppclass Ranked:
        int64_t key
        uint32_t first
        uint32_t second

    vector[Ranked] fuse_keys "hexar::fusion::fuse"(
        const vector[int64_t]& first, const vector[int64_t]& second, double constant, size_t limit
    ) except +
    void add_standard(vector[double]& scores, double weight, vector[double]& total)


def fuse(const vector[int64_t]& first, const vector[int64_t]& second, double constant, Py_ssize_t limit):
    """Reciprocal rank fusion of two lists of keys, each best first: the best ``limit`` keys, each with its places in ``first`` and
    ``second``, from 1, 0 where it is not there.

    A key scores ``1 / (constant + place)`` for each list that holds it, by its first place there. Ties go to the key that is
    further in front in ``first``, then to the lower key. Raises ValueError for a negative constant or limit.
    """
    cdef vector[Ranked] found
    cdef size_t i
    if not constant >= 0 or limit < 0:
        raise ValueError("constant and limit must not be negative")
    found = fuse_keys(first, second, constant, limit)
    return [(found[i].key, found[i].first, found[i].second) for i in range(found.size())]


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
