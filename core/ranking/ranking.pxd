"""Ranking for other kernels: what may be imported with ``cimport``."""

# The result.
cdef class Ranking:
    cdef readonly object indices
    cdef readonly object scores
    cdef readonly object contributions
    cdef readonly object missing
