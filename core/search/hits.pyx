"""What a search found, as the kernels pass it on to each other: no Python object is made for a key before it is asked for."""

cimport cython
from libc.stdint cimport int64_t
from libcpp.vector cimport vector


@cython.final
cdef class Hits:
    """Keys (signed, 64 bits) with their scores, in the order in which they were found. It never changes.

    Raises ValueError where there is not one score a key. Without ``scores`` all are 0.
    """

    def __cinit__(self, keys=(), scores=None):
        cdef vector[int64_t] named = keys
        cdef vector[double] scored
        cdef Hit hit
        cdef size_t i
        if scores is None:
            scored.resize(named.size())
        else:
            scored = scores
        if scored.size() != named.size():
            raise ValueError("one score a key")
        self.found.reserve(named.size())
        for i in range(named.size()):
            hit.key = named[i]
            hit.score = scored[i]
            self.found.push_back(hit)

    @property
    def keys(self):
        """The keys."""
        cdef size_t i
        return [self.found[i].key for i in range(self.found.size())]

    @property
    def scores(self):
        """The score of each key."""
        cdef size_t i
        return [self.found[i].score for i in range(self.found.size())]

    def __len__(self):
        return self.found.size()

    def __iter__(self):
        return zip(self.keys, self.scores)


cdef Hits as_hits(vector[Hit]& found):
    """Hits that take what ``found`` holds, and leave it empty."""
    cdef Hits hits = Hits.__new__(Hits)
    hits.found.swap(found)
    return hits
