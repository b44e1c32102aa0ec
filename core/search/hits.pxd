"""Hits for other kernels: what may be imported with ``cimport``."""

from libc.stdint cimport int64_t
from libcpp.vector cimport vector


cdef extern from "hits.hpp" namespace "hexar::hits" nogil:
    cdef struct Hit:
        int64_t key
        double score


cdef class Hits:
    cdef vector[Hit] found


cdef Hits as_hits(vector[Hit]& found)
