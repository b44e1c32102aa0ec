"""Each call has an id: the caller's ``x-request-id`` where it is usable, else a new one; it is sent back and logged."""

from __future__ import annotations

import re

from structlog.contextvars import bind_contextvars

from hexar.core.ids import random_hex
from hexar.server.calls.rpc import Call, Handler, Method

HEADER = "x-request-id"
_USABLE = re.compile(r"[A-Za-z0-9._:-]{1,128}").fullmatch


def request_id(method: Method, handler: Handler) -> Handler:
    """Give every call of ``handler`` an id."""

    async def call_with_id(call: Call) -> bytes | None:
        given = call.text(HEADER)
        call.request_id = given if _USABLE(given) else random_hex(16)
        call.trailers.append((HEADER, call.request_id))
        # Each call is a task of its own: what is bound here ends with it.
        bind_contextvars(request_id=call.request_id)
        return await handler(call)

    return call_with_id
