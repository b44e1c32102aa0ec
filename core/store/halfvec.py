"""Vectors of half-precision floats: bytes for SQLite, pgvector's ``halfvec`` for PostgreSQL. Callers see the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.engine import Dialect
from sqlalchemy.types import UserDefinedType


class HalfVector(UserDefinedType[bytes]):
    """pgvector's ``halfvec`` of one or any dimension, as little-endian float16 bytes.

    It is read in pgvector's binary form (two numbers of 16 bits, then big-endian floats): no text is parsed for a vector.
    """

    cache_ok = True

    def __init__(self, dimension: int | None = None) -> None:
        self.dimension = dimension

    def get_col_spec(self, **_: Any) -> str:
        return "halfvec" if self.dimension is None else f"halfvec({self.dimension})"

    def bind_expression(self, bindvalue: sa.BindParameter[bytes]) -> sa.ColumnElement[bytes]:
        return sa.cast(sa.type_coerce(bindvalue, self), self)

    def bind_processor(self, dialect: Dialect) -> Callable[[bytes | None], str | None]:
        return lambda value: None if value is None else halfvec_text(value)

    def column_expression(self, colexpr: sa.ColumnElement[bytes]) -> sa.ColumnElement[bytes]:
        return sa.func.halfvec_send(colexpr, type_=_SENT)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[bytes | None], bytes | None]:
        return lambda value: None if value is None else _little_endian(value)


class _Sent(UserDefinedType[bytes]):
    """What ``halfvec_send`` gives."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "bytea"

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[bytes | None], bytes | None]:
        return lambda value: None if value is None else _little_endian(value)


_SENT = _Sent()


def half_vector() -> sa.types.TypeEngine[bytes]:
    """The type of a column of vectors, little-endian float16 bytes to its callers."""
    return sa.LargeBinary().with_variant(HalfVector(), "postgresql")


def halfvec_text(value: bytes) -> str:
    """pgvector's text form of float16 bytes; exact, since a shorter float is written with all its digits."""
    return f"[{','.join(map(repr, np.frombuffer(value, '<f2').astype(np.float64).tolist()))}]"


def _little_endian(sent: bytes) -> bytes:
    return np.frombuffer(sent, ">f2", offset=4).astype("<f2").tobytes()


# So that a reflected column is known for what it is.
ischema_names["halfvec"] = HalfVector
