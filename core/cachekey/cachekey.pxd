"""Cache keys for other kernels: what may be imported with ``cimport``."""

# The public face.
cpdef bytes cache_key(object tenant, object kind, object fields)
cpdef bytes encode(object tenant, object kind, object fields)
