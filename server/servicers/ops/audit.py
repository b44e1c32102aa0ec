"""Who changed what: one line of the log for each operator's call that changes something, whether it went well or not."""

from __future__ import annotations

import asyncio

import structlog

from hexar.core.errors import HexarError
from hexar.server.calls.rpc import Call, Handler

log = structlog.get_logger("hexar.audit")
#: The longest request that is written out, bytes.
LONGEST = 2000


def audited(handler: Handler) -> Handler:
    """Write a line for each call of ``handler``."""

    async def call_and_write(call: Call) -> bytes | None:
        code = "INTERNAL"
        try:
            answer = await handler(call)
            code = "OK"
            return answer
        except HexarError as error:
            code = error.code.name
            raise
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        finally:
            request = (call.request or b"")[:LONGEST]
            log.info(
                "operator_call",
                method=call.method.name,
                tenant=call.tenant,
                request_id=call.request_id,
                request=request.hex(),
                code=code,
            )

    return call_and_write
