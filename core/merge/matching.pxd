# distutils: language = c++
"""The scorer, for kernels that score many pairs."""

from hexar.core.merge.records cimport Record

cdef double score(const Record* left, const Record* right) noexcept nogil
