from collections.abc import Mapping
from typing import Final

from hexar.core.text.normalization import MAX_MARKS as MAX_MARKS
from hexar.core.text.normalization import normalize_text as normalize_text

SCHEMA_VERSION: Final[int]
MAX_DEPTH: Final[int]
MAX_BYTES: Final[int]

def cache_key(tenant: str, kind: str, fields: Mapping[str, object]) -> bytes: ...
def encode(tenant: str, kind: str, fields: Mapping[str, object]) -> bytes: ...
def _sha256(data: bytes | bytearray | memoryview, *, portable: bool = False) -> bytes: ...
