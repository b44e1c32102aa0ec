"""Records are for kernels: they have no Python interface."""
