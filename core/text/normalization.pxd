"""Text normalization for other kernels: what may be imported with ``cimport``."""

# The public face.
cpdef str normalize_text(object text)

# Guards.
cdef int has_long_run(object text) except -1
