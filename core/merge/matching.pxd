# distutils: language = c++
"""The scorer, for kernels that score many pairs."""

from libc.stdint cimport int8_t, uint64_t
from libcpp.unordered_map cimport unordered_map
from libcpp.vector cimport vector

from hexar.core.merge.records cimport Record
from hexar.core.merge.tokens cimport Token

#: what a catalogue teaches of a word, by its hash: 1 it tells siblings apart, -1 nearly all listings have it
ctypedef unordered_map[uint64_t, int8_t] Lessons

cdef double score(const Record* left, const Record* right, const Lessons* lessons) noexcept nogil
cdef bint differences(const Record* left, const Record* right, vector[uint64_t]& words) except -1 nogil
