"""Cache keys: an injective canonical encoding of typed fields, hashed. The format: :mod:`hexar.core.cachekey.cachekey`."""

from hexar.core.cachekey.cachekey import MAX_BYTES, MAX_DEPTH, SCHEMA_VERSION, cache_key, encode
from hexar.core.text.normalization import MAX_MARKS, normalize_text

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_MARKS", "SCHEMA_VERSION", "cache_key", "encode", "normalize_text"]
