"""The engine: compiled kernels, event log, caches, dispatch, jobs. It knows no vendor, no model and no RPC."""
